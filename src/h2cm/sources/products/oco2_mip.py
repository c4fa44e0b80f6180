"""OCO-2 MIP version 10, experiment LNLGIS: monthly net land flux of an ensemble of inversions on 1°, fire included.

Layout: one file a member, ``<member>_gridded_fluxes_LNLGIS.nc4`` beside ``EnsMean_`` and ``EnsStd_``, with
``land(time, latitude, longitude)`` in gC m-2 year-1, positive to the atmosphere, and ``start_date(time, 6)``: year,
month, day, hour, minute, second (Byrne et al. 2023, doi:10.5194/essd-15-963-2023;
https://gml.noaa.gov/ccgg/OCO2_v10mip/). Unconfirmed: the order of the axes and the centres of the cells; a decoded
time axis is read instead of ``start_date`` where there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from h2cm.sources.products import reading, writing
from h2cm.sources.products.layout import Field, Layout
from h2cm.store import DataError, save_netcdf

SUFFIX = "_gridded_fluxes_LNLGIS.nc4"
NO_MEMBERS = ("EnsMean", "EnsStd")
LAYOUT = Layout(
    product="oco2_mip",
    pattern=f"*{SUFFIX}",
    fields=(Field("nee_total", "g m-2 day-1", ("land",), "gC m-2 year-1", -200, 200),),
    step="month",
    split="all",
    file_name=lambda first, last: "",
    dims=("time", "latitude", "longitude"),
    aligned="edges",
)
PATTERN = LAYOUT.pattern


def _start_dates(raw: xr.Dataset) -> xr.Dataset:
    """The time axis from ``start_date``, where the file has no decoded one."""
    if "start_date" not in raw or ("time" in raw.variables and np.issubdtype(raw["time"].dtype, np.datetime64)):
        return raw
    parts = raw["start_date"].values
    parts = parts if parts.shape[-1] == 6 else parts.T
    dates = pd.to_datetime(pd.DataFrame(parts[:, :3].astype(int), columns=["year", "month", "day"]))
    dim = next(d for d in raw["start_date"].dims if raw.sizes[d] == len(dates))
    return raw.rename({dim: "time"} if dim != "time" else {}).assign_coords(time=("time", dates.values))


def read(files: Sequence[Path]) -> xr.Dataset:
    """Net land flux with fire, gC m-2 day-1, negative: sink; dimensions member, time, lat, lon."""
    files = [f for f in files if not Path(f).name.startswith(NO_MEMBERS)]
    if not files:
        raise DataError(f"oco2_mip: expected the files of the members, *{SUFFIX}, found only those of the ensemble")
    members = [reading.read([f], LAYOUT, prepare=_start_dates) for f in files]
    names = [Path(f).name.removesuffix(SUFFIX) for f in files]
    return reading.stack(members, "member", names)


def write(data: xr.Dataset, folder: Path) -> list[Path]:
    """Write each member in a file of its own, and their mean."""
    written = []
    members = [(str(m), data["nee_total"].sel(member=m)) for m in data["member"].values]
    for name, values in [*members, ("EnsMean", data["nee_total"].mean("member"))]:
        times = pd.DatetimeIndex(data["time"].values)
        one = writing.lay_out(values.drop_vars("member", errors="ignore").to_dataset(name="nee_total"), LAYOUT)
        flux, encoding = writing.encode(one["nee_total"], LAYOUT.fields[0])
        dates = np.stack([times.year, times.month, times.day, *[np.zeros(len(times), int)] * 3], -1)
        out = xr.Dataset({"land": flux.drop_vars("time"), "start_date": (("time", "six"), dates.astype("i4"))})
        out = out.rename(lat="latitude", lon="longitude")
        path = Path(folder) / f"{name}{SUFFIX}"
        save_netcdf(out, path, encoding={"land": encoding})
        written.append(path)
    return written
