"""Carbon fluxes of the model beside those that the study's authors published."""

from __future__ import annotations

import numpy as np
import xarray as xr

from h2cm.results.evaluate.series import common, mean
from h2cm.results.run import Run
from h2cm.results.summaries.members import members, stacked
from h2cm.store import DataError
from h2cm.vocabulary import CARBON_FLUX


def make(run: Run, experiment: str) -> xr.Dataset:
    """Means over the months that both have.

    Returns
    -------
    Dataset
        For each flux that both have ``<flux>`` (member, cell) and ``<flux>_published`` (cell), gC m-2 day-1; the
        attribute ``months`` says from when to when.

    Raises
    ------
    DataError
        Where they have no flux or no month in common.
    """
    published, found, months = run.comparison("simulations"), [], None
    held = published.to_dataarray().notnull().any(["variable", "cell"])
    published = published.isel(month=held.values)
    for member, data in members(run, experiment):
        names = [name for name in data.data_vars if name in published]
        months = np.intersect1d(data["month"].values, published["month"].values)
        if not names or not months.size:
            raise DataError(
                f"simulations: expected fluxes and months that H2CM predicts, found {', '.join(published.data_vars)}"
            )
        days = xr.DataArray(months, dims="month").dt.days_in_month.values
        parts = {}
        for name in names:
            sides = [d[name].sel(month=months).transpose("cell", "month").values for d in (data, published)]
            for key, side in zip((name, f"{name}_published"), common(*sides), strict=True):
                parts[key] = ("cell", mean(side, -1, days), {"units": CARBON_FLUX})
        found.append((member, xr.Dataset(parts)))
    data = stacked(found)
    span = f"{str(months[0])[:7]} to {str(months[-1])[:7]}"
    same = {name: data[name].isel(member=0, drop=True) for name in data.data_vars if name.endswith("_published")}
    return data.assign(same).assign_attrs(months=span)
