"""CRU JRA version 2: six-hourly air temperature on 0.5°, land only.

Layout: ``crujra.v2.4.5d.tmp.YYYY.365d.noc.nc`` (gzipped in the archive), one file a year, ``tmp(time, lat, lon)`` in
K, longitudes -179.75 to 179.75, a calendar of 365 days
(https://catalogue.ceda.ac.uk/uuid/aed8e269513f446fb1b5d2512bb387ad). CRU-NCEP, its predecessor, is read from files
of the same layout.

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

from h2cm.sources.products import reading, writing
from h2cm.sources.products.layout import Field, Layout

LAYOUT = Layout(
    product="crujra",
    pattern="crujra.v*.tmp.*.nc*",
    fields=(Field("air_temperature", "K", ("tmp", "Temperature", "tair"), "K", 180, 340, fill=-9.96921e36),),
    step="any",
    split="year",
    file_name=lambda first, last: f"crujra.v2.4.5d.tmp.{first:%Y}.365d.noc.nc",
    calendar="noleap",
    time_units="days since 1901-01-01",
    aligned="edges",
    attrs={"title": "CRU JRA v2.4: air temperature"},
)
PATTERN = LAYOUT.pattern
YEAR = r"\.tmp\.(\d{4})\."
write = partial(writing.write, layout=LAYOUT)


def read(files: Sequence[Path]) -> xr.Dataset:
    """Air temperature, K, at the file's time step."""
    data = reading.read(files, LAYOUT)
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
