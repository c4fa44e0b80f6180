"""Maps of what the constraints compare: means over the months and years that both sides have."""

from __future__ import annotations

import numpy as np
import xarray as xr

from h2cm.comparisons import COMPARISONS
from h2cm.results.evaluate.fold import aligned, ratio_of_means, time_means
from h2cm.results.evaluate.series import common
from h2cm.results.run import Run, shown
from h2cm.results.summaries.members import independent, members, stacked
from h2cm.results.summaries.registry import OBSERVED
from h2cm.vocabulary import RATIOS, find


def make(run: Run, experiment: str) -> xr.Dataset:
    """Mean over time of each variable of which a constraint shows the level, and the ratios compared, (member, cell).

    Of what is observed: of the constraint itself, (cell,).
    """
    names = {v: name for v, name in shown(run.config, level=True).items() if independent(experiment, name)}
    ratios = {n: row.prediction for n, row in run.config.constraints.items() if COMPARISONS[row.compare].of_ratio}
    if experiment == OBSERVED:
        targets = {name: run.target(name) for name in (*names.values(), *ratios)}
        return xr.Dataset(
            {name: ("cell", _over_time(target), {"units": find(name).units}) for name, target in targets.items()}
        )
    sides = {side for name in ratios.values() for side in (RATIOS[name].numerator, RATIOS[name].denominator)}
    targets = {variable: (name, run.target(name)) for variable, name in names.items()}
    found = []
    for member, data in members(run, experiment, {*names, *sides}):
        maps = {}
        for variable, (name, target) in targets.items():
            if variable in data:
                p, _ = time_means(*common(*aligned(data[variable], target, name)))
                maps[name] = ("cell", p, {"units": find(name).units})
        for name, of in ratios.items():
            if RATIOS[of].numerator in data and RATIOS[of].denominator in data:
                chosen = run.compared(data["month"], name)
                maps[name] = ("cell", ratio_of_means(data, RATIOS[of], chosen), {"units": find(name).units})
        found.append((member, xr.Dataset(maps)))
    return stacked(found)


def _over_time(target: xr.DataArray) -> np.ndarray:
    if "month" not in target.dims:
        return target.values
    values = target.transpose("cell", "month").values
    return time_means(values, values)[0]
