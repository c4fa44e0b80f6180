"""GFED version 4.1s: monthly carbon emissions of fires on 0.25°.

Layout: HDF5, one file a year, ``GFED4.1s_YYYY.hdf5`` (``..._beta.hdf5`` from 2017), with ``emissions/01/C`` to
``emissions/12/C`` in g C m-2 month-1 and ``lat``, ``lon`` (row, column), from 89.875 to -89.875 and -179.875 to
179.875 (van der Werf et al. 2017, doi:10.5194/essd-9-697-2017; readme at https://www.globalfiredata.org). Monthly sums
become means per day with the days of each month. Version 5 is read from netCDF files of its own layout,
``GFED5_..._YYYY.nc``, with ``C(time, lat, lon)``. Unconfirmed: version 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import xarray as xr

from h2cm.files import whole
from h2cm.sources.products import reading, writing
from h2cm.sources.products.layout import Field, Layout
from h2cm.store import DataError

UNITS = "g m-2 day-1"
ROW = Field("fire", UNITS, ("C",), "g C m-2 d-1", 0, 1000, tolerance=1e-6)
LAYOUT = Layout(
    product="gfed",
    pattern="GFED*",
    fields=(ROW,),
    step="month",
    split="year",
    file_name=lambda first, last: f"GFED4.1s_{first:%Y}{'_beta' if first.year >= 2017 else ''}.hdf5",
    descending=True,
    aligned="edges",
)
PATTERN = LAYOUT.pattern
YEAR = r"_(\d{4})(_beta)?\."


def _year(path: Path) -> int:
    digits = [part for part in path.stem.replace(".", "_").split("_") if part.isdigit() and len(part) == 4]
    if not digits:
        raise DataError(f"gfed: {path.name}: expected the year in the file's name, as in GFED4.1s_2001.hdf5")
    return int(digits[-1])


def _months(path: Path) -> list[xr.Dataset]:
    """The months of a yearly HDF5 file as data sets of one step each, and the axes."""
    axes = reading.open_file(path)
    lat, lon = (reading.require(axes, (n,), f"the variable {n}", f"gfed: {path.name}").values for n in ("lat", "lon"))
    axes.close()
    lat, lon = (lat[:, 0], lon[0]) if lat.ndim == 2 else (lat, lon)
    parts = []
    for month in range(1, 13):
        try:
            raw = xr.open_dataset(path, group=f"emissions/{month:02d}", engine="netcdf4", chunks={})
        except (OSError, KeyError):
            continue
        values = reading.require(raw, ("C",), "the variable C", f"gfed: {path.name}: emissions/{month:02d}")
        start = pd.Timestamp(_year(path), month, 1)
        daily = (values / start.days_in_month).assign_attrs(units=ROW.file_units)
        daily = daily.rename(dict(zip(daily.dims, ("lat", "lon")))).expand_dims(time=[start])
        part = xr.Dataset({"C": daily}, {"lat": lat, "lon": lon})
        part.set_close(raw.close)
        parts.append(part)
    if not parts:
        raise DataError(f"gfed: {path.name}: expected the groups emissions/01 ... emissions/12, found none")
    return parts


def _prepare(raw: xr.Dataset) -> xr.Dataset:
    """Version 5: monthly sums to means per day."""
    if "C" not in raw or "mon" not in str(raw["C"].attrs.get("units", "month-1")):
        return raw
    return raw.assign(C=reading.per_day(raw["C"]).assign_attrs(units=ROW.file_units))


def read(files: Sequence[Path]) -> xr.Dataset:
    """Fire emissions, gC m-2 day-1, by month."""
    yearly = [Path(f) for f in files if Path(f).suffix in (".hdf5", ".h5")]
    if not yearly:
        return reading.read(files, LAYOUT, prepare=_prepare)
    opened = [(month, path) for path in yearly for month in _months(path)]
    data = reading.join([reading.standardise(month, LAYOUT, path) for month, path in opened], "gfed")
    return reading.closing(data.assign_attrs(product="gfed", step="month"), [month for month, _ in opened])


def write(data: xr.Dataset, folder: Path) -> list[Path]:
    """Write monthly means per day as sums of the month."""
    data = writing.lay_out(data[["fire"]].transpose("time", "lat", "lon"), LAYOUT)
    lat, lon = np.meshgrid(data["lat"].values, data["lon"].values, indexing="ij")
    written = []
    for first, last, at in writing.spans(data["time"].values, "year"):
        path = Path(folder) / LAYOUT.file_name(first, last)
        with whole(path) as unfinished, netCDF4.Dataset(unfinished, "w") as file:
            for name, size in zip(("row", "column"), lat.shape):
                file.createDimension(name, size)
            for name, values in (("lat", lat), ("lon", lon)):
                file.createVariable(name, "f4", ("row", "column"), zlib=True)[:] = values
            for step in at:
                start = pd.Timestamp(data["time"].values[step])
                variable = file.createVariable(
                    f"emissions/{start:%m}/C", "f4", ("row", "column"), zlib=True, complevel=1
                )
                variable.units = "g C m-2 month-1"
                variable[:] = data["fire"].values[step] * start.days_in_month
        written.append(path)
    return written
