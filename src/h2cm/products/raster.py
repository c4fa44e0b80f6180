"""GeoTIFF and ESRI raw rasters of static fields, tile by tile, averaged to at most 1/30°.

Static products come at 250 m to 1 km; what the store needs are means and shares of its own cells. Each tile is read
alone and averaged over square blocks of pixels to `FINE` before the next one is opened, so memory holds one tile and
the averaged globe. A raster coarser than that keeps its own pixels.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from PIL import Image

from h2cm.products import homolosine
from h2cm.store import DataError

FINE = 1 / 30  # degrees
Image.MAX_IMAGE_PIXELS = None  # rasters of the globe are not an attack
PIXEL_SCALE, TIE_POINT, NO_DATA, GEO_KEYS, GEO_TEXT = 33550, 33922, 42113, 34735, 34737  # GeoTIFF 1.1 and GDAL tags
MODEL_TYPE, PROJECTED = 1024, 1  # GeoTIFF key GTModelTypeGeoKey


@dataclass(frozen=True)
class Tile:
    """Values (row, column) from north to south, west to east; the upper left corner and the pixel's size.

    In degrees, or in metres where `projection` is not empty.
    """

    values: np.ndarray
    west: float
    north: float
    width: float
    height: float
    missing: float | None
    projection: str = ""

    def valid(self, accept: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Which pixels `accept` takes and the file does not declare missing."""
        good = accept(self.values)
        return good if self.missing is None else good & (self.values != self.missing)


def read_geotiff(path: Path) -> Tile:
    """A GeoTIFF in geographic coordinates, or in Goode's homolosine projection.

    Raises
    ------
    DataError
        If it is no TIFF, or in another projection.
    """
    try:
        with Image.open(path) as image:
            tags = image.tag_v2
            values = np.asarray(image)
            scale, tie, keys = tags.get(PIXEL_SCALE), tags.get(TIE_POINT), tags.get(GEO_KEYS, ())
            missing, text = tags.get(NO_DATA), str(tags.get(GEO_TEXT, ""))
    except (OSError, AttributeError, SyntaxError) as error:
        raise DataError(f"{path}: expected a GeoTIFF, which this is not, or it is damaged ({error})") from None
    if scale is None or tie is None:
        raise DataError(f"{path}: expected a GeoTIFF with the tags ModelPixelScale and ModelTiepoint, found none")
    projection = ""
    if "homolosine" in text.lower():
        projection = "homolosine"
    elif (MODEL_TYPE, PROJECTED) in zip(keys[::4], keys[3::4]) or scale[0] > 90:
        raise DataError(
            f"{path}: expected pixels in degrees (EPSG:4326), found a projection with pixels of {scale[0]:g} m; "
            "warp it first: gdalwarp -t_srs EPSG:4326 -tr 0.008333333333 0.008333333333 -r average"
        )
    missing = None if missing in (None, "") else float(str(missing).strip("\x00 "))
    return Tile(values, tie[3] - tie[0] * scale[0], tie[4] + tie[1] * scale[1], scale[0], scale[1], missing, projection)


def read_bil(path: Path) -> Tile:
    """An ESRI raw raster (``.DEM`` or ``.bil`` with a header ``.HDR``) in degrees."""
    header = next((h for h in (path.with_suffix(".HDR"), path.with_suffix(".hdr")) if h.exists()), None)
    if header is None:
        raise DataError(f"{path}: expected its header {path.with_suffix('.HDR').name} beside it")
    row = {k.upper(): v for k, v in re.findall(r"^\s*(\w+)\s+(\S+)", header.read_text(), re.M)}
    try:
        shape = int(row["NROWS"]), int(row["NCOLS"])
        width, height = float(row["XDIM"]), float(row["YDIM"])
        west, north = float(row["ULXMAP"]) - width / 2, float(row["ULYMAP"]) + height / 2
    except (KeyError, ValueError) as error:
        raise DataError(f"{header}: expected NROWS, NCOLS, XDIM, YDIM, ULXMAP and ULYMAP ({error})") from None
    dtype = np.dtype(">i2" if row.get("BYTEORDER", "M").upper().startswith("M") else "<i2")
    if path.stat().st_size != shape[0] * shape[1] * 2:
        raise DataError(
            f"{path}: expected {shape[0] * shape[1] * 2} bytes, as its header says, found {path.stat().st_size}"
        )
    missing = float(row["NODATA"]) if "NODATA" in row else None
    return Tile(np.fromfile(path, dtype).reshape(shape), west, north, width, height, missing)


def write_geotiff(path: Path, field: xr.DataArray, missing: float | None = None) -> None:
    """Write a map (lat, lon), ascending, as a GeoTIFF in degrees (EPSG:4326), whole or not at all."""
    values = np.ascontiguousarray(field.values[::-1])
    height, width = (np.ptp(field[a].values) / (field[a].size - 1) for a in ("lat", "lon"))
    west, north = field["lon"].values[0] - width / 2, field["lat"].values[-1] + height / 2
    image = Image.fromarray(values)
    tags = {
        PIXEL_SCALE: (width, height, 0.0),
        TIE_POINT: (0.0, 0.0, 0.0, west, north, 0.0),
        GEO_KEYS: (1, 1, 0, 3, MODEL_TYPE, 0, 1, 2, 1025, 0, 1, 1, 2048, 0, 1, 4326),
    }
    if missing is not None:
        tags[NO_DATA] = f"{missing:g}"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    info = image_tags(tags)
    image.save(part, format="TIFF", compression="tiff_adobe_deflate", tiffinfo=info)
    os.replace(part, path)


