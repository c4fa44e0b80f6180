"""Smooth random fields on the sphere and their course in time.

A field is a sum of plane waves through the globe with random directions and phases (random Fourier features, Rahimi
and Recht, 2007), so that the correlation of two places falls with their distance as a Gaussian and no place is
special: not the poles, not the date line.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

WAVES = 64


def on_sphere(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Unit vectors (..., 3) of latitudes and longitudes in degrees."""
    phi, lam = np.radians(lat), np.radians(lon)
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)


class SmoothField:
    """A random field with mean 0, variance 1 and a correlation length.

    Parameters
    ----------
    rng : numpy.random.Generator
    length : float
        Distance at which the correlation has fallen to exp(-1/2), in radii of the Earth.
    """

    def __init__(self, rng: np.random.Generator, length: float):
        self.vectors = rng.normal(0, 1 / length, (WAVES, 3))
        self.phases = rng.uniform(0, 2 * np.pi, WAVES)

    def basis(self, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
        """Weights of the waves at places, shape (place, wave); each row has length 1."""
        waves = np.cos(on_sphere(lat, lon) @ self.vectors.T + self.phases)
        return waves / np.linalg.norm(waves, axis=1, keepdims=True)


def static_field(rng: np.random.Generator, length: float, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """One draw of a smooth field at places, shape (place,)."""
    field = SmoothField(rng, length)
    return field.basis(lat, lon) @ rng.normal(size=WAVES)


def autoregressive(white: np.ndarray, persistence: float) -> np.ndarray:
    """Turn white noise (time, ...) into a stationary AR(1) series with variance 1 along the first axis."""
    if persistence == 0:
        return white
    innovations = white * np.sqrt(1 - persistence**2)
    innovations[0] = white[0]
    return lfilter([1.0], [1.0, -persistence], innovations, axis=0)


class Weatherlike:
    """A smooth field that changes in time: each wave an AR(1) series in time, and some noise of each place's own.

    Parameters
    ----------
    rng : numpy.random.Generator
    length : float
        Correlation length in radii of the Earth.
    persistence : float
        Correlation from one day to the next.
    days : int
    own : float
        Share of the variance that neighbours do not have in common.
    """

    def __init__(self, rng: np.random.Generator, length: float, persistence: float, days: int, own: float = 0.0):
        self.field = SmoothField(rng, length)
        self.waves = autoregressive(rng.normal(size=(days, WAVES)), persistence)
        self.persistence = persistence
        self.own = own

    def at(self, lat: np.ndarray, lon: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The field at places, shape (day, place); `rng` draws what is the places' own."""
        common = self.waves @ self.field.basis(lat, lon).T
        if self.own == 0:
            return common
        own = autoregressive(rng.normal(size=common.shape), self.persistence)
        return np.sqrt(1 - self.own) * common + np.sqrt(self.own) * own
