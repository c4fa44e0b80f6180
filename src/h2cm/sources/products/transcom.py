"""TransCom-3 regions: 0 ice and Antarctica, 1 to 11 land, 12 to 22 ocean.

Layout: ``TRANSCOM_Map_MZT.nc`` with ``regions(lat, lon)`` on 1.875° x 2.5° (the centres of the first and last row on
the poles), longitudes from 0 (https://transcom.project.asu.edu; Baker et al. 2006, doi:10.1029/2004GB002439). Read from
the file itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from h2cm.sources.products import checks, reading, writing
from h2cm.sources.products.layout import Field, Layout
from h2cm.store import DataError, save_netcdf

REGIONS = 23
LAYOUT = Layout(
    product="transcom",
    pattern="TRANSCOM_Map*.nc",
    fields=(Field("region", "1", ("regions", "transcom_regions"), "1", 0, REGIONS - 1, dtype="f8"),),
    step="any",
    split="all",
    file_name=lambda first, last: "TRANSCOM_Map_MZT.nc",
    east=True,
)
PATTERN = LAYOUT.pattern


def read(files: Sequence[Path]) -> xr.Dataset:
    """Number of the region of each cell, dimensions lat, lon."""
    raw = reading.open_file(files[0])
    origin = f"transcom: {Path(files[0]).name}"
    named = reading.rename_axes(raw, LAYOUT, origin, time=False)
    checks.check_axes(named["lat"].values, named["lon"].values, LAYOUT.aligned, origin)
    region = reading.take(named, LAYOUT.fields[0], origin).load()
    if not np.array_equal(region, np.round(region)):
        raise DataError(f"{origin}: expected whole numbers of regions, found others: the map has been interpolated")
    return reading.closing(reading.order_axes(region.to_dataset(name="region")).assign_attrs(product="transcom"), [raw])


def write(data: xr.Dataset, folder: Path) -> list[Path]:
    """Write a map of regions."""
    values, encoding = writing.encode(writing.lay_out(data[["region"]], LAYOUT)["region"], LAYOUT.fields[0])
    path = Path(folder) / LAYOUT.file_name(None, None)
    save_netcdf(values.to_dataset(), path, encoding={values.name: encoding})
    return [path]
