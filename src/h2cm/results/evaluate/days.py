"""How well days are predicted at towers: as they are, as departures from the season, and in answer to rain."""

from __future__ import annotations

import numpy as np

from h2cm.results.evaluate.metrics import scores
from h2cm.results.evaluate.series import common
from h2cm.results.summaries.rain_pulse import Rule
from h2cm.vocabulary import FREEZING_POINT

WINDOW = 31
"""Days over which the seasonal cycle is smoothed."""

LEAST = 15
"""Days in the window, of all years, below which the cycle is not known."""

RULE = Rule(rain=3.0, dry_days=5, dry_rain=1.0)
"""Of which the first rain is taken, not the dry cells: towers are chosen by who measured."""

WARM = 5.0
"""Air temperature of the day of the rain, degrees Celsius, at least: no snow."""

LAGS = np.arange(-5, 11)
"""Days from the rain."""

BEFORE, AFTER = (-5, -1), (1, 5)
"""Days from the rain, first and last, that are compared; the rainy day itself is dark and counts on neither side."""

ENOUGH = 2
"""Measured days on each side of a rain that counts."""


def rule_in_words() -> str:
    """For captions."""
    return (
        f"Rain after dry days: at least {RULE.rain:g} mm on a day of {WARM:g} °C or more, after {RULE.dry_days} days with less "
        f"than {RULE.dry_rain:g} mm in all."
    )


def day_of_year(time: np.ndarray) -> np.ndarray:
    """1 to 366 of each day (datetime64)."""
    return (time.astype("datetime64[D]") - time.astype("datetime64[Y]").astype("datetime64[D]")).astype(int) + 1


def smoothed_cycle(values: np.ndarray, day: np.ndarray) -> np.ndarray:
    """The mean seasonal cycle of one daily series: mean of all its values within `WINDOW` days of the year.

    Parameters
    ----------
    values : ndarray, shape (time,)
        NaN where missing.
    day : ndarray of int, shape (time,)
        1 to 366.

    Returns
    -------
    ndarray, shape (366,)
        NaN where the window has fewer than `LEAST` values.
    """
    there = np.isfinite(values)
    count = np.bincount(day[there] - 1, minlength=366).astype("f8")
    total = np.bincount(day[there] - 1, values[there].astype("f8"), minlength=366)
    around = (np.arange(366)[:, None] + np.arange(WINDOW) - WINDOW // 2) % 366
    count, total = count[around].sum(1), total[around].sum(1)
    return np.where(count >= LEAST, total / np.maximum(count, 1), np.nan)


def departures(values: np.ndarray, time: np.ndarray) -> np.ndarray:
    """A daily series less its own smoothed seasonal cycle."""
    day = day_of_year(time)
    return values - smoothed_cycle(values, day)[day - 1]


def skill(prediction: np.ndarray, measured: np.ndarray, uncertainty: np.ndarray, time: np.ndarray) -> dict[str, float]:
    """Of one tower and flux, from the days that were measured.

    Returns
    -------
    dict
        ``days``; ``r``, ``nse``, ``rmse``; ``rmse_over_uncertainty``, the root mean square of the error in units of the day's own
        uncertainty; ``anomaly_r`` and ``anomaly_nse`` of the departures from the smoothed seasonal cycle, each side from its own.
    """
    p, o = common(prediction, measured)
    metrics, n = scores(p, o)
    apart, _ = scores(departures(p, time), departures(o, time))
    known = np.isfinite(p) & (uncertainty > 0)
    ratio = ((p - o)[known] / uncertainty[known].astype("f8")) ** 2
    found = {"days": int(n)} | {name: float(metrics[name]) for name in ("r", "nse", "rmse")}
    found["rmse_over_uncertainty"] = float(np.sqrt(ratio.mean())) if ratio.size else np.nan
    return found | {f"anomaly_{name}": float(apart[name]) for name in ("r", "nse")}


def rains(precipitation: np.ndarray, air_temperature: np.ndarray) -> np.ndarray:
    """The days (int) of rain after dry days by `RULE` and `WARM`, from the daily forcing of one tower, mm day-1 and K."""
    days = RULE.first_rains(precipitation)
    return days[air_temperature[days] >= FREEZING_POINT + WARM]


def around_rains(values: np.ndarray, days: np.ndarray) -> np.ndarray:
    """A daily series on `LAGS` around some days, (rain, lag)."""
    return values[days[:, None] + LAGS]


def changes(around: np.ndarray) -> np.ndarray:
    """Mean of the days `AFTER` less that of the days `BEFORE` each rain, (rain,); NaN with fewer than `ENOUGH` of either."""
    sides = []
    for first, last in (AFTER, BEFORE):
        part = around[:, (first <= LAGS) & (last >= LAGS)]
        n = np.isfinite(part).sum(1)
        sides.append(np.where(n >= ENOUGH, np.nansum(part, 1) / np.maximum(n, 1), np.nan))
    return sides[0] - sides[1]


def answers(prediction: np.ndarray, measured: np.ndarray, time: np.ndarray, days: np.ndarray) -> tuple:
    """Departures from the season around the rains of one tower, predicted and measured, (rain, lag), on the measured days.

    Rains without `ENOUGH` measured days on either side are left out.
    """
    p, o = (around_rains(departures(side, time), days) for side in common(prediction, measured))
    usable = np.isfinite(changes(o))
    return p[usable], o[usable]
