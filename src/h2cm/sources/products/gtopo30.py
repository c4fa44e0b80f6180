"""GTOPO30: elevation, and its spread within a cell, from 30 arc seconds.

Averaged to 1/30° as the mean and the mean square, from which harmonising makes the mean and the standard deviation of
the elevation in each cell of the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from h2cm.files import whole
from h2cm.sources import catalogue
from h2cm.sources.products import raster
from h2cm.store import DataError

ROW = catalogue.product("gtopo30")
MISSING = ROW.layout.nodata[0]
PIXELS = 4  # in each direction of a cell, when mean and spread are written as elevations
FEATURES = ("elevation_mean", "elevation_std")


def read(files: Sequence[Path]) -> xr.Dataset:
    """``elevation``, m, and ``elevation_squared``, m2, dimensions lat, lon."""
    statistics = {"elevation": lambda v: v.astype("f8"), "elevation_squared": lambda v: v.astype("f8") ** 2}
    data = raster.average(files, statistics, lambda v: v != MISSING)
    low, high = ROW.variables["elevation"].range
    found = float(data["elevation"].min()), float(data["elevation"].max())
    if found[0] < low or found[1] > high:
        raise DataError(f"gtopo30: expected elevations of {low:g} to {high:g} m, found {found[0]:g} to {found[1]:g}")
    return data.assign_attrs(product="gtopo30", layout=f"elevations in m, {len(files)} tiles")


def write(data: xr.Dataset, folder: Path) -> list[Path]:
    """Write ``elevation_mean`` and ``elevation_std`` (m) as a checkerboard of mean plus and less spread."""
    mean, spread = (data[n].transpose("lat", "lon").values for n in FEATURES)
    sign = np.where(np.add.outer(np.arange(PIXELS), np.arange(PIXELS)) % 2, 1, -1)
    fine = np.kron(mean, np.ones_like(sign)) + np.kron(spread, sign)
    fine = np.where(np.isfinite(fine), np.round(fine), MISSING)[::-1]
    height, width = (np.ptp(data[a].values) / (data[a].size - 1) / PIXELS for a in ("lat", "lon"))
    west, north = data["lon"].values[0] - width * PIXELS / 2, data["lat"].values[-1] + height * PIXELS / 2
    header = {
        "BYTEORDER": "M",
        "LAYOUT": "BIL",
        "NROWS": fine.shape[0],
        "NCOLS": fine.shape[1],
        "NBANDS": 1,
        "NBITS": 16,
        "NODATA": MISSING,
        "ULXMAP": west + width / 2,
        "ULYMAP": north - height / 2,
        "XDIM": width,
        "YDIM": height,
    }
    path = Path(folder) / ROW.layout.file_name
    with whole(path.with_suffix(".HDR")) as file:
        file.write_text("".join(f"{k:<14}{v}\n" for k, v in header.items()))
    with whole(path) as file:
        fine.astype(">i2").tofile(file)
    return [path, path.with_suffix(".HDR")]
