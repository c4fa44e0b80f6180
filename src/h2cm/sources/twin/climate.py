"""The mean climate of the synthetic Earth: what each day of the year is like on average.

Round-number formulae for the big patterns: temperature falls with latitude and height and its seasons grow with
latitude and distance from the sea; rain follows the sun in the tropics, further polewards over Asia (the monsoon), fails
under the subtropical highs and comes with the storm tracks of middle latitudes, in winter near the sea and in summer
inland.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from h2cm.sources.twin.geography import Geography

SOLAR_CONSTANT = 1361.0  # W m-2
YEAR = 365.25  # days
LAPSE_RATE = 5.5e-3  # K m-1


@dataclass(frozen=True)
class Climate:
    """Means for days of the year, shape (day, cell): degC, mm day-1 and W m-2 at the top of the atmosphere."""

    temperature: np.ndarray
    precipitation: np.ndarray
    insolation: np.ndarray


def declination(day_of_year: np.ndarray) -> np.ndarray:
    """Declination of the sun, radians (Cooper, 1969)."""
    return np.radians(23.45) * np.sin(2 * np.pi * (284 + day_of_year) / YEAR)


def insolation(lat: np.ndarray, day_of_year: np.ndarray) -> np.ndarray:
    """Daily mean radiation at the top of the atmosphere, W m-2, shape (day, cell)."""
    phi, delta = np.radians(lat)[None, :], declination(day_of_year)[:, None]
    sunset = np.arccos(np.clip(-np.tan(phi) * np.tan(delta), -1, 1))
    daily = sunset * np.sin(phi) * np.sin(delta) + np.cos(phi) * np.cos(delta) * np.sin(sunset)
    return np.maximum(SOLAR_CONSTANT / np.pi * daily, 0)


def temperature(place: Geography, day_of_year: np.ndarray) -> np.ndarray:
    """Mean air temperature, degC, shape (day, cell)."""
    sine = np.abs(np.sin(np.radians(place.lat)))
    gulf_stream = 8 * np.exp(-0.5 * ((place.lat - 61) / 11) ** 2 - 0.5 * ((place.lon - 8) / 22) ** 2)
    mean = 28 - 43.5 * sine**2.6 + gulf_stream - LAPSE_RATE * place.elevation
    swing = 1 + 28 * sine**1.4 * (0.25 + 0.75 * place.continentality)
    # the land is warmest four weeks after the longest day
    season = np.cos(2 * np.pi * (day_of_year - 200) / YEAR)[:, None] * np.sign(place.lat)
    return mean + swing * season


def precipitation(place: Geography, day_of_year: np.ndarray) -> np.ndarray:
    """Mean precipitation, mm day-1, shape (day, cell)."""
    lat, lon = place.lat, place.lon
    sun = np.cos(2 * np.pi * (day_of_year - 205) / YEAR)[:, None]  # 1 in late July, -1 in late January
    monsoon_asia = np.exp(-0.5 * ((lon - 95) / 25) ** 2) * (lat > 0)
    rain_belt = 2 + sun * (7 + 5 * place.continentality + 9 * monsoon_asia)
    tropical = 7.5 * np.exp(-0.5 * ((lat - rain_belt) / (9 + 2 * monsoon_asia)) ** 2)
    summer = sun * np.sign(lat)
    mediterranean = 0.5 * np.exp(-0.5 * ((np.abs(lat) - 36) / 5) ** 2) * (1 - place.continentality)
    seasonality = 1.1 * place.continentality - 0.45 - mediterranean
    storm_track = 2.7 * np.exp(-0.5 * ((np.abs(lat) - 50) / 14) ** 2)
    storms = storm_track * (1 + summer * seasonality) * (1.15 - 0.5 * place.continentality)
    return (tropical + storms + 0.15) * np.exp(place.moisture)


def normals(place: Geography, day_of_year: np.ndarray) -> Climate:
    """The mean climate on days of the year (1-366)."""
    day = np.asarray(day_of_year, float)
    return Climate(temperature(place, day), precipitation(place, day), insolation(place.lat, day))


def saturation_pressure(celsius: np.ndarray) -> np.ndarray:
    """Saturation vapour pressure over water, hPa (Magnus formula; Alduchov and Eskridge, 1996)."""
    return 6.1094 * np.exp(17.625 * celsius / (celsius + 243.04))
