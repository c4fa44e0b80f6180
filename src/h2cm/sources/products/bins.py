"""Means of pixels in the cells of a grid of latitude and longitude, a few pixels at a time.

A pixel counts, whole, in the cell that holds its centre. Where pixels are of equal area and much smaller than the cells
this is the mean over the area.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

BLOCK = 2**18  # pixels that are placed at once: they stay in cache


class Bins:
    """Sums of pixels in cells.

    Parameters
    ----------
    south, west : float
        Corner, degrees.
    height, width : float
        Of a cell, degrees.
    shape : tuple of int
        Rows and columns.
    kinds : mapping of str to dtype
        What is averaged, and how it is summed.
    """

    def __init__(
        self,
        south: float,
        west: float,
        height: float,
        width: float,
        shape: tuple[int, int],
        kinds: Mapping[str, np.typing.DTypeLike],
    ):
        self.south, self.west, self.height, self.width, self.shape = south, west, height, width, shape
        self.count = np.zeros(shape[0] * shape[1], "i4")
        self.total = {name: np.zeros(self.count.size, kind) for name, kind in kinds.items()}

    def add(self, lat: np.ndarray, lon: np.ndarray, good: np.ndarray, values: Mapping[str, np.ndarray]) -> None:
        """Add pixels; those outside all cells are left out.

        Parameters
        ----------
        lat, lon : array
            Centres, degrees, of shapes that broadcast to that of `good`.
        good : array of bool (row, column)
            Which pixels count.
        values : mapping of str to array (row, column)
        """
        lat, lon = (np.broadcast_to(axis, good.shape) for axis in (lat, lon))
        high = max(BLOCK // good.shape[1], 1)
        for first in range(0, good.shape[0], high):
            rows = slice(first, first + high)
            use = good[rows]
            row = self._place(lat[rows][use], self.south, self.height, self.shape[0])
            column = self._place(lon[rows][use], self.west, self.width, self.shape[1])
            inside = (row >= 0) & (column >= 0)
            self._sum((row * self.shape[1] + column)[inside], {n: v[rows][use][inside] for n, v in values.items()})

    @staticmethod
    def _place(points: np.ndarray, start: float, width: float, count: int) -> np.ndarray:
        """The interval that each point lies in, the last one with its end; -1 outside."""
        place = np.floor((points - start) / width)
        place[points == start + count * width] = count - 1
        return np.where((place >= 0) & (place < count), place, -1).astype("i8")

    def _sum(self, cells: np.ndarray, values: Mapping[str, np.ndarray]) -> None:
        if not cells.size:
            return
        part = slice(int(cells.min()), int(cells.max()) + 1)
        near, size = cells - part.start, part.stop - part.start
        self.count[part] += np.bincount(near, minlength=size)
        for name, total in self.total.items():
            total[part] += np.bincount(near, values[name], size).astype(total.dtype)

    def means(self) -> xr.Dataset:
        """Means (lat, lon), ascending; NaN in cells without a pixel."""
        maps = {}
        for name, total in self.total.items():
            mean = np.divide(
                total, self.count, out=np.full_like(total, np.nan), where=self.count > 0, casting="same_kind"
            )
            maps[name] = (("lat", "lon"), mean.reshape(self.shape))
        lat, lon = (np.arange(n) + 0.5 for n in self.shape)
        return xr.Dataset(maps, {"lat": self.south + lat * self.height, "lon": self.west + lon * self.width})
