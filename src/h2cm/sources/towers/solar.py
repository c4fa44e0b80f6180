"""Where the sun stands: declination, day length and radiation at the top of the atmosphere, by latitude and day."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

SOLAR_CONSTANT = 1361.0  # W m-2


def declination(day_of_year: np.ndarray) -> np.ndarray:
    """Declination of the sun, radians (Spencer, 1971, as in Iqbal, 1983, An Introduction to Solar Radiation, Eq. 1.3.1)."""
    angle = 2 * np.pi * (np.asarray(day_of_year, float) - 1) / 365.25
    terms = (0.006918, -0.399912, 0.070257, -0.006758, 0.000907, -0.002697, 0.00148)
    waves = (1, *(wave(k * angle) for k in (1, 2, 3) for wave in (np.cos, np.sin)))
    return sum(term * wave for term, wave in zip(terms, waves, strict=True))


def sunset_angle(latitude: float | np.ndarray, day_of_year: np.ndarray) -> np.ndarray:
    """Hour angle of sunset, radians: 0 in the polar night, pi under the midnight sun."""
    return np.arccos(np.clip(-np.tan(np.deg2rad(latitude)) * np.tan(declination(day_of_year)), -1, 1))


def day_length(latitude: float, days: pd.DatetimeIndex) -> np.ndarray:
    """Hours from sunrise to sunset of the sun's centre, without refraction."""
    return 24 / np.pi * sunset_angle(latitude, days.day_of_year.to_numpy())


def potential_radiation(latitude: float | np.ndarray, day_of_year: np.ndarray) -> np.ndarray:
    """Daily mean short-wave radiation on a level surface at the top of the atmosphere, W m-2 (Iqbal, 1983, Eq. 4.2.20)."""
    day_of_year = np.asarray(day_of_year)
    sun, place = declination(day_of_year), np.deg2rad(latitude)
    sunset = sunset_angle(latitude, day_of_year)
    distance = 1 + 0.033 * np.cos(2 * np.pi * day_of_year / 365)
    height = sunset * np.sin(place) * np.sin(sun) + np.cos(place) * np.cos(sun) * np.sin(sunset)
    return SOLAR_CONSTANT / np.pi * distance * height


@cache
def _seasons() -> tuple[np.ndarray, np.ndarray]:
    """Latitudes in steps of 0.1 degree, and each one's twelve monthly shares of the potential radiation of a year."""
    days = pd.date_range("2001-01-01", "2001-12-31")
    latitudes = np.arange(-89.9, 90, 0.1)
    daily = potential_radiation(latitudes[:, None], days.day_of_year.to_numpy())
    monthly = np.stack([daily[:, days.month == month].mean(axis=1) for month in range(1, 13)], axis=1)
    return latitudes, monthly / monthly.mean(axis=1, keepdims=True)


def latitude_of(monthly: np.ndarray) -> float:
    """The latitude (degrees) whose season is that of `monthly` potential radiation (January to December, any unit)."""
    latitudes, seasons = _seasons()
    return float(latitudes[((seasons - monthly / monthly.mean()) ** 2).sum(axis=1).argmin()])
