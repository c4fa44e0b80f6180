"""Maps without map data: an equal-area projection, and coastlines contoured from the land mask."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version
from zipfile import BadZipFile

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, QuadMesh

from h2cm.config import Config
from h2cm.files import cache, whole
from h2cm.space.grid import Grid

GLOBAL_SPAN = 180.0
"""A map wider than this, in degrees of longitude, is drawn in the Equal Earth projection."""

A1, A2, A3, A4 = 1.340264, -0.081106, 0.000893, 0.003796
"""Coefficients of Equal Earth: Šavrič, Patterson and Jenny (2019), doi:10.1080/13658816.2018.1504949."""


def equal_earth(lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Equal Earth coordinates, in radii of the Earth, of points in degrees."""
    theta = np.arcsin(np.sqrt(3) / 2 * np.sin(np.radians(lat)))
    derivative = 9 * A4 * theta**8 + 7 * A3 * theta**6 + 3 * A2 * theta**2 + A1
    x = 2 * np.sqrt(3) * np.radians(lon) * np.cos(theta) / (3 * derivative)
    return x, A4 * theta**9 + A3 * theta**7 + A2 * theta**3 + A1 * theta


def plate_carree(lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Longitude and latitude as they are; the aspect of the axes makes up for the middle latitude."""
    return np.asarray(lon), np.asarray(lat)


@lru_cache(maxsize=4)
def coastlines(bounds: tuple[float, float, float, float]) -> tuple[np.ndarray, ...]:
    """Lines (point, lon/lat) around the land within `bounds` (west, south, east, north), degrees.

    They are kept for the user by the version of the land mask, which takes some seconds to read.
    """
    name = "_".join(f"{b:g}" for b in bounds)
    kept = cache() / f"coastlines_{name}_{version('global-land-mask')}.npz"
    try:
        with np.load(kept) as found:
            return tuple(line for line in np.split(found["points"], found["ends"]) if len(line))
    except (OSError, ValueError, KeyError, BadZipFile):  # not there, or not whole
        lines = _contoured(bounds)
    with whole(kept) as file, open(file, "wb") as opened:
        np.savez(
            opened, points=np.concatenate([np.empty((0, 2)), *lines]), ends=np.cumsum([len(x) for x in lines])[:-1]
        )
    return lines


def _contoured(bounds: tuple[float, float, float, float]) -> tuple[np.ndarray, ...]:
    """The share of land in boxes of half a degree (maps of the globe) or a tenth (regions), contoured at one half."""
    from contourpy import contour_generator
    from global_land_mask import globe

    west, south, east, north = bounds
    box = 0.5 if east - west > GLOBAL_SPAN else 0.1
    inside = 4  # samples of a box in each direction
    rows, columns = round((north - south) / box), round((east - west) / box)
    lat = south + (np.arange(rows * inside) + 0.5) * box / inside
    lon = west + (np.arange(columns * inside) + 0.5) * box / inside
    land = globe.is_land(*np.meshgrid(np.clip(lat, -89.99, 89.99), np.clip(lon, -179.99, 179.99), indexing="ij"))
    share = land.reshape(rows, inside, columns, inside).mean((1, 3))
    centres = west + (np.arange(columns) + 0.5) * box, south + (np.arange(rows) + 0.5) * box
    lines = contour_generator(*centres, share).lines(0.5)
    return tuple(line for line in lines if len(line) > 8)  # shorter ones are islets that only blacken the map


class Map:
    """The maps of a figure: one projection, one extent, one coastline.

    Parameters
    ----------
    bounds : tuple of float
        West, south, east, north, degrees.
    """

    def __init__(self, bounds: tuple[float, float, float, float]):
        self.bounds = bounds
        west, south, east, north = bounds
        self.is_global = east - west > GLOBAL_SPAN
        self.project = equal_earth if self.is_global else plate_carree
        self.aspect = 1.0 if self.is_global else 1 / np.cos(np.radians((south + north) / 2))
        along = np.linspace(0, 1, 100)
        lon = np.concatenate(
            [west + along * (east - west), np.full(100, east), east - along * (east - west), np.full(100, west)]
        )
        lat = np.concatenate(
            [np.full(100, south), south + along * (north - south), np.full(100, north), north - along * (north - south)]
        )
        self.frame = self.project(lon, lat)

    @classmethod
    def of_run(cls, config: Config) -> Map:
        """The map of the grid of a run."""
        return cls(tuple(float(b) for b in config.grid.bounds))

    def base(self, axis: Axes) -> None:
        """Frame and coastlines."""
        axis.set_aspect(self.aspect)
        axis.axis("off")
        axis.plot(*self.frame, color="0.5", linewidth=0.5, clip_on=False)
        lines = [np.column_stack(self.project(*line.T)) for line in coastlines(self.bounds)]
        axis.add_collection(LineCollection(lines, colors="0.25", linewidths=0.3, zorder=2))
        (x, y), pad = self.frame, 0.01
        axis.set_xlim(x.min() - pad * np.ptp(x), x.max() + pad * np.ptp(x))
        axis.set_ylim(y.min() - pad * np.ptp(y), y.max() + pad * np.ptp(y))

    def cells(
        self, axis: Axes, values: np.ndarray, lat: np.ndarray, lon: np.ndarray, resolution: float, **options
    ) -> QuadMesh:
        """Draw `values` (cell,) on the cells of a grid, with the base; `options` go to ``pcolormesh``."""
        grid = Grid(resolution, self.bounds)
        field = np.full((grid.lat.size, grid.lon.size), np.nan)
        field[
            np.round((lat - grid.lat[0]) / resolution).astype(int),
            np.round((lon - grid.lon[0]) / resolution).astype(int),
        ] = values
        # edges of coarse cells are curves in this projection: each cell is drawn as several
        fine = max(1, round(resolution)) if self.is_global else 1
        corners = [
            np.interp(np.arange(e.size * fine - fine + 1) / fine, np.arange(e.size), e)
            for e in (grid.lon_edges, grid.lat_edges)
        ]
        x, y = self.project(*np.meshgrid(*corners))
        field = field.repeat(fine, 0).repeat(fine, 1)
        mesh = axis.pcolormesh(x, y, np.ma.masked_invalid(field), rasterized=True, **options)
        self.base(axis)
        return mesh


def map_figure(config: Config, rows: int, columns: int, width: float, colour_bars: float = 0.0):
    """A figure of equal maps of the grid of a run, axes (row, column), with `colour_bars` inches below for colour bars."""
    background = Map.of_run(config)
    (x, y), room = background.frame, 0.24  # inches above each map, for its title
    aspect = np.ptp(y) / np.ptp(x) * background.aspect
    height = rows * (width / columns * aspect + room) + colour_bars
    figure, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False)
    return figure, axes, background


def place_of(cells: xr.Dataset, config: Config) -> tuple[np.ndarray, np.ndarray, float]:
    """Latitude, longitude and width of the cells, as `Map.cells` takes them."""
    return cells["lat"].values, cells["lon"].values, config.grid.resolution
