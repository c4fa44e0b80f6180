"""ERA5: vapour pressure deficit from temperature and dew point at 2 m.

Each point stands for the cell around it.

The deficit is e(T) - e(Td) at each time step of the file, with the saturation vapour pressure over water of the IFS
(Teten's formula, IFS documentation CY41R2, part IV, eq. 7.5, doi:10.21957/tr5rv27xu).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from h2cm.sources import catalogue
from h2cm.sources.products import reading, writing
from h2cm.store import DataError

A1, A3, A4, T0 = 6.1121, 17.502, 32.19, 273.16  # hPa, 1, K, K: over water
TOLERANCE = 0.05  # hPa: dew points of packed files lie above the temperature by rounding

ROW = catalogue.product("era5")


def saturation_vapour_pressure(temperature):
    """Saturation vapour pressure over water, hPa, of a temperature in K."""
    return A1 * np.exp(A3 * (temperature - T0) / (temperature - A4))


def dew_point(vapour_pressure):
    """Temperature, K, at which a vapour pressure in hPa saturates: the inverse of `saturation_vapour_pressure`."""
    x = np.log(vapour_pressure / A1) / A3
    return (T0 - A4 * x) / (1 - x)


def _deficit(temperature, dew):
    deficit = saturation_vapour_pressure(temperature) - saturation_vapour_pressure(dew)
    if (deficit < -TOLERANCE).any():
        raise DataError(
            f"era5: the dew point lies above the temperature, by up to {np.nanmax(dew - temperature):.2f} K"
        )
    return np.maximum(deficit, 0)


def read(files: Sequence[Path]) -> xr.Dataset:
    """Vapour pressure deficit, hPa, and air temperature, K, at the file's time step."""
    data = reading.read(files, ROW)
    temperature, dew = reading.present(data, "air_temperature"), reading.present(data, "dew_point")
    deficit = xr.apply_ufunc(_deficit, temperature, dew, dask="parallelized", output_dtypes=["f8"])
    return reading.like(data, vapour_pressure_deficit=deficit.assign_attrs(units="hPa"), air_temperature=temperature)


def write(data: xr.Dataset, folder: Path) -> list[Path]:
    """Write temperature and dew point from ``air_temperature`` (K) and ``vapour_pressure_deficit`` (hPa).

    A deficit of the whole saturation pressure has no dew point: at least 0.01 % of it is left.
    """
    temperature = data["air_temperature"].astype("f8")
    saturated = saturation_vapour_pressure(temperature)
    dew = dew_point(np.maximum(saturated - data["vapour_pressure_deficit"], 1e-4 * saturated))
    fields = {"air_temperature": temperature, "dew_point": np.minimum(dew, temperature)}
    return writing.write(xr.Dataset(fields), folder, ROW)
