"""Conservative regridding: exact, referee CDO, integrals conserved."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import ROOT
from h2cm.config import ConfigError
from h2cm.space import regrid as module
from h2cm.space.grid import Grid
from h2cm.space.regrid import Curvilinear, Rectilinear, Weights, edges_of, regrid, weights
from h2cm.store import DataError


def field(lat, lon, values=None, missing=0.0, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(len(lat), len(lon))) if values is None else values
    values = np.where(rng.random(values.shape) < missing, np.nan, values)
    return xr.DataArray(values, {"lat": lat, "lon": lon}, ("lat", "lon"), "f")


def centres(start, stop, count):
    edges = np.linspace(start, stop, count + 1)
    return (edges[1:] + edges[:-1]) / 2


GRIDS = {
    "halves": (centres(-90, 90, 36), centres(-180, 180, 72)),
    "0 to 360": (centres(-90, 90, 20), centres(0, 360, 50)),
    "points on the poles": (np.linspace(-90, 90, 25), np.arange(36) * 10.0),
    "across the dateline": (centres(-30, 60, 17), centres(150, 250, 23)),
    "regional": (centres(10, 50, 13), centres(-20, 35, 11)),
    "uneven rows": (np.array([-85, -60, -33, -10, 5, 28, 51, 70, 84.0]), centres(-180, 180, 15)),
}
TARGETS = {
    "globe": Grid(6.0),
    "fine": Grid(1.5),
    "region": Grid(4.0, (-60.0, -40.0, 60.0, 72.0)),
    "poles": Grid(10.0, (-180.0, 50.0, 180.0, 90.0)),
}


def test_hand_worked_mean_of_four_cells():
    """Four cells of 45 x 90 degrees become one hemisphere sector: areas are as 1 - sin 45 to sin 45."""
    source = field([22.5, 67.5], [45.0, 135.0], np.array([[1.0, 2.0], [3.0, 5.0]]))
    band = np.sin(np.pi / 4)
    expected = ((1 + 2) / 2 * band + (3 + 5) / 2 * (1 - band)) / 1.0
    target = Rectilinear((0.0, 90.0), (0.0, 180.0))
    matrix = weights(Rectilinear((0.0, 45.0, 90.0), (0.0, 90.0, 180.0)), target)
    assert matrix.apply(source.values)[0, 0] == pytest.approx(expected, rel=1e-14)
    source[0, 0] = np.nan
    without = (2 * band / 2 + (3 + 5) / 2 * (1 - band)) / (1 - band / 2)
    assert matrix.apply(source.values)[0, 0] == pytest.approx(without, rel=1e-14)
    assert np.isnan(matrix.apply(source.values, min_valid=0.9)[0, 0])


@pytest.mark.parametrize("source", GRIDS)
@pytest.mark.parametrize("target", TARGETS)
def test_the_same_as_cdo(tmp_path, source, target):
    """CDO's remapcon, first order conservative, is the referee: random fields with missing values to 1e-9."""
    if shutil.which("cdo") is None:
        pytest.skip("needs CDO (Debian package cdo)")
    data = field(*GRIDS[source], missing=0.2, seed=len(source))
    grid = TARGETS[target]
    lat, lon = data.lat, data.lon
    bounds = {
        "lat_bnds": (("lat", "bnds"), np.stack([edges_of(lat, -90, 90)[:-1], edges_of(lat, -90, 90)[1:]], 1)),
        "lon_bnds": (("lon", "bnds"), np.stack([edges_of(lon)[:-1], edges_of(lon)[1:]], 1)),
    }
    file = data.to_dataset().assign(bounds)
    file["lat"].attrs = {"units": "degrees_north", "standard_name": "latitude", "bounds": "lat_bnds"}
    file["lon"].attrs = {"units": "degrees_east", "standard_name": "longitude", "bounds": "lon_bnds"}
    file.isel(lat=slice(None, None, -1)).to_netcdf(tmp_path / "in.nc", encoding={"f": {"_FillValue": -9e33}})
    (tmp_path / "grid").write_text(
        f"gridtype = lonlat\nxsize = {grid.lon.size}\nysize = {grid.lat.size}\n"
        f"xfirst = {grid.lon[0]}\nxinc = {grid.resolution}\nyfirst = {grid.lat[0]}\nyinc = {grid.resolution}\n"
    )
    command = ["cdo", "-s", "-b", "F64", f"remapcon,{tmp_path}/grid", tmp_path / "in.nc", tmp_path / "out.nc"]
    subprocess.run(command, check=True, capture_output=True)
    with xr.open_dataset(tmp_path / "out.nc") as out:
        expected = out["f"].values
    found = regrid(data, grid, min_valid=0.0).values
    covered = weights(module.grid_of(data), module.target_of(grid))._sum(np.isfinite(data.values).astype("f8"))
    clear = (covered > 1e-6) | (covered < 1e-12)  # slivers of rounding are a matter of taste
    assert (np.isnan(found) == np.isnan(expected))[clear].all()
    apart = {("across the dateline", "region"), ("regional", "poles")}
    assert np.isfinite(found).any() != ((source, target) in apart)
    np.testing.assert_allclose(found[clear], expected[clear], rtol=1e-9, atol=1e-9)


