"""SoilGrids: soil properties of the upper 30 cm.

Layout: one GeoTIFF a property and depth, integers in scaled ("mapped") units, missing -32768:
``<property>_<depth>_mean.tif`` of version 2.0 (``bdod_0-5cm_mean.tif``), with the mapped units of
https://docs.isric.org/globaldata/soilgrids/SoilGrids_faqs_01.html (Poggio et al. 2021, doi:10.5194/soil-7-217-2021),
and of the release of 2017, for what version 2.0 has not: ``AWCh1_M_sl*_1km_ll.tif`` and ``AWCtS_M_sl*_1km_ll.tif``
(available and saturated water content, volume %) and ``BDTICM_M_1km_ll.tif`` (depth to bedrock, cm; Hengl et al. 2017,
doi:10.1371/journal.pone.0169748). In degrees (EPSG:4326), as the web coverage service and the release of 2017 give
them, or in Goode's homolosine projection, as the archive has them, aggregated to 1 or 5 km
(``bdod_0-5cm_mean_1000.tif``, https://files.isric.org/soilgrids/latest/data_aggregated/).

A property of the upper 30 cm is the mean of its depths (0-5, 5-15, 15-30 cm) weighted by their thickness; the levels
of 2017 (at 0, 5, 15, 30 cm) are integrated by the trapezoidal rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from h2cm.sources.products import raster
from h2cm.store import DataError

LAYERS = {"_0-5cm": 5 / 30, "_5-15cm": 10 / 30, "_15-30cm": 15 / 30}
LEVELS = {"_M_sl1": 2.5 / 30, "_M_sl2": 7.5 / 30, "_M_sl3": 12.5 / 30, "_M_sl4": 7.5 / 30}
MISSING = -32768


@dataclass(frozen=True)
class Property:
    """Name in the file, its depths with their weights, what a value is divided by, the unit after that."""

    file_name: str
    depths: dict[str, float]
    divisor: float
    units: str
    suffix: str = "_mean"


FEATURES: dict[str, Property] = {
    "sand": Property("sand", LAYERS, 10, "%"),
    "silt": Property("silt", LAYERS, 10, "%"),
    "clay": Property("clay", LAYERS, 10, "%"),
    "bulk_density": Property("bdod", LAYERS, 100, "kg dm-3"),
    "coarse_fragments": Property("cfvo", LAYERS, 10, "%"),
    "ph": Property("phh2o", LAYERS, 10, "1"),
    "organic_carbon": Property("soc", LAYERS, 10, "g kg-1"),
    "organic_carbon_density": Property("ocd", LAYERS, 10, "kg m-3"),
    "organic_carbon_stock": Property("ocs", {"_0-30cm": 1.0}, 10, "kg m-2"),
    "nitrogen": Property("nitrogen", LAYERS, 100, "g kg-1"),
    "cation_exchange_capacity": Property("cec", LAYERS, 10, "cmol kg-1"),
    "available_water_capacity": Property("AWCh1", LEVELS, 100, "1", "_1km_ll"),
    "saturated_water_content": Property("AWCtS", LEVELS, 100, "1", "_1km_ll"),
    "depth_to_bedrock": Property("BDTICM", {"_M": 1.0}, 100, "m", "_1km_ll"),
}
PATTERN = "*.tif"


def read(files: Sequence[Path]) -> xr.Dataset:
    """The properties, mean of the upper 30 cm, dimensions lat, lon."""
    result = {}
    for name, row in FEATURES.items():
        total = 0.0
        for depth, weight in row.depths.items():
            tiles = [f for f in map(Path, files) if f.name.startswith(f"{row.file_name}{depth}_")]
            if not tiles:
                raise DataError(
                    f"soilgrids: {name}: expected files named {row.file_name}{depth}{row.suffix}*.tif, found none"
                )
            layer = raster.average(tiles, {name: lambda v: v.astype("f8")}, lambda v: v != MISSING)[name]
            total = total + weight * layer / row.divisor
        result[name] = total.astype("f4").assign_attrs(units=row.units)
    return xr.Dataset(result, attrs={"product": "soilgrids"})


def write(data: xr.Dataset, folder: Path) -> list[Path]:
    """Write each property, equal at all depths."""
    written = []
    for name, values in data.data_vars.items():
        if name not in FEATURES:
            raise DataError(f"soilgrids: holds {', '.join(FEATURES)}, not {name}")
        row = FEATURES[name]
        packed = np.round(values.transpose("lat", "lon") * row.divisor).fillna(MISSING).astype("i4")
        for depth in row.depths:
            path = Path(folder) / f"{row.file_name}{depth}{row.suffix}.tif"
            raster.write_geotiff(path, packed, MISSING)
            written.append(path)
    return written
