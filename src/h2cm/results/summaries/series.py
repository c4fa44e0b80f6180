"""Area-weighted means over the test cells on each time scale, of each constraint that compares series."""

from __future__ import annotations

import numpy as np
import xarray as xr

from h2cm.comparisons import COMPARISONS
from h2cm.results.evaluate.fold import pair_of
from h2cm.results.paths import folds, main_experiment
from h2cm.results.run import Run, series_constraints
from h2cm.results.summaries.members import independent, members, stacked
from h2cm.vocabulary import find


def make(run: Run, experiment: str) -> xr.Dataset:
    """Series of each constraint.

    Returns
    -------
    Dataset
        For each constraint and time scale ``<constraint>_<time scale>``, dimensions (member, month or calendar_month),
        and ``<constraint>_<time scale>_target`` of the same cells and months.
    """
    names = [name for name in series_constraints(run.config) if independent(experiment, name)]
    targets = {name: run.target(name) for name in names}
    area, fold = run.cells()["area"].values, folds(run.config, main_experiment(run.config))[0]
    test = (run.split()[f"fold_{fold}"] == "test").values  # the same for all folds
    found = []
    for member, data in members(run, experiment, {run.config.constraints[name].prediction for name in names}):
        parts = {}
        for name in names:
            row, target = run.config.constraints[name], targets[name]
            if row.prediction in data:
                pair = pair_of(name, row.prediction, data[row.prediction], target, COMPARISONS[row.compare].timescales)
                for timescale, sides in pair.decompose(test, area).items():
                    parts |= _pair(f"{name}_{timescale}", *sides, timescale, target, find(name).units)
        found.append((member, xr.merge([array.rename(name) for name, array in parts.items()], join="outer")))
    data = stacked(found)
    # what is observed is the same for every member
    return data.assign(
        {name: data[name].isel(member=0, drop=True) for name in data.data_vars if name.endswith("_target")}
    )


def _pair(name, prediction, target_series, timescale, target, units) -> dict[str, xr.DataArray]:
    if timescale == "msc":
        coords, dims = {"calendar_month": np.arange(1, 13)}, ("calendar_month",)
    else:
        coords, dims = {"month": target["month"].values}, ("month",)
    attrs = {"units": units}
    return {
        name: xr.DataArray(prediction, coords, dims, attrs=attrs),
        f"{name}_target": xr.DataArray(target_series, coords, dims, attrs=attrs),
    }
