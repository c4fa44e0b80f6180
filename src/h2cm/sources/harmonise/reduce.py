"""From a product's grid and time steps to the cells, days and months of the store, in pieces.

A day or month is the mean of the steps that it shares, weighted by the time they share: an hour counts 1/24 of a day,
an eight-day composite that reaches into the next month counts there with the days it has there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import scipy.sparse as sp
import xarray as xr

from h2cm.config import Config
from h2cm.space import regrid
from h2cm.space.grid import EARTH_RADIUS, Grid
from h2cm.store import DataError

log = logging.getLogger(__name__)

DAY = np.timedelta64(1, "D")
WHOLE_DAY = 1 - 1e-6  # share of a day that must be there: a missing afternoon is a wrong mean
PART_OF_MONTH = 0.5  # share of a month that must be there
LEAST_COVER = 0.5  # share of the cells that a constraint of all land must reach
LAND = 1.49e14  # m2, of the Earth
WHOLE, MANY = 0.5, 50  # share of the land, and cells, from which on a run can stand for all of it
REACH = 2.0  # cells, to the neighbour that a gap in space may be filled from


@dataclass(frozen=True)
class Target:
    """The cells and the calendar of a store.

    Attributes
    ----------
    config : Config
    cells : Dataset
        ``lat`` and ``lon`` (cell), as in ``grid.nc``.
    """

    config: Config
    cells: xr.Dataset

    @cached_property
    def grid(self) -> Grid:
        return Grid(self.config.grid.resolution, self.config.grid.bounds)

    @cached_property
    def days(self) -> np.ndarray:
        period = self.config.period
        return pd.date_range(period.start, period.end, freq="D").values.astype("datetime64[ns]")

    @cached_property
    def months(self) -> np.ndarray:
        period = self.config.period
        return pd.date_range(period.start.replace(day=1), period.end, freq="MS").values.astype("datetime64[ns]")

    @cached_property
    def index(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of each cell on the grid."""
        rows = np.round((self.cells["lat"].values - self.grid.lat[0]) / self.grid.resolution).astype(int)
        columns = np.round((self.cells["lon"].values - self.grid.lon[0]) / self.grid.resolution).astype(int)
        return rows, columns

    @cached_property
    def whole(self) -> bool:
        """Whether the cells can stand for all land: many of them, and at least half of the land."""
        area = (
            np.cos(np.radians(self.cells["lat"].values)).sum() * (EARTH_RADIUS * np.radians(self.grid.resolution)) ** 2
        )
        return area >= WHOLE * LAND and self.cells.sizes["cell"] >= MANY

    def ends(self, per: str) -> tuple[np.ndarray, np.ndarray]:
        """Start and end of each day (``per="time"``) or month (``per="month"``); months reach to the period's ends."""
        if per == "time":
            return self.days, self.days + DAY
        next_month = (self.months.astype("datetime64[M]") + 1).astype("datetime64[ns]")
        return np.maximum(self.months, self.days[0]), np.minimum(next_month, self.days[-1] + DAY)


def step_ends(times: np.ndarray, step: str) -> np.ndarray:
    """Ends of the time steps that start at `times` (see `h2cm.sources.catalogue.Layout`)."""
    if step == "month":
        return (times.astype("datetime64[M]") + 1).astype("datetime64[ns]")
    if step == "8 days":
        new_year = (times.astype("datetime64[Y]") + 1).astype("datetime64[ns]")
        return np.minimum(times + 8 * DAY, new_year)
    if step == "day":
        return times + DAY
    return times + np.timedelta64(round(float(step.removesuffix(" hours")) * 3600), "s")


