"""GRACE and GRACE-FO, JPL mascons RL06M with coastal filter: monthly anomaly of terrestrial water storage on 0.5°.

Layout: one file ``GRCTellus.JPL.YYYYMM_YYYYMM.GLO.RL06M.MSCNv01CRI.nc`` with ``lwe_thickness(time, lat, lon)`` in cm,
longitudes 0.25 to 359.75, missing -99999, the middle of each solution in days since 2002-01-01; months are missing
(https://podaac.jpl.nasa.gov/dataset/TELLUS_GRAC-GRFO_MASCON_CRI_GRID_RL06_V1).

Cells that ``land_mask`` calls ocean are missing. A solution belongs to the month of its middle. Where two do, as in some months of battery management (2011, 2015), the
month is their mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from h2cm.sources.products import reading, writing
from h2cm.sources.products.layout import Field, Layout

LAYOUT = Layout(
    product="grace",
    pattern="GRCTellus.JPL.*.nc",
    fields=(Field("tws", "mm", ("lwe_thickness",), "cm", -20000, 20000, dtype="f8", fill=-99999.0),),
    step="day",
    split="all",
    file_name=lambda first, last: f"GRCTellus.JPL.{first:%Y%m}_{last:%Y%m}.GLO.RL06M.MSCNv01CRI.nc",
    time_units="days since 2002-01-01",
    stamp="middle",
    east=True,
    aligned="edges",
    attrs={"title": "JPL GRACE MASCON RL06M v01 with CRI filter", "institution": "NASA/JPL"},
)
PATTERN = LAYOUT.pattern


def _land_only(raw: xr.Dataset) -> xr.Dataset:
    """Without the mass of the ocean, where the file says what is land."""
    if "land_mask" not in raw or "lwe_thickness" not in raw:
        return raw
    return raw.assign(
        lwe_thickness=raw["lwe_thickness"].where(raw["land_mask"] > 0).assign_attrs(raw["lwe_thickness"].attrs)
    )


def read(files: Sequence[Path]) -> xr.Dataset:
    """Anomaly of terrestrial water storage, mm, by month."""
    data = reading.read(files, LAYOUT, step="month", prepare=_land_only)
    months = data["time"].values.astype("datetime64[M]").astype("datetime64[ns]")
    by_month = data.assign_coords(time=months)
    if np.unique(months).size < months.size:
        reading.log.info(
            "grace: %d solutions share a month with another: the mean is taken", months.size - np.unique(months).size
        )
        by_month = by_month.groupby("time").mean(keep_attrs=True)
    return reading.like(data, tws=by_month["tws"].assign_attrs(units="mm"))


def write(data: xr.Dataset, folder: Path) -> list[Path]:
    """Write monthly anomalies in mm, stamped in the middle of each month; months without any value are left out."""
    data = data.dropna("time", how="all", subset=["tws"])
    middle = data["time"].values.astype("datetime64[M]").astype("datetime64[D]").astype(
        "datetime64[ns]"
    ) + np.timedelta64(15, "D")
    return writing.write(data.assign_coords(time=middle), folder, LAYOUT)
