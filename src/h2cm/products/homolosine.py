"""Goode's interrupted homolosine projection, backwards: from a pixel to its latitude and longitude.

Sinusoidal between 40°44' south and north, Mollweide beyond, in two lobes in the north and four in the south, each about
a meridian of its own (Goode 1925; Snyder 1987, doi:10.3133/pp1395, chapters 30 and 31; the lobes, the radius and the
shift of the Mollweide part as in PROJ's ``igh``). Equal-area: a mean over pixels is a mean over area.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

RADIUS = 6378137.0  # m
SEAM = np.radians(40 + 44 / 60 + 11.8 / 3600)  # latitude where the two parts meet
SHIFT = 0.0528035274542  # of the Mollweide part towards the equator, radii
NORTH = ((-180, -40, -100), (-40, 180, 30))  # west, east and central meridian of a lobe
SOUTH = ((-180, -100, -160), (-100, -20, -60), (-20, 80, 20), (80, 180, 140))
ROWS = 256  # of pixels that are placed at once


def latitude_longitude(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Latitude and longitude, degrees, of points in metres; NaN in the interruptions.

    Parameters
    ----------
    x, y : array
        Easting and northing, of shapes that broadcast.
    """
    x, y = np.broadcast_arrays(np.asarray(x, "f8") / RADIUS, np.asarray(y, "f8") / RADIUS)
    with np.errstate(invalid="ignore", divide="ignore"):
        angle = np.arcsin((np.abs(y) + SHIFT) / np.sqrt(2))
        beyond = np.sign(y) * np.arcsin((2 * angle + np.sin(2 * angle)) / np.pi)
        near = np.abs(y) <= SEAM
        lat = np.where(near, y, beyond)
        stretch = np.where(near, 1 / np.cos(lat), np.pi / (2 * np.sqrt(2) * np.cos(angle)))
    lon = np.full(x.shape, np.nan)
    for lobes, half in ((NORTH, y >= 0), (SOUTH, y < 0)):
        for west, east, middle in lobes:
            inside = half & (x >= np.radians(west)) & (x < np.radians(east))
            place = np.degrees(np.radians(middle) + (x - np.radians(middle)) * stretch)
            good = inside & (place >= west) & (place <= east)
            lon[good] = place[good]
    return np.where(np.isfinite(lon), np.degrees(lat), np.nan), lon


def to_degrees(
    values: np.ndarray, good: np.ndarray, west: float, north: float, size: float, resolution: float
) -> xr.DataArray:
    """Mean of the pixels of a homolosine map in each cell of a globe of latitude and longitude.

    Parameters
    ----------
    values : array (row, column)
        From north to south.
    good : array of bool
        Which pixels count.
    west, north : float
        Upper left corner, m.
    size : float
        Of a pixel, m.
    resolution : float
        Of the result, degrees.

    Returns
    -------
    DataArray (lat, lon)
        Ascending; NaN where no pixel counts.
    """
    shape = round(180 / resolution), round(360 / resolution)
    total, count = np.zeros(shape[0] * shape[1]), np.zeros(shape[0] * shape[1])
    x = west + (np.arange(values.shape[1]) + 0.5) * size
    for start in range(0, values.shape[0], ROWS):
        part = slice(start, min(start + ROWS, values.shape[0]))
        y = north - (np.arange(part.start, part.stop) + 0.5) * size
        lat, lon = latitude_longitude(x, y[:, None])
        use = good[part] & np.isfinite(lon)
        row = np.minimum(((lat[use] + 90) / resolution).astype(int), shape[0] - 1)
        column = np.minimum(((lon[use] + 180) / resolution).astype(int), shape[1] - 1)
        cell = row * shape[1] + column
        total += np.bincount(cell, values[part][use], total.size)
        count += np.bincount(cell, minlength=count.size)
    mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0).reshape(shape)
    lat, lon = (np.arange(n) + 0.5 for n in shape)
    return xr.DataArray(mean, {"lat": lat * resolution - 90, "lon": lon * resolution - 180}, ("lat", "lon"))
