"""CAMS greenhouse-gas reanalysis (EGG4): CO2 near the ground.

Layout: netCDF of the Atmosphere Data Store, ``co2(valid_time, pressure_level, latitude, longitude)``, a mass mixing
ratio in kg kg**-1, latitudes from north to south, longitudes from 0, points at the multiples of 0.75°, three-hourly, one file a month
(https://confluence.ecmwf.int/display/CKB/CAMS%3A+Reanalysis+data+documentation). Unconfirmed: the name of the vertical
axis; of several levels the lowest, with the highest pressure, is taken.

Mass is turned into moles with the molar masses of CO2 (44.0095) and dry air (28.9647 g mol-1).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from h2cm.sources.products import reading, writing
from h2cm.sources.products.layout import Field, Layout

MOLES = 28.9647 / 44.0095  # mol of CO2 a mol of dry air, of a mass mixing ratio of one
LEVELS = ("pressure_level", "level", "isobaricInhPa", "plev")

LAYOUT = Layout(
    product="cams_co2",
    pattern="*.nc",
    fields=(Field("mixing_ratio", "1", ("co2",), "kg kg**-1", 300e-6 / MOLES, 700e-6 / MOLES),),
    step="any",
    split="month",
    file_name=lambda first, last: f"cams_co2_{first:%Y%m}.nc",
    dims=("valid_time", "latitude", "longitude"),
    time_units="seconds since 1970-01-01",
    descending=True,
    east=True,
    attrs={"Conventions": "CF-1.7", "institution": "European Centre for Medium-Range Weather Forecasts"},
)
PATTERN = LAYOUT.pattern
YEAR = r"_(\d{4})\d{2}\.nc$"


def _lowest(raw: xr.Dataset) -> xr.Dataset:
    for level in LEVELS:
        if level in raw.dims:
            raw = raw.isel({level: int(raw[level].values.argmax())})
    return raw


def read(files: Sequence[Path]) -> xr.Dataset:
    """Mole fraction of CO2, ppm, at the file's time step."""
    data = reading.read(files, LAYOUT, prepare=_lowest)
    return reading.like(data, co2=(data["mixing_ratio"] * MOLES * 1e6).assign_attrs(units="ppm"))


def write(data: xr.Dataset, folder: Path) -> list[Path]:
    """Write a mole fraction of CO2 in ppm, on one level of 1000 hPa."""
    ratio = (data["co2"].astype("f8") / (MOLES * 1e6)).expand_dims(pressure_level=[1000.0])
    return writing.write(xr.Dataset({"mixing_ratio": ratio}), folder, LAYOUT)
