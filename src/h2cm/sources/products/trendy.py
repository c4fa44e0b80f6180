"""TRENDY version 11, simulation S3: monthly carbon fluxes of an ensemble of process models, each on its own grid.

Each model has its own habits: names of axes, calendar, time stamps, missing value. The reader takes what CF axes allow, and
what the row of the catalogue lists.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from h2cm.sources import catalogue
from h2cm.sources.products import reading, writing
from h2cm.store import DataError

ROW = catalogue.product("trendy")
FILE = re.compile(r"(.+)_S3_(?:Monthly_)?(\w+)\.nc(\.gz)?")


def models(files: Sequence[Path], names: Sequence[str] = tuple(ROW.variables)) -> dict[str, list[Path]]:
    """The files of each model, by its name: those of the variables `names`, so that others need not be readable."""
    found: dict[str, list[Path]] = {}
    for path in files:
        match = FILE.fullmatch(Path(path).name)
        if match is None:
            raise DataError(f"trendy: {path}: expected a name such as CLASSIC_S3_gpp.nc")
        if match[2] in names:
            found.setdefault(match[1], []).append(Path(path))
    return found


def read(files: Sequence[Path]) -> xr.Dataset:
    """The fluxes of **one** model, gC m-2 day-1, by month; each model has a grid of its own (see `models`)."""
    names = models(files)
    if len(names) != 1:
        raise DataError(f"trendy: expected the files of one model, got those of {', '.join(names) or 'none'}")
    return reading.read(files, ROW)


def write(data: xr.Dataset, folder: Path) -> list[Path]:
    """Write each model (dimension ``model``) and variable in a file of its own."""
    written = []
    for model in data["model"].values:
        one = data.sel(model=model).drop_vars("model")
        for name in one.data_vars:
            written += writing.write(one[[name]], folder, ROW, f"{model}_S3_{name}")
    return written
