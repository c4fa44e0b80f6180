"""OCO-2 MIP version 10, experiment LNLGIS: monthly net land flux of an ensemble of inversions on 1°, fire included."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from h2cm.sources import catalogue
from h2cm.sources.products import axes, reading, writing
from h2cm.store import DataError, save_netcdf

ROW = catalogue.product("oco2_mip")
FLUX = ROW.variables["nee_total"]
SUFFIX = ROW.layout.file_name.format(name="")
START = "start_date"


def _months(raw: xr.Dataset) -> xr.Dataset:
    """The time axis from ``start_date``, or the months of the experiment, where the file has none with a unit."""
    times = [n for n in ROW.layout.axes["time"] if n in raw.variables]
    if any("since" in str(raw[n].attrs.get("units", "")) for n in times):
        return raw
    flux = next((raw[n] for n in FLUX.name if n in raw.variables), None)
    if flux is None:
        return raw
    if START in raw:
        dates = raw[START]
        steps = [d for d in dates.dims if d in flux.dims]
        if dates.ndim != 2 or len(steps) != 1:
            raise DataError(f"{START}: expected a date for each step of {flux.name}, found the dimensions {dates.dims}")
        year, month = dates.transpose(steps[0], ...).values[:, :2].astype(int).T
        if not ((year > 1900) & (year < 2100) & (month >= 1) & (month <= 12)).all():
            raise DataError(f"{START}: expected year and month first, found {dates.values.ravel()[:3].tolist()}")
        months = pd.PeriodIndex.from_fields(year=year, month=month, freq="M").to_timestamp()
        dim = steps[0]
    else:
        first, last = ROW.period
        months = pd.date_range(f"{first}-01-01", f"{last}-12-01", freq="MS")
        dim = next((d for d in flux.dims if d in ROW.layout.axes["time"]), flux.dims[0])
        if raw.sizes[dim] != months.size:
            raise DataError(
                f"neither {START} nor a time axis: expected the {months.size} months of {first} to {last}, found "
                f"{raw.sizes[dim]} steps"
            )
        reading.log.info(
            "oco2_mip: neither %s nor a time axis: taken as the %d months from %d-01", START, months.size, first
        )
    raw = raw.drop_vars([n for n in times if n != dim or dim != "time"] + ["time"], errors="ignore")
    return raw.rename({dim: "time"} if dim != "time" else {}).assign_coords(time=("time", months.values))


def name_of(path: Path) -> str:
    """The member that a file is of."""
    return Path(path).name.removesuffix(SUFFIX)


def read_member(path: Path, like: xr.Dataset | None = None) -> xr.Dataset:
    """Net land flux of one member, gC m-2 day-1, dimensions time, lat, lon, all its values checked; on the grid of `like`."""
    data = reading.read([path], ROW, prepare=_months)
    try:
        differs = like is not None and axes.same_grid(data, like)
        if differs:
            raise DataError(f"{Path(path).name}: expected the grid of the other members, the {differs} differ")
        data["nee_total"].max().compute()
    except BaseException:
        data.close()
        raise
    return data


def read(files: Sequence[Path], min_members: int = 1) -> xr.Dataset:
    """Net land flux with fire, gC m-2 day-1, negative: sink; dimensions member, time, lat, lon.

    Members that cannot be read are left out; the attribute ``left_out`` says which and why.

    Raises
    ------
    DataError
        If fewer than `min_members` are left.
    """
    with reading.Members(ROW, min_members) as members:
        for path in files:
            members.add(name_of(path), partial(read_member, path, like=next(iter(members.found.values()), None)))
        return reading.stack(members.checked(), "member", members.names).assign_attrs(members.attrs)


def write(data: xr.Dataset, folder: Path) -> list[Path]:
    """Write each member in a file of its own, and their mean."""
    written = []
    members = [(str(m), data["nee_total"].sel(member=m)) for m in data["member"].values]
    for name, values in [*members, ("EnsMean", data["nee_total"].mean("member"))]:
        times = pd.DatetimeIndex(data["time"].values)
        one = writing.lay_out(values.drop_vars("member", errors="ignore").to_dataset(name="nee_total"), ROW)
        flux, encoding = writing.encode(one["nee_total"], FLUX)
        dates = np.stack([times.year, times.month, times.day], -1).astype("i2")
        out = xr.Dataset({flux.name: flux.drop_vars("time"), START: (("time", "date_component"), dates)})
        out = out.rename(lat=ROW.layout.axis("lat"), lon=ROW.layout.axis("lon"))
        path = Path(folder) / ROW.layout.file_name.format(name=name)
        save_netcdf(out, path, encoding={flux.name: encoding})
        written.append(path)
    return written
