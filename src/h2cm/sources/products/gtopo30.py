"""GTOPO30: elevation, and its spread within a cell, from 30 arc seconds.

Layout: tiles of raw big-endian 16-bit integers ``<tile>.DEM`` (W180N90, ...), rows from north to south, in metres,
missing -9999 (ocean), with a header ``<tile>.HDR`` (https://www.usgs.gov/centers/eros/science/usgs-eros-archive-
digital-elevation-global-30-arc-second-elevation-gtopo30).

Averaged to 1/30° as the mean and the mean square, from which harmonising makes the mean and the standard deviation of
the elevation in each cell of the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from h2cm.files import whole
from h2cm.sources.products import raster
from h2cm.store import DataError

MISSING = -9999
PIXELS = 4  # in each direction of a cell, when mean and spread are written as elevations
FEATURES = ("elevation_mean", "elevation_std")
PATTERN = "*.[dD][eE][mM]"


def read(files: Sequence[Path]) -> xr.Dataset:
    """``elevation``, m, and ``elevation_squared``, m2, dimensions lat, lon."""
    statistics = {"elevation": lambda v: v.astype("f8"), "elevation_squared": lambda v: v.astype("f8") ** 2}
    data = raster.average(files, statistics, lambda v: v != MISSING)
    if data["elevation"].min() < -500 or data["elevation"].max() > 9000:
        raise DataError(
            f"gtopo30: expected elevations of -500 to 9000 m, found {float(data['elevation'].min()):g} to {float(data['elevation'].max()):g}"
        )
    return data.assign_attrs(product="gtopo30")


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
    path = Path(folder) / "GLOBE.DEM"
    with whole(path.with_suffix(".HDR")) as file:
        file.write_text("".join(f"{k:<14}{v}\n" for k, v in header.items()))
    with whole(path) as file:
        fine.astype(">i2").tofile(file)
    return [path, path.with_suffix(".HDR")]
