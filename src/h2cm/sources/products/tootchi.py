"""Composite wetlands of Tootchi et al. (2019): shares of wetlands and lakes.

Wetlands are all of regularly flooded and groundwater-driven.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr

from h2cm.sources import catalogue
from h2cm.sources.products import axes, raster, reading
from h2cm.sources.products.globeland30 import as_classes
from h2cm.store import DataError

ROW = catalogue.product("tootchi")
CLASSES = {name: variable.classes for name, variable in ROW.variables.items()}
NONE = 0
OUTSIDE = ROW.layout.nodata[0]
KNOWN = sorted({NONE, OUTSIDE}.union(*CLASSES.values()))
SUFFIXES = (".tif", ".tiff", ".nc")


def _open(path: Path) -> raster.Raster:
    found = raster.open_raster(path) if path.suffix != ".nc" else _open_netcdf(path)

    def rows(first: int, last: int, every: int) -> np.ndarray:
        values = found.rows(first, last, every)
        declared = [] if found.missing is None else [found.missing]
        codes = np.setdiff1d(np.unique(values), [*KNOWN, *declared])
        if codes.size:
            listed = ", ".join(map(str, KNOWN))
            raise DataError(f"tootchi: {path.name}: expected the classes {listed}, found {codes[:5].tolist()}")
        return values

    return replace(found, rows=rows)


def _open_netcdf(path: Path) -> raster.Raster:
    origin = f"tootchi: {path.name}"
    with reading.open_file(path, mask_and_scale=False) as raw:
        maps = [n for n in raw.data_vars if raw[n].ndim == 2]
        if len(maps) != 1:
            raise DataError(f"{origin}: expected one map of classes, found {', '.join(maps) or 'none'}")
        lat, lon = (
            reading.require(raw, names, what, origin).values.astype("f8")
            for names, what in ((axes.NAMES["lat"], "latitudes"), (axes.NAMES["lon"], "longitudes"))
        )
        axes.check(lat, lon, "", origin)

    def rows(first: int, last: int, every: int) -> np.ndarray:
        with reading.open_file(path, mask_and_scale=False) as raw:
            turned = raw[maps[0]][:: 1 if lat[0] > lat[-1] else -1]
            return turned[first:last][every // 2 :: every, every // 2 : lon.size // every * every : every].values

    height, width = np.ptp(lat) / (lat.size - 1), np.ptp(lon) / (lon.size - 1)
    shape = (lat.size, lon.size)
    return raster.Raster(path, shape, lon.min() - width / 2, lat.max() + height / 2, width, height, rows)


def read(files: Sequence[Path]) -> xr.Dataset:
    """Share of each kind, 0 to 1, dimensions lat, lon."""
    files = [f for f in map(Path, files) if f.suffix in SUFFIXES]
    statistics = {name: lambda v, codes=codes: np.isin(v, codes) for name, codes in CLASSES.items()}
    data = raster.average(files, statistics, lambda v: v != OUTSIDE, _open)
    return data.assign_attrs(product="tootchi", layout=f"classes, {len(files)} maps")


def write(data: xr.Dataset, folder: Path) -> list[Path]:
    """Write shares as a map of classes; ``wetlands`` follows from the two kinds, which do not overlap."""
    unknown = [str(n) for n in data.data_vars if n not in CLASSES]
    if unknown:
        raise DataError(f"tootchi: holds {', '.join(CLASSES)}, not {', '.join(unknown)}")
    codes = {name: classes[0] for name, classes in reversed(CLASSES.items()) if name != "wetlands"}
    path = Path(folder) / ROW.layout.file_name
    raster.write_geotiff(path, as_classes(data, codes, OUTSIDE, rest=NONE), OUTSIDE)
    return [path]
