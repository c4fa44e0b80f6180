"""Rasters of static fields, of any projection that GDAL and PROJ know, averaged to at most 1/30°.

Static products come as tiles of 30 m to 1 km; what the store needs are means and shares of its own cells. Each tile is
read in bands of rows, its pixels are placed by the projection that the file states, and summed in the cells of `FINE`
(see `h2cm.sources.products.bins`); memory holds one band and the averaged globe. A raster coarser than that keeps its own
pixels, and of one much finer only some pixels are read, `SAMPLES` in each direction of a cell.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyproj
import rasterio
import xarray as xr
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.transform import Affine
from rasterio.windows import Window

from h2cm.files import whole
from h2cm.sources.products.bins import Bins
from h2cm.store import DataError

FINE = 1 / 30  # degrees
SAMPLES = 12
PIXELS = 2**23  # that are read at once
METRES = 111_320.0  # in a degree, roughly


@dataclass(frozen=True)
class Raster:
    """Where the pixels of a file lie, and how they are read.

    Attributes
    ----------
    path : Path
    shape : tuple of int
        Rows, from north to south, and columns, from west to east.
    west, north : float
        Upper left corner, degrees, or metres where there is a projection.
    width, height : float
        Of a pixel.
    rows : callable
        Of the first row, the row after the last, and a number n: every n-th pixel of them, in both directions.
    missing : float, optional
    projection : pyproj.CRS, optional
        None for latitude and longitude.
    """

    path: Path
    shape: tuple[int, int]
    west: float
    north: float
    width: float
    height: float
    rows: Callable[[int, int, int], np.ndarray]
    missing: float | None = None
    projection: pyproj.CRS | None = None

    @property
    def degrees(self) -> float:
        """Width of a pixel, degrees (with a projection roughly)."""
        return self.width / METRES if self.projection else self.width

    def bands(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Values (row, column), northing (row, 1) and easting (column) of the pixels' centres, band by band."""
        every = min(max(int(FINE / SAMPLES / self.degrees * (1 + 1e-9)), 1), *self.shape)
        high = max(PIXELS * every // self.shape[1], 1) * every
        x = self.west + (np.arange(self.shape[1] // every) + 0.5) * every * self.width
        for first in range(0, self.shape[0] // every * every, high):
            last = min(first + high, self.shape[0] // every * every)
            y = self.north - (first + (np.arange((last - first) // every) + 0.5) * every) * self.height
            yield self.rows(first, last, every), y[:, None], x


def open_raster(path: Path) -> Raster:
    """A raster that GDAL reads: GeoTIFF, or ESRI raw (``.DEM`` or ``.bil`` with a header ``.HDR``).

    Raises
    ------
    DataError
        If it is none, is truncated, or does not say where it lies.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # an error below
            with rasterio.open(path) as file:
                place, shape, missing, crs, bounds = file.transform, file.shape, file.nodata, file.crs, file.bounds
                raw = file.driver == "EHdr" and shape[0] * shape[1] * np.dtype(file.dtypes[0]).itemsize
    except RasterioError as error:
        raise DataError(f"{path}: expected a GeoTIFF or another raster, which this is not ({error})") from None
    if raw and path.stat().st_size != raw:  # GDAL would fill in zeros
        raise DataError(f"{path}: expected {raw} bytes, as its header says, found {path.stat().st_size}")
    if place.is_identity or place.b or place.d or place.e >= 0:
        raise DataError(
            f"{path}: expected a raster that says where it lies, rows from north to south, found {place[:6]}"
        )
    if crs is None and max(abs(bounds.left), abs(bounds.right), 2 * abs(bounds.top), 2 * abs(bounds.bottom)) > 361:
        raise DataError(
            f"{path}: expected a raster in degrees, or one that states its projection, found {tuple(bounds)}"
        )
    try:
        projection = pyproj.CRS.from_wkt(crs.to_wkt()) if crs is not None and crs.is_projected else None
    except (RasterioError, pyproj.exceptions.CRSError) as error:
        raise DataError(
            f"{path}: expected a projection that is known ({error}); warp it first: gdalwarp -t_srs EPSG:4326 -r average"
        ) from None
    return Raster(path, shape, place.c, place.f, place.a, -place.e, partial(_rows, path), missing, projection)


def _rows(path: Path, first: int, last: int, every: int) -> np.ndarray:
    try:
        with rasterio.open(path) as file:
            columns = file.width // every
            window = Window(0, first, columns * every, last - first)
            return file.read(1, window=window, out_shape=((last - first) // every, columns))
    except RasterioError as error:
        raise DataError(f"{path}: the raster is damaged or truncated ({error})") from None


def write_geotiff(path: Path, field: xr.DataArray, missing: float | None = None) -> None:
    """Write a map (lat, lon), ascending, as a GeoTIFF in degrees (EPSG:4326), whole or not at all."""
    values = np.ascontiguousarray(field.values[::-1])
    height, width = (np.ptp(field[a].values) / (field[a].size - 1) for a in ("lat", "lon"))
    west, north = field["lon"].values[0] - width / 2, field["lat"].values[-1] + height / 2
    place = Affine(width, 0.0, west, 0.0, -height, north)
    layout = {"height": values.shape[0], "width": values.shape[1], "count": 1, "dtype": values.dtype}
    layout |= {"crs": "EPSG:4326", "transform": place, "nodata": missing, "compress": "deflate"}
    with whole(path) as unfinished, rasterio.open(unfinished, "w", driver="GTiff", **layout) as file:
        file.write(values, 1)


def average(
    files: Sequence[Path],
    statistics: dict[str, Callable[[np.ndarray], np.ndarray]],
    valid: Callable[[np.ndarray], np.ndarray],
    open_file: Callable[[Path], Raster] = open_raster,
) -> xr.Dataset:
    """Means of functions of the pixels of a set of tiles.

    Parameters
    ----------
    files : sequence of Path
        Tiles of one map; those in degrees of one pixel size.
    statistics : dict of callable
        What is averaged: name to function of the values of pixels.
    valid : callable
        Which pixels count, unless the file declares them missing.
    open_file : callable

    Returns
    -------
    Dataset (lat, lon)
        Ascending, on the box that tiles in degrees span, or the globe; NaN where no pixel counts.
    """
    rasters = [open_file(Path(path)) for path in files]
    # shares are many and their sums small: float32 holds them
    kinds = {n: "f4" if f(np.zeros(1, "u1")).dtype == bool else "f8" for n, f in statistics.items()}
    bins = Bins(*_cells(rasters), kinds)
    for raster in rasters:
        degrees = None
        if raster.projection:
            degrees = pyproj.Transformer.from_crs(raster.projection, raster.projection.geodetic_crs, always_xy=True)
        for values, y, x in raster.bands():
            good = valid(values)
            if raster.missing is not None:
                good &= values != raster.missing
            lat, lon = y, x
            if degrees is not None:
                lon, lat = degrees.transform(np.broadcast_to(x, good.shape)[good], np.broadcast_to(y, good.shape)[good])
                values, good = values[good][:, None], np.isfinite(lon)[:, None]
                lat, lon = lat[:, None], lon[:, None]
            bins.add(lat, lon, good, {name: function(values) for name, function in statistics.items()})
    return bins.means()


def _cells(rasters: Sequence[Raster]) -> tuple[float, float, float, float, tuple[int, int]]:
    """South, west, height, width and shape of the cells that the pixels of all rasters are averaged in."""
    first = rasters[0]
    if any(raster.projection for raster in rasters):
        coarsest = max(raster.degrees for raster in rasters)
        size = 180 / (round(180 / FINE) // max(1, round(2 * coarsest / FINE)))  # at least two pixels in each direction
        return -90.0, -180.0, size, size, (round(180 / size), round(360 / size))
    for raster in rasters:
        if not np.allclose((raster.width, raster.height), (first.width, first.height), rtol=1e-3):
            raise DataError(
                f"{raster.path}: expected pixels of {first.width:g} by {first.height:g} degrees, as in {first.path.name}, "
                f"found {raster.width:g} by {raster.height:g}"
            )
    factor = round(FINE / first.width) if first.width < FINE * 0.75 else 1
    width, height = first.width * factor, first.height * factor
    west, north = min(r.west for r in rasters), max(r.north for r in rasters)
    columns = int(np.ceil(max(r.west + r.shape[1] * r.width - west for r in rasters) / width - 1e-3))
    rows = int(np.ceil(max(north - r.north + r.shape[0] * r.height for r in rasters) / height - 1e-3))
    return north - rows * height, west, height, width, (rows, columns)
