"""A weather generator: daily forcing for any cells, any period and any seed.

Weather systems, slow warm and cold spells and wet and dry years are smooth random fields that change with time
(`h2cm.sources.twin.fields`), so neighbours see the same weather, though not quite. Whether a day is wet follows a two-state
Markov chain whose draws are such a field, how much it rains a gamma distribution (Richardson, 1981, Water Resources
Research 17, 182). Clouds, humidity and temperature follow the rain, radiation the clouds.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.signal import lfilter
from scipy.special import ndtr
from scipy.stats import gamma

from h2cm.sources.twin.climate import normals, saturation_pressure
from h2cm.sources.twin.fields import Weatherlike
from h2cm.sources.twin.geography import Geography

STEFAN_BOLTZMANN = 5.670374e-8  # W m-2 K-4
RAIN_SHAPE = 0.75  # of the gamma distribution of the amounts of wet days
WET_PERSISTENCE = 0.35  # how much likelier a wet day is after a wet than after a dry one
EL_NINO_PERIOD = 1350.0  # days

_PROBABILITY = np.concatenate([np.linspace(0, 0.99, 400), 1 - np.geomspace(0.01, 1e-6, 200)[1:]])
_AMOUNT = gamma.ppf(_PROBABILITY, RAIN_SHAPE) / RAIN_SHAPE
"""Quantiles of the amount of a wet day in units of its mean: looked up, since the exact function is slow."""


def memory(series: np.ndarray, days: float) -> np.ndarray:
    """The mean of the past of `series` (day, ...), weighted with exp(-age / days), today included."""
    keep = np.exp(-1 / days)
    start = series[: max(int(3 * days), 1)].mean(0)
    return lfilter([1 - keep], [1.0, -keep], series, axis=0, zi=keep * start[None])[0]


class Weather:
    """The weather of one period.

    Parameters
    ----------
    times : pandas.DatetimeIndex
        Days.
    seed : int
    co2_trend : float
        How many times as steep as usual CO2 rises from its value at the start.
    """

    def __init__(self, times: pd.DatetimeIndex, seed: int, co2_trend: float = 1.0):
        self.times = times
        self.seed = seed
        self.co2_trend = co2_trend
        days = len(times)

        def rng(stream: int) -> np.random.Generator:
            return np.random.default_rng([seed, stream])

        self.systems = Weatherlike(rng(1), 0.20, 0.75, days, own=0.1)
        self.wetness = Weatherlike(rng(2), 0.12, 0.0, days, own=0.15)
        self.amounts = Weatherlike(rng(3), 0.08, 0.0, days, own=0.3)
        self.warm_spells = Weatherlike(rng(4), 0.45, 0.98, days, own=0.05)
        self.wet_years = Weatherlike(rng(5), 0.35, 0.993, days, own=0.05)
        self.clouds = Weatherlike(rng(6), 0.10, 0.5, days, own=0.3)
        start = rng(7)
        phase, strength = start.uniform(0, 2 * np.pi), start.uniform(0.7, 1.3)
        self.el_nino = strength * np.sin(2 * np.pi * np.arange(days) / EL_NINO_PERIOD + phase)

    def at(self, place: Geography, block: int) -> dict[str, np.ndarray]:
        """The forcing at `place`, each variable of shape (day, cell), units as in `h2cm.vocabulary.VARIABLES`.

        Parameters
        ----------
        place : Geography
        block : int
            Number of this block of cells, which draws what is the cells' own.
        """
        rng = np.random.default_rng([self.seed, 100, block])

        def field(of: Weatherlike) -> np.ndarray:
            return of.at(place.lat, place.lon, rng)

        year = normals(place, np.arange(1, 367))
        day = self.times.day_of_year.values - 1
        normal, usual_rain, sun = year.temperature[day], year.precipitation[day], year.insolation[day]
        sine = np.abs(np.sin(np.radians(place.lat)))
        tropics = np.exp(-((place.lat / 18) ** 2))
        el_nino = self.el_nino[:, None] * tropics

        # more or less water for months and years, more or less rain of it on the day
        wet_year = field(self.wet_years)
        expected = usual_rain * np.exp(0.35 * wet_year - 0.06 - 0.25 * el_nino)
        share = 0.01 + 0.75 * (1 - np.exp(-expected / 3.5))
        wet = _wet_days(ndtr(field(self.wetness)), share)
        rain = np.where(wet, expected / share * np.interp(ndtr(field(self.amounts)), _PROBABILITY, _AMOUNT), 0.0)

        # rain cools warm air and comes with mild air in winter; dry years are warm
        warming = 0.03 / 365.25 * np.arange(len(self.times))[:, None]
        spell = (0.4 + 1.6 * sine**2) * field(self.warm_spells) + 0.5 * el_nino + warming
        spell = spell - 0.6 * np.tanh(normal / 8) * wet_year
        season = 1 - 0.35 * np.tanh(normal / 15)
        weather = (0.7 + 4.5 * sine**2) * season * field(self.systems) - 1.2 * np.tanh(normal / 8) * (wet - share)
        celsius = normal + spell + weather

        recent = memory(rain, 15.0)
        damp = recent / (recent + 1.0)
        humidity = 0.32 + 0.42 * damp + 0.15 * wet + 0.25 / (1 + np.exp((celsius - 2) / 4))
        humidity = np.clip(humidity + 0.04 * rng.normal(size=rain.shape), 0.12, 0.98)
        vapour = saturation_pressure(normal + spell + 0.5 * weather) * humidity
        saturation = saturation_pressure(celsius)
        vapour = np.minimum(vapour, 0.985 * saturation)

        cloud = np.clip(0.15 + 0.35 * damp + 0.3 * wet + 0.12 * field(self.clouds), 0, 0.95)
        snow_white = 0.40 / (1 + np.exp(memory(celsius, 20.0) + 1))
        desert_white = 0.17 * np.exp(-usual_rain.mean(0) / 0.6)
        shortwave = sun * (0.70 - 0.40 * cloud) * (1 - 0.14 - desert_white - snow_white)
        kelvin = celsius + 273.15
        longwave = STEFAN_BOLTZMANN * kelvin**4 * (0.27 - 0.021 * np.sqrt(vapour)) * (1 - 0.6 * cloud)
        return {
            "net_radiation": shortwave - longwave,
            "precipitation": rain,
            "air_temperature": kelvin,
            "vapour_pressure_deficit": saturation - vapour,
            "co2": self._co2(place.lat, rng),
        }

    def _co2(self, lat: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """CO2 that rises ever faster, breathes with the northern summer and is higher in the north, ppm."""
        years = ((self.times - pd.Timestamp("2001-01-01")) / pd.Timedelta(days=365.25)).values[:, None]
        trend = 370.0 + 1.9 * years + 0.02 * years**2
        trend = trend[0] + self.co2_trend * (trend - trend[0])
        north = 1 / (1 + np.exp(-(lat - 15) / 12))
        phase = 2 * np.pi * (years % 1)
        breath = 7 * np.cos(phase - 2 * np.pi * 0.33) + 2.5 * np.cos(2 * phase - 2 * np.pi * 0.75)
        local = memory(rng.normal(size=(len(self.times), lat.size)), 5.0)
        return trend + 3.0 * (north - 0.5) + breath * (north - 0.12) + 1.0 * local


def _wet_days(uniform: np.ndarray, share: np.ndarray) -> np.ndarray:
    """A Markov chain that is wet on `share` of the days, from uniform numbers; all (day, cell)."""
    wet = np.empty(uniform.shape, bool)
    after_dry = share * (1 - WET_PERSISTENCE)
    before = uniform[0] < share[0]
    for day in range(len(uniform)):
        before = uniform[day] < after_dry[day] + WET_PERSISTENCE * before
        wet[day] = before
    return wet
