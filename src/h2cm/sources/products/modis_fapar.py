"""MOD15A2H collection 6.1: eight-daily fAPAR of 500 m.

``FparLai_QC``, whose lowest bit is 1 where the backup algorithm or no algorithm was used, is not looked at. Files are

- the archive's: HDF4 tiles of 10° in sinusoidal projection, ``MOD15A2H.A2001001.h18v04.061.2020...hdf`` (day of the
  year, column and row of the tile, time of production), 2400 x 2400 pixels, whose corners ``StructMetadata.0``
  gives. Their pixels are averaged to `CELL`, which `condense` does ahead, for a year at a time; or
- areas in geographic projection as AppEEARS hands them out. Any spacing is read, so a file aggregated to 0.05° by the
  user is too.

Codes from 249 on are missing; what lies between 100 and them is an error. A composite stands for its eight days, the last one of a year for the days that are left.
Months are means of all retrievals, also of the backup algorithm.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from threading import Lock

import dask.array
import numpy as np
import pandas as pd
import xarray as xr
from dask import delayed
from pyhdf.error import HDF4Error
from pyhdf.SD import SD, SDC

from h2cm.sources import catalogue
from h2cm.sources.products import reading, writing
from h2cm.sources.products.bins import Bins
from h2cm.store import DataError, save_netcdf

log = logging.getLogger(__name__)

ROW = catalogue.product("modis_fapar")
FAPAR = ROW.variables["fapar"]
NAME = FAPAR.name[0]
SCALE = FAPAR.packing[0]
VALID = round(FAPAR.range[1] / SCALE)  # largest packed value that is a fraction; above are codes
CODES = (249, 255)  # packed values that stand for water, snow, no retrieval, ...
CELL = 1 / 20  # degrees, that tiles are averaged to
TILE = 10  # degrees of latitude of a tile
PLACE = re.compile(r"MOD15A2H\.A(\d{7})\.h(\d\d)v(\d\d)\.061\.(\d+)\.hdf$")
LIBRARY = Lock()  # HDF4 is not made for threads

write = partial(writing.write, row=ROW)


def read(files: Sequence[Path]) -> xr.Dataset:
    """Fraction of absorbed radiation, 0 to 1, by composite."""
    tiles = [Path(f) for f in files if Path(f).suffix == ".hdf"]
    if not tiles:
        return reading.read(files, ROW, prepare=_mask_codes)
    if len(tiles) < len(files):
        other = next(f for f in files if Path(f).suffix != ".hdf")
        raise DataError(f"modis_fapar: expected tiles (.hdf) or areas (.nc), found both, {tiles[0].name} and {other}")
    return _read_tiles(tiles)


def condense(files: Sequence[Path], path: Path) -> None:
    """Write the means of tiles at `CELL` to a file that `read` takes, whole or not at all."""
    with read(files) as data:
        packed = {"dtype": "i2", "_FillValue": -1, "scale_factor": 1e-4, "zlib": True, "complevel": 1}
        chunks = tuple(c[0] for c in data["fapar"].chunks)
        save_netcdf(data.rename(fapar=NAME), path, encoding={NAME: packed | {"chunksizes": chunks}})


def _mask_codes(raw: xr.Dataset) -> xr.Dataset:
    """Set the codes above the valid range to missing, whether the file is unpacked or not."""
    if NAME not in raw:
        return raw
    values = raw[NAME]
    packed = np.issubdtype(values.encoding.get("dtype", values.dtype), np.integer)
    declared = "scale_factor" in values.encoding
    scale = SCALE if packed and not declared else 1.0  # whole numbers without a declared packing are per cent
    fraction = values * scale
    code = np.abs(fraction / SCALE - sum(CODES) / 2) <= (CODES[1] - CODES[0]) / 2 + 0.01
    fraction = fraction.where(~code)  # what else is above 1 is an error of the reader
    return raw.assign({NAME: fraction.assign_attrs(units="1")})


def _read_tiles(tiles: Sequence[Path]) -> xr.Dataset:
    """Composites (time, lat, lon) on the globe, each read by rows of tiles when it is computed."""
    composites: dict[str, dict[tuple[int, int], Path]] = {}
    for path in sorted(tiles, key=lambda p: p.name):  # of two productions of a tile the later
        match = PLACE.match(path.name)
        if match is None:
            raise DataError(
                f"modis_fapar: {path.name}: expected a name like MOD15A2H.A2001001.h18v04.061.2020061162134.hdf"
            )
        composites.setdefault(match[1], {})[int(match[3]), int(match[2])] = path
    everywhere = set().union(*composites.values())
    for day, there in composites.items():
        lacking = sorted(everywhere - there.keys())
        if lacking:
            names = ", ".join(f"h{h:02d}v{v:02d}" for v, h in lacking[:5])
            log.warning("modis_fapar: A%s: %d tiles that others have are not there: %s", day, len(lacking), names)
    rows, columns = round(TILE / CELL), round(360 / CELL)
    empty = dask.array.full((rows, columns), np.nan, "f4", chunks=-1)
    steps = []
    for there in composites.values():
        bands = []
        for v in reversed(range(180 // TILE)):
            row = {h: path for (vertical, h), path in there.items() if vertical == v}
            made = dask.array.from_delayed(delayed(_row_of_tiles)(row, v), (rows, columns), "f4")
            bands.append(made if row else empty)
        steps.append(dask.array.concatenate(bands))
    lat, lon = ((np.arange(round(n / CELL)) + 0.5) * CELL - n / 2 for n in (180, 360))
    values = xr.DataArray(
        dask.array.stack(steps),
        {"time": pd.to_datetime(list(composites), format="%Y%j").as_unit("ns"), "lat": lat, "lon": lon},
        ("time", "lat", "lon"),
        attrs={"units": "1"},
    )
    return xr.Dataset(
        {"fapar": values}, attrs={"product": "modis_fapar", "step": ROW.layout.step, "layout": f"tiles with {NAME}"}
    )


def _row_of_tiles(tiles: Mapping[int, Path], vertical: int) -> np.ndarray:
    """Mean fAPAR (lat, lon), ascending, of a row of tiles: `TILE` degrees of latitude, all longitudes."""
    bins = Bins(_north(vertical + 1), -180, CELL, CELL, (round(TILE / CELL), round(360 / CELL)), {"fapar": "f4"})
    for horizontal, path in tiles.items():
        values, lat, lon = read_tile(path, horizontal, vertical)
        bins.add(lat, lon, values <= VALID, {"fapar": values})
    return bins.means()["fapar"].values * np.float32(SCALE)


def _north(vertical: int) -> int:
    return 90 - TILE * vertical


def read_tile(path: Path, horizontal: int, vertical: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Packed values of a tile (row, column), and latitude (row, 1) and longitude (row, column) of its pixels, degrees.

    Raises
    ------
    DataError
        If it is no HDF4 file, is damaged, or lies elsewhere than its name says.
    """
    origin = f"modis_fapar: {path.name}"
    try:
        with LIBRARY:
            file = SD(str(path), SDC.READ)
            try:
                described = file.attributes().get("StructMetadata.0", "")
                values, scale = file.select(NAME)[:], file.select(NAME).attributes().get("scale_factor", SCALE)
            finally:
                file.end()
    except (HDF4Error, ValueError, TypeError) as error:
        raise DataError(
            f"{origin}: expected an HDF4 file with {NAME}, which this is not, or it is damaged ({error})"
        ) from None
    found = {
        name: re.search(rf"{name}=\(([-\d.]+),([-\d.]+)", described)
        for name in ("UpperLeftPointMtrs", "LowerRightMtrs", "ProjParams")
    }
    if None in found.values() or "GCTP_SNSOID" not in described:
        raise DataError(f"{origin}: StructMetadata.0: expected the corners and the radius of a sinusoidal projection")
    if values.dtype != np.uint8 or not np.isclose(scale, SCALE):
        raise DataError(f"{origin}: {NAME}: expected bytes in {SCALE}, found {values.dtype} in {scale:g}")
    if ((values > VALID) & (values < CODES[0])).any():
        raise DataError(f"{origin}: {NAME}: expected 0 to {VALID} and codes from {CODES[0]} on, found values between")
    radius = float(found["ProjParams"][1])
    (west, north), (east, south) = (
        np.degrees([float(v) / radius for v in found[n].groups()]) for n in ("UpperLeftPointMtrs", "LowerRightMtrs")
    )
    wanted = ((horizontal - 18) * TILE, _north(vertical), (horizontal - 17) * TILE, _north(vertical + 1))
    if not np.allclose((west, north, east, south), wanted, atol=1e-4):
        raise DataError(
            f"{origin}: expected the corners of h{horizontal:02d}v{vertical:02d}, {wanted} degrees on the equator and the "
            f"central meridian, found {(west, north, east, south)}"
        )
    rows, columns = values.shape
    lat = (north + (np.arange(rows) + 0.5) * (south - north) / rows)[:, None]
    lon = (west + (np.arange(columns) + 0.5) * (east - west) / columns) / np.cos(np.radians(lat))
    return values, lat, lon
