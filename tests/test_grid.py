"""The grid: areas, land and the way between maps and cells."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from h2cm.config import ConfigError, parse
from h2cm.space.grid import EARTH_RADIUS, Grid, land_cells, land_fraction, to_cells, to_map


def configuration(**grid):
    constraints = {"gpp": {"prediction": "gpp", "compare": "monthly"}}
    return parse({"run": "grid", "source": "twin", "constraints": constraints, "grid": {"resolution": 10.0} | grid})


def test_areas_sum_to_the_sphere():
    for resolution in (0.5, 7.5, 30.0):
        grid = Grid(resolution)
        total = (grid.cell_area() * grid.lon.size).sum()
        assert total == pytest.approx(4 * np.pi * EARTH_RADIUS**2, rel=1e-12)


def test_axes_ascend_and_start_at_the_corner():
    grid = Grid(2.5)
    assert grid.lat[0] == -88.75 and grid.lon[0] == -178.75
    assert grid.lat_edges[-1] == 90 and grid.lon_edges[-1] == 180
    assert grid.lat.size == 72 and grid.lon.size == 144


def test_bounds_keep_the_cells_of_the_global_grid():
    region = Grid(4.0, (-10.0, 35.0, 30.0, 71.0))
    assert set(region.lat) <= set(Grid(4.0).lat) and set(region.lon) <= set(Grid(4.0).lon)
    assert region.lat.min() > 35 and region.lat.max() < 71


@pytest.mark.parametrize(
    ("resolution", "bounds", "words"),
    [
        (7.0, (-180.0, -90.0, 180.0, 90.0), "divisor of 180"),
        (5.0, (20.0, -90.0, 10.0, 90.0), "west < east"),
        (5.0, (0.0, 0.0, 1.0, 1.0), "holds no centre"),
    ],
)
def test_an_impossible_grid_is_refused(resolution, bounds, words):
    with pytest.raises(ConfigError, match=words):
        Grid(resolution, bounds)


def test_land_fraction_is_that_of_the_earth():
    grid = Grid(5.0)
    fraction = land_fraction(grid)
    weights = xr.DataArray(grid.cell_area(), {"lat": grid.lat}, "lat")
    assert float(fraction.weighted(weights).mean()) == pytest.approx(0.29, abs=0.01)
    assert float(fraction.sel(lat=22.5, lon=12.5)) == 1  # the Sahara
    assert float(fraction.sel(lat=-2.5, lon=-152.5)) < 0.001  # the Pacific, Malden Island aside


def test_land_cells_are_sorted_and_inside():
    cells = land_cells(configuration(bounds=(-180.0, -60.0, 180.0, 85.0)))
    order = np.lexsort((cells.lon.values, cells.lat.values))
    np.testing.assert_array_equal(order, np.arange(cells.sizes["cell"]))
    assert cells.lat.values.min() > -60
    more = land_cells(configuration(min_land_fraction=0.2))
    assert more.sizes["cell"] > cells.sizes["cell"]


def test_a_grid_without_land_is_refused():
    with pytest.raises(ConfigError, match="land fraction"):
        land_cells(configuration(bounds=(-160.0, -40.0, -120.0, 0.0)))


def test_maps_and_cells_go_both_ways():
    cells = land_cells(configuration())
    grid = Grid(10.0)
    field = xr.DataArray(
        np.random.default_rng(0).normal(size=(grid.lat.size, grid.lon.size, 3)),
        {"lat": grid.lat, "lon": grid.lon},
        ("lat", "lon", "month"),
        "x",
        {"units": "mm"},
    )
    values = to_cells(field, cells)
    assert values.dims == ("cell", "month")
    again = to_map(values, cells, grid)
    assert again.dims == field.dims and again.attrs == field.attrs
    np.testing.assert_array_equal(to_cells(again, cells).values, values.values)
    assert int(again.notnull().isel(month=0).sum()) == cells.sizes["cell"]
    np.testing.assert_array_equal(to_cells(to_map(values, cells), cells).values, values.values)


def test_cells_outside_a_map_are_an_error():
    cells = land_cells(configuration())
    grid = Grid(10.0, (0.0, 0.0, 60.0, 60.0))
    field = xr.DataArray(np.zeros((grid.lat.size, grid.lon.size)), {"lat": grid.lat, "lon": grid.lon}, ("lat", "lon"))
    with pytest.raises(KeyError):
        to_cells(field, cells)
