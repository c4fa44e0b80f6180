"""GRUN: monthly runoff on 0.5°, land only."""

from __future__ import annotations

from functools import partial

from h2cm.sources import catalogue
from h2cm.sources.products import reading, writing

ROW = catalogue.product("grun")
read = partial(reading.read, row=ROW)
write = partial(writing.write, row=ROW)