axis = st.lists(st.floats(0.05, 1.0), min_size=2, max_size=12)


@settings(max_examples=60, deadline=None)
@given(axis, axis, axis, axis, st.floats(-180, 180), st.integers(0, 2**32 - 1))
def test_global_integrals_are_conserved(rows, columns, target_rows, target_columns, west, seed):
    """Any two grids of the globe: the integral is the same to 1e-12, without missing values."""

    def edges(widths, start, extent):
        return tuple((start + extent * np.concatenate([[0], np.cumsum(widths)]) / sum(widths)).tolist())

    source = Rectilinear(edges(rows, -90, 180), edges(columns, west, 360))
    target = Rectilinear(edges(target_rows, -90, 180), edges(target_columns, -180, 360))
    values = np.random.default_rng(seed).uniform(0.5, 2, source.shape)

    def integral(grid, values):
        return (np.diff(np.sin(np.radians(grid.lat)))[:, None] * np.diff(grid.lon) * values).sum()

    found = Weights.apply(weights.__wrapped__(source, target), values)
    assert integral(target, found) == pytest.approx(integral(source, values), rel=1e-12)


def test_regridding_to_the_same_grid_changes_nothing():
    grid = Grid(5.0)
    data = field(grid.lat, grid.lon, missing=0.3)
    np.testing.assert_allclose(regrid(data, grid).values, data.values, rtol=1e-13)


def test_conventions_of_longitude_do_not_matter():
    grid = Grid(7.5)
    lat, lon = centres(-90, 90, 30), centres(0, 360, 40)
    east = field(lat, lon, missing=0.1)
    west = east.assign_coords(lon=(lon + 180) % 360 - 180).sortby("lon")
    np.testing.assert_allclose(regrid(east, grid).values, regrid(west, grid).values, rtol=1e-12)


def test_less_than_the_least_valid_fraction_is_missing():
    data = field(centres(-90, 90, 36), centres(-180, 180, 72))
    data[:, ::2] = np.nan
    assert regrid(data, Grid(10.0), min_valid=0.5).notnull().all()
    assert regrid(data, Grid(10.0), min_valid=0.51).isnull().all()


def test_outside_a_regional_source_is_missing():
    data = field(centres(0, 20, 10), centres(0, 20, 10), np.ones((10, 10)))
    out = regrid(data, Grid(10.0))
    assert float(out.sel(lat=5, lon=15)) == pytest.approx(1)
    assert int(out.notnull().sum()) == 4


def test_leading_dimensions_are_kept_and_read_in_pieces(monkeypatch):
    lat, lon = centres(-90, 90, 12), centres(-180, 180, 24)
    data = xr.DataArray(
        np.random.default_rng(1).normal(size=(3, 4, 12, 24)),
        {"member": list("abc"), "time": range(4), "lat": lat, "lon": lon},
        ("member", "time", "lat", "lon"),
    )
    whole = regrid(data, Grid(30.0))
    assert whole.dims == ("member", "time", "lat", "lon") and list(whole.member.values) == list("abc")
    monkeypatch.setattr(module, "PIECE", 8 * 12 * 24)
    xr.testing.assert_equal(regrid(data.chunk(time=1), Grid(30.0)), whole)
    np.testing.assert_array_equal(whole[2, 3], regrid(data[2, 3], Grid(30.0)))


def polar_grid(count=80, cell=125e3):
    """A polar equal-area grid of `count` x `count` cells, centres in degrees (the formula of EASE-Grid)."""
    from h2cm.sources.products.globsnow import ease_latitude_longitude

    at = (np.arange(count) - (count - 1) / 2) * cell
    return ease_latitude_longitude(at, -at)


