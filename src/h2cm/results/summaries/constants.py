"""The global constants, learned or true."""

from __future__ import annotations

import xarray as xr

from h2cm.results.paths import folds
from h2cm.results.run import Run
from h2cm.results.summaries.members import stacked
from h2cm.results.summaries.registry import TRUTH
from h2cm.vocabulary import CONSTANTS, reported


def make(run: Run, experiment: str) -> xr.Dataset:
    """The constants that there are, in the units in which they are reported, with a dimension ``member``."""
    if experiment == TRUTH:
        return stacked([(TRUTH, _described(run.true_constants()))])
    found = []
    for fold in folds(run.config, experiment):
        data = run.monthly(experiment, fold)
        found.append((f"fold {fold}", _described(reported({n: float(data[n]) for n in CONSTANTS if n in data}))))
    return stacked(found)


def _described(values: dict[str, float]) -> xr.Dataset:
    return xr.Dataset(
        {
            name: ((), value, {"units": CONSTANTS[name].reported_units or CONSTANTS[name].units})
            for name, value in values.items()
        }
    )
