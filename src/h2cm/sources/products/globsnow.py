"""GlobSnow version 3, bias-corrected: monthly snow water equivalent of the northern hemisphere.

Layout: one file a month, ``YYYYMM_northern_hemisphere_monthly_biascorrected_swe_0.25grid.nc``, ``swe(y, x)`` in mm on
the northern EASE-Grid of 25 km (721 x 721), flags below 0 (-1 mountains, -2 water), ``lat`` and ``lon`` (y, x) where
the file gives them; none in summer (https://www.globsnow.info/swe/archive_v3.0/; Luojus et al. 2021,
doi:10.1038/s41597-021-00939-2). Unconfirmed: whether the files hold latitudes and longitudes; without them they follow
from ``x`` and ``y``, in metres, on the northern EASE-Grid (Lambert azimuthal equal-area on the pole, sphere of
6371.228 km, EPSG:3408). Files on latitude and longitude are read too.

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

from h2cm.sources.products import checks, reading
from h2cm.sources.products.layout import Field, Layout
from h2cm.store import DataError, save_netcdf

EASE = 3408  # EPSG code of the northern EASE-Grid
CELL = 25067.525  # m
SOUTH = 35.0  # no values south of it
ROW = Field("swe", "mm", ("swe", "SWE"), "mm", 0, 5000)
LAYOUT = Layout(
    product="globsnow",
    pattern="*_northern_hemisphere_monthly_biascorrected_swe_*.nc",
    fields=(ROW,),
    step="month",
    split="month",
    file_name=lambda first, last: f"{first:%Y%m}_northern_hemisphere_monthly_biascorrected_swe_0.25grid.nc",
    dims=("time", "lat", "lon"),
)
PATTERN = LAYOUT.pattern
YEAR = r"^(\d{4})\d{2}_"


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
    values = reading.require(raw, ROW.file_names, "the variable swe", origin)
    values = values.isel({d: 0 for d in values.dims if d == "time"})
    if "units" not in values.attrs:
        values = values.assign_attrs(units=ROW.file_units)
    flags = values.where(values >= 0)  # -1 and -2: mountains, water
    swe = reading.take(xr.Dataset({"swe": flags.assign_attrs(values.attrs)}), ROW, origin)
    swe = swe.expand_dims(time=[_month(path)]).drop_vars([c for c in swe.coords if c != "time"], errors="ignore")
    lat = next((raw[n] for n in ("lat", "latitude") if n in raw.variables), None)
    lon = next((raw[n] for n in ("lon", "longitude") if n in raw.variables), None)
    if lat is not None and lat.ndim == 1:
        one = xr.Dataset(
            {"swe": swe.rename(dict(zip(swe.dims[1:], ("lat", "lon")))).assign_coords(lat=lat.values, lon=lon.values)}
        )
        checks.check_axes(lat.values, lon.values, LAYOUT.aligned, origin)
        return reading.order_axes(one)
    if lat is None or lon is None:
        x, y = (
            reading.require(raw, (n,), f"latitudes and longitudes, or the axis {n}", origin).values for n in ("x", "y")
        )
        lat, lon = ease_latitude_longitude(x, y)
    dims = ("y", "x")
    swe = swe.rename({old: new for old, new in zip(swe.dims[1:], dims) if old != new})
    return xr.Dataset({"swe": swe}).assign_coords(lat=(dims, np.asarray(lat, "f8")), lon=(dims, np.asarray(lon, "f8")))


def read(files: Sequence[Path]) -> xr.Dataset:
    """Snow water equivalent, mm, by month, with ``lat`` and ``lon`` (y, x)."""
    opened = [reading.open_file(Path(f)) for f in files]
    parts = [_standardise(raw, Path(f)) for raw, f in zip(opened, files)]
    for part, path in zip(parts, files):
        if part["lat"].shape != parts[0]["lat"].shape:
            raise DataError(
                f"globsnow: {Path(path).name}: expected the grid of {Path(files[0]).name}, it has another shape"
            )
    data = xr.concat(parts, "time", coords="minimal", compat="override", join="override")
    data = checks.drop_duplicates(data, "globsnow")
    return reading.closing(data.assign_attrs(product="globsnow", step="month"), opened)


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
        out = xr.Dataset({"swe": (("y", "x"), field, {"units": "mm"})}, {"x": axis, "y": -axis})
        out = out.assign_coords(lat=(("y", "x"), lat), lon=(("y", "x"), lon))
        path = Path(folder) / LAYOUT.file_name(moment, moment)
        coding = {n: {"dtype": "f4", "zlib": True, "complevel": 1} for n in ("swe", "lat", "lon")}
        save_netcdf(out, path, encoding=coding)
        written.append(path)
    return written