def test_curvilinear_constant_and_smooth_fields():
    lat, lon = polar_grid()
    data = xr.DataArray(np.sin(np.radians(lat)), {"lat": (("y", "x"), lat), "lon": (("y", "x"), lon)}, ("y", "x"))
    grid = Grid(5.0, (-180.0, 50.0, 180.0, 90.0))
    out = regrid(data, grid)
    exact = (np.sin(np.radians(grid.lat_edges[1:])) + np.sin(np.radians(grid.lat_edges[:-1]))) / 2
    assert out.notnull().all()
    assert np.abs(out - exact[:, None]).max() < 0.01
    np.testing.assert_allclose(regrid(xr.ones_like(data), grid).values, 1, rtol=1e-12)


@pytest.mark.parametrize("curvilinear", [False, True])
def test_a_field_in_bands_of_rows(monkeypatch, curvilinear):
    """As 500 m need: no piece that is read is larger than `PIECE`, and the result is that of the whole field."""
    values = np.random.default_rng(2).normal(size=(80, 80))
    values[values > 1.5] = np.nan
    if curvilinear:
        lat, lon = polar_grid()
        data = xr.DataArray(values, {"lat": (("y", "x"), lat), "lon": (("y", "x"), lon)}, ("y", "x"))
    else:
        data = field(centres(-90, 90, 80), centres(-180, 180, 80), values)
    weights = module.weights(module.grid_of(data), module.target_of(Grid(10.0)))
    whole = weights.apply(data.values)
    assert np.isfinite(whole).any()
    monkeypatch.setattr(module, "PIECE", 8 * 80 * 7)
    read = []
    lazy = data.copy(
        data=data.chunk({data.dims[0]: 7}).data.map_blocks(lambda b: read.append(b.shape) or b, dtype="f8")
    )
    read.clear()  # of finding out what it returns
    np.testing.assert_allclose(weights.apply_lazily(lazy), whole, rtol=1e-12, atol=1e-14)
    assert len(read) == 12 and max(np.prod(shape) for shape in read) == 80 * 7


def test_curvilinear_covers_each_cell_by_its_area():
    """The share of target cells that is covered sums to the area of the source: 64 cells of 125 km."""
    lat, lon = polar_grid(8)
    matrix = weights(Curvilinear(lat, lon), module.target_of(Grid(1.0)))
    areas = np.repeat(Grid(1.0).cell_area(), 360)
    covered = np.asarray(matrix.cells.sum(1)).ravel()
    assert (covered * areas).sum() == pytest.approx(64 * 125e3**2, rel=5e-3)


def test_curvilinear_unknown_places_are_left_out():
    lat, lon = polar_grid(8)
    lat[0, :] = np.nan
    data = xr.DataArray(np.ones((8, 8)), {"lat": (("y", "x"), lat), "lon": (("y", "x"), lon)}, ("y", "x"))
    assert set(np.unique(regrid(data, Grid(2.0), 0.3).values[~np.isnan(regrid(data, Grid(2.0), 0.3).values)])) == {1.0}


def test_weights_are_computed_once_and_kept_in_a_file(tmp_path, monkeypatch):
    lat, lon = polar_grid(8)
    data = xr.DataArray(np.ones((8, 8)), {"lat": (("y", "x"), lat), "lon": (("y", "x"), lon)}, ("y", "x"))
    first = regrid(data, Grid(3.0), 0.2, cache=tmp_path)
    weights.cache_clear()
    monkeypatch.setattr(module, "_curvilinear", lambda *_: pytest.fail("the weights are computed again"))
    xr.testing.assert_equal(regrid(data, Grid(3.0), 0.2, cache=tmp_path), first)
    assert [p.suffix for p in tmp_path.iterdir()] == [".npz"]
    one, two = (weights(Rectilinear((0.0, 1.0), (0.0, 1.0)), Rectilinear((0.0, 2.0), (0.0, 1.0))) for _ in range(2))
    assert one is two


def test_a_source_that_goes_round_more_than_once():
    with pytest.raises(DataError, match="more than once"):
        regrid(field(centres(-90, 90, 4), np.arange(0, 720, 30.0)), Grid(30.0))


def test_an_engine_that_is_not_there_is_refused(monkeypatch):
    module.check_engine("builtin")
    with pytest.raises(ConfigError, match="expected one of builtin, xesmf, got 'cubic'"):
        module.check_engine("cubic")
    monkeypatch.setitem(sys.modules, "xesmf", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"grid\.regridding: xesmf needs the package xESMF"):
        module.check_engine("xesmf")


# of each pair that ESMF regridded: the largest difference, what 99 % are within, and how many cells are missing in one only
DIFFERENCES = {
    "2x2.5_to_1": (0.0245, 0.0125, 246),
    "1.875x2.5_to_1": (0.0285, 0.0125, 25),
    "1_to_6": (0.0095, 0.0075, 0),
    "ease_to_1": (0.0875, 0.0225, 33),
}


