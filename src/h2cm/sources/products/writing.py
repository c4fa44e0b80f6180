"""Writing standardised data sets in the layout of a product (see `h2cm.sources.products.layout`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from h2cm import units
from h2cm.sources.products import checks
from h2cm.sources.products.layout import Field, Layout
from h2cm.store import DataError, save_netcdf


def spans(times: np.ndarray, split: str) -> list[tuple[pd.Timestamp, pd.Timestamp, np.ndarray]]:
    """First day, last day and positions of the steps of each file."""
    index = pd.DatetimeIndex(times)
    keys = {"day": index.to_period("D"), "month": index.to_period("M"), "year": index.to_period("Y")}
    if split == "all":
        return [(index[0], index[-1], np.arange(index.size))]
    groups = pd.Series(np.arange(index.size)).groupby(keys[split]).agg(list)
    return [(period.start_time, period.end_time.normalize(), np.array(at)) for period, at in groups.items()]


def encode(data: xr.DataArray, row: Field) -> tuple[xr.DataArray, dict]:
    """A standardised field in the file's unit, sign and packing, with the encoding that writes it so."""
    scale, offset = units.conversion(row.file_units, row.units)
    values = (data.astype("f8") * row.sign - offset) / scale
    encoding: dict = {"dtype": row.dtype, "zlib": True, "complevel": 1}
    if row.fill is not None:
        encoding["_FillValue"] = np.dtype(row.dtype).type(row.fill)
    elif np.issubdtype(np.dtype(row.dtype), np.floating):
        encoding["_FillValue"] = None if not bool(data.isnull().any()) else np.dtype(row.dtype).type(np.nan)
    if row.packing is not None:
        encoding["scale_factor"], encoding["add_offset"] = row.packing
    return values.rename(row.file_names[0]).assign_attrs({"units": row.file_units} | row.attrs), encoding


def lay_out(data: xr.Dataset, layout: Layout) -> xr.Dataset:
    """A standardised data set with the axes in the order and convention of the files."""
    checks.check_axes(data["lat"].values, data["lon"].values, layout.aligned, f"{layout.product} (to be written)")
    if layout.east:
        data = data.assign_coords(lon=("lon", data["lon"].values % 360))
        data = data.isel(lon=np.argsort(data["lon"].values, kind="stable"))
    if layout.descending:
        data = data.isel(lat=slice(None, None, -1))
    data["lat"].attrs |= {"units": "degrees_north", "standard_name": "latitude"}
    data["lon"].attrs |= {"units": "degrees_east", "standard_name": "longitude"}
    return data


def stamps(times: np.ndarray, layout: Layout) -> np.ndarray:
    """Time stamps of the steps that start at `times`, as the files give them."""
    times = times.astype("datetime64[ns]")
    if layout.stamp == "start":
        return times
    if layout.step == "month":
        start = times.astype("datetime64[M]")
        return (
            start.astype("datetime64[ns]") + ((start + 1).astype("datetime64[ns]") - start.astype("datetime64[ns]")) / 2
        )
    return times + np.timedelta64(12, "h")


def write(data: xr.Dataset, folder: Path, layout: Layout) -> list[Path]:
    """Write a standardised data set in a layout; only the fields that it holds.

    Returns
    -------
    list of Path
        The files.
    """
    unknown = [str(name) for name in data.data_vars if name not in [f.name for f in layout.fields]]
    if unknown:
        raise DataError(f"{layout.product}: holds {', '.join(f.name for f in layout.fields)}, not {', '.join(unknown)}")
    data = lay_out(data.transpose(..., "time", "lat", "lon"), layout)
    if layout.calendar == "noleap":
        times = pd.DatetimeIndex(data["time"].values)
        data = data.isel(time=np.flatnonzero(~((times.month == 2) & (times.day == 29))))
    written = []
    for first, last, at in spans(data["time"].values, layout.split):
        part = data.isel(time=at)
        part = part.assign_coords(time=("time", stamps(part["time"].values, layout), {"standard_name": "time"}))
        variables, encoding = {}, {}
        for row in layout.fields:
            if row.name in part:
                values, how = encode(part[row.name], row)
                variables[values.name], encoding[values.name] = values, how
        names = dict(zip(("time", "lat", "lon"), layout.dims))
        encoding |= {names["lat"]: {"_FillValue": None}, names["lon"]: {"_FillValue": None}}
        encoding[names["time"]] = {
            "units": layout.time_units,
            "calendar": layout.calendar,
            "dtype": "f8",
            "_FillValue": None,
        }
        out = xr.Dataset(variables, attrs=layout.attrs).rename({k: v for k, v in names.items() if k != v})
        path = Path(folder) / layout.file_name(first, last)
        save_netcdf(out, path, encoding=encoding)
        written.append(path)
    return written
