"""Whether what was made of a product looks like the Earth: its mean, its spread, its seasons, its course in time.

A stray scale factor, a field of zeros, one field that stands for many, a map upside down: each value of these is
possible, and all of them together are not. What is expected of a product is in its row of the catalogue (`expected`); the
ranges are wide, as they must hold for any version and period. Of less than a year only the
seasons are judged.
"""

from __future__ import annotations

import numpy as np

from h2cm.sources.catalogue import Expected
from h2cm.store import DataError

FEW = 10
"""Cells of which no spread is asked for."""

OUTSIDE = 3.0
"""Of a part of the land: spreads by which its mean may lie beyond the range of all land."""

TEMPERATE = 30.0
"""Degrees of latitude beyond which summer is warmer than winter."""

JUMP, JUMP_ALONE = 5.0, 8.0
"""How often the spread of a step is that of the steps around it at most, and where no other years are known."""

REPEATED = 0.1
"""Share of steps that may be those of the step before, or of the year before, in all cells."""

Y = np.timedelta64(365, "D")


def check(
    values: np.ndarray, times: np.ndarray, lat: np.ndarray, everywhere: bool, expected: Expected | None, origin: str
) -> None:
    """Check a variable against what is expected of its product.

    Parameters
    ----------
    values : array (step, cell)
        In the store's unit, NaN where missing.
    times : array of datetime64 (step,)
        Days, or first days of months.
    lat : array (cell,)
        Degrees.
    everywhere : bool
        Whether the cells can stand for all land (`h2cm.sources.harmonise.reduce.Target.whole`).
    expected : Expected, optional
        Nothing is checked without.
    origin : str
        Product and variable, for the message.

    Raises
    ------
    DataError
        If it cannot be this variable.
    """
    if expected is None:
        return
    there = np.isfinite(values).any(1)
    values, times = values[there], times[there]
    months, first = np.unique(times.astype("datetime64[M]"), return_index=True)
    if not months.size:
        return
    monthly = (
        np.stack([_mean(part, 0) for part in np.split(values, first[1:])]) if months.size < len(values) else values
    )
    weight = np.cos(np.radians(lat))
    for part, compared in expected.warm_season.items() if everywhere or len(expected.warm_season) == 2 else ():
        rows = lat > TEMPERATE if part == "north" else lat < -TEMPERATE
        check_season(monthly[:, rows], months, part, compared, origin)
    if months.size < 12:
        return
    _check_repetition(values, times, origin)
    _check_climate(monthly, weight, everywhere, expected, origin)
    if everywhere:
        _check_course(values, times, origin)


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    """Mean of what is there, NaN where nothing is."""
    known = np.isfinite(values)
    total = np.where(known, values, 0).sum(axis, dtype="f8")
    return np.divide(total, known.sum(axis), out=np.full(total.shape, np.nan), where=known.any(axis))


def _check_climate(monthly: np.ndarray, weight: np.ndarray, everywhere: bool, expected: Expected, origin: str) -> None:
    """Mean over space and time, spread of the means over space, and mean of the spread over time."""
    means = _mean(monthly, 0)
    known = np.isfinite(means)
    means, weight = means[known], weight[known]
    mean = np.average(means, weights=weight)
    found = {
        "mean": mean,
        "spread": np.sqrt(np.average((means - mean) ** 2, weights=weight)),
        "variation": np.average(
            np.sqrt(_mean((monthly[:, known] - means) ** 2, 0)),
            weights=weight,
        ),
    }
    said = {
        "mean": "the mean over the land and all months",
        "spread": "the standard deviation of the cells' means",
        "variation": "the mean standard deviation in time",
    }
    for name, value in found.items():
        low, high = getattr(expected, name)
        if not everywhere:
            beyond = OUTSIDE * expected.spread[1]
            low, high = (low - beyond, high + beyond) if name == "mean" else (1e-6 * low, OUTSIDE * high)
        if name == "spread" and means.size < FEW:
            continue
        if not low <= value <= high:
            raise DataError(
                f"{origin}: expected {said[name]} within {low:g} to {high:g}, found {value:.4g}: another unit, scale factor "
                "or variable, or a field that stands for all?"
            )


def check_season(monthly: np.ndarray, months: np.ndarray, part: str, compared: str, origin: str) -> None:
    """Check that there is more, or less, in local summer than in winter (month, cell).

    Raises
    ------
    DataError
        If not: the map is upside down, or the axis of time half a year off.
    """
    number = months.astype("datetime64[M]").astype(int) % 12 + 1
    summer, winter = np.isin(number, (6, 7, 8)), np.isin(number, (12, 1, 2))
    if part == "south":
        summer, winter = winter, summer
    warm, cold = (monthly[chosen] for chosen in (summer, winter))
    both = np.isfinite(warm).any(0) & np.isfinite(cold).any(0)
    if not both.any():
        return
    contrast = float(np.mean(_mean(warm[:, both], 0) - _mean(cold[:, both], 0)))
    if contrast < 0 if compared == "more" else contrast > 0:
        raise DataError(
            f"{origin}: expected {compared} in summer than in winter beyond {TEMPERATE:g} degrees {part}, found "
            f"{abs(contrast):.3g} {'less' if compared == 'more' else 'more'}: the map is upside down, or the time axis half a "
            "year off"
        )


def _check_repetition(values: np.ndarray, times: np.ndarray, origin: str) -> None:
    """Neither the step before nor the same step of the year before, again and again."""
    varied = np.nanmax(values, 1) > np.nanmin(values, 1)
    if values.shape[1] < 2:
        varied[:] = True
    for back, what in ((1, "the step before"), (int(np.searchsorted(times, times[0] + Y)), "the year before")):
        if not 0 < back < len(values) / 2:
            continue
        now, then = values[back:], values[:-back]
        same = ((now == then) | (np.isnan(now) & np.isnan(then))).all(1) & varied[back:]
        if same.mean() > REPEATED:
            day = str(times[back:][same][0])[:10]
            raise DataError(
                f"{origin}: expected fields that change, found those of {what} at {same.sum()} of {same.size} steps, first on {day}"
            )


def _check_course(values: np.ndarray, times: np.ndarray, origin: str) -> None:
    """The spread of no step is many times, or a small part of, that of the steps around it and of its month in other years."""
    spread = np.nanstd(values, 1)
    month = times.astype("datetime64[M]").astype(int) % 12
    years = np.unique(times.astype("datetime64[Y]")).size
    half = 15 if np.median(np.diff(times)) < np.timedelta64(2, "D") else 2
    padded = np.pad(spread, half, mode="reflect")
    around = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1), 1)
    usual = np.array([np.median(spread[month == m]) for m in range(12) if (month == m).any()])
    usual = usual[np.searchsorted(np.unique(month), month)]
    limit = JUMP if years >= 3 else JUMP_ALONE

    def odd(reference: np.ndarray) -> np.ndarray:
        return (spread > limit * reference) | (spread * limit < reference)

    wrong = odd(around) & odd(usual) if years >= 3 else odd(around)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise DataError(
            f"{origin}: {str(times[at])[:10]}: expected the cells to differ about as much as around that time (standard deviation "
            f"{around[at]:.3g}), found {spread[at]:.3g}: another scale factor or unit, or no data, in the file of that time? "
            f"{wrong.sum()} of {wrong.size} steps are so"
        )