def recorded(file, pair):
    """A field, its target and what ESMF made of it."""
    lat, lon = file[f"{pair}.lat"], file[f"{pair}.lon"]
    dims = ("lat", "lon") if lat.ndim == 1 else ("y", "x")
    coords = {"lat": (dims if lat.ndim == 2 else "lat", lat), "lon": (dims if lat.ndim == 2 else "lon", lon)}
    target = xr.Dataset(coords={"lat": file[f"{pair}.target_lat"], "lon": file[f"{pair}.target_lon"]})
    return xr.DataArray(file[f"{pair}.source"].astype("f8"), coords, dims), target, file[f"{pair}.esmf"]


def compare_with_esmf(file, pair):
    source, target, esmf = recorded(file, pair)
    largest, usual, apart = DIFFERENCES[pair]
    ours = regrid(source, target).values
    both = np.isfinite(ours) & np.isfinite(esmf)
    difference = np.abs(ours - esmf)[both]
    assert difference.max() < largest and np.quantile(difference, 0.99) < usual
    assert (np.isfinite(ours) != np.isfinite(esmf)).sum() <= apart
    return both.mean()


@pytest.mark.parametrize("pair", DIFFERENCES)
def test_as_esmf(shared, pair):
    """ESMF cuts cells along great circles, not parallels: the differences are those that its documentation names."""
    with np.load(shared / "reference" / "esmf_regrid.npz") as file:
        assert compare_with_esmf(file, pair) > 0.05


@pytest.fixture
def cut():
    """A part of three of these pairs, which lies beside the tests."""
    with np.load(ROOT / "tests" / "data" / "esmf_regrid.npz") as file:
        yield file


@pytest.mark.parametrize("pair", ["2x2.5_to_1", "1_to_6", "ease_to_1"])
def test_as_esmf_in_a_part_of_the_globe(cut, pair):
    assert compare_with_esmf(cut, pair) > 0.5


@pytest.mark.parametrize("pair", ["2x2.5_to_1", "ease_to_1"])
def test_the_engine_xesmf_hands_over_grids_and_takes_weights(cut, pair, monkeypatch):
    """A stand-in of xESMF checks what it is given and returns weights that make of the source what ESMF made of it."""
    source, target, esmf = recorded(cut, pair)
    values = source.values.ravel()
    known = np.flatnonzero(np.isfinite(values))
    low, high = known[values[known].argmin()], known[values[known].argmax()]
    share = (esmf.ravel() - values[low]) / (values[high] - values[low])
    found = np.flatnonzero(np.isfinite(share))
    rows, columns = np.repeat(found, 2), np.tile([low, high], found.size)
    numbers = np.stack([1 - share[found], share[found]], 1).ravel()

    class Regridder:
        def __init__(self, given, wanted, method, unmapped_to_nan):
            assert method == "conservative" and unmapped_to_nan is False
            np.testing.assert_allclose(given["lat"], source.lat)
            np.testing.assert_allclose(np.mod(given["lon"], 360), np.mod(source.lon, 360))
            np.testing.assert_allclose(wanted["lat"], target.lat)
            np.testing.assert_allclose(wanted["lon"], target.lon)
            for grid in (given, wanted):
                for axis in ("lat", "lon"):
                    assert grid[f"{axis}_b"].shape == tuple(n + 1 for n in grid[axis].shape)
            if given["lat"].ndim == 1:
                assert given["lat_b"][0] < given["lat"][0] < given["lat_b"][1]
            else:  # the centre of a cell is the mean of its corners, but for the curvature
                corners = given["lat_b"]
                middle = (corners[:-1, :-1] + corners[1:, :-1] + corners[:-1, 1:] + corners[1:, 1:]) / 4
                np.testing.assert_allclose(middle, given["lat"], atol=0.1)
            matrix = sp.csr_matrix((numbers, (rows, columns)), (esmf.size, values.size))
            self.weights = SimpleNamespace(data=SimpleNamespace(to_scipy_sparse=lambda: matrix))

    stand_in = ModuleType("xesmf")
    stand_in.Regridder = Regridder
    stand_in.__spec__ = ModuleSpec("xesmf", None)
    monkeypatch.setitem(sys.modules, "xesmf", stand_in)
    weights.cache_clear()
    ours = regrid(source, target, engine="xesmf")
    weights.cache_clear()
    assert ours.dims == ("lat", "lon")
    np.testing.assert_allclose(ours.values, esmf, rtol=1e-5, atol=1e-6)
