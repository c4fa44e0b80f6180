"""TRENDY version 11, simulation S3: monthly carbon fluxes of an ensemble of process models, each on its own grid.

Layout: one file a model and variable, ``<MODEL>_S3_<variable>.nc`` with ``gpp``, ``npp``, ``ra``, ``rh`` or
``nbp(time, lat, lon)`` in kg m-2 s-1 (of carbon), the names of the axes, the calendar, the time stamps and the missing
value as each group wrote them (TRENDY protocol of the Global Carbon Budget 2022,
https://mdosullivan.github.io/GCB/). Unconfirmed: every model's own habits; the reader takes what CF axes allow, and a
time axis of another kind (``months since``) is read by its unit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from h2cm.sources.products import layout, reading, writing
from h2cm.sources.products.layout import Field, Layout
from h2cm.store import DataError

CARBON = "g m-2 day-1"
FIELDS = tuple(
    Field(name, CARBON, (name,), "kg m-2 s-1", low, 100, tolerance=1e-3, fill=-99999.0)
    for name, low in (("gpp", -1), ("npp", -50), ("ra", -1), ("rh", -1), ("nbp", -1000))
)


def _layout(model: str, variable: str) -> Layout:
    return Layout(
        product="trendy",
        pattern="*_S3_*.nc",
        fields=FIELDS,
        step="month",
        split="all",
        file_name=lambda first, last: f"{model}_S3_{variable}.nc",
        calendar="noleap",
        time_units="days since 1700-01-01",
        stamp="middle",
        attrs={"title": f"TRENDY v11 {model} S3"},
    )


LAYOUT = _layout("", "")
PATTERN = LAYOUT.pattern


def _decode_months(raw: xr.Dataset) -> xr.Dataset:
    """A time axis in months or years since a date, which CF decoding leaves alone."""
    name = next((n for n in layout.TIMES if n in raw.variables), None)
    if name is None or not np.issubdtype(raw[name].dtype, np.number):
        return raw
    match = re.match(r"\s*(months?|years?) since (\d{1,4})-(\d{1,2})", str(raw[name].attrs.get("units", "")))
    if match is None:
        return raw
    steps = np.floor(raw[name].values * (12 if match[1].startswith("year") else 1) + 1e-6).astype(int)
    start = np.datetime64(f"{int(match[2]):04d}-{int(match[3]):02d}", "M")
    return raw.assign_coords({name: (raw[name].dims, (start + steps).astype("datetime64[ns]"))})


def models(files: Sequence[Path]) -> dict[str, list[Path]]:
    """The files of each model, by its name."""
    found: dict[str, list[Path]] = {}
    for path in files:
        match = re.fullmatch(r"(.+)_S3_(\w+)\.nc(\.gz)?", Path(path).name)
        if match is None:
            raise DataError(f"trendy: {path}: expected a name such as CLASSIC_S3_gpp.nc")
        if match[2] in [f.name for f in FIELDS]:
            found.setdefault(match[1], []).append(Path(path))
    return found


def read(files: Sequence[Path]) -> xr.Dataset:
    """The fluxes of **one** model, gC m-2 day-1, by month; each model has a grid of its own (see `models`)."""
    names = models(files)
    if len(names) != 1:
        raise DataError(f"trendy: expected the files of one model, got those of {', '.join(names) or 'none'}")
    return reading.read(files, LAYOUT, prepare=_decode_months, decode_times=False)


def write(data: xr.Dataset, folder: Path) -> list[Path]:
    """Write each model (dimension ``model``) and variable in a file of its own."""
    written = []
    for model in data["model"].values:
        one = data.sel(model=model).drop_vars("model")
        for name in one.data_vars:
            written += writing.write(one[[name]], folder, _layout(str(model), str(name)))
    return written
