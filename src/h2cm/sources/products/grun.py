"""GRUN: monthly runoff on 0.5°, land only.

Layout: one file ``GRUN_v1_GSWP3_WGS84_05_1902_2014.nc`` (version 1) or ``G-RUN_ENSEMBLE_MMM.nc`` (version 2, the mean
of its members), ``Runoff(time, Y, X)`` in mm/day, -179.75 to 179.75 and -89.75 to 89.75, the first of each month
(doi:10.6084/m9.figshare.9228176, doi:10.6084/m9.figshare.12794075). Unconfirmed: names of version 2.
"""

from __future__ import annotations

from functools import partial

from h2cm.sources.products import reading, writing
from h2cm.sources.products.layout import Field, Layout

LAYOUT = Layout(
    product="grun",
    pattern="G*RUN*.nc",
    fields=(Field("runoff", "mm day-1", ("Runoff", "runoff"), "mm/day", 0, 500, tolerance=0.01, fill=-9999.0),),
    step="month",
    split="all",
    file_name=lambda first, last: "G-RUN_ENSEMBLE_MMM.nc",
    dims=("time", "Y", "X"),
    time_units="days since 1902-01-01",
    aligned="edges",
    attrs={"title": "G-RUN ENSEMBLE"},
)
PATTERN = LAYOUT.pattern
read = partial(reading.read, layout=LAYOUT)
write = partial(writing.write, layout=LAYOUT)
