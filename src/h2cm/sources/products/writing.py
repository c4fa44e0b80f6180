"""Writing standardised data sets as a row of the catalogue says: the inverse of `h2cm.sources.products.reading`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from h2cm import units
from h2cm.sources.catalogue import Layout, Product, Variable
from h2cm.sources.products import axes
from h2cm.store import DataError, save_netcdf


def spans(times: np.ndarray, split: str) -> list[tuple[pd.Timestamp, pd.Timestamp, np.ndarray]]:
    """First day, last day and positions of the steps of each file."""
    index = pd.DatetimeIndex(times)
    keys = {"day": index.to_period("D"), "month": index.to_period("M"), "year": index.to_period("Y")}
    if split == "all":
        return [(index[0], index[-1], np.arange(index.size))]
    groups = pd.Series(np.arange(index.size)).groupby(keys[split]).agg(list)
    return [(period.start_time, period.end_time.normalize(), np.array(at)) for period, at in groups.items()]


def encode(data: xr.DataArray, row: Variable) -> tuple[xr.DataArray, dict]:
    """A standardised variable in the file's unit, sign and packing, with the encoding that writes it so."""
    scale, offset = units.conversion(row.unit[0], row.store_unit)
    return encoded((data.astype("f8") * row.sign - offset) / scale, row)


def encoded(values: xr.DataArray, row: Variable) -> tuple[xr.DataArray, dict]:
    """Values in the file's unit with its name and attributes, and the encoding that writes them so."""
    encoding: dict = {"dtype": row.dtype, "zlib": True, "complevel": 1}
    if row.nodata is not None:
        encoding["_FillValue"] = np.dtype(row.dtype).type(row.nodata)
    elif np.issubdtype(np.dtype(row.dtype), np.floating):
        encoding["_FillValue"] = None if not bool(values.isnull().any()) else np.dtype(row.dtype).type(np.nan)
    if row.packing is not None:
        encoding["scale_factor"], encoding["add_offset"] = row.packing
    return values.rename(row.name[0]).assign_attrs({"units": row.unit[0]}), encoding


def lay_out(data: xr.Dataset, row: Product) -> xr.Dataset:
    """A standardised data set with the axes in the order and convention of the files."""
    axes.check(data["lat"].values, data["lon"].values, row.layout.aligned, f"{row.id} (to be written)")
    if row.layout.east:
        data = data.assign_coords(lon=("lon", data["lon"].values % 360))
        data = data.isel(lon=np.argsort(data["lon"].values, kind="stable"))
    if row.layout.north_first:
        data = data.isel(lat=slice(None, None, -1))
    data["lat"].attrs |= {"units": "degrees_north", "standard_name": "latitude"}
    data["lon"].attrs |= {"units": "degrees_east", "standard_name": "longitude"}
    return data


def stamps(times: np.ndarray, layout: Layout, step: str | None = None) -> np.ndarray:
    """Time stamps of the steps that start at `times`, as the files give them; `step` where it is not the layout's."""
    times = times.astype("datetime64[ns]")
    if layout.stamp == "start":
        return times
    if (step or layout.step) == "month":
        start = times.astype("datetime64[M]")
        return (
            start.astype("datetime64[ns]") + ((start + 1).astype("datetime64[ns]") - start.astype("datetime64[ns]")) / 2
        )
    return times + np.timedelta64(12, "h")


def write(data: xr.Dataset, folder: Path, row: Product, name: str = "", split: str | None = None) -> list[Path]:
    """Write a standardised data set as a product's files; only the variables that it holds.

    Parameters
    ----------
    data : Dataset
    folder : Path
    row : Product
    name : str
        What the name of a file says of its variable, member or model.
    split : str, optional
        What one file holds, where it is not what the layout says.

    Returns
    -------
    list of Path
        The files.
    """
    layout = row.layout
    unknown = [str(n) for n in data.data_vars if n not in row.variables]
    if unknown:
        raise DataError(f"{row.id}: holds {', '.join(row.variables)}, not {', '.join(unknown)}")
    data = lay_out(data.transpose(..., "time", "lat", "lon"), row)
    if layout.calendar == "noleap":
        times = pd.DatetimeIndex(data["time"].values)
        data = data.isel(time=np.flatnonzero(~((times.month == 2) & (times.day == 29))))
    written = []
    for first, last, at in spans(data["time"].values, split or layout.split):
        part = data.isel(time=at)
        part = part.assign_coords(time=("time", stamps(part["time"].values, layout), {"standard_name": "time"}))
        variables, encoding = {}, {}
        for variable, described in row.variables.items():
            if variable in part:
                values, how = encode(part[variable], described)
                variables[values.name], encoding[values.name] = values, how
        names = {axis: layout.axis(axis) for axis in ("time", "lat", "lon")}
        encoding |= {names["lat"]: {"_FillValue": None}, names["lon"]: {"_FillValue": None}}
        encoding[names["time"]] = {
            "units": layout.time_unit,
            "calendar": layout.calendar,
            "dtype": "f8",
            "_FillValue": None,
        }
        out = xr.Dataset(variables, attrs=layout.attrs).rename({k: v for k, v in names.items() if k != v})
        path = Path(folder) / layout.file_name.format(first=first, last=last, name=name)
        save_netcdf(out, path, encoding=encoding)
        written.append(path)
    return written
