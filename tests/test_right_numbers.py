"""The numbers are right: against independent implementations, identities, analytic fields, and CDO as referee."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
import xarray as xr
import xskillscore
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from h2cm.results.evaluate.metrics import scores
from h2cm.results.evaluate.series import anomaly, area_weighted_mean, decompose, mean_seasonal_cycle
from h2cm.space.grid import EARTH_RADIUS, Grid

VALUES = st.one_of(st.floats(-1e3, 1e3, width=32), st.just(float("nan")))


def series_with_gaps(seed: int, n: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Prediction, target and weights; a fifth of either side is missing."""
    rng = np.random.default_rng(seed)
    target = rng.gamma(2, 2, n)
    prediction = rng.uniform(0.3, 1.5) * target + rng.normal(rng.uniform(-1, 1), 1, n)
    for side in (prediction, target):
        side[rng.random(n) < 0.2] = np.nan
    return prediction, target, rng.uniform(0.1, 2, n)


@pytest.mark.parametrize("seed", range(20))
def test_metrics_are_those_of_scipy_scikit_learn_and_xskillscore(seed):
    prediction, target, _ = series_with_gaps(seed)
    ours, n = scores(prediction, target)
    both = np.isfinite(prediction) & np.isfinite(target)
    p, o = prediction[both], target[both]
    x, y = (xr.DataArray(side, dims="time") for side in (prediction, target))
    assert n == both.sum() and 60 < n < 100
    theirs = {
        "r": [scipy.stats.pearsonr(p, o).statistic, xskillscore.pearson_r(x, y, "time", skipna=True).item()],
        "r2": [scipy.stats.linregress(p, o).rvalue ** 2],
        "nse": [sklearn.metrics.r2_score(o, p), xskillscore.r2(y, x, "time", skipna=True).item()],
        "rmse": [sklearn.metrics.root_mean_squared_error(o, p), xskillscore.rmse(x, y, "time", skipna=True).item()],
        "bias": [np.mean(p) - np.mean(o), xskillscore.me(x, y, "time", skipna=True).item()],
        "sdr": [scipy.stats.tstd(p) / scipy.stats.tstd(o)],
    }
    for name, values in theirs.items():
        np.testing.assert_allclose(values, ours[name], rtol=1e-10, err_msg=name)


@pytest.mark.parametrize("seed", range(20))
def test_weighted_metrics_are_those_of_scikit_learn_and_xskillscore(seed):
    prediction, target, weights = series_with_gaps(seed)
    ours, _ = scores(prediction, target, weights)
    both = np.isfinite(prediction) & np.isfinite(target)
    p, o, w = prediction[both], target[both], weights[both]
    x, y, z = (xr.DataArray(side, dims="cell") for side in (p, o, w))
    covariance = np.cov(p, o, aweights=w, ddof=0)
    theirs = {
        "r": [
            xskillscore.pearson_r(x, y, "cell", weights=z).item(),
            covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]),
        ],
        "nse": [sklearn.metrics.r2_score(o, p, sample_weight=w)],
        "rmse": [
            sklearn.metrics.root_mean_squared_error(o, p, sample_weight=w),
            xskillscore.rmse(x, y, "cell", weights=z).item(),
        ],
        "bias": [np.average(p, weights=w) - np.average(o, weights=w)],
        "sdr": [np.sqrt(covariance[0, 0] / covariance[1, 1])],
    }
    for name, values in theirs.items():
        np.testing.assert_allclose(values, ours[name], rtol=1e-10, err_msg=name)


@given(arrays(np.float64, (2, 40), elements=VALUES), st.integers(1, 12))
@settings(max_examples=200, deadline=None)
def test_a_monthly_series_is_its_seasonal_cycle_and_its_anomaly(values, first):
    months = (first - 1 + np.arange(40)) % 12 + 1
    prediction, target = values
    for side, name in ((0, "prediction"), (1, "target")):
        monthly, cycle, rest = (
            decompose(prediction, target, months)[scale][side] for scale in ("monthly", "msc", "anomaly")
        )
        both = np.isfinite(prediction) & np.isfinite(target)
        assert (np.isfinite(monthly) == both).all(), name
        twice = np.array([(both & (months == month)).sum() > 1 for month in months])
        assert (np.isfinite(rest) == (both & twice)).all(), "an anomaly needs the calendar month twice"
        there = np.isfinite(rest)
        np.testing.assert_allclose((cycle[months - 1] + rest)[there], monthly[there], rtol=1e-12, atol=1e-9)
        # anomalies of a calendar month sum to nothing, and have no cycle of their own
        np.testing.assert_allclose(np.nan_to_num(mean_seasonal_cycle(rest, months)), 0, atol=1e-9)


@given(arrays(np.float64, 36, elements=st.floats(-1e3, 1e3, width=32)), st.floats(-100, 100), st.floats(0.1, 10))
@settings(max_examples=100, deadline=None)
def test_cycle_and_anomaly_are_linear(values, shift, factor):
    months = np.arange(36) % 12 + 1
    changed = factor * values + shift
    cycle = mean_seasonal_cycle(values, months)
    np.testing.assert_allclose(mean_seasonal_cycle(changed, months), factor * cycle + shift, rtol=1e-9, atol=1e-7)
    np.testing.assert_allclose(anomaly(changed, months), factor * anomaly(values, months), rtol=1e-9, atol=1e-7)


