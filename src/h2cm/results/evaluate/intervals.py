"""Intervals around the median of the members that hold what is observed as often as they say: split conformal prediction.

A cell of the validation set was not trained on by the model of its own fold, so what is observed there less what that model
predicts is an error as at a place never seen (Lei et al., 2018, doi:10.1080/01621459.2017.1307116). Its quantiles are taken
for each land cover and month of the local year (July of the south is January) where there are enough cells, else over all
land covers, and added to the median of the folds. Cells of the test set have no part in it; they show whether it holds.
Validation cells chose the epoch whose weights are used, so that errors there are a little too small.

What nobody observes has no such errors. For a flux without an observation, the errors of the observed fluxes of its group
(carbon, water) are taken in units of the spread of the members, and this factor is carried over: an assumption, that the
members differ by as much less than they should as they do where it can be seen. Only a synthetic Earth can tell.

A quantile p that n cells cannot tell, as p (n + 1) / n > 1, is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

LEVELS = tuple(round(0.05 * k, 2) for k in range(1, 20))
"""The quantiles that are calibrated."""

COVERAGES = (0.5, 0.8, 0.9)
"""Of the central intervals that are reported."""

EDGES = tuple(sorted(round(0.5 + side * cover / 2, 3) for cover in COVERAGES for side in (-1, 1)))
"""The quantiles at the ends of these intervals."""

ENOUGH = 20
"""Cells of a land cover, observed in a month, from which on their errors are taken for themselves."""

LEAST_SPREAD = 0.1
"""The spread of the members counts as at least this share of its mean over all cells: by chance, few members agree."""

CALIBRATED, TRANSFERRED = "calibrated", "transferred"

POOLED = "all"
"""The land cover of all cells, where there is none, or too few of each."""


def local_month(calendar_month: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Month of the local year, 0 to 11, (cell, month): that of the calendar in the north, half a year on in the south."""
    return (np.asarray(calendar_month)[None, :] - 1 + np.where(np.asarray(lat) < 0, 6, 0)[:, None]) % 12


def corrected(levels: Sequence[float], cells: int) -> np.ndarray:
    """The quantiles of the errors of so many cells that hold with the probabilities `levels`; NaN where they cannot tell."""
    levels = np.asarray(levels, "f8")
    if cells == 0:
        return np.full(levels.shape, np.nan)
    outward = np.maximum(levels, 1 - levels) * (cells + 1) / cells
    outward = np.where(outward > 1 + 1e-9, np.nan, np.minimum(outward, 1.0))
    return np.where(levels >= 0.5, outward, 1 - outward)


def weighted_quantiles(values: np.ndarray, weights: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The least values that have at least the shares `levels` of all weight at or below them; NaN levels stay NaN."""
    order = np.argsort(values, kind="stable")
    share = np.cumsum(weights[order], dtype="f8")
    place = np.searchsorted(share / share[-1], np.nan_to_num(levels) - 1e-12)
    return np.where(np.isnan(levels), np.nan, values[order][np.minimum(place, values.size - 1)])


def offsets(
    errors: np.ndarray, area: np.ndarray, classes: np.ndarray, months: np.ndarray, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles of errors for each land cover and local month.

    Parameters
    ----------
    errors : ndarray, shape (cell, month)
        Observed less predicted; NaN where not observed.
    area : ndarray, shape (cell,)
        Cells weigh by it.
    classes : ndarray of int, shape (cell,)
        The land cover, from 0.
    months : ndarray of int, shape (cell, month)
        See `local_month`.
    number : int
        Of land covers.

    Returns
    -------
    ndarray, shape (number, 12, level)
        In the unit of the errors; of all land covers where one has fewer than `ENOUGH` cells that are observed in that month, of
        all months too where all together have fewer; NaN where there is no error at all, or too few cells for that quantile.
    ndarray of int, shape (number,)
        The cells of each land cover.
    """
    found = np.full((number, 12, len(LEVELS)), np.nan)
    observed = np.isfinite(errors)
    there = observed.any(1)
    count = np.bincount(classes[there], minlength=number)
    weights = np.broadcast_to(np.asarray(area, "f8")[:, None], errors.shape)

    def of(chosen: np.ndarray, least: int = ENOUGH) -> np.ndarray | None:
        chosen = chosen & observed
        cells = int(chosen.any(1).sum())
        return weighted_quantiles(errors[chosen], weights[chosen], corrected(LEVELS, cells)) if cells >= least else None

    everything = of(observed, 1)
    if everything is None:
        return found, count
    for month in range(12):
        now = months == month
        pooled = of(now)
        for land_cover in range(number):
            own = of(now & (classes == land_cover)[:, None])
            found[land_cover, month] = next(x for x in (own, pooled, everything) if x is not None)
    return found, count


def spread_of(members: np.ndarray, calendar_month: np.ndarray) -> np.ndarray:
    """Standard deviation over the members, (cell, month): of each calendar month of a cell the mean over the years.

    Parameters
    ----------
    members : ndarray, shape (member, cell, month)
    """
    if len(members) < 2:
        return np.full(members.shape[1:], np.nan)
    spread = members.std(0, ddof=1)
    found = np.empty_like(spread)
    for month in np.unique(calendar_month):
        now = calendar_month == month
        found[:, now] = spread[:, now].mean(1, keepdims=True)
    return found


@dataclass(frozen=True)
class Calibration:
    """What calibration gave, as it is used: the summary ``intervals`` of a run.

    Attributes
    ----------
    data : Dataset
        ``offset`` (variable, land_cover, local_month, level), ``least_spread`` and ``transferred`` (variable), ``class`` and
        ``lat`` (cell).
    """

    data: xr.Dataset

    def __contains__(self, name: str) -> bool:
        return name in self.data["variable"].values.astype(str)

    def transferred(self, name: str) -> bool:
        """Whether nobody observes a variable, so that its intervals are carried over from others."""
        return bool(self.data["transferred"].sel(variable=name))

    def around(
        self, name: str, members: np.ndarray, calendar_month: np.ndarray, cells: slice = slice(None)
    ) -> np.ndarray:
        """What is added to the median of the members to get each of `LEVELS`, (level, cell, month).

        Parameters
        ----------
        name : str
        members : ndarray, shape (member, cell, month)
            Of the cells `cells`.
        calendar_month : ndarray of int, shape (month,)
            1 to 12.
        """
        one = self.data.sel(variable=name)
        classes, lat = one["class"].values[cells].astype(int), one["lat"].values[cells]
        table = one["offset"].transpose("level", "land_cover", "local_month").values
        found = table[:, classes[:, None], local_month(calendar_month, lat)]
        if not self.transferred(name):
            return found
        return found * np.maximum(spread_of(members, calendar_month), float(one["least_spread"]))
