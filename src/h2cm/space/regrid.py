"""Conservative regridding from any grid to a rectilinear one: one interface, two engines.

First order and conservative: a cell of the target is the mean of the source weighted by the area they share on the
sphere. Missing values have no weight; where less than `min_valid` of the area of a target cell has a value, the cell
is missing. On rectilinear grids the shared area is the product of an overlap in the sine of latitude and one in
longitude, so the weights are two small sparse matrices, exact to rounding (Jones 1999, doi:10.1175/1520-0493(1999)127
<2204:FASOCR>2.0.CO;2). On curvilinear grids (two-dimensional latitude and longitude) every source cell is cut in
`SUBCELLS` x `SUBCELLS` pieces, each counted, with its area, in the target cell that holds its centre.

The engine ``builtin`` needs NumPy and SciPy only; ``xesmf`` takes the weights from ESMF through the package xESMF. Which
is used is the configuration's (``grid.regridding``), never a matter of what is installed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import xarray as xr

from h2cm.config import ConfigError
from h2cm.files import whole
from h2cm.store import DataError

log = logging.getLogger(__name__)

ENGINES = ("builtin", "xesmf")
MIN_VALID = 0.5  # least share of a target cell's area that has a value
SUBCELLS = 6  # in each direction, of a curvilinear cell
PIECE = 2**26  # bytes of float64 that are read and regridded at once
COVERED = 1e-9  # a share of area below this is rounding


def edges_of(centres: np.ndarray, low: float = -np.inf, high: float = np.inf) -> np.ndarray:
    """Edges of cells, half-way between ascending `centres`, the outer ones as wide as their neighbours.

    Parameters
    ----------
    centres : array (n,)
    low, high : float
        Edges beyond are set to these: the poles, for latitudes.
    """
    centres = np.asarray(centres, "f8")
    if centres.size < 2:
        raise DataError(f"a grid needs at least two rows and columns, got centres {centres.tolist()}")
    middle = (centres[1:] + centres[:-1]) / 2
    outer = 2 * centres[[0, -1]] - middle[[0, -1]]
    return np.clip(np.concatenate([outer[:1], middle, outer[1:]]), low, high)


@dataclass(frozen=True)
class Rectilinear:
    """Edges of a rectilinear grid, ascending, degrees; tuples, so that weights can be kept by grid."""

    lat: tuple[float, ...]
    lon: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.lat) - 1, len(self.lon) - 1


@dataclass(frozen=True)
class Curvilinear:
    """Centres of a curvilinear grid (y, x), degrees; compared by the hash of their values."""

    lat: np.ndarray = field(compare=False, repr=False)
    lon: np.ndarray = field(compare=False, repr=False)
    digest: str = ""

    def __post_init__(self):
        digest = hashlib.sha256(np.stack([self.lat, self.lon]).astype("f8").tobytes()).hexdigest()
        object.__setattr__(self, "digest", digest)

    @property
    def shape(self) -> tuple[int, int]:
        return self.lat.shape


def grid_of(data: xr.DataArray | xr.Dataset) -> Rectilinear | Curvilinear:
    """The grid of a field with ascending coordinates ``lat`` and ``lon``, both one- or both two-dimensional.

    Edges are half-way between the centres, unless the attribute ``edges`` of a coordinate gives them.
    """
    lat, lon = data["lat"], data["lon"]
    if lat.ndim == 2:
        return Curvilinear(np.asarray(lat.values, "f8"), np.asarray(lon.values, "f8"))
    lat_edges = lat.attrs["edges"] if "edges" in lat.attrs else edges_of(lat.values, -90, 90)
    lon_edges = lon.attrs["edges"] if "edges" in lon.attrs else edges_of(lon.values)
    if np.ptp(lon_edges) > 360 + 1e-6:
        raise DataError(f"longitudes {lon_edges[0]:g} to {lon_edges[-1]:g} go round the globe more than once")
    return Rectilinear(tuple(np.asarray(lat_edges, "f8").tolist()), tuple(np.asarray(lon_edges, "f8").tolist()))


def _overlap(source: np.ndarray, target: np.ndarray, shifts=(0.0,)) -> sp.csr_matrix:
    """Length that each target interval shares with each source interval, shape (targets, sources)."""
    total = sp.csr_matrix((target.size - 1, source.size - 1))
    for shift in shifts:
        moved = source + shift
        rows, columns, lengths = [], [], []
        first = np.searchsorted(moved, target[:-1], "right") - 1
        last = np.searchsorted(moved, target[1:], "left")
        for row, (a, b) in enumerate(zip(first, last)):
            near = np.arange(max(a, 0), min(b, moved.size - 1))
            rows.append(np.full(near.size, row))
            columns.append(near)
            lengths.append(np.minimum(target[row + 1], moved[near + 1]) - np.maximum(target[row], moved[near]))
        length = np.concatenate(lengths)
        keep = length > 0
        index = np.concatenate(rows)[keep], np.concatenate(columns)[keep]
        total = total + sp.csr_matrix((length[keep], index), total.shape)
    return total.tocsr()


def _sine(lat_edges: tuple[float, ...]) -> np.ndarray:
    sine = np.sin(np.radians(lat_edges))
    sine[np.isclose(np.abs(lat_edges), 90, atol=1e-9)] = np.sign(sine[np.isclose(np.abs(lat_edges), 90, atol=1e-9)])
    return sine


class Weights:
    """Weights from a source grid to a target grid: the share of each target cell that lies in each source cell.

    Either two matrices, ``lat`` (target rows, source rows) and ``lon`` (target columns, source columns), whose product
    it is, or one, ``cells`` (target cells, source cells).
    """

    def __init__(self, shape: tuple[int, int], lat=None, lon=None, cells=None):
        self.shape, self.lat, self.lon, self.cells = shape, lat, lon, cells
        self._mask, self._covered = None, None

    def apply(self, values: np.ndarray, min_valid: float = MIN_VALID) -> np.ndarray:
        """Regrid `values` (..., y, x), NaN where missing, to (..., lat, lon), float64."""
        leading = values.shape[:-2]
        fields = values.reshape(-1, *values.shape[-2:])
        result = np.empty((fields.shape[0], *self.shape))
        for i, one in enumerate(fields):
            result[i] = self._apply(np.asarray(one, "f8"), min_valid)
        return result.reshape(*leading, *self.shape)

    def apply_lazily(self, field: xr.DataArray, min_valid: float = MIN_VALID) -> np.ndarray:
        """Regrid `field` (y, x), read in bands of rows, to (lat, lon), float64."""
        total, covered = np.zeros(self.shape), np.zeros(self.shape)
        for band in bands(field):
            values = field[band].values
            missing = np.isnan(values)
            total += self._sum(np.where(missing, 0.0, values), band)
            covered += self._sum((~missing).astype("f8"), band)
        return _mean(total, covered, min_valid)

    def _apply(self, one: np.ndarray, min_valid: float) -> np.ndarray:
        missing = np.isnan(one)
        if self._mask is None or not np.array_equal(missing, self._mask):
            self._mask, self._covered = missing, self._sum((~missing).astype("f8"))
        total = self._sum(np.where(missing, 0.0, one) if missing.any() else one)
        return _mean(total, self._covered, min_valid)

    def _sum(self, one: np.ndarray, rows: slice = slice(None)) -> np.ndarray:
        """The weighted sum of `one`, which is those `rows` of a field."""
        if self.cells is not None:
            width = one.shape[-1]
            columns = slice(rows.start * width, rows.stop * width) if rows.stop else rows
            return (self.cells[:, columns] @ one.ravel()).reshape(self.shape)
        return (self.lon @ (self.lat[:, rows] @ one).T).T

    def save(self, path: Path) -> None:
        """Write the matrices to an ``.npz`` file, whole or not at all."""
        arrays = {"shape": np.array(self.shape)}
        for name in ("lat", "lon", "cells"):
            matrix = getattr(self, name)
            if matrix is not None:
                matrix = matrix.tocsr()
                arrays |= {f"{name}_{part}": getattr(matrix, part) for part in ("data", "indices", "indptr", "shape")}
        with whole(path) as unfinished, open(unfinished, "wb") as file:
            np.savez_compressed(file, **arrays)

    @classmethod
    def load(cls, path: Path) -> Weights:
        """Read what `save` wrote."""
        with np.load(path) as file:
            matrices = {
                name: sp.csr_matrix(
                    tuple(file[f"{name}_{part}"] for part in ("data", "indices", "indptr")), file[f"{name}_shape"]
                )
                for name in ("lat", "lon", "cells")
                if f"{name}_data" in file
            }
            return cls(tuple(int(n) for n in file["shape"]), **matrices)


def _mean(total: np.ndarray, covered: np.ndarray, min_valid: float) -> np.ndarray:
    """The mean of what is there, NaN where that is less than a share `min_valid`."""
    enough = (covered >= min_valid - COVERED) & (covered > COVERED)
    return np.divide(total, covered, out=np.full(total.shape, np.nan), where=enough)


def _rectilinear(source: Rectilinear, target: Rectilinear) -> Weights:
    sine, longitude = _sine(target.lat), np.asarray(target.lon)
    lat = sp.diags(1 / np.diff(sine)) @ _overlap(_sine(source.lat), sine)
    lon = sp.diags(1 / np.diff(longitude)) @ _overlap(np.asarray(source.lon), longitude, (-720, -360, 0, 360, 720))
    return Weights(target.shape, lat=lat.tocsr(), lon=lon.tocsr())


def _unit_vectors(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    lat, lon = np.radians(lat), np.radians(lon)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)


def _corners(centres: np.ndarray) -> np.ndarray:
    """Corners (y + 1, x + 1, 3) of cells from their centres (y, x, 3): means of four, extrapolated at the rim."""
    padded = np.pad(centres, ((1, 1), (1, 1), (0, 0)), mode="reflect", reflect_type="odd")
    return (padded[:-1, :-1] + padded[1:, :-1] + padded[:-1, 1:] + padded[1:, 1:]) / 4


def _curvilinear(source: Curvilinear, target: Rectilinear) -> Weights:
    known = np.isfinite(source.lat) & np.isfinite(source.lon)
    corners = _corners(_unit_vectors(source.lat, source.lon))
    a, b, c, d = corners[:-1, :-1], corners[1:, :-1], corners[1:, 1:], corners[:-1, 1:]
    area = np.linalg.norm(np.cross(c - a, d - b), axis=-1) / 2 / SUBCELLS**2
    lat_edges, lon_edges = np.asarray(target.lat), np.asarray(target.lon)
    shape = (target.shape[0] * target.shape[1], source.lat.size)
    total = sp.csr_matrix(shape)
    for u in (np.arange(SUBCELLS) + 0.5) / SUBCELLS:
        rows, columns, areas = [], [], []
        for v in (np.arange(SUBCELLS) + 0.5) / SUBCELLS:
            point = (1 - u) * ((1 - v) * a + v * d) + u * ((1 - v) * b + v * c)
            lat = np.degrees(np.arctan2(point[..., 2], np.hypot(point[..., 0], point[..., 1])))
            lon = (np.degrees(np.arctan2(point[..., 1], point[..., 0])) - lon_edges[0]) % 360 + lon_edges[0]
            with np.errstate(invalid="ignore"):
                inside = known & np.isfinite(area)
                inside &= (lat >= lat_edges[0]) & (lat < lat_edges[-1]) & (lon < lon_edges[-1])
            row = np.searchsorted(lat_edges, lat[inside], "right") - 1
            column = np.searchsorted(lon_edges, lon[inside], "right") - 1
            rows.append(row * target.shape[1] + column)
            columns.append(np.flatnonzero(inside))
            areas.append(area[inside])
        total = total + sp.csr_matrix((np.concatenate(areas), (np.concatenate(rows), np.concatenate(columns))), shape)
    cell = np.radians(np.diff(lon_edges)) * np.diff(_sine(target.lat))[:, None]
    return Weights(target.shape, cells=(sp.diags(1 / cell.ravel()) @ total).tocsr())


def _esmf(source: Rectilinear | Curvilinear, target: Rectilinear) -> Weights:
    import xesmf  # from conda-forge only

    def described(grid):
        if isinstance(grid, Curvilinear):
            corners = _corners(_unit_vectors(grid.lat, grid.lon))
            lat_b = np.degrees(np.arctan2(corners[..., 2], np.hypot(corners[..., 0], corners[..., 1])))
            lon_b = np.degrees(np.arctan2(corners[..., 1], corners[..., 0]))
            return {"lat": grid.lat, "lon": grid.lon, "lat_b": lat_b, "lon_b": lon_b}
        lat, lon = np.asarray(grid.lat), np.asarray(grid.lon)
        return {"lat": (lat[1:] + lat[:-1]) / 2, "lon": (lon[1:] + lon[:-1]) / 2, "lat_b": lat, "lon_b": lon}

    regridder = xesmf.Regridder(described(source), described(target), "conservative", unmapped_to_nan=False)
    return Weights(target.shape, cells=sp.csr_matrix(regridder.weights.data.to_scipy_sparse()))


def check_engine(engine: str) -> None:
    """Refuse an engine that is not there.

    Raises
    ------
    ConfigError
        If it is none of `ENGINES`, or xESMF cannot be imported.
    """
    if engine not in ENGINES:
        raise ConfigError(f"grid.regridding: expected one of {', '.join(ENGINES)}, got {engine!r}")
    if engine == "xesmf" and not importlib.util.find_spec("xesmf"):
        raise ConfigError(
            "grid.regridding: xesmf needs the package xESMF, which cannot be imported here: install it (conda-forge: "
            "xesmf), or take builtin"
        )


@lru_cache(32)
def weights(
    source: Rectilinear | Curvilinear, target: Rectilinear, engine: str = "builtin", cache: Path | None = None
) -> Weights:
    """Weights between two grids, computed once a process and, with `cache`, once a folder.

    Parameters
    ----------
    source : Rectilinear or Curvilinear
    target : Rectilinear
    engine : {"builtin", "xesmf"}
    cache : Path, optional
        Folder of weight files.
    """
    check_engine(engine)
    path = None
    if cache is not None:
        path = Path(cache) / f"{hashlib.sha256(repr((source, target, engine, SUBCELLS)).encode()).hexdigest()[:24]}.npz"
        if path.exists():
            try:
                return Weights.load(path)
            except (
                OSError,
                ValueError,
                KeyError,
                EOFError,
                zipfile.BadZipFile,
                zlib.error,
                NotImplementedError,
            ) as error:
                log.warning("%s: kept weights that are damaged (%s) are computed anew", path, error)
    log.info(
        "regridding %s to %s cells by %s", "x".join(map(str, source.shape)), "x".join(map(str, target.shape)), engine
    )
    if engine == "xesmf":
        made = _esmf(source, target)
    else:
        made = _curvilinear(source, target) if isinstance(source, Curvilinear) else _rectilinear(source, target)
    if path is not None:
        made.save(path)
    return made


def pieces(data: xr.DataArray) -> Iterator[slice]:
    """Slices of the first dimension of `data`, each of at most `PIECE` bytes in float64 (and at least one step)."""
    step = max(1, PIECE // max(8 * int(np.prod(data.shape[1:])), 1))
    for start in range(0, data.shape[0], step):
        yield slice(start, min(start + step, data.shape[0]))


def bands(field: xr.DataArray) -> Iterator[slice]:
    """Slices of the rows of a field: its chunks, so that none is read twice, or `pieces`."""
    if field.chunks is None:
        yield from pieces(field)
        return
    ends = np.cumsum(field.chunks[0])
    yield from (slice(int(end - rows), int(end)) for end, rows in zip(ends, field.chunks[0], strict=True))


def regrid(
    field: xr.DataArray, grid, min_valid: float = MIN_VALID, engine: str = "builtin", cache: Path | None = None
) -> xr.DataArray:
    """Conservative regridding of a field to `grid`.

    Parameters
    ----------
    field : DataArray (..., lat, lon) or (..., y, x) with coordinates ``lat`` and ``lon`` (y, x)
        Ascending latitudes, ascending longitudes; any convention of longitude. May be lazy: it is read in pieces of
        the leading dimension.
    grid : h2cm.space.grid.Grid or DataArray or Dataset
        The target: anything with one-dimensional ascending ``lat`` and ``lon`` (``lat_edges`` and ``lon_edges`` are
        used where it has them).
    min_valid : float
        Least share of the area of a target cell that must have a value.

    Returns
    -------
    DataArray (..., lat, lon)
        float64, NaN where too little is known.
    """
    lat, lon = np.asarray(grid.lat), np.asarray(grid.lon)
    matrix = weights(grid_of(field), target_of(grid), engine, cache)
    spatial = field["lat"].dims if field["lat"].ndim == 2 else ("lat", "lon")
    field = field.transpose(..., *spatial)
    leading = field.dims[:-2]
    flat = field.stack(_step=leading).transpose("_step", ...) if len(leading) > 1 else field
    if leading:
        result = np.concatenate([matrix.apply(flat[part].values, min_valid) for part in pieces(flat)])
    else:
        result = matrix.apply(field.values, min_valid)
    coords = {d: field[d] for d in leading if d in field.coords} | {"lat": lat, "lon": lon}
    shape = (*(field.sizes[d] for d in leading), lat.size, lon.size)
    return xr.DataArray(result.reshape(shape), coords, (*leading, "lat", "lon"), field.name, field.attrs)


def target_of(grid) -> Rectilinear:
    """The edges of a target grid (see `regrid`)."""
    if hasattr(grid, "lat_edges"):
        return Rectilinear(tuple(np.asarray(grid.lat_edges).tolist()), tuple(np.asarray(grid.lon_edges).tolist()))
    return grid_of(grid)
