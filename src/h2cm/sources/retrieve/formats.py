"""Is a retrieved file what it should be, or an error page, a login form, a truncated file?

Each check looks at the file alone, costs little beside the download and needs no network.
"""

from __future__ import annotations

import gzip
import re
import zipfile
import zlib
from pathlib import Path
from threading import Lock

import netCDF4
import numpy as np
import rasterio
from pyhdf.error import HDF4Error
from pyhdf.SD import SD, SDC
from rasterio.errors import RasterioError

from h2cm.store import DataError

LIBRARY = Lock()
"""The libraries of HDF4 and HDF5 crash when several threads open files at once."""

MAGIC = {
    "netcdf": (b"CDF\x01", b"CDF\x02", b"CDF\x05", b"\x89HDF\r\n\x1a\n"),
    "hdf5": (b"\x89HDF\r\n\x1a\n",),
    "hdf4": (b"\x0e\x03\x13\x01",),
    "geotiff": (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"),
    "gzip": (b"\x1f\x8b",),
    "zip": (b"PK\x03\x04", b"PK\x05\x06"),
}
"""First bytes of a file of each format; ``raw`` has none of its own."""

PAGE = re.compile(rb"^\s*(\xef\xbb\xbf)?\s*(<!doctype|<html|<head|<\?xml|<error|\{\s*\"|\[\s*\{)", re.IGNORECASE)
TITLE = re.compile(rb"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


DAMAGED = (
    OSError,
    EOFError,
    RuntimeError,
    IndexError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
    HDF4Error,
    RasterioError,
)
"""What the libraries raise for a file that was cut off."""

SUFFIXES = {".gz": "gzip", ".zip": "zip", ".nc": "netcdf", ".tif": "geotiff", ".hdf": "hdf4"}


def of(name: str, documented: str) -> str:
    """The format that a file's name tells, else the documented one of its product."""
    return SUFFIXES.get(Path(name).suffix, documented)


def check(path: Path, format: str, origin: str) -> None:
    """Check that `path` is a whole file of the given format.

    Parameters
    ----------
    path : Path
    format : {"netcdf", "hdf5", "hdf4", "geotiff", "gzip", "zip", "raw"}
    origin : str
        Where it comes from, for the message.

    Raises
    ------
    DataError
        An empty file, a web page or a message in the place of the data, another format, or a truncated file.
    """
    with open(path, "rb") as file:
        head = file.read(4096)
    if not head:
        raise DataError(f"{origin}: expected a {format} file, got an empty one")
    if PAGE.match(head):
        title = TITLE.search(head)
        text = " ".join((title.group(1) if title else head[:100]).decode("utf-8", "replace").split())
        raise DataError(f"{origin}: expected a {format} file, got a page or message ({text!r}); a login may be missing")
    if format in MAGIC and not head.startswith(MAGIC[format]):
        raise DataError(f"{origin}: expected a {format} file, but it starts with {head[:8]!r}")
    try:
        _read_ends(path, format)
    except DAMAGED as error:
        raise DataError(f"{origin}: the {format} file is damaged or truncated ({error})") from None


def _read_ends(path: Path, format: str) -> None:
    """Touch the parts of a file that are missing when it was cut off; raises whatever its library raises."""
    if format in ("netcdf", "hdf5"):
        with LIBRARY, netCDF4.Dataset(path) as dataset:
            if dataset.data_model.startswith("NETCDF3"):
                # The library opens a classic file that was cut off and fills in zeros; its length tells.
                _check_classic_length(path, dataset)
    elif format == "zip":
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
        if bad is not None:
            raise zipfile.BadZipFile(f"member {bad} is damaged")
    elif format == "geotiff":
        with rasterio.open(path) as raster:
            raster.read(1, window=((raster.height - 1, raster.height), (0, raster.width)))
    elif format == "hdf4":
        with LIBRARY:
            file = SD(str(path), SDC.READ)
            try:
                for name in file.datasets():
                    file.select(name)[-1:]
            finally:
                file.end()
    elif format == "gzip":
        with gzip.open(path) as file:
            while file.read(1 << 24):
                pass


def _check_classic_length(path: Path, dataset: netCDF4.Dataset) -> None:
    """A classic netCDF file is at least as long as its variables together."""
    least = sum(int(np.prod(v.shape, dtype=np.int64)) * np.dtype(v.dtype).itemsize for v in dataset.variables.values())
    size = path.stat().st_size
    if size < least:
        raise OSError(f"{size} bytes, but its variables take {least}")
