"""The axes of a product's files: their names, their order, and whether the grid lies where it should."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xarray as xr

from h2cm.sources.catalogue import Product
from h2cm.store import DataError

NAMES = {
    "time": ("time", "valid_time", "time_counter", "T"),
    "lat": ("lat", "latitude", "Y", "y"),
    "lon": ("lon", "longitude", "X", "x"),
}
"""Names of axes that are read whatever the product, after those of its row."""


def find(raw: xr.Dataset, names: Iterable[str], what: str, origin: str) -> str:
    """The first of `names` that an opened file has.

    Raises
    ------
    DataError
        If it has none of them.
    """
    names = list(dict.fromkeys(names))
    for name in names:
        if name in raw.variables:
            return name
    raise DataError(f"{origin}: expected {what} named {' or '.join(names)}, found {', '.join(map(str, raw.variables))}")


def find_axis(raw: xr.Dataset, axis: str, row: Product, origin: str) -> str:
    """The name in a file of the axis ``time``, ``lat`` or ``lon``."""
    what = {"time": "a time axis", "lat": "latitudes", "lon": "longitudes"}[axis]
    return find(raw, (*row.layout.axes.get(axis, ()), *NAMES[axis]), what, origin)


def rename(raw: xr.Dataset, row: Product, origin: str, time: bool = True) -> xr.Dataset:
    """`raw` with dimensions and coordinates ``time``, ``lat`` and ``lon``, as they lie in the file."""
    wanted = {axis: find_axis(raw, axis, row, origin) for axis in (("time",) if time else ()) + ("lat", "lon")}
    renaming = {old: new for new, old in wanted.items() if old != new}
    taken = [new for new in renaming.values() if new in raw.variables]
    raw = raw.drop_vars(taken)
    renaming |= {d: f"{d}_" for d in renaming.values() if d in raw.dims}  # a dimension without values of that name
    raw = raw.rename(renaming)
    for new in wanted:
        if raw[new].ndim == 0:
            raw = raw.expand_dims(new)
        elif raw[new].ndim == 1 and raw[new].dims != (new,):
            raw = raw.swap_dims({raw[new].dims[0]: new})
    return raw


def order(data: xr.Dataset) -> xr.Dataset:
    """Latitude ascending, longitude -180 to 180 ascending (one-dimensional axes)."""
    lon = (np.asarray(data["lon"].values, "f8") + 180) % 360 - 180
    data = data.assign_coords(
        lon=("lon", lon, {"units": "degrees_east"}),
        lat=("lat", np.asarray(data["lat"].values, "f8"), {"units": "degrees_north"}),
    )
    if (np.diff(lon) < 0).any():
        data = data.isel(lon=np.argsort(lon, kind="stable"))
    return data.isel(lat=slice(None, None, -1)) if data["lat"].values[0] > data["lat"].values[-1] else data


def check(lat: np.ndarray, lon: np.ndarray, aligned: str, origin: str) -> None:
    """Check the centres of a rectilinear grid.

    Parameters
    ----------
    lat, lon : array
        Centres, degrees, lat ascending or descending.
    aligned : {"", "edges", "centres"}
        Whether the product's cells have their edges or their centres at the multiples of the cell's width.

    Raises
    ------
    DataError
        If they are no latitudes and longitudes, or the grid is shifted.
    """
    for name, values, limit in (("latitudes", lat, 90), ("longitudes", lon, 360)):
        if values.ndim != 1 or values.size < 2:
            raise DataError(f"{origin}: expected at least two {name} along one dimension, found shape {values.shape}")
        step = np.diff(values)
        if not (np.isfinite(values).all() and ((step > 0).all() or (step < 0).all())):
            raise DataError(f"{origin}: expected {name} that only rise or only fall, found {values[:4].tolist()} ...")
        if np.abs(values).max() > limit + 1e-6:
            raise DataError(
                f"{origin}: expected {name} within {-limit} to {limit}, found {values.min():g} to {values.max():g}"
            )
        width = np.abs(step).mean()
        if not aligned or np.ptp(np.abs(step)) > 1e-3 * width:
            continue
        phase = values / width - (0.5 if aligned == "edges" else 0.0)
        if np.abs(phase - np.round(phase)).max() > 0.05:
            raise DataError(
                f"{origin}: the grid is shifted: expected {name} whose {aligned} are multiples of the spacing {width:g}, "
                f"found centres {values[:3].tolist()} ..."
            )


def same_grid(data: xr.Dataset, first: xr.Dataset) -> str | None:
    """The axis, ``lat`` or ``lon``, in which a data set differs from the first of several; None if they agree."""
    for axis in ("lat", "lon"):
        if data[axis].shape != first[axis].shape or not np.allclose(data[axis], first[axis], atol=1e-6):
            return axis
    return None
