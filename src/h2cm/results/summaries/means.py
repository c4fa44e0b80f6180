"""Means over the whole period and the ratios of mean annual values, of each cell."""

from __future__ import annotations

import numpy as np
import xarray as xr

from h2cm.results.evaluate.fold import ratio_of_means
from h2cm.results.run import Run
from h2cm.results.summaries.members import SIDES, drivers_of, members, sides_of, stacked, year_mean
from h2cm.results.summaries.registry import TRUTH
from h2cm.vocabulary import OUTPUTS, RATIOS, STATIC_PARAMETERS


def make(run: Run, experiment: str) -> xr.Dataset:
    """Each monthly output, ratio and static parameter, dimensions (member, cell), in the units of the vocabulary."""
    names = None
    if experiment == TRUTH:
        names = list(dict.fromkeys([*run.config.prediction.monthly, *SIDES, *STATIC_PARAMETERS]))
    drivers = drivers_of(run)
    return stacked((name, _means(data, drivers)) for name, data in members(run, experiment, names))


def _means(data: xr.Dataset, drivers: xr.Dataset) -> xr.Dataset:
    found = {
        name: ("cell", year_mean(values), {"units": OUTPUTS[name].units})
        for name, values in data.data_vars.items()
        if name in OUTPUTS and "month" in values.dims and name not in RATIOS
    }
    found |= {
        name: ("cell", data[name].values, {"units": row.units})
        for name, row in STATIC_PARAMETERS.items()
        if name in data
    }
    for ratio in RATIOS.values():
        sides = sides_of(data, drivers, ratio)
        if sides is not None:
            values = ratio_of_means(sides, ratio, np.ones(sides.sizes["month"], bool))
            found[ratio.name] = ("cell", values, {"units": ratio.units})
    return xr.Dataset(found)
