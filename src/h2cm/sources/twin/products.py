"""Pseudo-products: what satellites, towers and inversions would report of the synthetic Earth.

Each is written in the real product's own layout (`h2cm.sources.products.write`), with what makes the real one hard to use: another
grid, missing months, noise, biases, fire in the net flux of the inversions. The forcing carries no noise: the truth was
run with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from h2cm.config import Config
from h2cm.sources.products import gpcp, write
from h2cm.sources.twin.atlas import Atlas, maps
from h2cm.sources.twin.attributes import FEATURES
from h2cm.sources.twin.climate import insolation
from h2cm.sources.twin.fields import static_field
from h2cm.sources.twin.regions import region_map

NIGHT = 15.0  # W m-2 at the top of the atmosphere, below which there is no fAPAR
SNOW_SOUTH = 35.0  # degrees north, south of which there is no snow product
SUMMER = (6, 7, 8, 9)  # months without a snow product
LONG_GAP = 11  # months between the two GRACE missions
GAP_SHARE = 0.06  # of the other months of GRACE
INVERSIONS = 5  # members of the OCO-2 ensemble
FIRST_OCO2 = 2015
DAMPING = 0.4  # of year-to-year variation in the data-driven product


@dataclass(frozen=True)
class Harvest:
    """What the products are made of; arrays (cell, ...).

    Attributes
    ----------
    cells : Dataset
    days : DatetimeIndex
    months : DatetimeIndex
        First days.
    forcing : dict
        Daily.
    static : dict
    monthly : dict
        Monthly means of the truth, and ``fire``, g m-2 day-1.
    composites : DatetimeIndex
        First days of the eight-day composites.
    fapar : ndarray
        Means of the composites.
    ensemble : dict
        Monthly ``gpp``, ``npp``, ``nee`` and ``heterotrophic_respiration`` of other models (cell, model, month).
    """

    cells: xr.Dataset
    days: pd.DatetimeIndex
    months: pd.DatetimeIndex
    forcing: dict[str, np.ndarray]
    static: dict[str, np.ndarray]
    monthly: dict[str, np.ndarray]
    composites: pd.DatetimeIndex
    fapar: np.ndarray
    ensemble: dict[str, np.ndarray]


class Bureau:
    """Writes the pseudo-products of one synthetic Earth to `folder`, one folder a product."""

    def __init__(self, harvest: Harvest, config: Config, folder: Path):
        self.h, self.config, self.folder = harvest, config, Path(folder)
        self.rng = np.random.default_rng([config.seed, 400])
        self.atlas = Atlas(config.grid.resolution, harvest.cells, self.rng)

    def write_all(self) -> None:
        self.forcing()
        self.static()
        self.water()
        self.vegetation()
        self.inversions()
        self.competitors()
        self.put("transcom", region_map())

    def put(self, product: str, data: xr.Dataset) -> None:
        write(product, data, self.folder / product)

    def noisy(self, values: np.ndarray, share: float = 1.0) -> np.ndarray:
        """`values` (cell, time) with the configured noise, times `share`, in units of each cell's standard deviation."""
        sigma = share * self.config.twin.noise * values.std(axis=1, keepdims=True)
        return values + sigma * self.rng.normal(size=values.shape)

    def forcing(self) -> None:
        """Daily forcing, one year after the other to bound the memory."""
        h, atlas = self.h, self.atlas
        for year in np.unique(h.days.year):
            at = np.flatnonzero(h.days.year == year)
            days, part = h.days[at], {name: values[:, at] for name, values in h.forcing.items()}
            rain = maps(days, precipitation=atlas.same(part["precipitation"]))
            gpcp.write(rain, self.folder / "gpcp", split="year")  # one file a day would take longer than all else
            self.put("ceres", maps(days, net_radiation=atlas.same(part["net_radiation"])))
            self.put("crujra", maps(days, air_temperature=atlas.fine(part["air_temperature"], spread=10.0)))
            self.put(
                "era5",
                maps(
                    days,
                    vapour_pressure_deficit=atlas.same(part["vapour_pressure_deficit"]),
                    air_temperature=atlas.same(part["air_temperature"]),
                ),
            )
            self.put("cams_co2", maps(days, co2=atlas.shifted(part["co2"])))

    def static(self) -> None:
        for product, names in FEATURES.items():
            self.put(product, maps(None, **{name: self.atlas.fine(self.h.static[name][:, None]) for name in names}))

    def water(self) -> None:
        """GRACE with its gaps, snow of the north without summer, runoff."""
        h, months = self.h, self.h.months
        tws = self.noisy(h.monthly["tws"] - h.monthly["tws"].mean(1, keepdims=True))
        self.put("grace", maps(months, tws=self.atlas.fine(np.where(self.grace_gaps(), np.nan, tws))))

        swe = np.maximum(h.monthly["swe"] * (1 + self.config.twin.noise * self.rng.normal(size=tws.shape)), 0)
        unseen = (h.cells.lat.values < SNOW_SOUTH) | (h.static["permanent_snow_and_ice"] > 0.5)
        winter = ~np.isin(months.month, SUMMER)
        snow = self.atlas.fine(np.where(unseen[:, None], np.nan, swe)[:, winter])
        self.put("globsnow", maps(months[winter], swe=snow))

        runoff = np.maximum(self.noisy(h.monthly["runoff"]), 0)
        self.put("grun", maps(months, runoff=self.atlas.fine(runoff)))

    def grace_gaps(self) -> np.ndarray:
        """Which months GRACE misses: single ones, and a long gap between two missions (at most an eighth of all)."""
        number = len(self.h.months)
        missing = self.rng.uniform(size=number) < GAP_SHARE
        length = min(LONG_GAP, number // 8)
        start = int(0.6 * number)
        missing[start : start + length] = True
        return missing

    def vegetation(self) -> None:
        """Eight-day fAPAR, none in the polar night."""
        h = self.h
        middle = h.composites + pd.Timedelta(days=4)
        dark = insolation(h.cells.lat.values, middle.day_of_year.values).T < NIGHT
        fapar = np.clip(self.noisy(h.fapar), 0, 1)
        for year in np.unique(h.composites.year):
            at = np.flatnonzero(h.composites.year == year)
            values = np.where(dark, np.nan, fapar)[:, at]
            fine = self.atlas.fine(values, spread=values * (1 - values))  # stays within 0 and 1
            self.put("modis_fapar", maps(h.composites[at], fapar=fine))

    def inversions(self) -> None:
        """Net fluxes with fire; an ensemble whose members err each in its own way, and a long record; fire alone."""
        h, months = self.h, self.h.months
        fire = h.monthly["fire"]
        self.put("gfed", maps(months, fire=self.atlas.fine(fire)))

        total = h.monthly["nee"] + fire
        self.put("carboscope", maps(months, nee_total=self.atlas.shifted(self.noisy(total))))

        recent = months.year >= FIRST_OCO2
        if not recent.any():
            recent = np.arange(len(months)) >= len(months) - max(len(months) // 3, 1)
        sigma = self.config.twin.noise * total.std(1, keepdims=True)
        members = []
        for _ in range(INVERSIONS):
            wrong = static_field(self.rng, 0.3, h.cells.lat.values, h.cells.lon.values)[:, None]
            noise = self.rng.normal(size=total.shape)
            members.append(
                maps(months[recent], nee_total=self.atlas.fine((total + sigma * (wrong + noise))[:, recent]))
            )
        names = pd.Index([f"INV{k + 1}" for k in range(INVERSIONS)], name="member")
        self.put("oco2_mip", xr.concat(members, names))

    def competitors(self) -> None:
        """A data-driven product with little year-to-year variation and too little respiration; process models."""
        h, months = self.h, self.h.months
        gpp, et, ter = (damped(h.monthly[name], months) for name in ("gpp", "et", "ter"))
        gpp, et = self.noisy(gpp), self.noisy(et)
        too_little = 0.75 + 0.1 * np.sin(np.radians(np.abs(h.cells.lat.values)))[:, None]
        fields = {"gpp": gpp, "et": et, "nee": ter * too_little - gpp}
        self.put("fluxcom", maps(months, **{name: self.atlas.fine(values) for name, values in fields.items()}))

        members = []
        for k in range(self.config.twin.models):
            one = {name: values[:, k] for name, values in h.ensemble.items()}
            fluxes = {
                "gpp": one["gpp"],
                "npp": one["npp"],
                "ra": one["gpp"] - one["npp"],
                "rh": one["heterotrophic_respiration"],
                "nbp": -one["nee"] - h.monthly["fire"],
            }
            members.append(maps(months, **{name: self.atlas.same(values) for name, values in fluxes.items()}))
        names = pd.Index([f"MODEL{k + 1}" for k in range(len(members))], name="model")
        self.put("trendy", xr.concat(members, names))


def damped(values: np.ndarray, months: pd.DatetimeIndex) -> np.ndarray:
    """Monthly `values` (cell, month) with year-to-year variation reduced to `DAMPING` of itself."""
    usual = np.empty_like(values)
    for month in np.unique(months.month):
        at = months.month == month
        usual[:, at] = values[:, at].mean(1, keepdims=True)
    return usual + DAMPING * (values - usual)
