"""Atmospheric CO2 of each day from the monthly record of Mauna Loa."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from h2cm.store import DataError


def daily_co2(path: Path, days: pd.DatetimeIndex) -> np.ndarray:
    """CO2 (ppm) on `days`: linear between the middles of months.

    Parameters
    ----------
    path : Path
        Monthly means in the layout of NOAA's Global Monitoring Laboratory (``co2_mm_mlo.csv``): comments start with
        ``#``, columns ``year``, ``month``, ``average``; negative averages are missing months, over which the
        neighbours are interpolated.
    days : DatetimeIndex

    Raises
    ------
    DataError
        For a file that is not there or lacks a column, and days that it does not cover.
    """
    if not path.is_file():
        raise DataError(f"{path}: expected the monthly CO2 record of Mauna Loa (towers.co2), there is none")
    table = pd.read_csv(path, comment="#", skipinitialspace=True)
    absent = [name for name in ("year", "month", "average") if name not in table]
    if absent:
        raise DataError(f"{path}: expected the columns year, month, average; absent: {', '.join(absent)}")
    table = table[table["average"] > 0]
    months = pd.PeriodIndex.from_fields(year=table["year"], month=table["month"], freq="M")
    first, last = days[0].to_period("M"), days[-1].to_period("M")
    if len(months) == 0 or first < months.min() or last > months.max():
        held = f"{months.min()} to {months.max()}" if len(months) else "nothing"
        raise DataError(f"{path}: average: expected CO2 from {first} to {last}, found {held}")
    middle = months.to_timestamp() + pd.to_timedelta(months.days_in_month / 2, unit="D")
    noon = days + pd.Timedelta(hours=12)
    return np.interp(noon.as_unit("s").asi8, middle.as_unit("s").asi8, table["average"].to_numpy(float))
