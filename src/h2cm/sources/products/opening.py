"""Opening netCDF and HDF5 files lazily, gzipped ones too, in pieces that fit into memory."""

from __future__ import annotations

import gzip
import shutil
import tempfile
import zlib
from pathlib import Path

import numpy as np
import xarray as xr

from h2cm.netcdf import open_named
from h2cm.space import regrid
from h2cm.store import DataError


def open_file(path: Path, **options) -> xr.Dataset:
    """Open a netCDF or HDF5 file lazily, in pieces, its times not decoded; close it when done.

    `options` are those of `h2cm.netcdf.open_named`, as are the errors.
    """
    if Path(path).suffix == ".gz":
        return _open_packed(path, **options)
    options = {"decode_times": False} | options
    raw = open_named(path, chunks={}, **options)
    smaller = _smaller_chunks(raw)
    if smaller:
        raw.close()
        raw = open_named(path, chunks=smaller, **options)
    return raw


def _smaller_chunks(raw: xr.Dataset) -> dict[str, int]:
    """Chunks of bands of rows for variables whose chunks are larger than a piece, as all that is stored contiguously."""
    smaller = {}
    for values in raw.data_vars.values():
        if values.ndim < 2 or not values.chunks or 8 * np.prod([max(c) for c in values.chunks]) <= regrid.PIECE:
            continue
        *steps, rows, _ = values.dims
        stored = values.encoding.get("chunksizes") or (1,) * values.ndim
        height = max(regrid.PIECE // (8 * values.shape[-1] * int(np.prod(stored[:-2]))), 1)
        height = -(-height // stored[-2]) * stored[-2]  # no chunk of the file is read twice
        smaller |= {d: min(smaller.get(d, n), n) for d, n in [*zip(steps, stored, strict=False), (rows, height)]}
    return smaller


def _open_packed(path: Path, **options) -> xr.Dataset:
    """Open a gzipped file; its unpacked copy is deleted when it is closed."""
    folder = tempfile.TemporaryDirectory(prefix="h2cm-")
    copy = Path(folder.name) / Path(path).stem
    try:
        with gzip.open(path) as packed, open(copy, "wb") as file:
            shutil.copyfileobj(packed, file)
    except (OSError, EOFError, zlib.error) as error:
        folder.cleanup()
        raise DataError(f"{path}: expected a gzipped file, which this is not, or it is truncated ({error})") from None
    try:
        raw = open_file(copy, said=path, **options)
    except DataError:
        folder.cleanup()
        raise

    def close(close_file=raw._close):
        if close_file is not None:
            close_file()
        folder.cleanup()

    raw.set_close(close)
    return raw
