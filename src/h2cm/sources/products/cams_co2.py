"""CAMS greenhouse-gas reanalysis (EGG4): CO2 near the ground.

Of several levels the lowest, with the highest pressure, is taken. Files with the two time axes of forecasts are read as
one axis of valid times. Mass is turned into moles with the molar masses of CO2 (44.0095) and dry air (28.9647 g mol-1).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from h2cm.sources import catalogue
from h2cm.sources.products import reading, writing

MOLES = 28.9647 / 44.0095  # mol of CO2 a mol of dry air, of a mass mixing ratio of one
ROW = catalogue.product("cams_co2")


def _lowest(raw: xr.Dataset) -> xr.Dataset:
    for level in ROW.layout.axes["level"]:
        if level in raw.dims and level in raw.variables:
            raw = raw.isel({level: int(raw[level].values.argmax())})
    return raw


def read(files: Sequence[Path]) -> xr.Dataset:
    """Mole fraction of CO2, ppm, at the file's time step."""
    data = reading.read(files, ROW, prepare=_lowest)
    ratio = reading.present(data, "mixing_ratio")
    return reading.like(data, co2=(ratio * MOLES * 1e6).assign_attrs(units="ppm"))


def write(data: xr.Dataset, folder: Path) -> list[Path]:
    """Write a mole fraction of CO2 in ppm, on one level of 1000 hPa."""
    ratio = (data["co2"].astype("f8") / (MOLES * 1e6)).expand_dims({ROW.layout.axis("level"): [1000.0]})
    return writing.write(xr.Dataset({"mixing_ratio": ratio}), folder, ROW)
