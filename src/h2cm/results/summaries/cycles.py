"""Mean seasonal cycles of the carbon fluxes, of all land and of each region."""

from __future__ import annotations

import numpy as np
import xarray as xr

from h2cm.results.evaluate.fold import aligned
from h2cm.results.evaluate.metrics import scores
from h2cm.results.evaluate.series import area_weighted_mean, common, mean_seasonal_cycle
from h2cm.results.run import Run, constraint_of
from h2cm.results.summaries import regions
from h2cm.results.summaries.members import independent, members, stacked
from h2cm.results.summaries.registry import OBSERVED
from h2cm.vocabulary import CARBON_FLUX

FLUXES = ("nee", "gpp", "ter")
METRICS = ("r2", "rmse")
GLOBAL = 0
"""The number that stands for all land cells, in or outside a region."""


def make(run: Run, experiment: str) -> xr.Dataset:
    """Cycles of `FLUXES` where they are known.

    A flux that a constraint shows is taken in the months, years and cells of the constraint, so that both sides are of the
    same; any other in the whole period.

    Returns
    -------
    Dataset
        ``<flux>`` (member, region, calendar_month), gC m-2 day-1, and ``<flux>_r2`` and ``<flux>_rmse`` (member, region)
        of the cycle against the constraint. `region` is a number of `h2cm.results.summaries.regions.NAMES`, or `GLOBAL`.
        Of what is observed: ``<flux>`` without members.
    """
    cells = run.cells()
    numbers = regions.make(run, OBSERVED)["region"].values
    present = [number for number in regions.NAMES if (numbers == number).any()]
    chosen = {GLOBAL: np.ones(numbers.size, bool)} | {number: numbers == number for number in present}
    references = {flux: name for flux in FLUXES if (name := constraint_of(run.config, flux, level=True))}
    targets = {flux: run.target(name) for flux, name in references.items()}
    area = cells["area"].values

    def cycles(values: np.ndarray, months: xr.DataArray) -> np.ndarray:
        calendar_month = months.dt.month.values
        return np.stack(
            [mean_seasonal_cycle(area_weighted_mean(values[c], area[c]), calendar_month) for c in chosen.values()]
        )

    coords = {"region": list(chosen), "calendar_month": np.arange(1, 13)}
    dims, attrs = ("region", "calendar_month"), {"units": CARBON_FLUX}
    if experiment == OBSERVED:
        observed = {
            flux: (dims, cycles(target.transpose("cell", "month").values, target["month"]), attrs)
            for flux, target in targets.items()
        }
        return xr.Dataset(observed, coords)
    found = []
    for member, data in members(run, experiment, FLUXES):
        parts = {}
        for flux in FLUXES:
            if flux not in data or not independent(experiment, references.get(flux, "")):
                continue
            if flux not in targets:
                values = data[flux].transpose("cell", "month").values
                parts[flux] = (dims, cycles(values, data["month"]), attrs)
                continue
            target = targets[flux]
            p, o = (cycles(side, target["month"]) for side in common(*aligned(data[flux], target, references[flux])))
            parts[flux] = (dims, p, attrs)
            metrics, _ = scores(p, o)
            for metric in METRICS:
                unit = CARBON_FLUX if metric == "rmse" else "1"
                parts[f"{flux}_{metric}"] = ("region", metrics[metric], {"units": unit})
        found.append((member, xr.Dataset(parts, coords)))
    return stacked(found)
