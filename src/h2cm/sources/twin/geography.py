"""Where the synthetic Earth is high, far from the sea, wet and dry.

Land and sea are the real ones (`h2cm.space.grid.land_fraction`). Mountains and the regions that are wetter or drier than
others at their latitude are rows of two tables: bumps of Gaussian shape at the right places, in round numbers. They
are meant to give the right climates, not to be a map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from h2cm.sources.twin.fields import on_sphere
from h2cm.space.grid import Grid, land_fraction

MOUNTAINS = (
    # lat, lon, half-width in lat, half-width in lon (degrees), height (m)
    (34.0, 87.0, 5.0, 10.0, 4600.0, "Tibet"),
    (42.0, 78.0, 3.0, 8.0, 1800.0, "Tian Shan"),
    (48.0, 97.0, 5.0, 10.0, 1500.0, "Altai and Mongolia"),
    (33.0, 57.0, 6.0, 9.0, 1200.0, "Iran"),
    (39.0, 41.0, 3.0, 7.0, 1400.0, "Anatolia and Caucasus"),
    (46.0, 10.0, 2.0, 4.0, 900.0, "Alps"),
    (63.0, 11.0, 5.0, 4.0, 500.0, "Scandes"),
    (63.0, 138.0, 7.0, 18.0, 700.0, "eastern Siberia"),
    (73.0, -40.0, 8.0, 13.0, 800.0, "Greenland, low enough that its snow melts in summer"),
    (42.0, -110.0, 9.0, 7.0, 1700.0, "Rocky Mountains"),
    (56.0, -125.0, 7.0, 7.0, 1000.0, "western Canada"),
    (22.0, -102.0, 5.0, 4.0, 1800.0, "Mexico"),
    (3.0, -75.0, 7.0, 2.5, 1500.0, "northern Andes"),
    (-15.0, -71.0, 7.0, 3.0, 3300.0, "central Andes"),
    (-30.0, -69.5, 9.0, 2.0, 2200.0, "southern Andes"),
    (-17.0, -46.0, 7.0, 6.0, 600.0, "Brazilian highlands"),
    (9.0, 39.0, 4.0, 3.5, 1900.0, "Ethiopia"),
    (-4.0, 33.0, 8.0, 4.0, 1000.0, "East Africa"),
    (-27.0, 26.0, 6.0, 6.0, 1100.0, "southern Africa"),
    (32.0, -3.0, 2.5, 6.0, 800.0, "Atlas"),
    (25.0, 103.0, 4.0, 5.0, 1500.0, "Yunnan"),
    (-6.0, 142.0, 2.0, 5.0, 900.0, "New Guinea"),
)

MOISTURE = (
    # lat, lon, half-width in lat, half-width in lon (degrees), logarithm of the factor on precipitation
    (23.0, 5.0, 7.0, 26.0, -3.2, "Sahara"),
    (25.0, 48.0, 8.0, 10.0, -2.6, "Arabia"),
    (31.0, 60.0, 6.0, 10.0, -1.3, "Iran"),
    (27.0, 71.0, 4.0, 5.0, -0.9, "Thar"),
    (43.0, 60.0, 5.0, 9.0, -1.1, "Turan"),
    (41.0, 90.0, 5.0, 17.0, -1.5, "Taklamakan and Gobi"),
    (7.0, 46.0, 7.0, 6.0, -1.5, "Horn of Africa"),
    (-24.0, 17.0, 6.0, 6.0, -1.7, "Namib and Kalahari"),
    (-25.0, 130.0, 7.0, 13.0, -1.0, "Australian interior"),
    (-23.0, -70.0, 7.0, 3.5, -2.4, "Atacama"),
    (-44.0, -68.0, 6.0, 3.0, -1.2, "Patagonia"),
    (31.0, -110.0, 6.0, 7.0, -1.3, "Sonora and Mojave"),
    (42.0, -111.0, 7.0, 6.0, -0.6, "Great Basin"),
    (-9.0, -40.0, 4.0, 4.0, -0.8, "Caatinga"),
    (73.0, -60.0, 7.0, 60.0, -0.6, "Arctic"),
    (-4.0, -63.0, 7.0, 9.0, 0.25, "Amazon"),
    (0.0, 22.0, 4.0, 7.0, 0.1, "Congo"),
    (1.0, 113.0, 9.0, 15.0, 0.35, "Maritime continent"),
    (23.0, 88.0, 6.0, 9.0, 0.7, "Ganges delta and Burma"),
    (28.0, 115.0, 6.0, 8.0, 0.9, "southern China"),
    (37.0, -82.0, 9.0, 9.0, 0.7, "eastern United States"),
    (-27.0, -53.0, 5.0, 5.0, 0.7, "La Plata"),
    (52.0, -125.0, 6.0, 5.0, 0.6, "Pacific coast of Canada"),
    (-46.0, -74.0, 5.0, 2.5, 0.8, "southern Chile"),
    (36.0, 138.0, 5.0, 5.0, 0.6, "Japan"),
    (50.0, 0.0, 9.0, 8.0, 0.2, "western Europe"),
)


@dataclass(frozen=True)
class Geography:
    """The places of the synthetic Earth; all arrays have shape (cell,).

    Attributes
    ----------
    lat, lon : ndarray
        Degrees.
    elevation : ndarray
        m.
    continentality : ndarray
        0 (island) to 1 (far inland, upwind of the sea).
    moisture : ndarray
        Logarithm of the factor on precipitation.
    """

    lat: np.ndarray
    lon: np.ndarray
    elevation: np.ndarray
    continentality: np.ndarray
    moisture: np.ndarray


def _bumps(table: tuple, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    total = np.zeros(lat.shape)
    for lat0, lon0, wide_lat, wide_lon, height, _ in table:
        east = (lon - lon0 + 180) % 360 - 180
        total += height * np.exp(-0.5 * ((lat - lat0) / wide_lat) ** 2 - 0.5 * (east / wide_lon) ** 2)
    return total


def continentality(lat: np.ndarray, lon: np.ndarray, reach: float = 0.17) -> np.ndarray:
    """Share of land in the surroundings from which the wind comes, 0 to 1, shape (cell,).

    The surroundings have a Gaussian shape (`reach` in radii of the Earth) and lie upwind: west of a cell in the
    westerlies, east of it in the trade winds.
    """
    coarse = Grid(2.5)
    land = land_fraction(coarse).values
    source = on_sphere(*np.meshgrid(coarse.lat, coarse.lon, indexing="ij")).reshape(-1, 3)
    weight = np.repeat(coarse.cell_area(), coarse.lon.size)
    westerly = np.tanh((np.abs(lat) - 30) / 8)
    upwind = on_sphere(lat, lon - 8 * westerly / np.cos(np.radians(np.minimum(np.abs(lat), 75))))
    share = np.empty(lat.size)
    for start in range(0, lat.size, 512):
        part = slice(start, start + 512)
        kernel = np.exp((upwind[part] @ source.T - 1) / reach**2) * weight
        share[part] = kernel @ land.ravel() / kernel.sum(1)
    return share


def survey(lat: np.ndarray, lon: np.ndarray) -> Geography:
    """The geography of cells at `lat`, `lon` (cell,), degrees."""
    inland = continentality(lat, lon)
    elevation = 50 + 350 * inland**2 + _bumps(MOUNTAINS, lat, lon)
    return Geography(lat, lon, elevation, inland, _bumps(MOISTURE, lat, lon))
