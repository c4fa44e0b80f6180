"""GlobeLand30: shares of ten classes of land cover.

The share of a class is that of its pixels among those of any class.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from h2cm.sources import catalogue
from h2cm.sources.products import raster
from h2cm.store import DataError

ROW = catalogue.product("globeland30")
CLASSES = {name: variable.classes for name, variable in ROW.variables.items()}
OUTSIDE = ROW.layout.nodata[0]
PIXELS = 16  # in each direction of a cell, when shares are written as classes


def read(files: Sequence[Path]) -> xr.Dataset:
    """Share of each class, 0 to 1, dimensions lat, lon."""
    statistics = {name: lambda v, codes=codes: np.isin(v, codes) for name, codes in CLASSES.items()}
    data = raster.average(files, statistics, lambda v: np.isin(v, np.concatenate(list(CLASSES.values()))))
    return data.assign_attrs(product="globeland30", layout=f"classes, {len(files)} tiles")


def write(data: xr.Dataset, folder: Path) -> list[Path]:
    """Write shares as a map of classes, `PIXELS` x `PIXELS` pixels a cell."""
    unknown = [str(n) for n in data.data_vars if n not in CLASSES]
    if unknown:
        raise DataError(f"globeland30: holds {', '.join(CLASSES)}, not {', '.join(unknown)}")
    path = Path(folder) / ROW.layout.file_name
    raster.write_geotiff(path, as_classes(data, {n: codes[0] for n, codes in CLASSES.items()}, OUTSIDE), OUTSIDE)
    return [path]


def as_classes(data: xr.Dataset, codes: dict[str, int], outside: int, rest: int | None = None) -> xr.DataArray:
    """A map of classes (lat, lon), `PIXELS` x `PIXELS` pixels a cell, with the shares of `data`, nearest by largest remainder.

    Parameters
    ----------
    data : Dataset (lat, lon)
        Shares; cells where they are missing get `outside`.
    codes : dict
        Code of each variable.
    outside : int
    rest : int, optional
        Code of what no class covers; without it, shares are scaled to a sum of one.
    """
    names = [n for n in codes if n in data]
    shares = np.clip(np.stack([data[n].transpose("lat", "lon").values for n in names], -1).astype("f8"), 0, 1)
    known = np.isfinite(shares).all(-1)
    if rest is not None:
        shares = np.concatenate([shares, np.maximum(1 - shares.sum(-1, keepdims=True), 0)], -1)
    shares = np.where(known[..., None], shares, 0)
    total = shares.sum(-1, keepdims=True)
    wanted = np.divide(shares, total, out=np.zeros_like(shares), where=total > 0) * PIXELS**2
    count = np.floor(wanted).astype(int)
    short = PIXELS**2 - count.sum(-1)
    rank = np.argsort(np.argsort(-(wanted - count), axis=-1, kind="stable"), axis=-1)
    count += rank < short[..., None]
    order = np.array([codes[n] for n in names] + ([] if rest is None else [rest]), "u1")
    ends = np.cumsum(count, -1)
    which = (np.arange(PIXELS**2) >= ends[..., None, :].swapaxes(-1, -2)).sum(-2)
    pixels = order[np.minimum(which, order.size - 1)]
    pixels[~(known & (total[..., 0] > 0))] = outside
    rows, columns = known.shape
    # column by column: a class then takes the southern and the northern part of a cell alike, whose areas differ
    values = (
        pixels.reshape(rows, columns, PIXELS, PIXELS).transpose(0, 3, 1, 2).reshape(rows * PIXELS, columns * PIXELS)
    )
    return xr.DataArray(values, {a: _finer(data[a].values) for a in ("lat", "lon")}, ("lat", "lon"))


def _finer(centres: np.ndarray) -> np.ndarray:
    width = np.ptp(centres) / (centres.size - 1)
    return (centres[:, None] - width / 2 + width * (np.arange(PIXELS) + 0.5) / PIXELS).ravel()
