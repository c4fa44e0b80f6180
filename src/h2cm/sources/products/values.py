"""The values of a variable in its files: unit, sign, what is possible, and what stands for a missing value."""

from __future__ import annotations

import logging
import re

import numpy as np
import xarray as xr

from h2cm import units
from h2cm.sources.catalogue import Variable
from h2cm.sources.products.axes import find
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

MONTHLY = re.compile(r"\bmon(th)?s?\b")


def is_monthly(unit: str) -> bool:
    """Whether a unit is per month, whose length varies."""
    return bool(MONTHLY.search(unit))


def conversion(source: str, target: str) -> tuple[float, float]:
    """`h2cm.units.conversion`, also between two units per month."""
    if is_monthly(source) and is_monthly(target):
        source, target = (MONTHLY.sub("day", unit) for unit in (source, target))
    return units.conversion(source, target)


def clean(
    values: np.ndarray,
    low: float,
    high: float,
    rounding: float,
    unit: str,
    origin: str,
    scale: float = 1.0,
    offset: float = 0.0,
) -> np.ndarray:
    """Values in the store's unit, with undeclared missing values and rounding repaired.

    Parameters
    ----------
    values : array
        As they stand in the file, in its own unit.
    low, high : float
        Possible values, in the file's unit: so a code for missing, -9999, is judged as what the file says, not as
        what it would be in another unit.
    rounding : float
        What a value may lie beyond them.
    unit : str
        Of the file.
    origin : str
        Product, file and variable, for the message.
    scale, offset : float
        From the file's unit and sign to those of the store.

    Raises
    ------
    DataError
        If a value is impossible.
    """
    result = values.astype("f8")
    impossible = (result < low) | (result > high)
    coded = np.isin(result, [code for code in SENTINELS if low <= code <= high])  # no measurement is just -999
    if impossible.any() or coded.any():
        sentinel = coded
        sentinel[impossible] = np.isclose(result[impossible][:, None], SENTINELS, rtol=1e-6, atol=0).any(1)
        if sentinel.any():
            codes = np.unique(values[sentinel])
            log.warning(
                "%s: %d values of %s, not declared as missing, are taken as missing",
                origin,
                sentinel.sum(),
                codes.tolist(),
            )
            result[sentinel] = np.nan
        bad = (result < low - rounding) | (result > high + rounding)
        if bad.any():
            raise DataError(
                f"{origin}: {bad.sum()} of {bad.size} values outside the possible range {low:g} to {high:g} {unit}, "
                f"the first is {result[bad][0]:g}"
            )
        beyond = (result < low) | (result > high)
        if beyond.any():
            log.warning(
                "%s: %d values are impossible by rounding, at most %g %s, and set to the limit",
                origin,
                beyond.sum(),
                rounding,
                unit,
            )
            result = np.clip(result, low, high)
    return result * scale + offset


def unit_of(found: xr.DataArray, row: Variable, origin: str) -> str:
    """The unit of a variable in a file; one that the row lists, or none, is the documented one."""
    text = found.attrs.get("units")
    if text is None or not str(text).strip():
        log.info("%s: no unit given, taken as %s", origin, row.unit[0])
        return row.unit[0]
    plain = " ".join(str(text).split()).lower()
    return row.unit[0] if plain in (u.lower() for u in row.unit) else str(text).strip()


def take(raw: xr.Dataset, name: str, row: Variable, origin: str, convert: bool = True) -> xr.DataArray:
    """A variable of a file, checked and standardised in unit and sign, lazily.

    Parameters
    ----------
    raw : Dataset
    name : str
        In the standardised data set.
    row : Variable
    origin : str
        Product and file, for messages.
    convert : bool
        False leaves the values in the unit of the file, which the attribute ``units`` then gives.

    Raises
    ------
    DataError
        If it is not there, or its unit cannot be turned into the wanted one; when it is computed: if a value is
        impossible.
    """
    stands = find(raw, row.name, f"the variable {name}", origin)
    where = f"{origin}: {stands}"
    documented, found = row.unit[0], unit_of(raw[stands], row, where)
    low, high = row.range or (-np.inf, np.inf)
    rounding, scale, offset = row.rounding, 1.0, 0.0
    try:
        if convert:
            scale, offset = units.conversion(found, row.store_unit)
            if (scale, offset) != units.conversion(documented, row.store_unit):
                log.warning("%s: the unit is %r where %r is documented: converted", where, found, documented)
        if found != documented:
            factor, shift = conversion(documented, found)
            low, high, rounding = low * factor + shift, high * factor + shift, rounding * factor
    except DataError as error:
        raise DataError(f"{where}: expected the unit {documented!r}: {error}") from None
    return (
        xr.apply_ufunc(
            clean,
            raw[stands],
            kwargs={
                "low": low,
                "high": high,
                "rounding": rounding,
                "unit": found,
                "origin": where,
                "scale": scale * row.sign,
                "offset": offset * row.sign,
            },
            dask="parallelized",
            output_dtypes=["f8"],
            keep_attrs=False,
        )
        .assign_attrs(units=row.store_unit if convert else found)
        .rename(name)
    )