def shared_days(starts: np.ndarray, ends: np.ndarray, first: np.ndarray, last: np.ndarray) -> sp.csr_matrix:
    """Days that each target interval shares with each step, shape (targets, steps); both in ascending order."""
    low = np.searchsorted(ends, first, "right")
    high = np.searchsorted(starts, last, "left")
    rows = np.repeat(np.arange(first.size), np.maximum(high - low, 0))
    columns = np.concatenate([np.arange(a, b) for a, b in zip(low, high)] or [np.empty(0)]).astype(int)
    shared = np.minimum(ends[columns], last[rows]) - np.maximum(starts[columns], first[rows])
    return sp.csr_matrix((shared / DAY, (rows, columns)), (first.size, starts.size))


def to_cells(
    data: xr.DataArray,
    step: str,
    target: Target,
    per: str,
    adjust: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
    min_valid: float = regrid.MIN_VALID,
) -> np.ndarray:
    """Means over days or months, on the cells of the store.

    Parameters
    ----------
    data : DataArray (time, ..., lat, lon) or (time, ..., y, x)
        Standardised, lazy; read in pieces of at most `h2cm.space.regrid.PIECE` bytes.
    step : str
        Length of a step.
    target : Target
    per : {"time", "month"}
        Days or months.
    adjust : callable, optional
        Applied to the values (time, ..., lat, lon) of each piece and their times before they are regridded; must leave
        (time, lat, lon). Such data are read in whole time steps.
    min_valid : float
        Least share of the area of a cell with values.

    Returns
    -------
    array (days or months, cell), float32
        NaN where less than `WHOLE_DAY` of a day or `PART_OF_MONTH` of a month has values.
    """
    times = data["time"].values
    first, last = target.ends(per)
    share = shared_days(times, step_ends(times, step), first, last)
    needed = (WHOLE_DAY if per == "time" else PART_OF_MONTH) * ((last - first) / DAY)
    weights = regrid.weights(regrid.grid_of(data), regrid.target_of(target.grid), target.config.grid.regridding)
    rows, columns = target.index
    length = max(1, regrid.PIECE // (8 * int(np.prod(data.shape[1:]))))
    group = int(np.clip(length * first.size / max(share.nnz, 1), *((31, 366) if per == "time" else (1, 120))))
    result = np.full((first.size, rows.size), np.nan, "f4")
    for start in range(0, first.size, group):
        part = share[start : start + group]
        steps = np.unique(part.indices)
        if not steps.size:
            continue
        total = np.zeros((part.shape[0], rows.size))
        known = np.zeros_like(total)
        for low in range(steps[0], steps[-1] + 1, length):
            at = slice(low, min(low + length, steps[-1] + 1))
            if adjust is not None:
                values = weights.apply(adjust(data[at].values, times[at]), min_valid)
            elif data[at].size * 8 > regrid.PIECE:  # one step, and that in bands
                values = weights.apply_lazily(data[low], min_valid)[None]
            else:
                values = weights.apply(data[at].values, min_valid)
            values = values[:, rows, columns]
            if target.whole:
                _require_variety(values, times[at], data)
            valid = np.isfinite(values)
            total += part[:, at] @ np.where(valid, values, 0.0)
            known += part[:, at] @ valid.astype("f8")
        enough = known >= needed[start : start + group, None]
        result[start : start + group] = np.divide(total, known, out=np.full_like(total, np.nan), where=enough)
    return result


def _require_variety(values: np.ndarray, times: np.ndarray, data: xr.DataArray) -> None:
    """Refuse a step (step, cell) that has one value on all land: a field of zeros, say."""
    known = np.isfinite(values)
    low, high = (extreme.reduce(values, 1) for extreme in (np.fmin, np.fmax))
    alike = (low == high) & (known.sum(1) >= MANY)
    if alike.any():
        raise DataError(
            f"{data.attrs.get('product', 'product')}: {data.name}: expected cells that differ, found {low[alike][0]:g} in all of them at "
            f"{str(times[: len(alike)][alike][0])[:16]}: a field without data?"
        )


def complete(values: np.ndarray, target: Target, origin: str) -> np.ndarray:
    """Daily forcing (day, cell) without gaps.

    A cell that lacks values, as on coasts at the rim of a product that covers land only, takes those of the nearest
    complete cell within `REACH` cells; this is logged.

    Raises
    ------
    DataError
        If a day has no value at all, or a cell has no neighbour to take from; with the variable and the day or cell.
    """
    missing = np.isnan(values)
    empty = missing.all(1)
    if empty.any():
        years = pd.DatetimeIndex(target.days).year
        lacking = [
            f"{y}: {n} of {(years == y).sum()} days"
            for y, n in pd.Series(years[empty]).value_counts(sort=False).items()
        ]
        day = str(target.days[empty][0])[:10]
        raise DataError(
            f"{origin}: expected a value for every day of the period, there is none on {day}; missing in {'; '.join(lacking)}"
        )
    return fill_from_neighbours(values, target, origin)


def fill_from_neighbours(values: np.ndarray, target: Target, origin: str) -> np.ndarray:
    """Values (..., cell), the gaps of a cell filled from the nearest complete cell within `REACH` cells.

    Raises
    ------
    DataError
        If there is none.
    """
    missing = np.isnan(values).reshape(-1, values.shape[-1])
    gaps = missing.any(0)
    if not gaps.any():
        return values
    lat, lon = (np.radians(target.cells[a].values) for a in ("lat", "lon"))
    reach = REACH * np.radians(target.grid.resolution)
    donors = np.flatnonzero(~gaps)
    values, far = values.copy(), 0.0
    for cell in np.flatnonzero(gaps):
        nearest, distance = None, np.inf
        if donors.size:
            half = np.sin((lat[donors] - lat[cell]) / 2) ** 2
            half += np.cos(lat[cell]) * np.cos(lat[donors]) * np.sin((lon[donors] - lon[cell]) / 2) ** 2
            angle = 2 * np.arcsin(np.sqrt(np.minimum(half, 1)))
            nearest, distance = donors[angle.argmin()], angle.min()
        if distance > reach * (1 + 1e-9):
            where = f"{np.degrees(lat[cell]):g} N {np.degrees(lon[cell]):g} E"
            first = np.argwhere(missing[:, cell])[0, 0]
            raise DataError(
                f"{origin}: {missing[:, cell].sum()} values are missing at {where} (the first is number {first}), and no "
                f"complete cell lies within {REACH:g} cells"
            )
        at = np.isnan(values[..., cell])
        values[..., cell][at] = values[..., nearest][at]
        far = max(far, distance)
    log.warning(
        "%s: %d of %d cells lack values and take those of the nearest complete cell, at most %.0f km away",
        origin,
        gaps.sum(),
        gaps.size,
        far * EARTH_RADIUS / 1000,
    )
    return values


def observed(values: np.ndarray, target: Target, origin: str, cover: float = 0.0) -> np.ndarray:
    """Monthly constraint (month, cell), of which gaps are logged.

    Parameters
    ----------
    values : array (month, cell)
    target : Target
    origin : str
    cover : float
        Share of the cells that must have a value in some month.

    Raises
    ------
    DataError
        If there is no value at all in the period, or in too few cells.
    """
    empty = np.isnan(values).all(1)
    if empty.all():
        raise DataError(
            f"{origin}: expected values between {str(target.days[0])[:10]} and {str(target.days[-1])[:10]}, there is none"
        )
    if empty.any():
        first, last = (str(target.months[~empty][i])[:7] for i in (0, -1))
        log.info(
            "%s: %d of %d months have no value; observed from %s to %s", origin, empty.sum(), empty.size, first, last
        )
    reached = float(np.isfinite(values).any(0).mean())
    log.info("%s: values in %.0f %% of the cells", origin, 100 * reached)
    if reached < cover:
        raise DataError(
            f"{origin}: expected values in at least {cover:.0%} of the land cells, found them in {reached:.0%}: the map is "
            "upside down or shifted, or does not cover the grid's bounds"
        )
    return values
