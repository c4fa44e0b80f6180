"""The time axes of a product's files: from whatever stamps they carry to the starts of the steps in the real calendar.

A file that gives the bounds of its steps (CF conventions) is believed. Without bounds, months may be stamped at their
start, in their middle or at their end, but all in one way; stamps that fit none of these are an error, never a guess.
"""

from __future__ import annotations

import logging
import re

import numpy as np
import pandas as pd
import xarray as xr

from h2cm.sources.catalogue import Layout
from h2cm.space.regrid import PIECE
from h2cm.store import DataError

log = logging.getLogger(__name__)

BOUNDS = ("time_bnds", "time_bounds", "time_bnd", "bounds_time")
"""Names of bounds, where the time axis does not name them."""

START, MIDDLE, END = (0.0, 0.03), (0.35, 0.65), (0.85, 1.0)
"""Share of the month that has passed at stamps of the three kinds."""

MONTHS = dict(zip(("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), range(1, 13)))
SINCE = re.compile(r"\s*(month|year)s? since\s+(?:AD\s+)?(\d{1,4})(?:-0*(\w{1,3}))?", re.IGNORECASE)
NS = "datetime64[ns]"
LONGEST = 32.0  # days of a month, and a little


def flatten_forecasts(raw: xr.Dataset, origin: str) -> xr.Dataset:
    """One time axis of valid times instead of the two of forecasts, start and lead time, in any order of dimensions.

    Where two forecasts reach the same time, the one with the shorter lead is taken.
    """
    name = next((n for n in ("valid_time", "time") if n in raw.variables and raw[n].ndim == 2), None)
    if name is None:
        return raw
    lead = next((n for n in raw[name].dims if "period" in n or "step" in n), None)
    if lead is None or lead not in raw.variables:
        raise DataError(
            f"{origin}: {name} has the dimensions {raw[name].dims}: expected a start and a lead time of forecasts"
        )
    both = raw[name].dims
    valid, leads = (
        raw[name].values.ravel(),
        np.broadcast_to(
            np.asarray(raw[lead].values, "f8")[(slice(None), None) if both[0] == lead else (None, slice(None))],
            raw[name].shape,
        ).ravel(),
    )
    by_lead = np.lexsort((leads, valid))
    first = by_lead[np.r_[True, np.diff(valid[by_lead]) != 0]]
    attrs = raw[name].attrs | {k: v for k, v in raw[name].encoding.items() if k in ("units", "calendar")}
    keep = [n for n in raw.data_vars if set(both) <= set(raw[n].dims)]
    flat = raw[keep].drop_vars([c for c in raw.coords if c not in raw.dims or c in both]).stack(_valid=both)
    flat = flat.isel(_valid=first).drop_vars(["_valid", *both], errors="ignore").rename(_valid=name)
    log.info(
        "%s: forecasts of %d starts and %d lead times: %d times, of %d that come twice the shorter lead is taken",
        origin,
        raw.sizes[both[1] if both[0] == lead else both[0]],
        raw.sizes[lead],
        first.size,
        valid.size - first.size,
    )
    return flat.assign_coords({name: (name, valid[first], attrs)})


def decode(raw: xr.Dataset, origin: str) -> xr.Dataset:
    """`raw` with decoded ``time`` and bounds; also months and years since a date, which CF decoding leaves alone.

    Raises
    ------
    DataError
        If the axis has no unit of time.
    """
    time = raw["time"]
    if not np.issubdtype(time.dtype, np.number):
        return raw
    unit = str(time.attrs.get("units", ""))
    match = SINCE.match(unit)
    if match is not None:
        return raw.assign_coords(time=("time", _months_since(np.asarray(time.values, "f8"), match, unit, origin)))
    bounds = _bounds_name(raw)
    wanted = raw[["time"] if bounds is None else ["time", bounds]]
    if bounds is not None:  # in the unit of the axis, whether the axis names them or not
        plain = {k: v for k, v in time.attrs.items() if k in ("units", "calendar")}
        wanted = wanted.assign({bounds: raw[bounds].assign_attrs(plain)})
    try:
        decoded = xr.decode_cf(wanted, mask_and_scale=False, decode_timedelta=False)
        decoded["time"].values  # noqa: B018 - wrong units show when they are used
    except (ValueError, OverflowError, KeyError) as error:
        raise DataError(
            f"{origin}: time: expected stamps that can be read, they cannot be in the unit {unit!r} ({error})"
        ) from None
    if np.issubdtype(decoded["time"].dtype, np.number):
        raise DataError(
            f"{origin}: time: expected time stamps with a unit such as 'days since 2001-01-01', got {unit or None!r}"
        )
    raw = raw.assign_coords(time=("time", decoded["time"].values, time.attrs))
    return raw if bounds is None else raw.assign({bounds: (raw[bounds].dims, decoded[bounds].values)})


def _months_since(numbers: np.ndarray, match: re.Match, unit: str, origin: str) -> np.ndarray:
    """Stamps from numbers of months, or years with fractions, since a date."""
    months = numbers * 12 if match[1].lower() == "year" else numbers
    whole = np.floor(months + 1e-3)
    month = match[3] or "1"
    first = int(month) if month.isdigit() else MONTHS.get(month.lower(), 0)
    if not 1 <= first <= 12:
        raise DataError(f"{origin}: time: the unit {unit!r} names no month")
    count = (int(match[2]) - 1970) * 12 + first - 1 + whole
    start, following = ((count + i).astype("i8").astype("datetime64[M]").astype("datetime64[s]") for i in (0, 1))
    return start + ((following - start) * np.clip(months - whole, 0, 0.999)).astype("timedelta64[s]")


def _bounds_name(raw: xr.Dataset) -> str | None:
    named = raw["time"].attrs.get("bounds", raw["time"].encoding.get("bounds"))
    for name in (named, *BOUNDS):
        if name in raw.variables and raw[name].ndim == 2 and raw[name].dims[0] == "time" and raw[name].shape[1] == 2:
            return name
    return None


def _month(values: np.ndarray) -> np.ndarray:
    """First days of the months of stamps of any calendar."""
    if values.dtype == object:
        values = np.array([np.datetime64(f"{t.year:04d}-{t.month:02d}") for t in values])
    return values.astype("datetime64[M]").astype("datetime64[s]")


def _passed(values: np.ndarray) -> np.ndarray:
    """Share of its month that has passed at each stamp."""
    if values.dtype == object:
        return np.array([(t.day - 1 + t.hour / 24 + t.minute / 1440) / t.daysinmonth for t in values])
    start = values.astype("datetime64[M]")
    seconds = [v.astype("datetime64[s]").astype("f8") for v in (values, start, start + 1)]
    return (seconds[0] - seconds[1]) / (seconds[2] - seconds[1])


def _days(differences: np.ndarray) -> np.ndarray:
    """Time differences of any calendar in days."""
    if differences.dtype == object:
        return np.array([d.total_seconds() / 86400 for d in differences.ravel()]).reshape(differences.shape)
    return differences / np.timedelta64(1, "D")


def _real(values: np.ndarray, origin: str) -> np.ndarray:
    """Stamps of any calendar as those of the real one."""
    if values.dtype == object:
        try:
            texts = [
                f"{t.year:04d}-{t.month:02d}-{t.day:02d}T{t.hour:02d}:{t.minute:02d}:{t.second:02d}" for t in values
            ]
            values = np.array(texts, "datetime64[s]")
        except ValueError as error:
            raise DataError(
                f"{origin}: time: expected the real calendar, found a calendar whose days the real one does not have ({error}): only months of it can be read"
            ) from None
    return values.astype("datetime64[ns]")


REAL = ("standard", "gregorian", "proleptic_gregorian", "julian")
"""Calendars whose days since 1901 are the real ones."""

WITHOUT_LEAP = ("noleap", "365_day")
ONLY_LEAP = ("all_leap", "366_day")


def check_calendar(raw: xr.Dataset, layout: Layout, step: str, origin: str) -> None:
    """Refuse a calendar by which days would get another date; months may have any but one with leap days only.

    Raises
    ------
    DataError
        If the axis of time has neither the real calendar nor that of the layout.
    """
    found = str(raw["time"].attrs.get("calendar", REAL[0])).lower()
    known = REAL + (WITHOUT_LEAP if layout.calendar in WITHOUT_LEAP else ())
    if found in ONLY_LEAP or (step != "month" and found not in known):
        raise DataError(
            f"{origin}: time: expected the calendar {' or '.join(known)}, found {found}, a calendar whose days the real one "
            "does not have: only months of it can be read"
        )


def check_dates(starts: np.ndarray, named: str | None, origin: str) -> None:
    """Check the steps of a file against the date in its name: that of the first, and the year of all.

    Raises
    ------
    DataError
        If they are of another date, by more than a day.
    """
    if named is None or not starts.size:
        return
    first, last = (pd.Timestamp(starts[i]) for i in (0, -1))
    year, day = int(named[:4]), pd.Timedelta(days=1)
    begins = any(f"{moment:%Y%m%d}".startswith(named) for moment in (first, first + day))
    if not begins or last >= pd.Timestamp(year + 1, 1, 1) + day:
        raise DataError(
            f"{origin}: time: expected steps from {named} on, in {year}, as its name says, found {first} to {last}"
        )


def starts(raw: xr.Dataset, step: str, origin: str) -> tuple[np.ndarray, str, str]:
    """The starts of the steps of a file.

    Parameters
    ----------
    raw : Dataset
        With a decoded ``time``, and bounds where the file gives them.
    step : {"any", "day", "8 days", "month"}
        What the layout says.
    origin : str

    Returns
    -------
    starts : array of datetime64
    step : str
        The same, or ``month`` where the layout leaves it open and the file shows it.
    how : str
        How the stamps were understood, in words.

    Raises
    ------
    DataError
        If the stamps fit no rule.
    """
    values = raw["time"].values
    if values.size and pd.isna(values).any():
        raise DataError(f"{origin}: time: {pd.isna(values).sum()} time steps are missing values")
    if (late := values[1:] < values[:-1]).any():
        at = int(np.argmax(late))
        raise DataError(f"{origin}: time: expected steps in order, found {values[at + 1]} after {values[at]}")
    name = _bounds_name(raw)
    bounds = None if name is None or np.issubdtype(raw[name].dtype, np.number) else raw[name].values
    lengths = None if bounds is None else _days(bounds[:, 1] - bounds[:, 0])
    if bounds is not None and not (lengths > 0).all():
        log.info("%s: time: the bounds %s are empty, and are not used", origin, name)
        bounds = lengths = None
    gaps = np.abs(_days(np.diff(values))) if values.size > 1 else lengths
    typical = None if gaps is None else float(np.median(gaps if lengths is None else lengths))
    if step == "8 days" and typical is not None and not 4 <= typical <= 9:
        raise DataError(f"{origin}: time: expected steps of 8 days, they are {typical:g} days apart")
    if step == "month" or (step == "any" and typical is not None and typical > 27):
        if lengths is not None and (lengths.min() < 27 or lengths.max() > LONGEST):
            raise DataError(
                f"{origin}: time: expected months, the bounds are {lengths.min():g} to {lengths.max():g} days"
            )
        if lengths is None and typical is not None and typical > 2 * LONGEST:
            raise DataError(f"{origin}: time: expected monthly steps, they are {typical:g} days apart")
        months, how = _months(values, bounds, origin, strict=step == "any")
        return months.astype(NS), "month", how
    if bounds is None:
        begin, how = _real(values, origin), "stamps in their steps"
    else:
        begin, how = _real(bounds[:, 0], origin), f"steps between {name}"
        if step == "day" and (lengths > 1.5).any():  # solutions of a month, say: their middles
            begin = begin + (lengths / 2 * 86400).astype("timedelta64[s]")
    return (begin if step == "any" else begin.astype("datetime64[D]").astype(NS)), step, how


def _months(values: np.ndarray, bounds: np.ndarray | None, origin: str, strict: bool = False) -> tuple[np.ndarray, str]:
    """The months that stamps stand for, and how that is known.

    `strict`: where a layout leaves the step open, a stamp at the start is one at midnight; noon of the first of each month
    is the weather of that hour, one sample a month, not its mean.
    """
    if bounds is not None:
        return _month(bounds[:, 0] + (bounds[:, 1] - bounds[:, 0]) / 2), "months between their bounds"
    passed, months = _passed(values), _month(values)
    kinds = {"start": (0.0, 1e-9) if strict else START, "middle": MIDDLE, "end": END}
    how = next((kind for kind, (low, high) in kinds.items() if ((passed >= low) & (passed <= high)).all()), None)
    if how is None:
        odd = ", ".join(str(v)[:16] for v in values[:3])
        raise DataError(
            f"{origin}: time: the stamps fit no rule: expected all of them at the start, in the middle or at the end of "
            f"months, or bounds, found {odd} ..."
        )
    if how == "start" and values.size >= 12 and values.size % 12 == 0:
        number = months.astype("datetime64[M]").astype(int)
        if number[0] % 12 == 1 and (np.diff(number) == 1).all():
            log.warning(
                "%s: time: %d months stamped 1 February to 1 January and no bounds: taken as the ends of whole years",
                origin,
                values.size,
            )
            return (months.astype("datetime64[M]") - 1).astype("datetime64[s]"), "months stamped at the end"
    return months, f"months stamped at the {how}"


def settle(data: xr.Dataset, step: str) -> tuple[xr.Dataset, str]:
    """The length of the time step where a layout and its files leave it open: ``month``, ``day`` or a number of hours.

    Stamps anywhere in a step are moved to its start, a multiple of the step since midnight.
    """
    if step != "any":
        return data, step
    times = data["time"].values
    if times.size < 2:
        raise DataError(
            f"{data.attrs['product']}: time: one step alone, without bounds: expected at least two, to tell how long they are"
        )
    hours = float(np.median(np.diff(times)) / np.timedelta64(1, "h"))
    if hours > 27 * 24:
        months, _ = _months(times, None, data.attrs["product"], strict=True)
        return data.assign_coords(time=months.astype(NS)), "month"
    if hours >= 24:
        return data.assign_coords(time=times.astype("datetime64[D]").astype(NS)), "day"
    since_midnight = (times - times.astype("datetime64[D]")) % np.timedelta64(round(hours * 3600), "s")
    return data.assign_coords(time=times - since_midnight), f"{hours:g} hours"


def drop_duplicates(data: xr.Dataset, origin: str) -> xr.Dataset:
    """Time steps that come twice, once; sorted.

    Raises
    ------
    DataError
        If the two differ.
    """
    times = data["time"].values
    order = np.argsort(times, kind="stable")
    again = np.flatnonzero(np.diff(times[order]) == np.timedelta64(0)) + 1
    if not again.size:
        return data.isel(time=order) if (np.diff(order) < 0).any() else data
    for name, values in data.data_vars.items():
        if "time" not in values.dims:
            continue
        length = max(1, PIECE // (8 * values[{"time": 0}].size))
        for start in range(0, again.size, length):
            pairs = again[start : start + length]
            one, two = (values.isel(time=order[at]).transpose("time", ...).values for at in (pairs - 1, pairs))
            same = ((one == two) | (np.isnan(one) & np.isnan(two))).reshape(pairs.size, -1).all(1)
            if not same.all():
                moment = pd.Timestamp(times[order[pairs[~same][0]]])
                raise DataError(
                    f"{origin}: {name}: expected each step once, the time axis holds {moment} twice, with different values ({(~same).sum()} of the "
                    f"{again.size} steps that come twice)"
                )
    first, last = (pd.Timestamp(times[order[at]]) for at in (again[0], again[-1]))
    span = f"{first}" if again.size == 1 else f"{again.size} steps from {first} to {last}"
    log.warning("%s: the time axis holds %s twice, with equal values: the second is dropped", origin, span)
    return data.isel(time=np.delete(order, again))


def per_day(data: xr.DataArray) -> xr.DataArray:
    """Monthly sums as means per day: divided by the days of each month."""
    return data / data["time"].dt.days_in_month
