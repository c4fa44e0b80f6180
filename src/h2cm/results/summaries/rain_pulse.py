"""Fluxes around the first rain on dry soil, over all dry cells: what re-wetting does to respiration (Birch, 1964).

What is dry, and what the first rain is, is said by `RULE`, from the forcing alone, so that it is the same for all models.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from h2cm import netcdf
from h2cm.results.paths import folds, path
from h2cm.results.run import Run
from h2cm.results.summaries.members import stacked
from h2cm.results.summaries.registry import TRUTH
from h2cm.vocabulary import EVAPORATION_PER_RADIATION, FREEZING_POINT, OUTPUTS

FLUXES = ("heterotrophic_respiration", "npp", "nee")
BEFORE, AFTER = 10, 20
LAGS = np.arange(-BEFORE, AFTER + 1)
"""Days from the first rain."""

TROPICS = 23.44
"""Latitude (degrees) up to which a dry cell belongs to the dry tropics."""


@dataclass(frozen=True)
class Rule:
    """What is dry, and what the first rain on dry soil is.

    Attributes
    ----------
    aridity : float
        A cell is dry where its mean precipitation is less than this share of what its mean net radiation could evaporate
        (semi-arid and drier, as in the UNEP's atlas of desertification).
    warm : float
        And where its mean air temperature is above this, degrees Celsius, so that the rain is not snow.
    rain : float
        Precipitation of the first day, mm, at least.
    dry_days, dry_rain : int, float
        Over so many days before it, less than so many mm in all fell.
    """

    aridity: float = 0.5
    warm: float = 10.0
    rain: float = 5.0
    dry_days: int = 30
    dry_rain: float = 5.0

    def text(self) -> str:
        """The rule in words, for captions."""
        return (
            f"Dry cells: mean precipitation below {self.aridity:g} of what the mean net radiation could evaporate, mean air "
            f"temperature above {self.warm:g} °C. First rain on dry soil: at least {self.rain:g} mm on a day after "
            f"{self.dry_days} days with less than {self.dry_rain:g} mm in all."
        )

    def dry_cells(
        self, precipitation: np.ndarray, net_radiation: np.ndarray, air_temperature: np.ndarray
    ) -> np.ndarray:
        """Which cells are dry, from daily forcing (cell, time): mm day-1, W m-2, K."""
        evaporable = np.maximum(net_radiation.mean(1), 0) * EVAPORATION_PER_RADIATION
        warm = air_temperature.mean(1) - FREEZING_POINT > self.warm
        return (precipitation.mean(1) < self.aridity * evaporable) & warm

    def first_rains(self, precipitation: np.ndarray) -> np.ndarray:
        """Days of the first rain of a cell, from its daily precipitation (time,), that have all of `LAGS` around them."""
        total = np.concatenate([[0], np.cumsum(precipitation.astype("f8"))])
        days = np.arange(self.dry_days, precipitation.size)
        before = total[days] - total[days - self.dry_days]
        found = days[(precipitation[days] >= self.rain) & (before < self.dry_rain)]
        return found[(found >= BEFORE) & (found + AFTER < precipitation.size)]


RULE = Rule()


def make(run: Run, experiment: str) -> xr.Dataset:
    """Means over all first rains, weighted by the area of their cells.

    Returns
    -------
    Dataset
        Each of `FLUXES` that the experiment has (member, lag) and ``precipitation`` (lag); ``dry`` and ``dry_tropics``
        (cell), 1 or 0, and ``events`` (cell), the number of first rains. Without any first rain the means are missing.
    """
    cells = run.cells()
    forcing = {
        name: run.stored(name).transpose("cell", "time").values
        for name in ("precipitation", "net_radiation", "air_temperature")
    }
    dry = RULE.dry_cells(**forcing)
    rain = forcing["precipitation"]
    events = [(cell, day) for cell in np.flatnonzero(dry) for day in RULE.first_rains(rain[cell])]
    area = cells["area"].values
    found = []
    for member, data in _members(run, experiment):
        parts = {}
        for name in FLUXES:
            if name in data:
                around = composite(data[name].transpose("cell", "time").values, events, area)
                parts[name] = ("lag", around, {"units": OUTPUTS[name].units})
        found.append((member, xr.Dataset(parts, {"lag": LAGS})))
    counts = np.bincount([cell for cell, _ in events], minlength=dry.size)
    return stacked(found).assign(
        precipitation=("lag", composite(rain, events, area), {"units": "mm day-1"}),
        dry=("cell", dry.astype("f4"), {"units": "1"}),
        dry_tropics=("cell", (dry & (np.abs(cells["lat"].values) <= TROPICS)).astype("f4"), {"units": "1"}),
        events=("cell", counts.astype("f4"), {"units": "1"}),
    )


def composite(values: np.ndarray, events: list[tuple[int, int]], area: np.ndarray) -> np.ndarray:
    """Mean of daily `values` (cell, time) on `LAGS` around events (cell, day), weighted by area; missing if there is none."""
    if not events:
        return np.full(LAGS.size, np.nan)
    around = np.stack([values[cell, day - BEFORE : day + AFTER + 1] for cell, day in events]).astype("f8")
    return np.average(around, axis=0, weights=[area[cell] for cell, _ in events])


def _members(run: Run, experiment: str) -> Iterator[tuple[str, xr.Dataset]]:
    """The daily fluxes of each fold, or of the truth, in memory one after the other."""
    if experiment == TRUTH:
        kept = [(TRUTH, path("truth"))]
    else:
        kept = [(f"fold {k}", path("daily", experiment=experiment, fold=k)) for k in folds(run.config, experiment)]
    for member, file in kept:
        there = netcdf.names(Path(run.folder, file))
        yield member, netcdf.load(Path(run.folder, file), [name for name in FLUXES if name in there])
