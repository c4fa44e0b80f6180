"""CRU JRA version 2: six-hourly air temperature on 0.5°, land only.

CRU-NCEP, its predecessor, is read from files of the same layout.

Gzipped files are unpacked to the folder of temporary files while they are read, 1.5 GB a year: unpack them beforehand
where there is no room for that. The calendar has no 29 February: in leap years that day is the mean, step by step, of the day before and the day after.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from h2cm.sources import catalogue
from h2cm.sources.products import reading, writing

ROW = catalogue.product("crujra")
write = partial(writing.write, row=ROW)


def read(files: Sequence[Path]) -> xr.Dataset:
    """Air temperature, K, at the file's time step."""
    data = reading.read(files, ROW)
    return reading.like(data, **dict(fill_leap_days(data).data_vars))


def fill_leap_days(data: xr.Dataset) -> xr.Dataset:
    """29 February as the mean of 28 February and 1 March, where the time axis lacks it alone."""
    times = pd.DatetimeIndex(data["time"].values)
    parts = [data]
    for year in sorted({int(y) for y in times.year[times.is_leap_year]}):
        day = [pd.Timestamp(year, 2, 28), pd.Timestamp(year, 2, 29), pd.Timestamp(year, 3, 1)]
        before, leap, after = (np.flatnonzero(times.normalize() == d) for d in day)
        if leap.size or not before.size or before.size != after.size:
            continue
        filled = (data.isel(time=before).drop_vars("time") + data.isel(time=after).drop_vars("time")) / 2
        parts.append(filled.assign_coords(time=times[before] + pd.Timedelta(days=1)))
        reading.log.info("crujra: 29 February %d, which its calendar lacks, is the mean of the days beside it", year)
    return data if len(parts) == 1 else xr.concat(parts, "time").sortby("time")
