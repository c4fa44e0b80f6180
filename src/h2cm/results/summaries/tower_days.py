"""Daily fluxes at towers, measured and predicted: what a model trained on months says of days at a tower it never saw."""

from __future__ import annotations

import numpy as np
import xarray as xr

from h2cm.results.evaluate.aggregate import left_out_members
from h2cm.results.paths import folds
from h2cm.results.run import Run, predicted_days
from h2cm.vocabulary import find

FORCING = ("precipitation", "air_temperature")


def make(run: Run, experiment: str) -> xr.Dataset:
    """Of the towers with measured days, in the order of ``cell``, their numbers in the store.

    Returns
    -------
    Dataset
        Each flux of `h2cm.results.run.predicted_days` as predicted, the mean of the folds that did not train on the tower;
        ``<flux>_measured`` and its ``<flux>_uncertainty``; and `FORCING`, all (cell, time).
    """
    fluxes, split, numbers = predicted_days(run.config), run.split(), folds(run.config, experiment)
    measured = {flux: run.stored(f"{flux}_daily").transpose("cell", "time") for flux in fluxes}
    there = np.any([np.isfinite(values.values).any(1) for values in measured.values()], axis=0)
    unseen = {cell: left_out_members(split, cell, numbers) for cell in np.flatnonzero(there)}
    cells = [cell for cell, members in unseen.items() if members]
    sums = {flux: np.zeros((len(cells), measured[flux].sizes["time"])) for flux in fluxes}
    for member, fold in enumerate(numbers):
        chosen = [k for k, cell in enumerate(cells) if member in unseen[cell]]
        if not chosen:
            continue
        with run.daily(experiment, fold, fluxes) as data:
            for flux in fluxes:
                values = data[flux].isel(cell=[cells[k] for k in chosen]).transpose("cell", "time").values
                sums[flux][chosen] += values / np.array([[len(unseen[cells[k]])] for k in chosen])
    parts = {flux: (sums[flux], find(flux).units) for flux in fluxes}
    for flux in fluxes:
        uncertainty = run.stored(f"{flux}_daily_uncertainty").transpose("cell", "time")
        parts[f"{flux}_measured"] = measured[flux].values[cells], find(flux).units
        parts[f"{flux}_uncertainty"] = uncertainty.values[cells], find(flux).units
    for name in FORCING:
        parts[name] = run.stored(name).transpose("cell", "time").values[cells], find(name).units
    time = next(iter(measured.values()))["time"].values
    return xr.Dataset(
        {name: (("cell", "time"), values, {"units": unit}) for name, (values, unit) in parts.items()},
        {"cell": cells, "time": time},
    )
