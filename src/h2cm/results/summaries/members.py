"""The members of whom a summary is: folds of an experiment, models of an ensemble, or the one truth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
import xarray as xr

from h2cm.config import Years
from h2cm.results.evaluate.series import mean, monthly_means
from h2cm.results.paths import folds
from h2cm.results.run import Run
from h2cm.results.summaries.registry import TRUTH
from h2cm.sources import catalogue
from h2cm.vocabulary import MEGAJOULES_PER_WATT_DAY, RATIOS, Ratio


def members(run: Run, who: str, names: Iterable[str] | None = None) -> Iterator[tuple[str, xr.Dataset]]:
    """Name and monthly values (cell, month) of each member, of the variables that it has.

    Parameters
    ----------
    run : Run
    who : str
        An experiment, the truth, or a product that results are compared with.
    names : iterable of str, optional
        Variables wanted; all if not given.
    """
    if who in run.config.experiments:
        for fold in folds(run.config, who):
            yield f"fold {fold}", _chosen(run.monthly(who, fold), names)
    elif who == TRUTH:
        yield TRUTH, run.truth(names)
    else:
        data = _chosen(run.comparison(who), names)
        if "model" not in data.dims:
            yield who, data
        else:
            for model in data["model"].values.astype(str):
                yield model, data.sel(model=model)


def independent(who: str, constraint: str) -> bool:
    """Whether someone can be compared with a constraint: a product that the constraint is made of cannot."""
    return who not in catalogue.load() or constraint not in catalogue.product(who).feeds


def _chosen(data: xr.Dataset, names: Iterable[str] | None) -> xr.Dataset:
    return data if names is None else data[[name for name in names if name in data]]


def stacked(found: Iterable[tuple[str, xr.Dataset]]) -> xr.Dataset:
    """What was made of each member, with a dimension ``member``."""
    names, parts = zip(*found, strict=True)
    return xr.concat(parts, pd.Index(names, name="member"), combine_attrs="override")


def drivers_of(run: Run) -> xr.Dataset:
    """Monthly ``precipitation`` (mm day-1) and photosynthetically active radiation ``par`` (MJ m-2 day-1), cell by month.

    The store holds no incoming short wave; what stands for the 0.45 of it that plants can use is net radiation, where it
    is positive, times ``evaluation.par_per_net_radiation``.
    """
    radiation = run.stored("net_radiation")
    par = radiation.clip(min=0) * (run.config.evaluation.par_per_net_radiation * MEGAJOULES_PER_WATT_DAY)
    return xr.Dataset(
        {
            "precipitation": monthly_means(run.stored("precipitation").transpose("cell", "time")),
            "par": monthly_means(par.transpose("cell", "time")),
        }
    )


def year_mean(data: xr.DataArray, years: Years | None = None) -> np.ndarray:
    """Mean over time (cell,), each month by its days, of all months or of those of some years."""
    if years is not None:
        year = data["month"].dt.year
        data = data.isel(month=((year >= years[0]) & (year <= years[1])).values)
    return mean(data.transpose("cell", "month").values.astype("f8"), -1, data["month"].dt.days_in_month.values)


def sides_of(data: xr.Dataset, drivers: xr.Dataset, ratio: Ratio) -> xr.Dataset | None:
    """Both sides of a ratio, of a member and the drivers; None where the member lacks one."""
    found = {}
    for side in (ratio.numerator, ratio.denominator):
        if side in data:
            found[side] = data[side]
        elif side == "precipitation":
            found[side] = drivers["precipitation"]
        elif side == "apar" and "fapar" in data:
            found[side] = (data["fapar"].clip(0, 1) * drivers["par"]).assign_coords(month=data["month"])
        else:
            return None
    return xr.Dataset(found, {"month": data["month"]})


SIDES = sorted({side for row in RATIOS.values() for side in (row.numerator, row.denominator)} | {"fapar"})
"""What the ratios are made of."""