@given(arrays(np.float64, (2, 24), elements=VALUES))
@settings(max_examples=200, deadline=None)
def test_bounds_and_relations_of_the_metrics(pair):
    metrics, n = scores(*pair)
    if n < 3:
        assert all(np.isnan(value) for value in metrics.values())
        return
    assert metrics["rmse"] >= abs(metrics["bias"]) * (1 - 1e-9)
    if np.isfinite(metrics["r"]):
        assert -1 <= metrics["r"] <= 1 and metrics["nse"] <= metrics["r2"] + 1e-6
        # decomposition of Gupta et al. (2009)
        both = np.isfinite(pair).all(0)
        beta = metrics["bias"] / pair[1][both].std()
        expected = 2 * metrics["sdr"] * metrics["r"] - metrics["sdr"] ** 2 - beta**2
        np.testing.assert_allclose(metrics["nse"], expected, rtol=1e-6, atol=1e-6)


def cells_of(grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Latitude, longitude and area of all cells of a grid."""
    lat, lon = (axis.ravel() for axis in np.meshgrid(grid.lat, grid.lon, indexing="ij"))
    return lat, lon, np.repeat(grid.cell_area(), grid.lon.size)


@pytest.mark.parametrize(
    ("field", "exact"),
    [
        (lambda lat, lon: np.ones_like(lat), 1.0),
        (lambda lat, lon: np.sin(lat) ** 2, 1 / 3),
        (lambda lat, lon: np.cos(lat), np.pi / 4),
        (lambda lat, lon: np.sin(lat), 0.0),
        (lambda lat, lon: 2 + np.cos(lat) * np.cos(lon), 2.0),
    ],
)
def test_the_area_weighted_mean_of_an_analytic_field_converges_to_its_integral(field, exact):
    errors = []
    for resolution in (6.0, 3.0, 1.5):
        lat, lon, area = cells_of(Grid(resolution))
        values = field(np.radians(lat), np.radians(lon))[:, None]
        errors.append(abs(area_weighted_mean(values, area)[0] - exact))
        assert area.sum() == pytest.approx(4 * np.pi * EARTH_RADIUS**2, rel=1e-12)
    assert errors[-1] < 1e-12 or (errors[0] > 3 * errors[1] > 9 * errors[2] and errors[-1] < 2e-4), errors


def test_the_mean_weighted_by_area_is_not_the_plain_one():
    lat, _, area = cells_of(Grid(10.0))
    values = np.where(np.abs(lat) > 60, 1.0, 0.0)[:, None]
    assert area_weighted_mean(values, area)[0] == pytest.approx(1 - np.sin(np.radians(60)))
    assert values.mean() == pytest.approx(1 / 3)


def test_the_mean_over_a_region_is_that_of_a_mask_by_hand():
    """Two cells at the equator, one at 60° N of half their size, one outside; the second lacks the last month."""
    area = np.array([2.0, 2.0, 1.0, 9.0])
    values = np.array([[1.0, 1.0], [2.0, np.nan], [5.0, 5.0], [99.0, 99.0]])
    inside = np.array([True, True, True, False])
    found = area_weighted_mean(values[inside], area[inside])
    np.testing.assert_allclose(found, [(2 * 1 + 2 * 2 + 1 * 5) / 5, (2 * 1 + 1 * 5) / 3])


@pytest.mark.skipif(
    shutil.which("cdo") is None, reason="needs CDO (Debian package cdo); analytic fields are tested above"
)
@pytest.mark.parametrize(("resolution", "near"), [(10.0, 5e-4), (2.0, 5e-6)])
def test_the_area_weighted_mean_is_that_of_cdo(resolution, near, tmp_path):
    """To rounding with the areas given; CDO's own take the sides of cells for great circles, and come near with the grid."""
    grid = Grid(resolution)
    rng = np.random.default_rng(0)
    field = rng.normal(size=(3, grid.lat.size, grid.lon.size))
    field[rng.random(field.shape) < 0.3] = np.nan
    coords = {
        "time": ("time", np.arange(3.0), {"units": "days since 2000-01-01"}),
        "lat": ("lat", grid.lat, {"units": "degrees_north", "standard_name": "latitude"}),
        "lon": ("lon", grid.lon, {"units": "degrees_east", "standard_name": "longitude"}),
    }
    data = xr.Dataset({"x": (("time", "lat", "lon"), field)}, coords)
    data.to_netcdf(tmp_path / "field.nc", encoding={"x": {"_FillValue": 1e20}})
    lat, lon, area = cells_of(grid)
    areas = xr.DataArray(area.reshape(field.shape[1:]), dims=("lat", "lon"), name="area", attrs={"units": "m2"})
    areas.assign_coords(lat=data["lat"], lon=data["lon"]).to_netcdf(tmp_path / "area.nc")

    def cdo(*operators: str) -> np.ndarray:
        subprocess.run(["cdo", "-s", "fldmean", *operators, tmp_path / "field.nc", tmp_path / "mean.nc"], check=True)
        with xr.open_dataset(tmp_path / "mean.nc") as mean:
            return mean["x"].values.squeeze()

    values = field.reshape(3, -1).T
    ours = area_weighted_mean(values, area)
    exact = f"-setgridarea,{tmp_path / 'area.nc'}"
    np.testing.assert_allclose(cdo(exact), ours, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(cdo(), ours, atol=near)
    # a region by its mask
    inside = (lon > -30) & (lon < 60) & (lat > 0) & (lat < 40)
    ours = area_weighted_mean(values[inside], area[inside])
    np.testing.assert_allclose(cdo("-sellonlatbox,-30,60,0,40"), ours, atol=near)
