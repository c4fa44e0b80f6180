"""The target grid: regular in latitude and longitude, its land cells, and the way between maps and cells.

The edges of a grid are the multiples of its resolution counted from 90° S and 180° W, so every grid covers the globe
without a remainder and grids of one resolution share their cells, whatever their bounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import xarray as xr

from h2cm.config import Config, ConfigError

EARTH_RADIUS = 6_371_000.0  # m, of the sphere of the same volume
GLOBE = (-180.0, -90.0, 180.0, 90.0)
SAMPLES_PER_DEGREE = 20  # of the land mask (120 a degree), in each direction
MAX_SAMPLES = 100  # in each direction of a cell
TOLERANCE = 1e-6  # degrees
MOST_CELLS = 10**8  # within the bounds: a grid of 0.02 degrees


@dataclass(frozen=True)
class Grid:
    """A regular grid in latitude and longitude.

    Parameters
    ----------
    resolution : float
        Width of a cell, degrees; divides 180.
    bounds : tuple of float
        West, south, east, north, degrees. The grid holds the cells whose centres are inside.

    Raises
    ------
    ConfigError
        If the resolution does not divide 180, or the bounds hold no cell, too many or leave the globe.
    """

    resolution: float
    bounds: tuple[float, float, float, float] = GLOBE

    def __post_init__(self):
        west, south, east, north = self.bounds
        cells = (east - west) / self.resolution * ((north - south) / self.resolution)
        if cells > MOST_CELLS:
            raise ConfigError(
                f"grid.resolution: expected at most {MOST_CELLS:.0e} cells within the bounds, {self.resolution:g} degrees make "
                f"{cells:.1e}"
            )
        rows = 180 / self.resolution
        if abs(rows - round(rows)) > TOLERANCE or rows < 1:
            raise ConfigError(f"grid.resolution: expected a divisor of 180 degrees, got {self.resolution:g}")
        if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
            raise ConfigError(
                f"grid.bounds: expected west < east in -180 to 180 and south < north in -90 to 90, got {list(self.bounds)}"
            )
        if self.lat.size == 0 or self.lon.size == 0:
            raise ConfigError(
                f"grid.bounds: {list(self.bounds)} holds no centre of a cell of {self.resolution:g} degrees"
            )

    def _centres(self, origin: float, extent: float, low: float, high: float) -> np.ndarray:
        centres = origin + (np.arange(round(extent / self.resolution)) + 0.5) * extent / round(extent / self.resolution)
        return centres[(centres > low) & (centres < high)]

    @property
    def lat(self) -> np.ndarray:
        """Latitudes of the centres, ascending, degrees north."""
        return self._centres(-90.0, 180.0, self.bounds[1], self.bounds[3])

    @property
    def lon(self) -> np.ndarray:
        """Longitudes of the centres, ascending from -180, degrees east."""
        return self._centres(-180.0, 360.0, self.bounds[0], self.bounds[2])

    @property
    def lat_edges(self) -> np.ndarray:
        """Latitudes of the edges, ascending, one more than centres."""
        return _edges(self.lat, self.resolution)

    @property
    def lon_edges(self) -> np.ndarray:
        """Longitudes of the edges, ascending, one more than centres."""
        return _edges(self.lon, self.resolution)

    def cell_area(self) -> np.ndarray:
        """Area of a cell of each row, shape (lat,), m2: exact on a sphere of radius `EARTH_RADIUS`."""
        bands = np.diff(np.sin(np.radians(self.lat_edges)))
        return EARTH_RADIUS**2 * np.radians(self.resolution) * bands


def _edges(centres: np.ndarray, width: float) -> np.ndarray:
    return np.append(centres - width / 2, centres[-1] + width / 2)


def land_fraction(grid: Grid) -> xr.DataArray:
    """Share of land of each cell, dimensions (lat, lon).

    The GLOBE land mask of 1 km (package global-land-mask) is sampled at points of equal area: evenly in longitude
    and in the sine of latitude.
    """
    fraction = _sample_land(grid).copy()
    return xr.DataArray(
        fraction,
        {"lat": grid.lat, "lon": grid.lon},
        ("lat", "lon"),
        "land_fraction",
        {"units": "1", "long_name": "share of land", "standard_name": "land_area_fraction"},
    )


@lru_cache(maxsize=8)
def _sample_land(grid: Grid) -> np.ndarray:
    """Share of land (lat, lon); kept, since several parts of a run ask for the same grid."""
    from global_land_mask import globe  # reads a mask of 1 GB: only when it is needed

    n = int(np.clip(np.ceil(SAMPLES_PER_DEGREE * grid.resolution), 1, MAX_SAMPLES))
    within = (np.arange(n) + 0.5) / n
    sines = np.sin(np.radians(grid.lat_edges))
    lon = (grid.lon_edges[:-1, None] + within * grid.resolution).ravel()
    fraction = np.empty((grid.lat.size, grid.lon.size))
    for row in range(grid.lat.size):
        lat = np.degrees(np.arcsin(sines[row] + within * (sines[row + 1] - sines[row])))
        land = globe.is_land(*np.meshgrid(lat, lon, indexing="ij"))
        fraction[row] = land.reshape(n, grid.lon.size, n).mean((0, 2))
    return fraction


def land_cells(config: Config) -> xr.Dataset:
    """The land cells of the target grid of a run: what ``store/grid.nc`` holds.

    Returns
    -------
    Dataset
        ``area`` (cell), m2, with the coordinates ``lat`` and ``lon`` (cell), degrees; sorted by latitude, then
        longitude, both ascending.

    Raises
    ------
    ConfigError
        If no cell has enough land.
    """
    grid = Grid(config.grid.resolution, config.grid.bounds)
    rows, columns = np.nonzero(land_fraction(grid).values >= config.grid.min_land_fraction)
    if rows.size == 0:
        raise ConfigError(
            f"grid: no cell within {list(grid.bounds)} has a land fraction of {config.grid.min_land_fraction:g} or more"
        )
    return xr.Dataset(
        {"area": ("cell", grid.cell_area()[rows], {"units": "m2", "standard_name": "cell_area"})},
        {
            "lat": ("cell", grid.lat[rows], {"units": "degrees_north", "standard_name": "latitude"}),
            "lon": ("cell", grid.lon[columns], {"units": "degrees_east", "standard_name": "longitude"}),
        },
    )


def to_cells(field: xr.DataArray, cells: xr.Dataset) -> xr.DataArray:
    """The values of a map (lat, lon, ...) at `cells`: dimensions (cell, ...), with ``lat`` and ``lon`` of the cells.

    Raises
    ------
    KeyError
        If the map has no cell at one of them.
    """
    picked = field.sel(lat=cells.lat, lon=cells.lon, method="nearest", tolerance=TOLERANCE)
    return picked.assign_coords(lat=cells.lat, lon=cells.lon).transpose("cell", ...)


def to_map(data: xr.DataArray, cells: xr.Dataset, grid: Grid | None = None) -> xr.DataArray:
    """A map (lat, lon, ...) of the values of cells (cell, ...), NaN elsewhere.

    Parameters
    ----------
    data : DataArray
        With a dimension ``cell``, in the order of `cells`.
    cells : Dataset
        ``lat`` and ``lon`` (cell).
    grid : Grid, optional
        Of the map; if not given, the map spans the cells at their closest spacing.
    """
    if grid is None:
        spacing = [np.diff(np.unique(cells[axis].values)) for axis in ("lat", "lon")]
        resolution = min((d.min() for d in spacing if d.size), default=1.0)
        lat, lon = (
            np.arange(np.round(np.ptp(cells[axis].values) / resolution) + 1) * resolution + cells[axis].values.min()
            for axis in ("lat", "lon")
        )
    else:
        resolution, lat, lon = grid.resolution, grid.lat, grid.lon
    values = data.transpose("cell", ...).values
    dtype = np.result_type(values.dtype, np.float32)
    field = np.full((lat.size, lon.size, *values.shape[1:]), np.nan, dtype)
    rows = np.round((cells.lat.values - lat[0]) / resolution).astype(int)
    columns = np.round((cells.lon.values - lon[0]) / resolution).astype(int)
    field[rows, columns] = values
    dims = [d for d in data.dims if d != "cell"]
    coords = {d: data[d] for d in dims if d in data.coords}
    return xr.DataArray(field, {"lat": lat, "lon": lon} | coords, ("lat", "lon", *dims), data.name, data.attrs)