def image_tags(tags: dict) -> object:
    """TIFF tags with the types that GeoTIFF wants."""
    from PIL import TiffImagePlugin, TiffTags

    info = TiffImagePlugin.ImageFileDirectory_v2()
    types = {
        PIXEL_SCALE: TiffTags.DOUBLE,
        TIE_POINT: TiffTags.DOUBLE,
        GEO_KEYS: TiffTags.SHORT,
        NO_DATA: TiffTags.ASCII,
    }
    for tag, value in tags.items():
        info.tagtype[tag] = types[tag]
        info[tag] = value
    return info


def average(
    files: Sequence[Path],
    statistics: dict[str, Callable[[np.ndarray], np.ndarray]],
    valid: Callable[[np.ndarray], np.ndarray],
    read: Callable[[Path], Tile] = read_geotiff,
    empty: float = np.nan,
) -> xr.Dataset:
    """Block means of functions of the pixels of a set of tiles (in homolosine projection: of one map).

    Parameters
    ----------
    files : sequence of Path
        Tiles of one map, of one pixel size.
    statistics : dict of callable
        What is averaged: name to function of the valid pixels (row, column).
    valid : callable
        Which pixels count.
    read : callable
    empty : float
        Value of a pixel between and outside the tiles.

    Returns
    -------
    Dataset (lat, lon)
        Ascending, on the box that the tiles span; NaN where no pixel is valid.
    """
    coarse = []
    for path in files:
        tile = read(Path(path))
        if tile.projection:
            return _from_homolosine(tile, statistics, tile.valid(valid), files)
        factor = max(1, round(FINE / tile.width)) if tile.width < FINE * 0.75 else 1
        if any(abs(n % factor) for n in tile.values.shape):
            factor = next(f for f in range(factor, 0, -1) if not (tile.values.shape[0] % f or tile.values.shape[1] % f))
        good = tile.valid(valid)
        kinds = {
            n: "f4" if f(tile.values[:1]).dtype == bool else "f8" for n, f in statistics.items()
        }  # shares are many
        count = _blocks(good.astype("f8"), factor)
        means = {}
        for name, function in statistics.items():
            total = _blocks(np.where(good, function(tile.values), 0.0).astype("f8"), factor)
            mean = np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
            means[name] = mean.astype(kinds[name])
        coarse.append((tile.west, tile.north, tile.width * factor, tile.height * factor, means))
    width, height = coarse[0][2], coarse[0][3]
    for path, (_, _, w, h, _) in zip(files, coarse):
        if not (np.isclose(w, width, rtol=1e-3) and np.isclose(h, height, rtol=1e-3)):
            raise DataError(
                f"{path}: expected pixels of {width:g} by {height:g} degrees, as in {Path(files[0]).name}, found {w:g} by {h:g}"
            )
    west, north = min(c[0] for c in coarse), max(c[1] for c in coarse)
    shapes = [next(iter(c[4].values())).shape for c in coarse]
    columns = max(round((c[0] - west) / width) + s[1] for c, s in zip(coarse, shapes))
    rows = max(round((north - c[1]) / height) + s[0] for c, s in zip(coarse, shapes))
    maps = {name: np.full((rows, columns), empty, kinds[name]) for name in statistics}
    for (left, top, _, _, means), shape in zip(coarse, shapes):
        row, column = round((north - top) / height), round((left - west) / width)
        for name, values in means.items():
            maps[name][row : row + shape[0], column : column + shape[1]] = values
    lat, lon = north - (np.arange(rows) + 0.5) * height, west + (np.arange(columns) + 0.5) * width
    return xr.Dataset({n: (("lat", "lon"), v[::-1]) for n, v in maps.items()}, {"lat": lat[::-1], "lon": lon})


def _from_homolosine(tile: Tile, statistics: dict, good: np.ndarray, files: Sequence[Path]) -> xr.Dataset:
    if len(files) > 1:
        raise DataError(f"{files[0]}: expected one homolosine map of the globe, found {len(files)} files")
    wide = max(1, round(2 * tile.width / homolosine.RADIUS * (180 / np.pi) / FINE))  # at least two pixels a cell
    resolution = 180 / (round(180 / FINE) // wide)
    return xr.Dataset(
        {
            name: homolosine.to_degrees(function(tile.values), good, tile.west, tile.north, tile.width, resolution)
            for name, function in statistics.items()
        }
    )


def _blocks(values: np.ndarray, factor: int) -> np.ndarray:
    rows, columns = (n // factor for n in values.shape)
    return values.reshape(rows, factor, columns, factor).mean((1, 3)) if factor > 1 else values
