"""CO2 at Mauna Loa, monthly, for towers and for the years before the CAMS reanalysis begins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from h2cm.sources import catalogue
from h2cm.store import DataError, save_csv

ROW = catalogue.product("mauna_loa")
JUMP = 5.0
"""ppm that CO2 may change by in a month: its seasons move it by less than 3."""

COLUMNS = ("year", "month", ROW.variables["co2"].name[0])


def read(files: Sequence[Path]) -> xr.Dataset:
    """``co2`` (time), ppm, of the months that have a value."""
    path = Path(files[0])
    if len(files) > 1 or not path.is_file():
        raise DataError(
            f"{path}: expected the monthly CO2 record of Mauna Loa, one file, found {path.is_file() * len(files)}"
        )
    try:
        table = pd.read_csv(path, comment="#", skipinitialspace=True)
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: expected the monthly CO2 record of Mauna Loa as a table: {error}") from None
    absent = [name for name in COLUMNS if name not in table]
    if absent:
        raise DataError(f"{path}: expected the columns year, month, average; absent: {', '.join(absent)}")
    table = table[list(COLUMNS)].apply(pd.to_numeric, errors="coerce")
    if table.isna().any(axis=None) or not (table["month"].between(1, 12) & table["year"].between(1900, 2100)).all():
        raise DataError(f"{path}: expected numbers, a year and a month from 1 to 12 in each row, found others")
    table = table[table["average"] > 0]
    if table.empty:
        raise DataError(f"{path}: expected months with a value, found none")
    months = pd.PeriodIndex.from_fields(year=table["year"], month=table["month"], freq="M").to_timestamp()
    _check(months, table["average"].to_numpy(float), path)
    co2 = ("time", table["average"].to_numpy(float), {"units": "ppm"})
    return xr.Dataset(
        {"co2": co2},
        {"time": months.as_unit("ns")},
        {"product": "mauna_loa", "step": "month", "file": str(path), "layout": "a table"},
    )


def _check(months: pd.DatetimeIndex, co2: np.ndarray, path: Path) -> None:
    """Months in order, values that are possible, no jump between two months: a digit that is wrong shows."""
    low, high = ROW.variables["co2"].range
    if not ((co2 >= low) & (co2 <= high)).all():
        raise DataError(f"{path}: average: expected {low:g} to {high:g} ppm, found {co2.min():g} to {co2.max():g}")
    passed = np.diff(months.year * 12 + months.month)
    if (passed <= 0).any():
        raise DataError(f"{path}: expected the months in order, each once; see {months[1:][passed <= 0][0]:%Y-%m}")
    jumps = np.abs(np.diff(co2)) > JUMP * passed
    if jumps.any():
        raise DataError(
            f"{path}: average: expected at most {JUMP:g} ppm from month to month, found "
            f"{co2[:-1][jumps][0]:g} and {co2[1:][jumps][0]:g} in {months[1:][jumps][0]:%Y-%m}"
        )


def daily(data: xr.Dataset, days: pd.DatetimeIndex) -> np.ndarray:
    """CO2 (ppm) on `days`: linear between the middles of months, over missing ones too.

    Raises
    ------
    DataError
        For days that the record does not cover.
    """
    months = pd.PeriodIndex(data["time"].values, freq="M")
    first, last = days.min().to_period("M"), days.max().to_period("M")
    if len(months) == 0 or first < months.min() or last > months.max():
        held = f"{months.min()} to {months.max()}" if len(months) else "nothing"
        raise DataError(f"{data.attrs['file']}: average: expected CO2 from {first} to {last}, found {held}")
    middle = months.to_timestamp() + pd.to_timedelta(months.days_in_month / 2, unit="D")
    noon = days + pd.Timedelta(hours=12)
    return np.interp(noon.as_unit("s").asi8, middle.as_unit("s").asi8, data["co2"].values)


def write(data: xr.Dataset, folder: Path) -> list[Path]:
    """Write ``co2`` (time)."""
    time = pd.DatetimeIndex(data["time"].values)
    table = pd.DataFrame({"year": time.year, "month": time.month, "average": data["co2"].values})
    path = Path(folder) / ROW.layout.file_name
    save_csv(table, path)
    return [path]
