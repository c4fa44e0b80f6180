"""GPCP 1DD version 1.3: daily precipitation on 1°, one file a day.

Layout: ``gpcp_v01r03_daily_dYYYYMMDD_cYYYYMMDD.nc`` with ``precip(time, latitude, longitude)`` in mm/day, longitudes
0.5 to 359.5, missing -99999 (NOAA Climate Data Record C00999; attributes as served by
http://iridl.ldeo.columbia.edu/SOURCES/.NASA/.GSFC/.../.V1DD/.V1p3/dods.das). The date after ``c`` is that of
production.
"""

from __future__ import annotations

from functools import partial

from h2cm.sources.products import reading, writing
from h2cm.sources.products.layout import Field, Layout

LAYOUT = Layout(
    product="gpcp",
    pattern="gpcp_v01r03_daily_d????????_c????????.nc",
    fields=(Field("precipitation", "mm day-1", ("precip",), "mm/day", 0, 2000, tolerance=0.01, fill=-99999.0),),
    step="day",
    split="day",
    file_name=lambda first, last: f"gpcp_v01r03_daily_d{first:%Y%m%d}_c20170530.nc",
    dims=("time", "latitude", "longitude"),
    time_units="days since 1970-01-01",
    east=True,
    aligned="edges",
    attrs={
        "Conventions": "CF-1.6, ACDD 1.3",
        "title": "GPCP Climate Data Record (CDR), Daily V1.3",
        "product_version": "v01r03",
    },
)
PATTERN = LAYOUT.pattern
YEAR = r"_d(\d{4})\d{4}_"
read = partial(reading.read, layout=LAYOUT)
write = partial(writing.write, layout=LAYOUT)
