"""Jena CarboScope: net land flux of an inversion of surface observations, fire included.

The flux of a cell is divided by the cell's area. Years outside those that the file calls valid, the inversion's spin-up
and end, are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from h2cm import units
from h2cm.sources import catalogue
from h2cm.sources.products import axes, reading, times, writing
from h2cm.sources.products.values import clean, unit_of
from h2cm.space.grid import EARTH_RADIUS
from h2cm.space.regrid import edges_of
from h2cm.store import DataError, save_netcdf

ROW = catalogue.product("carboscope")
PER_AREA = ROW.model_copy(update={"variables": {"nee_total": ROW.variables["nee_total"]}})
FLUX = ROW.variables["nee_of_cell"]
AREA = ("dxyp", "area")
VALID = ("yrfi_valid", "yrfe_valid")


def _per_area(raw: xr.Dataset, origin: str) -> xr.Dataset:
    """Flux per area instead of per cell, where the file says that it is per cell; its values are checked as they stand."""
    name = next((n for n in FLUX.name if n in raw.variables), None)
    if name is None:
        return raw
    unit = unit_of(raw[name], FLUX, f"{origin}: {name}")
    try:
        scale, _ = units.conversion(unit, FLUX.store_unit)
    except DataError:
        return raw  # per area already, or an error of the reader
    factor, _ = units.conversion(FLUX.unit[0], unit)
    low, high = (v * factor for v in FLUX.range)
    kwargs = {"low": low, "high": high, "rounding": 0.0, "unit": unit, "origin": f"{origin}: {name}", "scale": scale}
    flux = xr.apply_ufunc(clean, raw[name], kwargs=kwargs, dask="parallelized", output_dtypes=["f8"])
    return raw.assign(
        {name: (flux / _area(raw, name, origin)).assign_attrs(units=ROW.variables["nee_total"].unit[0], found=unit)}
    )


def _area(raw: xr.Dataset, name: str, origin: str) -> xr.DataArray:
    """Area of the cells, m2, which must not change in time."""
    area = reading.require(raw, AREA, "the area of the cells", origin)
    for dim in [d for d in area.dims if d not in raw[name].dims or d == raw[name].dims[0]]:
        if not np.allclose(area, area.isel({dim: 0}), rtol=1e-6):
            raise DataError(f"{origin}: {area.name}: expected one area of each cell, it changes along {dim}")
        area = area.isel({dim: 0}, drop=True)
    scale, _ = units.conversion(area.attrs.get("units", "m2"), "m2")
    return area * scale


def _valid_years(raw: xr.Dataset, origin: str) -> xr.Dataset:
    """Only the years that the file calls valid, where it does."""
    attrs = [raw[n].attrs for n in FLUX.name if n in raw.variables] + [raw.attrs]
    given = [next((a[n] for a in attrs if n in a), None) for n in VALID]
    if None in given:
        return raw
    first, last = (int(np.asarray(v, "f8").ravel()[0]) for v in given)
    starts, _, _ = times.starts(times.decode(axes.rename(raw, ROW, origin), origin), ROW.layout.step, origin)
    year = starts.astype("datetime64[Y]").astype(int) + 1970
    keep = (year >= first) & (year <= last)
    if not keep.any():
        raise DataError(f"{origin}: no step lies in the years that the file calls valid, {first} to {last}")
    if not keep.all():
        reading.log.info(
            "%s: %d of %d steps lie outside the years that the file calls valid, %d to %d, and are left out",
            origin,
            (~keep).sum(),
            keep.size,
            first,
            last,
        )
    time = axes.find_axis(raw, "time", ROW, origin)
    return raw.isel({raw[time].dims[0]: np.flatnonzero(keep)})


def read(files: Sequence[Path]) -> xr.Dataset:
    """Net land flux with fire, gC m-2 day-1, negative: sink, at the file's time step."""
    opened, parts = [], []
    try:
        for path in files:
            origin = f"{ROW.id}: {Path(path).name}"
            raw = reading.open_file(path)
            opened.append(raw)
            parts.append(reading.standardise(_per_area(_valid_years(raw, origin), origin), PER_AREA, path))
        return reading.closing(reading.finish(parts, ROW, files), opened)
    except BaseException:
        for raw in opened:
            raw.close()
        raise


def write(data: xr.Dataset, folder: Path) -> list[Path]:
    """Write a flux per area as one per cell, with the areas of the cells."""
    data = writing.lay_out(data[["nee_total"]], ROW)
    rows = np.diff(np.sin(np.radians(edges_of(data["lat"].values, -90, 90))))
    columns = np.diff(np.radians(edges_of(data["lon"].values)))
    area = xr.DataArray(
        EARTH_RADIUS**2 * np.outer(rows, columns), {"lat": data["lat"], "lon": data["lon"]}, ("lat", "lon")
    )
    per_year, _ = units.conversion(ROW.variables["nee_total"].store_unit, ROW.variables["nee_total"].unit[0])
    scale, _ = units.conversion(FLUX.unit[0], FLUX.store_unit)
    flux, encoding = writing.encoded(data["nee_total"] * per_year * area / scale, FLUX)
    out = xr.Dataset({flux.name: flux, AREA[0]: area.assign_attrs(units="m2")})
    months = (np.diff(data["time"].values) > np.timedelta64(27, "D")).all()
    stamped = writing.stamps(data["time"].values, ROW.layout, "month" if months else "day")
    mtime = ROW.layout.axis("time")
    out = out.assign_coords(time=stamped).rename(time=mtime)
    path = Path(folder) / ROW.layout.file_name
    coding = {flux.name: encoding, mtime: {"units": ROW.layout.time_unit, "dtype": "f8", "_FillValue": None}}
    save_netcdf(out, path, encoding=coding)
    return [path]
