"""GRACE and GRACE-FO, JPL mascons RL06M with coastal filter: monthly anomaly of terrestrial water storage on 0.5°.

Cells that ``land_mask`` calls ocean are missing. A solution belongs to the month of its middle. Where two do, as in some months of battery management (2011, 2015), the
month is their mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from h2cm.sources import catalogue
from h2cm.sources.products import reading, writing
from h2cm.store import DataError

ROW = catalogue.product("grace")
MOST = 3
"""Solutions of which a month may hold the middle; two there are in months of battery management."""


def _land_only(raw: xr.Dataset) -> xr.Dataset:
    """Without the mass of the ocean, where the file says what is land."""
    name = next((n for n in ROW.variables["tws"].name if n in raw), None)
    if "land_mask" not in raw or name is None:
        return raw
    return raw.assign({name: raw[name].where(raw["land_mask"] > 0).assign_attrs(raw[name].attrs)})


def read(files: Sequence[Path]) -> xr.Dataset:
    """Anomaly of terrestrial water storage, mm, by month."""
    data = reading.read(files, ROW, prepare=_land_only)
    months = data["time"].values.astype("datetime64[M]").astype("datetime64[ns]")
    by_month = data.assign_coords(time=months)
    solutions = np.unique(months, return_counts=True)[1]
    if solutions.max() > MOST:
        raise DataError(
            f"{data.attrs['product']}: tws: time: expected at most {MOST} solutions a month, found {solutions.max()}: the unit of the "
            "axis of time is another"
        )
    if solutions.size < months.size:
        reading.log.info(
            "grace: %d solutions share a month with another: the mean is taken", months.size - np.unique(months).size
        )
        by_month = by_month.groupby("time").mean(keep_attrs=True)
    return reading.like(data.assign_attrs(step="month"), tws=by_month["tws"].assign_attrs(units="mm"))


def write(data: xr.Dataset, folder: Path) -> list[Path]:
    """Write monthly anomalies in mm, stamped in the middle of each month; months without any value are left out."""
    data = data.dropna("time", how="all", subset=["tws"])
    middle = data["time"].values.astype("datetime64[M]").astype("datetime64[D]").astype(
        "datetime64[ns]"
    ) + np.timedelta64(15, "D")
    return writing.write(data.assign_coords(time=middle), folder, ROW)
