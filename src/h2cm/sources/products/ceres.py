"""CERES SYN1deg-Day edition 4: daily radiation at the surface on 1°, as the ordering tool hands it out.

Net radiation is short wave down less up, plus long wave down less up.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from h2cm.sources import catalogue
from h2cm.sources.products import reading, writing

ROW = catalogue.product("ceres")


def read(files: Sequence[Path]) -> xr.Dataset:
    """Net radiation, W m-2, daily."""
    data = reading.read(files, ROW)
    down_sw, up_sw, down_lw, up_lw = (reading.present(data, n) for n in ("sw_down", "sw_up", "lw_down", "lw_up"))
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
    return writing.write(xr.Dataset(fluxes), folder, ROW)
