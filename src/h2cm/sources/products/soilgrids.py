"""SoilGrids: soil properties of the upper 30 cm.

Version 2.0 has ``<property>_<depth>_mean.tif`` (``bdod_0-5cm_mean.tif``, aggregated ``bdod_0-5cm_mean_1000.tif``; Poggio
et al. 2021, doi:10.5194/soil-7-217-2021); the release of 2017, for what version 2.0 has not, ``AWCh1_M_sl*_1km_ll.tif``,
``AWCtS_M_sl*_1km_ll.tif`` and ``BDTICM_M_1km_ll.tif`` (Hengl et al. 2017, doi:10.1371/journal.pone.0169748).

A property of the upper 30 cm is the mean of its depths (0-5, 5-15, 15-30 cm) weighted by their thickness; the levels
of 2017 (at 0, 5, 15, 30 cm) are integrated by the trapezoidal rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from h2cm import units
from h2cm.sources import catalogue
from h2cm.sources.products import raster
from h2cm.store import DataError

LAYERS = {"_0-5cm": 5 / 30, "_5-15cm": 10 / 30, "_15-30cm": 15 / 30}
LEVELS = {"_M_sl1": 2.5 / 30, "_M_sl2": 7.5 / 30, "_M_sl3": 12.5 / 30, "_M_sl4": 7.5 / 30}
DEPTHS = {"ocs": {"_0-30cm": 1.0}, "AWCh1": LEVELS, "AWCtS": LEVELS, "BDTICM": {"_M": 1.0}}
"""Depths of a property and their weights, by its name in the files; others have `LAYERS`."""

RELEASE_2017 = ("AWCh1", "AWCtS", "BDTICM")
ROW = catalogue.product("soilgrids")
MISSING = ROW.layout.nodata[0]


def _file_names(name: str) -> dict[str, float]:
    """Beginnings of the names of the files of a property, with the weights of their depths."""
    stands = ROW.variables[name].name[0]
    return {f"{stands}{depth}": weight for depth, weight in DEPTHS.get(stands, LAYERS).items()}


def _ending(name: str) -> str:
    return "_1km_ll" if ROW.variables[name].name[0] in RELEASE_2017 else "_mean"


def _scale(name: str) -> float:
    """What a whole number of a file is in the store's unit."""
    row = ROW.variables[name]
    return row.scale * units.conversion(row.unit[0], row.store_unit)[0]


def read(files: Sequence[Path], complete: bool = True) -> xr.Dataset:
    """The properties, mean of the upper 30 cm, dimensions lat, lon.

    `complete`: all of them are wanted; otherwise those whose files are there, from the depths that are there.
    """
    result = {}
    for name, row in ROW.variables.items():
        total = known = 0.0
        for begin, weight in _file_names(name).items():
            tiles = [f for f in map(Path, files) if f.name.startswith(f"{begin}_")]
            if not tiles and not complete:
                continue
            if not tiles:
                raise DataError(f"soilgrids: {name}: expected files named {begin}{_ending(name)}*.tif, found none")
            layer = raster.average(tiles, {name: lambda v: v.astype("f8")}, lambda v: v != MISSING)[name]
            total, known = total + weight * layer * _scale(name), known + weight
        if known:
            result[name] = (total if complete else total / known).astype("f4").assign_attrs(units=row.store_unit)
    if not result:
        raise DataError("soilgrids: expected files named like sand_0-5cm_mean*.tif, found none")
    return xr.Dataset(result, attrs={"product": "soilgrids", "layout": "maps of version 2.0 and of 2017"})


def write(data: xr.Dataset, folder: Path) -> list[Path]:
    """Write each property, equal at all depths."""
    written = []
    for name, values in data.data_vars.items():
        if name not in ROW.variables:
            raise DataError(f"soilgrids: holds {', '.join(ROW.variables)}, not {name}")
        packed = np.round(values.transpose("lat", "lon") / _scale(name)).fillna(MISSING).astype("i4")
        for begin in _file_names(name):
            path = Path(folder) / ROW.layout.file_name.format(name=f"{begin}{_ending(name)}")
            raster.write_geotiff(path, packed, MISSING)
            written.append(path)
    return written
