"""What is checked in the files of a product, and what is repaired.

===============================================  =========================================================
what is found                                    what is done
===============================================  =========================================================
variable, latitude, longitude or time missing    error
unit of another kind, or unknown                 error
unit of the same kind, but not the documented    converted, logged
unit missing                                     the documented one is taken, logged
latitude descending, longitude 0 to 360          reordered (no defect: many products are so)
latitude outside -90 to 90, not monotonic        error
grid shifted by a part of a cell                 error, where the product's grid is known (`Layout.aligned`)
-9999 and its like, not declared as missing      set to missing, logged, where it cannot be a value
value impossible by no more than rounding        set to the limit (`Field.tolerance`), logged
value impossible (negative precipitation)        error
infinite value                                   error
step twice in the time axis, with equal values   the second dropped, logged
step twice with different values                 error
time axis with a hole, year too short            kept as it is: forcing that lacks a day, and a constraint
                                                 without any value, are errors of `h2cm.sources.harmonise`
month or step without any value                  logged; an error of `h2cm.sources.harmonise` where it is forcing
map upside down although its latitudes are       error of `h2cm.sources.harmonise` where it shows: temperature and
right, time axis half a year off                 radiation in summer, products of all land in the cells they reach
===============================================  =========================================================
"""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import xarray as xr

from h2cm.store import DataError

log = logging.getLogger(__name__)

SENTINELS = (
    -9999.0,
    -99999.0,
    -999.0,
    -9999.9,
    -999.9,
    -32768.0,
    -32767.0,
    -1e20,
    1e20,
    -1e30,
    1e30,
    -1e34,
    9.969209968386869e36,
)
"""Values that stand for "missing" in files which do not say so."""


def clean(values: np.ndarray, field, origin: str) -> np.ndarray:
    """Values of a field in the store's unit, with undeclared missing values and rounding repaired.

    Parameters
    ----------
    values : array
        In the unit of the file, which may hold sentinels.
    field : Field
        With ``scale`` and ``offset`` to the store's unit.
    origin : str
        Product, file and variable, for the message.

    Raises
    ------
    DataError
        If a value is impossible.
    """
    if not values.size:
        return values.astype("f8")
    result = values.astype("f8") * field.scale + field.offset
    impossible = (result < field.low) | (result > field.high)
    if not impossible.any():
        return result
    sentinel = np.zeros(values.shape, bool)
    sentinel[impossible] = np.isclose(values[impossible][:, None], SENTINELS, rtol=1e-6, atol=0).any(1)
    if sentinel.any():
        codes = np.unique(values[sentinel])
        log.warning(
            "%s: %d values of %s, not declared as missing, are taken as missing", origin, sentinel.sum(), codes.tolist()
        )
        result[sentinel] = np.nan
    bad = (result < field.low - field.tolerance) | (result > field.high + field.tolerance)
    if bad.any():
        raise DataError(
            f"{origin}: {bad.sum()} of {bad.size} values outside the possible range {field.low:g} to {field.high:g} "
            f"{field.units}, the first is {result[bad][0]:g} (in the file {values[bad][0]:g})"
        )
    beyond = (result < field.low) | (result > field.high)
    if beyond.any():
        log.warning(
            "%s: %d values are impossible by rounding, at most %g, and set to the limit",
            origin,
            beyond.sum(),
            field.tolerance,
        )
        result = np.clip(result, field.low, field.high)
    return result


def check_axes(lat: np.ndarray, lon: np.ndarray, aligned: str, origin: str) -> None:
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


def drop_duplicates(data: xr.Dataset, origin: str) -> xr.Dataset:
    """Time steps that come twice, once; sorted.

    Raises
    ------
    DataError
        If the two differ.
    """
    times = pd.DatetimeIndex(data["time"].values)
    if times.hasnans:
        raise DataError(f"{origin}: time: {times.isna().sum()} time steps are missing values")
    twice = times.duplicated()
    for moment in times[twice].unique():
        group = data.isel(time=np.flatnonzero(times == moment))
        for name, values in group.data_vars.items():
            if "time" in values.dims and not np.array_equal(
                np.broadcast_to(values.values[:1], values.shape), values.values, equal_nan=True
            ):
                raise DataError(f"{origin}: {name}: the time axis holds {moment} twice, with different values")
        log.warning("%s: the time axis holds %s twice, with equal values: the second is dropped", origin, moment)
    keep = np.flatnonzero(~twice)
    return data.isel(time=keep[np.argsort(times[keep], kind="stable")])
