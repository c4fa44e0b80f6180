"""GlobSnow version 3, bias-corrected: monthly snow water equivalent of the northern hemisphere.

Files on the northern EASE-Grid of 25 km may hold latitudes and longitudes; without them they follow from ``x`` and
``y``, in metres (Lambert azimuthal equal-area on the pole, sphere of 6371.228 km, EPSG:3408). The dimensions are told by
their names, so (x, y) is read as well as (y, x). Files on latitude and longitude are read too.

The product has no values south of 35° N, over mountains, and in months without files: those are missing, not free of
snow.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyproj
import xarray as xr

from h2cm import units
from h2cm.sources import catalogue
from h2cm.sources.products import axes, reading, times
from h2cm.store import DataError, save_netcdf

EASE = 3408  # EPSG code of the northern EASE-Grid
CELL = 25067.525  # m
SOUTH = 35.0  # no values south of it
ROW = catalogue.product("globsnow")
SWE = ROW.variables["swe"]


def ease_latitude_longitude(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Latitude and longitude (y, x), degrees, of the northern EASE-Grid; NaN beyond the equator."""
    grid = pyproj.CRS.from_epsg(EASE)
    to_degrees = pyproj.Transformer.from_crs(grid, grid.geodetic_crs, always_xy=True)
    lon, lat = to_degrees.transform(*np.meshgrid(x, y))
    return np.where(np.isfinite(lat) & (lat >= 0), lat, np.nan), np.where(np.isfinite(lon), lon, np.nan)


def _month(path: Path) -> np.datetime64:
    match = re.match(r"(\d{4})(\d{2})_", path.name)
    if match is None:
        raise DataError(
            f"globsnow: {path.name}: expected a name that begins with the month, as 200101_northern_hemisphere..."
        )
    return np.datetime64(f"{match[1]}-{match[2]}-01", "ns")


def _standardise(raw: xr.Dataset, path: Path) -> xr.Dataset:
    origin = f"globsnow: {path.name}"
    name = axes.find(raw, SWE.name, "the variable swe", origin)
    values = raw[name]
    layout = reading.describe(values)
    values = values.isel({d: 0 for d in values.dims if d == "time"}, drop=True)
    flags = values.where(values >= 0).assign_attrs(values.attrs)  # -1 and -2: mountains, water
    swe = reading.take(xr.Dataset({name: flags}), "swe", SWE, origin)
    swe = swe.drop_vars(list(swe.coords)).expand_dims(time=[_month(path)])
    lat = next((raw[n] for n in axes.NAMES["lat"][:2] if n in raw.variables), None)
    lon = next((raw[n] for n in axes.NAMES["lon"][:2] if n in raw.variables), None)
    if lat is not None and lon is not None and lat.ndim == 1:
        _require_dims(values, (*lat.dims, *lon.dims), origin)
        axes.check(lat.values, lon.values, ROW.layout.aligned, origin)
        swe = swe.rename({lat.dims[0]: "lat", lon.dims[0]: "lon"}).assign_coords(lat=lat.values, lon=lon.values)
        return axes.order(swe.to_dataset().transpose("time", "lat", "lon")).assign_attrs(layout=layout)
    if lat is None or lon is None:
        wanted = "latitudes and longitudes, or the axis"
        x, y = (reading.require(raw, (n,), f"{wanted} {n}", origin) for n in ("x", "y"))
        dims = (y.dims[0], x.dims[0])
        lat, lon = ease_latitude_longitude(*(_metres(axis) for axis in (x, y)))
    else:
        dims = ("y", "x") if set(lat.dims) == {"y", "x"} else lat.dims
        lat, lon = (v.transpose(*dims).values for v in (lat, lon))
    _require_dims(values, dims, origin)
    swe = swe.transpose("time", *dims).rename({old: new for old, new in zip(dims, ("y", "x")) if old != new})
    where = {n: (("y", "x"), np.asarray(v, "f8")) for n, v in (("lat", lat), ("lon", lon))}
    return swe.to_dataset().assign_coords(where).assign_attrs(layout=layout)


def _metres(axis: xr.DataArray) -> np.ndarray:
    scale, _ = units.conversion(axis.attrs.get("units", "m"), "m")
    return axis.values * scale


def _require_dims(values: xr.DataArray, dims: tuple[str, ...], origin: str) -> None:
    if set(values.dims) != set(dims):
        raise DataError(
            f"{origin}: swe: expected the dimensions {', '.join(dims)}, found {', '.join(map(str, values.dims))}"
        )


def read(files: Sequence[Path]) -> xr.Dataset:
    """Snow water equivalent, mm, by month, with ``lat`` and ``lon`` (y, x)."""
    opened = [reading.open_file(Path(f)) for f in files]
    parts = [_standardise(raw, Path(f)) for raw, f in zip(opened, files)]
    for part, path in zip(parts, files):
        if part["lat"].shape != parts[0]["lat"].shape:
            raise DataError(
                f"globsnow: {Path(path).name}: expected the grid of {Path(files[0]).name}, it has another shape"
            )
    found = reading.log_layouts(ROW.id, [part.attrs["layout"] for part in parts], files)
    data = xr.concat(parts, "time", coords="minimal", compat="override", join="override", combine_attrs="drop")
    data = times.drop_duplicates(data, "globsnow")
    return reading.closing(data.assign_attrs(product="globsnow", step="month", layout=found), opened)


def write(data: xr.Dataset, folder: Path) -> list[Path]:
    """Write monthly snow water equivalent on the EASE-Grid of 25 km, from the nearest cell; summers are left out.

    A cell without a value, or south of 35° N, is written as -1; June to September have no files.
    """
    axis = (np.arange(721) - 360) * CELL
    lat, lon = ease_latitude_longitude(axis, -axis)
    rows = data.indexes["lat"].get_indexer(np.nan_to_num(lat, nan=-90.0).ravel(), method="nearest")
    columns = data.indexes["lon"].get_indexer(lon.ravel(), method="nearest")
    swe = data["swe"].transpose("time", "lat", "lon").values
    written = []
    for step, moment in enumerate(pd.DatetimeIndex(data["time"].values)):
        if 6 <= moment.month <= 9:
            continue
        field = swe[step][rows, columns].reshape(lat.shape)
        field = np.where(np.isfinite(field) & (lat >= SOUTH), field, -1.0)
        out = xr.Dataset({"swe": (("y", "x"), field, {"units": SWE.unit[0]})}, {"x": axis, "y": -axis})
        out = out.assign_coords(lat=(("y", "x"), lat), lon=(("y", "x"), lon))
        path = Path(folder) / ROW.layout.file_name.format(first=moment)
        coding = {n: {"dtype": "f4", "zlib": True, "complevel": 1} for n in ("swe", "lat", "lon")}
        save_netcdf(out, path, encoding=coding)
        written.append(path)
    return written
