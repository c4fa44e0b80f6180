"""What a user gives a model: read, brought to the model's units, checked, and laid out by cells.

A model that is given hectopascal for pascal, or a fill value for a temperature, answers with numbers too. So every unit is read
from the attribute ``units`` and converted, and what is physically impossible is refused.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr

from h2cm.store import DataError, check_range, open_store
from h2cm.units import conversion
from h2cm.vocabulary import VARIABLES

FORCING = tuple(row.name for row in VARIABLES.values() if row.role == "forcing")
SPELLINGS = {"latitude": "lat", "longitude": "lon"}
FILL_VALUES = (-9999.0, -999.0)
"""What files put where there is no attribute and forget to declare; beside them, all that is too large for an attribute."""

LARGEST = 1e6
"""More than any static attribute."""


def open(source) -> xr.Dataset:
    """Forcing and static attributes for `h2cm.predict`.

    Parameters
    ----------
    source : path, list of paths or Dataset
        The folder of a store, one or several netCDF files, or what is open already. Forcing is by ``time``, static attributes by
        ``feature``, both by whatever else there is: cells, towers, latitude and longitude, or a single place.

    Returns
    -------
    Dataset
        All of `source` on its own axes; the forcing in the units of `h2cm.vocabulary.VARIABLES`.

    Raises
    ------
    DataError
        For a file that cannot be read, a unit that is absent or cannot be converted, a value that is not possible.
    """
    dataset = source if isinstance(source, xr.Dataset) else open_store(source, own=True)
    dataset = dataset.rename(
        {long: name for long, name in SPELLINGS.items() if long in {*dataset.dims, *dataset.coords}}
    )
    if "static" in dataset:
        _check_attributes(dataset["static"])
    return dataset.assign({name: _converted(dataset[name]) for name in FORCING if name in dataset})


def _converted(data: xr.DataArray) -> xr.DataArray:
    row, units = VARIABLES[data.name], data.attrs.get("units")
    if units is None:
        raise DataError(
            f"input: {row.name}: expected its unit in the attribute units ({row.units}, or one that can be converted), found none"
        )
    if units != row.units:
        try:
            scale, offset = conversion(str(units), row.units)
        except DataError as error:
            raise DataError(
                f"input: {row.name}: expected {row.units}, or a unit that can be converted: {error}"
            ) from None
        data = (data * scale + offset).assign_attrs(data.attrs | {"units": row.units})
    check_range(data, row, "input")
    return data


def _check_attributes(static: xr.DataArray) -> None:
    """Refuse what stands for a missing value; attributes have no common unit or range."""
    wrong = np.isin(static, FILL_VALUES) | (abs(static) > LARGEST)
    if wrong.any():
        at = np.argwhere(wrong.values)[0]
        place = ", ".join(f"{d} {static[d].values[i]}" for d, i in zip(static.dims, at, strict=True))
        raise DataError(
            f"input: static: expected values, and NaN where there are none; {static.values[tuple(at)]:g} at {place} looks like a "
            "fill value"
        )


def by_cells(dataset: xr.Dataset) -> tuple[xr.Dataset, Callable[[xr.Dataset], xr.Dataset]]:
    """The inputs of a model on the axes that it takes.

    Of a map, the places are left out that have no value at all of an input, as the sea has.

    Parameters
    ----------
    dataset : Dataset
        As `open` gives it.

    Returns
    -------
    Dataset
        Forcing (cell, time) and ``static`` (cell, feature).
    callable
        Puts results (cell, time) on the axes of `dataset`, time first; those of a store stay as they are.

    Raises
    ------
    DataError
        Where an input or the axis of time is absent, or no place has all inputs.
    """
    absent = [name for name in (*FORCING, "static") if name not in dataset]
    if absent:
        raise DataError(f"input: expected {', '.join(FORCING)} and static; {', '.join(absent)} not there")
    axes = list(dict.fromkeys(d for name in FORCING for d in dataset[name].dims))
    if "time" not in axes or "feature" not in dataset["static"].dims:
        raise DataError("input: expected forcing along an axis time, and static along an axis feature")
    axes.remove("time")
    if axes == ["cell"] and all("cell" in dataset[name].dims for name in (*FORCING, "static")):
        return dataset, lambda found: found
    if "cell" in axes and len(axes) > 1:
        raise DataError(f"input: expected cells or other axes, found both: {', '.join(map(str, axes))}")
    # every input at every place: CO2 may be one series for all of them
    given = dict(zip(FORCING, xr.broadcast(*(dataset[name] for name in FORCING)), strict=True))
    place = given[FORCING[0]].isel(time=0, drop=True)
    given["static"] = dataset["static"].broadcast_like(place)
    given = xr.Dataset(given, dataset.coords)
    if not axes:
        scalars = {name: value for name, value in dataset.coords.items() if not value.dims}
        return given.expand_dims("cell"), lambda found: found.isel(cell=0, drop=True).assign_coords(scalars)
    if len(axes) == 1:
        return given.rename({axes[0]: "cell"}), lambda found: found.rename(cell=axes[0]).transpose(
            "time", "month", ..., missing_dims="ignore"
        )
    flat = given.stack(cell=axes)
    there = [flat[name].notnull().any([d for d in flat[name].dims if d != "cell"]) for name in (*FORCING, "static")]
    land = np.logical_and.reduce([one.values for one in there])
    if not land.any():
        raise DataError("input: expected places with a value of every input, found none")
    flat = flat.isel(cell=land).reset_index("cell")

    def back(found: xr.Dataset) -> xr.Dataset:
        on_map = found.set_index(cell=axes).unstack("cell").reindex({axis: dataset[axis] for axis in axes})
        return on_map.transpose("time", "month", *axes, ..., missing_dims="ignore")

    return flat, back
