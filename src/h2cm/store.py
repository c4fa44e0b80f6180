"""The store: everything that training sees, on the land cells of the target grid.

One netCDF file a variable, ``<store>/<name>.nc``, and ``grid.nc`` with the cells. Dimensions are ``cell``, ``time``
(days), ``month`` (the first day of each month, a complete calendar) and ``feature`` (static attributes). `VARIABLES`
says what each variable is; nothing is written that does not fit its row.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr


class DataError(ValueError):
    """Data that cannot be used; the message names the file, the variable and what was expected."""


@dataclass(frozen=True)
class Variable:
    """What a variable of the store is.

    Attributes
    ----------
    name : str
    units : str
        UDUNITS.
    long_name : str
    dims : tuple of str
    low, high : float
        Physically possible values.
    role : {"grid", "forcing", "static", "constraint", "comparison"}
    standard_name : str
        CF standard name, empty if there is none.
    """

    name: str
    units: str
    long_name: str
    dims: tuple[str, ...]
    low: float
    high: float
    role: str
    standard_name: str = ""


DAILY, MONTHLY = ("cell", "time"), ("cell", "month")
CARBON_FLUX = "g m-2 day-1"
"""Unit of carbon fluxes: grams of carbon."""

VARIABLES: dict[str, Variable] = {
    v.name: v
    for v in (
        Variable("area", "m2", "area of the cell", ("cell",), 0, 1.3e13, "grid", "cell_area"),
        Variable(
            "net_radiation",
            "W m-2",
            "net radiation",
            DAILY,
            -400,
            800,
            "forcing",
            "surface_net_downward_radiative_flux",
        ),
        Variable("precipitation", "mm day-1", "precipitation", DAILY, 0, 2000, "forcing", "lwe_precipitation_rate"),
        Variable("air_temperature", "K", "air temperature at 2 m", DAILY, 180, 340, "forcing", "air_temperature"),
        Variable(
            "vapour_pressure_deficit",
            "hPa",
            "vapour pressure deficit",
            DAILY,
            0,
            150,
            "forcing",
            "water_vapor_saturation_deficit_in_air",
        ),
        Variable(
            "co2",
            "ppm",
            "mole fraction of CO2 in air",
            DAILY,
            300,
            700,
            "forcing",
            "mole_fraction_of_carbon_dioxide_in_air",
        ),
        Variable("static", "1", "static attributes", ("cell", "feature"), -np.inf, np.inf, "static"),
        Variable("tws", "mm", "terrestrial water storage anomaly", MONTHLY, -20000, 20000, "constraint"),
        Variable(
            "swe", "mm", "snow water equivalent", MONTHLY, 0, 5000, "constraint", "lwe_thickness_of_surface_snow_amount"
        ),
        Variable(
            "fapar",
            "1",
            "fraction of absorbed photosynthetically active radiation",
            MONTHLY,
            0,
            1,
            "constraint",
            "fraction_of_surface_downwelling_photosynthetic_radiative_flux_absorbed_by_vegetation",
        ),
        Variable("et", "mm day-1", "evapotranspiration", MONTHLY, -5, 50, "constraint", "lwe_water_evaporation_rate"),
        Variable("runoff", "mm day-1", "runoff", MONTHLY, 0, 500, "constraint"),
        Variable("gpp", CARBON_FLUX, "gross primary productivity", MONTHLY, -10, 60, "constraint"),
        Variable(
            "nee", CARBON_FLUX, "net ecosystem exchange of towers, negative: sink", MONTHLY, -60, 60, "constraint"
        ),
        Variable(
            "nee_oco2", CARBON_FLUX, "net ecosystem exchange, OCO-2 MIP less fire", MONTHLY, -60, 60, "constraint"
        ),
        Variable(
            "nee_carboscope",
            CARBON_FLUX,
            "net ecosystem exchange, CarboScope less fire",
            MONTHLY,
            -60,
            60,
            "constraint",
        ),
        Variable("cue", "1", "mean annual carbon-use efficiency", ("cell",), 0, 1, "constraint"),
    )
}


def describe(data: xr.DataArray, variable: Variable) -> xr.DataArray:
    """`data` with the CF attributes of its row."""
    attrs = {"units": variable.units, "long_name": variable.long_name}
    if variable.standard_name:
        attrs["standard_name"] = variable.standard_name
    return data.rename(variable.name).assign_attrs(attrs)


def check(data: xr.DataArray, origin: str) -> None:
    """Check a variable against its row of `VARIABLES`.

    Parameters
    ----------
    data : DataArray
        Named as in `VARIABLES`, with its unit in ``attrs["units"]``.
    origin : str
        The product or file it comes from, for the message.

    Raises
    ------
    DataError
        Where the dimensions, the unit or a value is not what the row says, or forcing or a static attribute is
        missing somewhere.
    """
    row = VARIABLES[data.name]
    if tuple(data.dims) != row.dims:
        raise DataError(f"{origin}: {row.name}: expected dimensions {row.dims}, got {data.dims}")
    if data.attrs.get("units") != row.units:
        raise DataError(f"{origin}: {row.name}: expected unit {row.units!r}, got {data.attrs.get('units')!r}")
    values = data.values
    bad = (values < row.low) | (values > row.high) | np.isinf(values)
    if bad.any():
        first = ", ".join(f"{d} {data[d].values[i]}" for d, i in zip(data.dims, np.argwhere(bad)[0], strict=True))
        raise DataError(
            f"{origin}: {row.name}: {bad.sum()} values outside the possible range {row.low} to {row.high} {row.units}; "
            f"the first is {values[tuple(np.argwhere(bad)[0])]:g} at {first}"
        )
    if row.role in ("forcing", "static") and np.isnan(values).any():
        missing = np.isnan(values)
        first = ", ".join(f"{d} {data[d].values[i]}" for d, i in zip(data.dims, np.argwhere(missing)[0], strict=True))
        raise DataError(
            f"{origin}: {row.name}: {missing.sum()} values are missing, none may be; the first is at {first}"
        )


def save_netcdf(dataset: xr.Dataset | xr.DataArray, path: str | Path, **options) -> None:
    """Write a netCDF file whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    dataset.to_netcdf(part, **options)
    os.replace(part, path)


