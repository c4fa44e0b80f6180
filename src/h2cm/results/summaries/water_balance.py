"""Whether the water balance closes: precipitation less evapotranspiration less runoff is the change of the storage."""

from __future__ import annotations

import numpy as np
import xarray as xr

from h2cm.config import Config
from h2cm.results.paths import folds
from h2cm.results.run import Run
from h2cm.results.summaries.members import stacked
from h2cm.vocabulary import WATER_FLUX

NEEDED = ("corrected_precipitation", "et", "runoff", "tws")
DAYS_PER_YEAR = 365.25


def has_balance(config: Config) -> tuple[str, ...]:
    """The daily outputs that are needed, if the run writes them all; else none."""
    return NEEDED if set(NEEDED) <= set(config.prediction.daily) else ()


def make(run: Run, experiment: str) -> xr.Dataset:
    """What is left of the balance of each cell, from the second day to the last.

    Returns
    -------
    Dataset
        Dimensions (member, cell). ``corrected``, against the precipitation with corrected snowfall that the equations see,
        and ``forcing``, against the precipitation of the forcing, both summed in double precision; ``corrected_float32``,
        the same summed in single precision; all in mm year-1. ``worst_day``, the largest residual of a single day,
        mm day-1, against the corrected precipitation.
    """
    precipitation = run.stored("precipitation").transpose("cell", "time").values
    found = []
    for fold in folds(run.config, experiment):
        data = run.daily(experiment, fold, NEEDED).transpose("cell", "time").load()
        daily = {name: data[name].values for name in NEEDED}
        data.close()
        found.append((f"fold {fold}", residuals(precipitation, **daily)))
    return stacked(found)


def residuals(precipitation, corrected_precipitation, et, runoff, tws) -> xr.Dataset:
    """The residuals of one model, from daily values (cell, time) in mm day-1 and mm."""
    years = (tws.shape[1] - 1) / DAYS_PER_YEAR
    change = tws[:, -1].astype("f8") - tws[:, 0].astype("f8")
    exact = {name: values[:, 1:].astype("f8") for name, values in (("et", et), ("runoff", runoff))}
    leaving = exact["et"] + exact["runoff"]
    corrected = corrected_precipitation[:, 1:].astype("f8")
    single = [values[:, 1:].astype("f4").sum(1, dtype="f4") for values in (corrected_precipitation, et, runoff)]
    each_day = corrected - leaving - np.diff(tws.astype("f8"), axis=1)
    left = {
        "corrected": (corrected - leaving).sum(1) - change,
        "forcing": (precipitation[:, 1:].astype("f8") - leaving).sum(1) - change,
        "corrected_float32": single[0] - single[1] - single[2] - (tws[:, -1].astype("f4") - tws[:, 0].astype("f4")),
    }
    found = {name: ("cell", values / years, {"units": "mm year-1"}) for name, values in left.items()}
    found["worst_day"] = ("cell", np.abs(each_day).max(1), {"units": WATER_FLUX})
    return xr.Dataset(found)
