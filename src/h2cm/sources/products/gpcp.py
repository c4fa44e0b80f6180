"""GPCP 1DD version 1.3: daily precipitation on 1°, one file a day."""

from __future__ import annotations

from functools import partial

from h2cm.sources import catalogue
from h2cm.sources.products import reading, writing

ROW = catalogue.product("gpcp")
read = partial(reading.read, row=ROW)
write = partial(writing.write, row=ROW)