def write(data: xr.DataArray, path: str | Path, origin: str) -> None:
    """Check `data`, give it the attributes of its row and write it as float32 (grid: float64)."""
    row = VARIABLES[data.name]
    check(data, origin)
    data = describe(data, row).astype("f8" if row.role == "grid" else "f4")
    data.attrs["source"] = origin
    save_netcdf(data, path, encoding={data.name: {"zlib": True, "complevel": 1}})


def open_store(source: str | Path | Iterable[str | Path]) -> xr.Dataset:
    """All variables of a store, in memory, as one data set.

    Parameters
    ----------
    source : path or iterable of path
        The folder of the store, or those of its files to read.

    Raises
    ------
    DataError
        For a file that cannot be read, or files that are not of the same cells, days and months.
    """
    files = sorted(Path(source).glob("*.nc")) if isinstance(source, str | Path) else list(source)
    if not files:
        raise DataError(f"{source}: expected the netCDF files of a store, found none")
    parts = []
    for file in files:
        try:
            parts.append(xr.load_dataset(file))
        except (OSError, ValueError) as error:
            raise DataError(f"{file}: expected a netCDF file of a store: {error}") from None
    try:
        return xr.merge(parts, join="exact", compat="equals", combine_attrs="drop_conflicts")
    except ValueError as error:
        raise DataError(f"store: expected the same cells, days and months in all files: {error}") from None


def summarise(dataset: xr.Dataset) -> pd.DataFrame:
    """Range, mean and missing share of each variable (areas weigh the mean)."""
    rows = []
    for name, data in dataset.data_vars.items():
        present = data.notnull()
        mean = data.weighted(dataset["area"]).mean() if "cell" in data.dims else data.mean()
        rows.append(
            {
                "variable": name,
                "units": data.attrs.get("units", ""),
                "minimum": float(data.min()),
                "maximum": float(data.max()),
                "mean": float(mean),
                "missing": float(1 - present.mean()),
                "source": data.attrs.get("source", ""),
            }
        )
    return pd.DataFrame(rows)


def save_csv(table: pd.DataFrame, path: str | Path, **options) -> None:
    """Write a table whole or not at all; `options` go to ``to_csv``."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    table.to_csv(part, index=False, **options)
    os.replace(part, path)
