"""CERES SYN1deg-Day edition 4: daily radiation at the surface on 1°, as the ordering tool hands it out.

Layout: ``CERES_SYN1deg-Day_Terra-Aqua-MODIS_Ed4.1_Subset_YYYYMM-YYYYMM.nc`` with the computed ("adjusted") all-sky
fluxes ``adj_atmos_{sw,lw}_{down,up}_all_surface_daily(time, lat, lon)`` in W m-2, longitudes 0.5 to 359.5, days since
2000-03-01 (https://ceres.larc.nasa.gov/data/). Unconfirmed: the names of the variables; other spellings that the tool
has used are accepted, and the reader says what it finds where none fits.

Net radiation is short wave down less up, plus long wave down less up.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from h2cm.sources.products import reading, writing
from h2cm.sources.products.layout import Field, Layout

FLUXES = ("sw_down", "sw_up", "lw_down", "lw_up")


def _flux(name: str) -> Field:
    spellings = (
        f"adj_atmos_{name}_all_surface_daily",
        f"adj_{name.replace('_', '_sfc_')}_all_daily",
        f"adj_all_sfc_{name}_daily",
        f"adj_sfc_{name}_all_daily",
        f"sfc_comp_{name.replace('_', '-')}_all_daily",
    )
    return Field(name, "W m-2", spellings, "W m-2", 0, 1000, tolerance=1.0, fill=-999.0)


LAYOUT = Layout(
    product="ceres",
    pattern="CERES_SYN1deg-Day_*.nc",
    fields=tuple(_flux(name) for name in FLUXES),
    step="day",
    split="year",
    file_name=lambda first, last: f"CERES_SYN1deg-Day_Terra-Aqua-MODIS_Ed4.1_Subset_{first:%Y%m}-{last:%Y%m}.nc",
    time_units="days since 2000-03-01 00:00:00",
    stamp="middle",
    east=True,
    aligned="edges",
    attrs={"title": "CERES SYN1deg-Day Terra-Aqua-MODIS Edition4.1", "institution": "NASA Langley Research Center"},
)
PATTERN = LAYOUT.pattern


def read(files: Sequence[Path]) -> xr.Dataset:
    """Net radiation, W m-2, daily."""
    data = reading.read(files, LAYOUT)
    down_sw, up_sw, down_lw, up_lw = (reading.present(data, name) for name in FLUXES)
    return reading.like(data, net_radiation=(down_sw - up_sw + down_lw - up_lw).assign_attrs(units="W m-2"))


def write(data: xr.Dataset, folder: Path) -> list[Path]:
    """Write net radiation as four fluxes: albedo 0.2, long wave 300 down and 400 up, adjusted where short wave would be negative."""
    net = data["net_radiation"]
    short = np.maximum(net + 100, 0)
    fluxes = {
        "sw_down": short / 0.8,
        "sw_up": short / 0.8 * 0.2,
        "lw_down": xr.full_like(net, 300).where(net.notnull()),
        "lw_up": 400 - np.minimum(net + 100, 0),
    }
    return writing.write(xr.Dataset(fluxes), folder, LAYOUT)
