"""Jena CarboScope: net land flux of an inversion of surface observations, fire included.

Layout: one file, ``s10oc_v2022_daily.nc`` (gzipped in the archive; monthly files are alike), with
``co2flux_land(mtime, lat, lon)`` in PgC/yr **per grid cell**, positive to the atmosphere, and the area of the cells
``dxyp(lat, lon)`` in m2; grids of 4° x 5° (rows of half the height at the poles), 2° x 2.5° or 1°
(https://www.bgc-jena.mpg.de/CarboScope/; the same variables in the ICOS format page
https://meta-demo.icos-cp.eu/dataset/spec/inversionModelingSpatial/1c040781). The flux is divided by the area.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr

from h2cm.sources.products import reading, writing
from h2cm.sources.products.layout import Field, Layout
from h2cm.space.grid import EARTH_RADIUS
from h2cm.space.regrid import edges_of
from h2cm.store import save_netcdf

LAYOUT = Layout(
    product="carboscope",
    pattern="*.nc*",
    fields=(Field("nee_total", "g m-2 day-1", ("co2flux_land",), "gC m-2 yr-1", -200, 200),),
    step="any",
    split="all",
    file_name=lambda first, last: "s10oc_v2022_daily.nc",
    dims=("mtime", "lat", "lon"),
    time_units="seconds since 2000-01-01 00:00:00",
    stamp="middle",
)
PATTERN = LAYOUT.pattern
GRAMS = 1e15  # of a petagram


def _per_area(raw: xr.Dataset) -> xr.Dataset:
    """Flux per area instead of per cell, where the file says that it is per cell."""
    name = LAYOUT.fields[0].file_names[0]
    if name not in raw or not str(raw[name].attrs.get("units", "PgC/yr")).replace(" ", "").startswith("PgC"):
        return raw
    area = reading.require(raw, ("dxyp", "area"), "the area of the cells", "carboscope")
    area = area.isel({d: 0 for d in area.dims if d not in raw[name].dims})
    drop = [v for v in raw.variables if v == "time" and "mtime" in raw.variables]
    return raw.drop_vars(drop).assign({name: (raw[name] * GRAMS / area).assign_attrs(units="gC m-2 yr-1")})


def read(files: Sequence[Path]) -> xr.Dataset:
    """Net land flux with fire, gC m-2 day-1, negative: sink, at the file's time step."""
    return reading.read(files, LAYOUT, prepare=_per_area)


def write(data: xr.Dataset, folder: Path) -> list[Path]:
    """Write a flux per area as one per cell, with the areas of the cells."""
    data = writing.lay_out(data[["nee_total"]], LAYOUT)
    rows = np.diff(np.sin(np.radians(edges_of(data["lat"].values, -90, 90))))
    columns = np.diff(np.radians(edges_of(data["lon"].values)))
    area = xr.DataArray(
        EARTH_RADIUS**2 * np.outer(rows, columns), {"lat": data["lat"], "lon": data["lon"]}, ("lat", "lon")
    )
    flux, encoding = writing.encode(data["nee_total"], LAYOUT.fields[0])
    out = xr.Dataset(
        {"co2flux_land": (flux * area / GRAMS).assign_attrs(units="PgC/yr"), "dxyp": area.assign_attrs(units="m2")}
    )
    months = (np.diff(data["time"].values) > np.timedelta64(27, "D")).all()
    stamped = writing.stamps(data["time"].values, replace(LAYOUT, step="month" if months else "day"))
    out = out.assign_coords(time=stamped).rename(time="mtime")
    path = Path(folder) / LAYOUT.file_name(None, None)
    coding = {"co2flux_land": encoding, "mtime": {"units": LAYOUT.time_units, "dtype": "f8", "_FillValue": None}}
    save_netcdf(out, path, encoding=coding)
    return [path]
