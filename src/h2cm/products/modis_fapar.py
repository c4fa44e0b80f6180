"""MOD15A2H collection 6.1: eight-daily fAPAR, on a grid of latitude and longitude.

Layout: netCDF as AppEEARS hands out areas in geographic projection, ``MOD15A2H.061_500m_aidNNNN.nc``, with
``Fpar_500m(time, lat, lon)``, unsigned bytes, scale factor 0.01, values 0 to 100 valid, 249 to 255 fill and classes
(water, barren, urban, ...), and ``FparLai_QC``, whose lowest bit is 1 where the backup algorithm or no algorithm was
used (https://lpdaac.usgs.gov/products/mod15a2hv061/, file specification
https://ladsweb.modaps.eosdis.nasa.gov/filespec/MODIS/6/MOD15A2H_c6). Any spacing is read, so a file aggregated to
0.05° by the user is too. The sinusoidal HDF4 tiles of the archive are not read: order them through AppEEARS.

Codes above 100 are missing. A composite stands for its eight days, the last one of a year for the days that are left.
Months are means of all retrievals, also of the backup algorithm.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

from h2cm.products import reading, writing
from h2cm.products.layout import Field, Layout

VALID = 100  # largest packed value that is a fraction; above are codes
SCALE = 0.01

LAYOUT = Layout(
    product="modis_fapar",
    pattern="MOD15A2H.061_*.nc",
    fields=(
        Field("fapar", "1", ("Fpar_500m",), "1", 0, 1, tolerance=1e-6, dtype="u1", fill=255, packing=(SCALE, 0.0)),
    ),
    step="8 days",
    split="year",
    file_name=lambda first, last: f"MOD15A2H.061_500m_aid{first:%Y}.nc",
    time_units="days since 2000-01-01",
    descending=True,
    aligned="edges",
    attrs={
        "title": "MOD15A2H.061 for aid0001",
        "Conventions": "CF-1.6",
        "institution": "Land Processes Distributed Active Archive Center (LP DAAC)",
    },
)
PATTERN = LAYOUT.pattern
write = partial(writing.write, layout=LAYOUT)


def _mask_codes(raw: xr.Dataset) -> xr.Dataset:
    """Set the codes above the valid range to missing, whether the file is unpacked or not."""
    name = LAYOUT.fields[0].file_names[0]
    if name not in raw:
        return raw
    values = raw[name]
    packed = np.issubdtype(values.encoding.get("dtype", values.dtype), np.integer)
    declared = "scale_factor" in values.encoding
    scale = SCALE if packed and not declared else 1.0  # whole numbers without a declared packing are per cent
    fraction = (values * scale).where(values * scale <= VALID * SCALE * 1.0001)
    return raw.assign({name: fraction.assign_attrs(units="1")})


def read(files: Sequence[Path]) -> xr.Dataset:
    """Fraction of absorbed radiation, 0 to 1, by composite."""
    return reading.read(files, LAYOUT, prepare=_mask_codes)
