"""From the cells of the synthetic Earth to the maps of its pseudo-products, each on a grid of its own kind.

Global maps (time, lat, lon) with latitude ascending and longitude -180 to 180, missing over the sea, on one of three
grids: the target grid itself; one twice as fine, whose cells differ but average to the target cell; and one shifted by
half a cell, so that its rows at the poles are half as high.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from h2cm.space.grid import Grid

CONTRAST = 0.06  # relative difference of the two halves of a cell, standard deviation


class Atlas:
    """Maps of one set of cells.

    Parameters
    ----------
    resolution : float
        Of the target grid, degrees.
    cells : Dataset
        ``lat`` and ``lon`` (cell) of the target grid.
    rng : numpy.random.Generator
        Draws how the halves of a cell differ.
    """

    def __init__(self, resolution: float, cells: xr.Dataset, rng: np.random.Generator):
        self.resolution = resolution
        self.grid = Grid(resolution)
        self.rows = np.searchsorted(self.grid.lat, cells.lat.values - resolution / 2)
        self.columns = np.searchsorted(self.grid.lon, cells.lon.values - resolution / 2)
        # west and east half differ in each of the two rows; both are equally large, so the mean is kept
        shape = (self.grid.lat.size, 2, self.grid.lon.size, 1)
        half = np.clip(CONTRAST * rng.normal(size=shape), -2.5 * CONTRAST, 2.5 * CONTRAST)
        self.contrast = np.concatenate([half, -half], axis=3).reshape(2 * self.grid.lat.size, -1).astype(np.float32)

    def same(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Map, latitudes and longitudes on the target grid of `values` (cell, time)."""
        field = np.full((values.shape[1], self.grid.lat.size, self.grid.lon.size), np.nan, np.float32)
        field[:, self.rows, self.columns] = values.T
        return field, self.grid.lat, self.grid.lon

    def fine(
        self, values: np.ndarray, spread: np.ndarray | float | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The same on the grid twice as fine; its halves differ by the contrast times `spread`, or the value itself."""
        fine = Grid(self.resolution / 2)
        field = self._halve(values)
        if spread is None:
            spread = field
        elif np.ndim(spread) > 0:
            spread = self._halve(spread)
        return field + self.contrast * np.float32(spread), fine.lat, fine.lon

    def _halve(self, values: np.ndarray) -> np.ndarray:
        return self.same(values)[0].repeat(2, axis=1).repeat(2, axis=2)

    def shifted(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The same on points at the corners of the target cells, poles included: means of the land cells around."""
        field = self.same(values)[0]
        field = np.pad(field, ((0, 0), (1, 1), (0, 0)), constant_values=np.nan)
        there = np.isfinite(field)
        field = np.where(there, field, 0)
        total, count = (part[:, :-1] + part[:, 1:] for part in (field, there.astype(np.float32)))
        total, count = (part + np.roll(part, 1, axis=2) for part in (total, count))
        with np.errstate(invalid="ignore"):
            mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        grid = self.grid
        return mean.astype(np.float32), grid.lat_edges, grid.lon_edges[:-1]


def maps(times: pd.DatetimeIndex | None, **fields: tuple[np.ndarray, np.ndarray, np.ndarray]) -> xr.Dataset:
    """A standardised data set of maps that share a grid: dimensions (time, lat, lon), or (lat, lon) without `times`."""
    _, lat, lon = next(iter(fields.values()))
    coords = {"lat": lat, "lon": lon} | ({} if times is None else {"time": times})
    dims = ("time", "lat", "lon") if times is not None else ("lat", "lon")
    return xr.Dataset(
        {name: (dims, field if times is not None else field[0]) for name, (field, _, _) in fields.items()}, coords
    )
