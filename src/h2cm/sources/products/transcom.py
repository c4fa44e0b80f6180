"""TransCom-3 regions: 0 ice and Antarctica, 1 to 11 land, 12 to 22 ocean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from h2cm.sources import catalogue
from h2cm.sources.products import axes, reading, writing
from h2cm.store import DataError, save_netcdf

ROW = catalogue.product("transcom")
REGION = ROW.variables["region"]


def read(files: Sequence[Path]) -> xr.Dataset:
    """Number of the region of each cell, dimensions lat, lon."""
    raw = reading.open_file(files[0])
    origin = f"transcom: {Path(files[0]).name}"
    named = axes.rename(raw, ROW, origin, time=False)
    axes.check(named["lat"].values, named["lon"].values, ROW.layout.aligned, origin)
    region = reading.take(named, "region", REGION, origin).load()
    if not np.array_equal(region, np.round(region)):
        raise DataError(f"{origin}: expected whole numbers of regions, found others: the map has been interpolated")
    layout = f"{REGION.name[0]}({', '.join(map(str, region.dims))})"
    data = axes.order(region.to_dataset(name="region")).assign_attrs(product="transcom", layout=layout)
    return reading.closing(data, [raw])


def write(data: xr.Dataset, folder: Path) -> list[Path]:
    """Write a map of regions."""
    values, encoding = writing.encode(writing.lay_out(data[["region"]], ROW)["region"], REGION)
    path = Path(folder) / ROW.layout.file_name
    save_netcdf(values.to_dataset(), path, encoding={values.name: encoding})
    return [path]
