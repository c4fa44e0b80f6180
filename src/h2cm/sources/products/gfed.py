"""GFED: monthly carbon emissions of fires on 0.25°, version 4.1s (HDF5) and version 5 (netCDF).

Monthly sums become means per day with the days of each month.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import xarray as xr

from h2cm import units
from h2cm.files import whole
from h2cm.sources import catalogue
from h2cm.sources.products import axes, reading, times, writing
from h2cm.sources.products.values import MONTHLY, is_monthly
from h2cm.store import DataError

ROW = catalogue.product("gfed")
FIRE = ROW.variables["fire"]


def _year(path: Path) -> int:
    digits = re.findall(r"(?<!\d)(?:19|20)\d\d(?!\d)", path.name)
    if not digits:
        raise DataError(f"gfed: {path.name}: expected the year in the file's name, as in GFED4.1s_2001.hdf5")
    return int(digits[-1])


def _daily(raw: xr.Dataset, path: Path, layout: str) -> xr.Dataset:
    """Emissions (time, lat, lon) as they stand in a file, standardised: means per day."""
    origin = f"gfed: {path.name}"
    sums = reading.take(raw, "fire", FIRE, origin, convert=False)
    unit = sums.attrs["units"]
    if is_monthly(unit):
        sums, unit = times.per_day(sums), MONTHLY.sub("day", unit)
    scale, _ = units.conversion(unit, FIRE.store_unit)
    axes.check(raw["lat"].values, raw["lon"].values, ROW.layout.aligned, origin)
    data = (sums * scale).assign_attrs(units=FIRE.store_unit).to_dataset(name="fire")
    data = axes.order(data.drop_vars([c for c in data.coords if c not in ("time", "lat", "lon")]))
    return data.transpose("time", "lat", "lon").assign_attrs(step="month", layout=layout)


def _groups(path: Path) -> list[tuple[xr.Dataset, xr.Dataset]]:
    """The months of a yearly HDF5 file, opened and standardised."""
    with reading.open_file(path) as raw:
        lat, lon = (
            reading.require(raw, (n,), f"the variable {n}", f"gfed: {path.name}").values for n in ("lat", "lon")
        )
    lat, lon = (lat[:, 0], lon[0]) if lat.ndim == 2 else (lat, lon)
    parts = []
    for month in range(1, 13):
        try:
            raw = reading.open_file(path, group=f"emissions/{month:02d}")
        except KeyError:
            continue
        name = axes.find(raw, FIRE.name, "the variable C", f"gfed: {path.name}: emissions/{month:02d}")
        values = raw[name].rename(dict(zip(raw[name].dims, ("lat", "lon"))))
        one = xr.Dataset(
            {name: values.expand_dims(time=[pd.Timestamp(_year(path), month, 1)])}, {"lat": lat, "lon": lon}
        )
        parts.append((raw, _daily(one, path, f"emissions/<month>/{name}({', '.join(raw[name].dims)})")))
    if not parts:
        raise DataError(f"gfed: {path.name}: expected the groups emissions/01 ... emissions/12, found none")
    return parts


def _netcdf(path: Path) -> tuple[xr.Dataset, xr.Dataset]:
    """A netCDF file, opened and standardised; a time axis of 1 to 12 without unit are the months of its year."""
    origin = f"gfed: {path.name}"
    raw = reading.open_file(path)
    name = axes.find(raw, FIRE.name, "the variable fire", origin)
    layout = reading.describe(raw[name])
    ready = axes.rename(raw, ROW, origin)
    plain = "since" not in str(ready["time"].attrs.get("units", ""))
    if plain and np.array_equal(ready["time"].values, np.arange(1, ready.sizes["time"] + 1)):
        year = _year(path)
        if ready.sizes["time"] > 12:
            raise DataError(f"{origin}: time: expected the months 1 to 12, found {ready.sizes['time']}")
        starts, how = pd.date_range(f"{year}-01-01", periods=ready.sizes["time"], freq="MS").values, "months 1 to 12"
    else:
        starts, _, how = times.starts(times.decode(ready, origin), "month", origin)
    ready = ready.assign_coords(time=("time", starts.astype("datetime64[ns]")))
    return raw, _daily(ready, path, f"{layout}; {how}")


def read(files: Sequence[Path]) -> xr.Dataset:
    """Fire emissions, gC m-2 day-1, by month."""
    opened, parts, origins = [], [], []
    for path in map(Path, files):
        for raw, part in _groups(path) if path.suffix in (".hdf5", ".h5") else [_netcdf(path)]:
            opened.append(raw)
            parts.append(part)
            origins.append(path)
    return reading.closing(reading.finish(parts, ROW, origins), opened)


def write(data: xr.Dataset, folder: Path) -> list[Path]:
    """Write monthly means per day as sums of the month."""
    data = writing.lay_out(data[["fire"]].transpose("time", "lat", "lon"), ROW)
    lat, lon = np.meshgrid(data["lat"].values, data["lon"].values, indexing="ij")
    written = []
    for first, _, at in writing.spans(data["time"].values, ROW.layout.split):
        path = Path(folder) / ROW.layout.file_name.format(first=first, name="_beta" if first.year >= 2017 else "")
        with whole(path) as unfinished, netCDF4.Dataset(unfinished, "w") as file:
            for name, size in zip(("row", "column"), lat.shape):
                file.createDimension(name, size)
            for name, values in (("lat", lat), ("lon", lon)):
                file.createVariable(name, "f4", ("row", "column"), zlib=True)[:] = values
            for step in at:
                start = pd.Timestamp(data["time"].values[step])
                variable = file.createVariable(
                    f"emissions/{start:%m}/{FIRE.name[0]}", "f4", ("row", "column"), zlib=True, complevel=1
                )
                variable.units = FIRE.unit[0]
                variable[:] = data["fire"].values[step] * start.days_in_month
        written.append(path)
    return written
