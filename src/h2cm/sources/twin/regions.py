"""A map of TransCom regions for the synthetic Earth.

The 11 land and 11 ocean regions of TransCom-3 (Baker et al., 2006, doi:10.1029/2004GB002439), each as all places that
are closest to its anchors: the right regions at the right places, with straight borders.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from h2cm.sources.twin.fields import on_sphere
from h2cm.space.grid import Grid, land_fraction

LAND = {
    1: ((63, -150), (65, -115), (58, -85), (54, -65)),  # North American boreal
    2: ((38, -120), (38, -98), (37, -80), (25, -102)),  # North American temperate
    3: ((10, -85), (-3, -75), (-3, -60), (-8, -45)),  # South American tropical
    4: ((-22, -62), (-20, -47), (-40, -70)),  # South American temperate
    5: ((28, -8), (25, 10), (25, 30), (10, -5), (9, 20), (8, 40)),  # northern Africa
    6: ((-8, 18), (-8, 33), (-25, 23), (-20, 47)),  # southern Africa
    7: ((62, 65), (62, 90), (62, 120), (64, 155)),  # Eurasian boreal
    8: ((42, 55), (33, 50), (44, 85), (38, 110), (24, 78), (36, 138)),  # Eurasian temperate
    9: ((15, 100), (0, 102), (0, 114), (-4, 140), (12, 123)),  # tropical Asia
    10: ((-23, 120), (-25, 140), (-35, 147), (-42, 173)),  # Australia
    11: ((41, -4), (47, 8), (52, 25), (62, 15), (50, 40), (62, 35)),  # Europe
}
OCEAN = {
    12: ((40, 170), (40, -150)),  # North Pacific
    13: ((0, 150), (0, 175)),  # West Pacific tropical
    14: ((0, -150), (0, -110)),  # East Pacific tropical
    15: ((-35, -170), (-35, -110)),  # South Pacific
    16: ((75, 0), (80, 180), (65, -55)),  # northern ocean
    17: ((40, -45), (28, -60)),  # North Atlantic
    18: ((3, -25), (-5, -15)),  # Atlantic tropical
    19: ((-32, -20), (-32, 5)),  # South Atlantic
    20: ((-58, 0), (-58, 90), (-58, 180), (-58, -90)),  # Southern Ocean
    21: ((5, 65), (5, 88), (-8, 75)),  # Indian tropical
    22: ((-32, 60), (-32, 95)),  # South Indian
}
ANTARCTIC = -60.0  # south of it, land is region 0; so is Greenland
GREENLAND = (72.0, -40.0, 14.0, 20.0)  # centre and half-widths


def _closest(anchors: dict, places: np.ndarray) -> np.ndarray:
    numbers = np.concatenate([[number] * len(points) for number, points in anchors.items()])
    lat, lon = np.array([point for points in anchors.values() for point in points], float).T
    return numbers[(places @ on_sphere(lat, lon).T).argmax(-1)]


def region_map(resolution: float = 2.5) -> xr.Dataset:
    """Number of the region of each cell, ``region`` (lat, lon): 0 ice, 1 to 11 land, 12 to 22 ocean."""
    grid = Grid(resolution)
    lat, lon = np.meshgrid(grid.lat, grid.lon, indexing="ij")
    places = on_sphere(lat, lon)
    land = land_fraction(grid).values >= 0.5
    lat0, lon0, tall, wide = GREENLAND
    ice = land & ((lat < ANTARCTIC) | (((lat - lat0) / tall) ** 2 + ((lon - lon0) / wide) ** 2 < 1))
    region = np.where(land, _closest(LAND, places), _closest(OCEAN, places))
    region[ice] = 0
    return xr.Dataset({"region": (("lat", "lon"), region.astype(float))}, {"lat": grid.lat, "lon": grid.lon})
