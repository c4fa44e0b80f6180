"""FLUXCOM-X-BASE: gross primary productivity, evapotranspiration and net ecosystem exchange, upscaled from towers.

Layout: one file a variable and year, ``GPP_YYYY_050_monthly.nc`` (``050``: 0.5°, ``005``: 0.05°; ``monthly``,
``daily`` or hourly), ``GPP`` and ``NEE(time, lat, lon)`` in gC m-2 d-1, ``ET`` in mm hr-1, latitudes from north to
south (ICOS Carbon Portal, doi:10.18160/5NZG-JMJE; Nelson et al. 2024, doi:10.5194/bg-21-5079-2024). Unconfirmed: the
names of the files; the time step is taken from the time axis.

Terrestrial ecosystem respiration is NEE + GPP.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from h2cm.sources.products import reading, writing
from h2cm.sources.products.layout import Field, Layout

CARBON = "g m-2 day-1"
FIELDS = (
    Field("gpp", CARBON, ("GPP", "gpp"), "gC m-2 d-1", -10, 60, fill=-9999.0),
    Field("nee", CARBON, ("NEE", "nee"), "gC m-2 d-1", -60, 60, fill=-9999.0),
    Field("et", "mm day-1", ("ET", "et"), "mm hr-1", -5, 50, fill=-9999.0),
)


def _layout(name: str) -> Layout:
    return Layout(
        product="fluxcom",
        pattern="*.nc",
        fields=FIELDS,
        step="any",
        split="year",
        file_name=lambda first, last: f"{name}_{first:%Y}_050_monthly.nc",
        time_units="days since 1970-01-01",
        descending=True,
        aligned="edges",
        attrs={"title": f"FLUXCOM-X-BASE {name}", "Conventions": "CF-1.8"},
    )


LAYOUT = _layout("GPP")
PATTERN = LAYOUT.pattern
YEAR = r"_(\d{4})_"


def read(files: Sequence[Path]) -> xr.Dataset:
    """``gpp``, ``nee``, ``ter`` (gC m-2 day-1) and ``et`` (mm day-1): those that the files hold."""
    data = reading.read(files, LAYOUT)
    variables = dict(data.data_vars)
    if {"gpp", "nee"} <= set(variables):
        variables["ter"] = (data["gpp"] + data["nee"]).assign_attrs(units=CARBON)
    return reading.like(data, **variables)


def write(data: xr.Dataset, folder: Path) -> list[Path]:
    """Write each variable in files of its own; ``ter`` is written as NEE, where that is not given."""
    if "ter" in data and "nee" not in data:
        data = data.assign(nee=data["ter"] - data["gpp"])
    written = []
    for row in FIELDS:
        if row.name in data:
            written += writing.write(data[[row.name]], folder, _layout(row.file_names[0]))
    return written
