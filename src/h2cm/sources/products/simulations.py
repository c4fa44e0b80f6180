"""The simulations that the authors of the model published: carbon fluxes on 1°, days or months.

The record says in no word that could be read how its files are laid out. What is looked for are CF-like files with the
fluxes under their usual names; a file that is otherwise is an error that names what was found.
"""

from __future__ import annotations

from functools import partial

from h2cm.sources import catalogue
from h2cm.sources.products import reading, writing

ROW = catalogue.product("simulations")
read = partial(reading.read, row=ROW)
write = partial(writing.write, row=ROW)
