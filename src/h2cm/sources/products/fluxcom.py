"""FLUXCOM-X-BASE: gross primary productivity, evapotranspiration and net ecosystem exchange, upscaled from towers.

Fluxes are per area of land, and so are the model's: they are **not** multiplied by the share of land of their cell, as
is done for totals of carbon. ``land_fraction``, where the files hold it, is the weight of a cell in the means over the
cells of the store (`h2cm.sources.harmonise.sources.monthly`), so that a cell that is mostly sea counts with its land.

Terrestrial ecosystem respiration is NEE + GPP.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from h2cm.sources import catalogue
from h2cm.sources.products import axes, reading, writing
from h2cm.store import DataError

ROW = catalogue.product("fluxcom")
LAND = "land_fraction"


def read(files: Sequence[Path]) -> xr.Dataset:
    """``gpp``, ``nee``, ``ter`` (gC m-2 day-1) and ``et`` (mm day-1): those that the files hold; ``land_fraction``."""
    data = reading.read(files, ROW)
    variables = dict(data.data_vars)
    if {"gpp", "nee"} <= set(variables):
        variables["ter"] = (data["gpp"] + data["nee"]).assign_attrs(units=ROW.derived["ter"].store_unit)
    land = _land_fraction(files[0])
    return reading.like(data, **variables) if land is None else reading.like(data, **variables, **{LAND: land})


def _land_fraction(path: Path) -> xr.DataArray | None:
    """Share of land of each cell (lat, lon), 0 to 1, where a file holds it."""
    origin = f"fluxcom: {Path(path).name}: {LAND}"
    with reading.open_file(path) as raw:
        if LAND not in raw.variables:
            return None
        land = axes.order(axes.rename(raw[[LAND]], ROW, origin, time=False))[LAND]
        land = land.isel({d: 0 for d in land.dims if d not in ("lat", "lon")}, drop=True).load()
    scale = 0.01 if land.attrs.get("units") == "%" else 1.0
    land = (land.transpose("lat", "lon") * scale).fillna(0.0)
    if not 0 <= float(land.min()) <= float(land.max()) <= 1 + 1e-6:
        raise DataError(f"{origin}: expected shares of 0 to 1, found {float(land.min()):g} to {float(land.max()):g}")
    reading.log.info("fluxcom: %s in the files: it weighs the cells; fluxes stay per area of land", LAND)
    return np.minimum(land, 1.0).assign_attrs(units="1")


def write(data: xr.Dataset, folder: Path) -> list[Path]:
    """Write each variable in files of its own; ``ter`` is written as NEE, where that is not given."""
    if "ter" in data and "nee" not in data:
        data = data.assign(nee=data["ter"] - data["gpp"])
    written = []
    for name, variable in ROW.variables.items():
        if name in data:
            written += writing.write(data[[name]], folder, ROW, variable.name[0])
    return written
