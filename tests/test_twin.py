"""The synthetic Earth: equations that hold, climates that are right, products that are as awkward as the real ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from h2cm import model, vocabulary
from h2cm.config import parse
from h2cm.model.process import CARRIED, State, process_step
from h2cm.sources import products, twin
from h2cm.sources.twin import truth
from h2cm.sources.twin.atlas import Atlas, maps
from h2cm.sources.twin.attributes import FEATURES, static_attributes
from h2cm.sources.twin.geography import survey
from h2cm.sources.twin.nature import nature_of
from h2cm.sources.twin.parameters import Coefficients, Ecology, draw_ensemble
from h2cm.sources.twin.weather import Weather
from h2cm.space.grid import Grid, land_cells, to_cells
from h2cm.space.regrid import regrid
from h2cm.vocabulary import VARIABLES

CONSTANTS = {"beta_snow": 0.9, "beta_baseflow": 0.004, "q10": 1.8, "beta_co2": 0.0022}
PLACES = {
    "sahara": (23.0, 10.0),
    "siberia": (63.0, 120.0),
    "amazon": (-3.0, -63.0),
    "india": (23.0, 79.0),
    "germany": (51.0, 10.0),
    "svalbard": (79.0, 16.0),
}


def configuration(start="2014-01-01", end="2015-12-31", resolution=15.0, **more):
    return parse(
        {
            "run": "twin",
            "source": "twin",
            "period": {"start": start, "end": end},
            "grid": {"resolution": resolution},
            "constraints": {"gpp": {"prediction": "gpp", "compare": "monthly"}},
            "twin": {"models": 2},
        }
        | more
    )


def random_world(seed: int, cells: int = 7, days: int = 40):
    """Climate, parameters, soil and state drawn wildly: frozen, dry, saturated, without energy."""
    rng = np.random.default_rng(seed)

    def draw(low, high, *shape):
        values = rng.uniform(low, high, (cells, *shape))
        return np.where(rng.uniform(size=values.shape) < 0.15, max(low, 0.0), values)  # exact zeros make ties

    forcing = {
        "net_radiation": draw(-80, 250, days),
        "precipitation": draw(-30, 40, days).clip(0),
        "air_temperature": 273.15 + draw(-35, 35, days),
        "vapour_pressure_deficit": draw(0, 50, days),
        "co2": draw(360, 420, days),
    }
    shares = ("alpha_soil_recharge", "alpha_groundwater_recharge", "alpha_transpiration", "cue", "fapar")
    parameters = {name: draw(0, 1, days) for name in (*shares, "alpha_soil_evaporation")}
    parameters |= {"alpha_snow_melt": draw(0, 6, days), "alpha_wue": draw(0, 12, days)}
    parameters |= {"basal_respiration": draw(0, 8, days)}
    soil = {"soil_moisture_capacity": 1 + draw(0, 400), "alpha_interception": draw(0, 4)}
    state = {"swe": draw(0, 300), "groundwater": draw(0, 500), "fapar": draw(0, 1), "npp": draw(0, 5)}
    state["soil_moisture"] = soil["soil_moisture_capacity"] * draw(0, 1)
    return forcing, parameters, soil, state


@pytest.fixture(scope="module")
def places():
    """Two years of weather and truth at a few places; each array (place, day)."""
    lat, lon = np.array(list(PLACES.values())).T
    place = survey(lat, lon)
    days = pd.date_range("2001-01-01", "2002-12-31")
    forcing = {name: values.T for name, values in Weather(days, 3).at(place, 0).items()}
    static = static_attributes(place, 3)
    ecology, state = Ecology(static), None
    for _ in range(3):
        series, state = truth.simulate(forcing, ecology, ecology.soil, CONSTANTS, state)
    return days, forcing, static, series


@pytest.fixture(scope="module")
def earth(tmp_path_factory):
    """A whole synthetic Earth of two years on 15 degrees: folder and configuration."""
    folder = tmp_path_factory.mktemp("earth")
    config = configuration()
    twin.generate(config, folder)
    return folder, config


def observed(earth, product: str, variable: str) -> xr.DataArray:
    """A product's variable on the target cells."""
    folder, config = earth
    with products.read(product, products.files(product, folder / "products" / product)) as data:
        return to_cells(
            regrid(data[variable].load(), Grid(config.grid.resolution, config.grid.bounds)), land_cells(config)
        )


def monthly_truth(earth, name: str) -> xr.DataArray:
    with xr.open_dataset(earth[0] / "truth.nc") as data:
        return data[name].load().resample(time="MS").mean()


def at(place: str) -> int:
    return list(PLACES).index(place)


# the equations


def test_outputs_are_those_of_the_model():
    assert truth.OUTPUTS == model.OUTPUTS
    assert truth.PARAMETERS == model.PARAMETERS


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_truth_and_model_have_the_same_equations(seed):
    forcing, parameters, soil, state = random_world(seed, days=3)
    series, _ = truth.simulate(forcing, truth.prescribed(parameters), soil, CONSTANTS, state)
    before = {name: torch.from_numpy(state[name]) for name in CARRIED}
    for day in range(3):
        today = torch.from_numpy(np.stack([np.asarray(forcing[name][:, day], float) for name in model.FORCING], -1))
        learned = {name: torch.from_numpy(values[:, day]) for name, values in parameters.items()}
        learned |= {name: torch.from_numpy(np.asarray(values)) for name, values in soil.items()}
        given = process_step(today, State(**before, h=None, c=None), learned | CONSTANTS)
        for name, expected in given.items():
            np.testing.assert_allclose(series[name][:, day], expected.numpy(), rtol=1e-12, atol=1e-12, err_msg=name)
        before = {name: (given | learned)[name] for name in CARRIED}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_water_balance_closes(seed):
    forcing, parameters, soil, state = random_world(seed)
    series, _ = truth.simulate(forcing, truth.prescribed(parameters), soil, CONSTANTS, state)
    before = np.concatenate([sum(state[s] for s in truth.STORAGES)[:, None], series["tws"][:, :-1]], axis=1)
    gained = series["corrected_precipitation"] - series["et"] - series["runoff"]
    np.testing.assert_allclose(series["tws"] - before, gained, atol=1e-9)
    assert series["soil_moisture"].min() > -1e-9
    assert (series["soil_moisture"] <= soil["soil_moisture_capacity"][:, None] + 1e-9).all()


# the ecology


def test_parameters_see_only_what_their_network_sees():
    cells, days = 5, 30
    rng = np.random.default_rng(5)
    static = static_attributes(survey(rng.uniform(-50, 70, cells), rng.uniform(-180, 180, cells)), 0)
    forcing, _, _, state = random_world(11, cells, days)
    seen = forcing | {name: np.abs(rng.normal(size=(cells, days))) for name in state}

    def run(changed: str | None) -> dict[str, np.ndarray]:
        ecology = Ecology(static)
        values = seen if changed is None else seen | {changed: seen[changed] * 1.3 + 0.1}
        today = [
            ecology(d, {n: values[n][:, d] for n in forcing}, {n: values[n][:, d] for n in state}) for d in range(days)
        ]
        return {name: np.stack([t[name] for t in today]) for name in truth.PARAMETERS}

    usual = run(None)
    for changed in seen:
        other = run(changed)
        for network in model.NETWORKS.values():
            for name in set(network.outputs) & set(truth.PARAMETERS):
                if changed not in network.inputs:
                    np.testing.assert_array_equal(other[name], usual[name], err_msg=f"{name} sees {changed}")


def test_parameters_stay_in_their_bounds_and_vary(places):
    *_, series = places
    for name in truth.PARAMETERS:
        values = series[name]
        assert values.min() >= 0 and np.isfinite(values).all(), name
        if vocabulary.OUTPUTS[name].units == "1":
            assert values.max() <= 1, name
        assert values.std() > 0, name


def test_dry_air_lowers_water_use_efficiency_and_warmth_carbon_use_efficiency(places):
    _, forcing, _, series = places
    germany, amazon = at("germany"), at("amazon")
    deficit, efficiency = forcing["vapour_pressure_deficit"][germany], series["alpha_wue"][germany]
    assert efficiency[deficit > 10].mean() < 0.7 * efficiency[deficit < 3].mean()
    assert series["cue"][amazon].mean() < series["cue"][at("siberia")].mean()


def test_rain_on_dry_soil_makes_respiration_pulse():
    static = static_attributes(survey(np.array([10.0]), np.array([0.0])), 0)
    dry, wet = Ecology(static), Ecology(static)
    before = {"soil_moisture": np.array([40.0]), "fapar": np.array([0.3]), "npp": np.array([2.0])}
    day = {"net_radiation": 100.0, "air_temperature": 300.0, "vapour_pressure_deficit": 15.0}
    day = {name: np.array([value]) for name, value in day.items()}
    for ecology, rain in ((dry, 0.0), (wet, 8.0)):
        for k in range(60):
            last = ecology(k, day | {"precipitation": np.array([rain])}, before)["basal_respiration"]
        shower = ecology(60, day | {"precipitation": np.array([10.0])}, before)["basal_respiration"]
        assert (shower > 1.3 * last) == (ecology is dry)


def test_other_models_are_scattered_around_the_truth():
    members = draw_ensemble(40, 0)
    assert members == draw_ensemble(40, 0) != draw_ensemble(40, 1)
    for name, value in vars(Coefficients()).items():
        drawn = np.array([getattr(member, name) for member in members])
        assert np.median(drawn) == pytest.approx(value, rel=0.03), name
        assert np.unique(drawn).size == 40


# the weather


def test_forcing_is_complete_and_possible(places):
    _, forcing, _, _ = places
    for name, values in forcing.items():
        row = VARIABLES[name]
        assert np.isfinite(values).all(), name
        assert values.min() >= row.low and values.max() <= row.high, name


def test_climates_are_right(places):
    days, forcing, _, series = places
    rain, kelvin = forcing["precipitation"], forcing["air_temperature"]
    january, july = days.month == 1, days.month == 7
    yearly = rain.sum(1) / 2
    assert yearly[at("sahara")] < 100 < 400 < yearly[at("germany")] < 1500 < yearly[at("amazon")]
    assert kelvin[at("siberia")][january].mean() < 255 < 280 < kelvin[at("siberia")][july].mean()
    assert np.ptp(kelvin[at("amazon")]) < 15
    assert rain[at("india")][july].mean() > 4 * rain[at("india")][january].mean()
    assert forcing["net_radiation"][at("svalbard")][days.month == 12].mean() < 0
    assert forcing["vapour_pressure_deficit"].mean(1).argmax() == at("sahara")

    assert series["swe"][at("siberia")][january].mean() > 30 > 5 > series["swe"][at("siberia")][july].mean()
    assert series["swe"][[at("sahara"), at("amazon")]].max() == 0
    assert series["fapar"][at("amazon")].min() > 0.7
    assert series["gpp"][at("amazon")].mean() > 5 > 0.05 > series["gpp"][at("sahara")].mean()
    assert series["fapar"][at("germany")][july].mean() > 1.3 * series["fapar"][at("germany")][january].mean()


def test_weather_persists_and_is_shared_by_neighbours():
    place = survey(np.array([50.0, 50.0, -30.0]), np.array([10.0, 12.0, 140.0]))
    days = pd.date_range("2001-01-01", "2004-12-31")
    forcing = Weather(days, 0).at(place, 0)
    kelvin = forcing["air_temperature"]
    odd = kelvin - pd.DataFrame(kelvin).groupby(days.day_of_year).transform("mean").values

    def r(a, b):
        return np.corrcoef(a, b)[0, 1]

    assert 0.6 < r(odd[1:, 0], odd[:-1, 0]) < 0.95
    assert 0.7 < r(odd[:, 0], odd[:, 1]) < 0.999 and abs(r(odd[:, 0], odd[:, 2])) < 0.3
    wet = forcing["precipitation"][:, 0] > 0
    assert wet[1:][wet[:-1]].mean() > wet[1:][~wet[:-1]].mean() + 0.2
    assert forcing["vapour_pressure_deficit"][wet, 0].mean() < forcing["vapour_pressure_deficit"][~wet, 0].mean()
    yearly = pd.DataFrame(forcing["co2"]).groupby(days.year).mean()
    assert (yearly.diff().dropna() > 1).all().all()
    assert np.ptp(forcing["co2"][:365, 0]) > 2 * np.ptp(forcing["co2"][:365, 2])


def test_static_attributes_say_something(places):
    *_, static, _ = places
    assert {name for names in FEATURES.values() for name in names} == set(static) and len(static) == 30
    np.testing.assert_allclose(sum(static[name] for name in FEATURES["globeland30"]), 1)
    np.testing.assert_allclose(static["sand"] + static["silt"] + static["clay"], 100)
    assert static["forest"][at("amazon")] > 0.7 and static["bare_land"][at("sahara")] > 0.7
    assert static["organic_carbon_stock"][at("siberia")] > static["organic_carbon_stock"][at("amazon")]


# the maps


def test_finer_and_shifted_maps_keep_the_values():
    config = configuration(resolution=10.0)
    cells = land_cells(config)
    rng = np.random.default_rng(0)
    atlas = Atlas(10.0, cells, rng)
    values = rng.uniform(1, 2, (cells.sizes["cell"], 3))
    times = pd.date_range("2001-01-01", periods=3)
    grid = Grid(10.0, config.grid.bounds)
    fine = maps(times, x=atlas.fine(values))["x"]
    assert (
        fine.shape == (3, 36, 72)
        and np.unique(fine.values[0][np.isfinite(fine.values[0])]).size > 2 * cells.sizes["cell"]
    )
    np.testing.assert_allclose(to_cells(regrid(fine, grid), cells).transpose("cell", "time"), values, rtol=1e-5)
    shifted = maps(times, x=atlas.shifted(np.ones_like(values)))["x"]
    assert shifted.lat.values[0] == -90 and shifted.lon.values[0] == -180
    np.testing.assert_allclose(to_cells(regrid(shifted, grid), cells), 1, rtol=1e-6)


# the whole


def test_the_truth_is_complete(earth):
    folder, config = earth
    cells = land_cells(config)
    with xr.open_dataset(folder / "truth.nc") as data:
        np.testing.assert_array_equal(data.lat, cells.lat)
        np.testing.assert_array_equal(data.lon, cells.lon)
        assert pd.DatetimeIndex(data.time.values).equals(pd.date_range("2014-01-01", "2015-12-31"))
        for name in model.OUTPUTS:
            assert data[name].dims == ("cell", "time") and data[name].dtype == np.float32, name
            assert data[name].attrs["units"] and np.isfinite(data[name].values).all(), name
        assert float(data.q10) == 1.8 and float(data.beta_co2) == pytest.approx(0.0022)
        assert float(data.beta_snow) == twin.BETA_SNOW and float(data.beta_baseflow) == twin.BETA_BASEFLOW
        assert data.soil_moisture_capacity.dims == data.alpha_interception.dims == ("cell",)
        change = data.groundwater.isel(time=-1) - data.groundwater.isel(time=0)
        assert float(abs(change).max()) < 0.5 * float(data.groundwater.max())


def test_the_globe_is_realistic(earth):
    with xr.open_dataset(earth[0] / "truth.nc") as data:
        means = (
            data[["gpp", "nee", "et", "runoff", "npp"]].mean("time").weighted(land_cells(earth[1]).area).mean("cell")
        )
    assert 1.8 < means.gpp < 3.2
    assert abs(means.nee) < 0.25
    assert 0.9 < means.et < 1.6
    assert 0.4 < means.runoff < 1.4
    assert 0.4 < means.npp / means.gpp < 0.6


def test_all_products_are_written(earth):
    # its CAMS begins with the period, and nobody has simulated it
    for product in products.PRODUCTS.keys() - {"mauna_loa", "simulations"}:
        assert products.files(product, earth[0] / "products" / product)


def test_forcing_products_are_the_weather_of_the_truth(earth):
    names = {
        "precipitation": "gpcp",
        "net_radiation": "ceres",
        "air_temperature": "crujra",
        "vapour_pressure_deficit": "era5",
        "co2": "cams_co2",
    }
    series = {name: observed(earth, product, name).transpose("cell", "time") for name, product in names.items()}
    for name, values in series.items():
        assert values.sizes["time"] == 730 and not values.isnull().any(), name
    with xr.open_dataset(earth[0] / "truth.nc") as data:
        wet = series["precipitation"].where(series["air_temperature"] > 273.15, 0)
        np.testing.assert_allclose(data.rainfall.values, wet.values, rtol=1e-4, atol=1e-3)


def test_inversions_include_fire(earth):
    fire = observed(earth, "gfed", "fire")
    total = observed(earth, "oco2_mip", "nee_total").median("member")
    assert pd.DatetimeIndex(total.time.values)[0] == pd.Timestamp("2015-01-01") and total.sizes["time"] == 12
    nee = monthly_truth(earth, "nee")
    total, fire, nee = xr.align(total, fire, nee, join="inner", exclude=["cell"])
    burning = fire.mean("time") > 0.05
    assert burning.any() and float(fire.min()) >= 0
    with_fire = abs((total - nee).where(burning)).mean()
    without_fire = abs((total - fire - nee).where(burning)).mean()
    assert float(without_fire) < 0.5 * float(with_fire)
    assert observed(earth, "carboscope", "nee_total").sizes["time"] == 24


def test_products_have_the_gaps_of_the_real_ones(earth):
    tws = observed(earth, "grace", "tws")
    months = pd.DatetimeIndex(tws.time.values)
    gaps = np.diff(months.year * 12 + months.month)
    assert 12 < len(months) < 24 and gaps.max() >= 3

    swe = observed(earth, "globsnow", "swe")
    assert not set(pd.DatetimeIndex(swe.time.values).month) & {6, 7, 8, 9}
    assert swe.where(swe.lat < 30, drop=True).isnull().all()
    assert swe.where(swe.lat > 45, drop=True).notnull().mean() > 0.8

    fapar = observed(earth, "modis_fapar", "fapar")
    december = fapar.sel(time="2014-12-19")
    assert december.where(december.lat > 70, drop=True).isnull().all()
    assert december.where(abs(december.lat) < 50, drop=True).notnull().all()


def test_products_are_noisy_but_tell_the_truth(earth):
    for product, variable, name in (
        ("grun", "runoff", "runoff"),
        ("fluxcom", "gpp", "gpp"),
        ("modis_fapar", "fapar", "fapar"),
    ):
        seen = observed(earth, product, variable).resample(time="MS").mean().transpose("cell", "time")
        real = monthly_truth(earth, name)
        valid = seen.notnull().values
        assert np.corrcoef(seen.values[valid], real.values[valid])[0, 1] > 0.95, variable
        assert not np.allclose(seen.values[valid], real.values[valid], rtol=1e-3), variable


def test_the_data_driven_product_is_damped_and_biased(earth):
    real, seen = monthly_truth(earth, "gpp"), observed(earth, "fluxcom", "gpp").transpose("cell", "time")
    spread = [float(abs(x[:, 12:].values - x[:, :12].values).mean()) for x in (real, seen)]
    assert spread[1] < 0.8 * spread[0]
    assert float(observed(earth, "fluxcom", "ter").mean()) < 0.95 * float(monthly_truth(earth, "ter").mean())


def test_the_same_seed_gives_the_same_earth(tmp_path):
    short = {"start": "2001-01-01", "end": "2001-02-14", "resolution": 30.0}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        np.random.seed(seed + 5)  # noqa: NPY002  the global state must not matter
        twin.generate(configuration(**short, seed=seed), tmp_path / name)
    a, b, c = (xr.load_dataset(tmp_path / name / "truth.nc") for name in "abc")
    xr.testing.assert_identical(a, b)
    assert not np.allclose(a.gpp, c.gpp)
    for file in sorted((tmp_path / "a" / "products" / "grun").glob("*.nc")):
        xr.testing.assert_identical(
            xr.load_dataset(file), xr.load_dataset(tmp_path / "b" / "products" / "grun" / file.name)
        )


def test_a_truth_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def fail(*args, **options):
        raise RuntimeError("stopped")

    monkeypatch.setattr(twin, "simulate", fail)
    with pytest.raises(RuntimeError):
        twin.generate(configuration(end="2014-01-31", resolution=30.0), tmp_path)
    assert not (tmp_path / "truth.nc").exists()


def test_the_other_nature_keeps_its_balances_and_is_another_one(places):
    """Water and carbon are conserved; parameters and equations of the model together no longer give the truth's dynamics."""
    _, forcing, static, _ = places
    ecology, step = nature_of("other", static)
    state = None
    for _ in range(3):
        series, end = truth.simulate(forcing, ecology, ecology.soil, CONSTANTS, state, step=step)
        start, state = state, end
    before = np.concatenate([sum(start[s] for s in truth.STORAGES)[:, None], series["tws"][:, :-1]], axis=1)
    closure = series["corrected_precipitation"] - series["et"] - series["runoff"] - (series["tws"] - before)
    assert np.abs(closure).max() < 1e-9
    np.testing.assert_allclose(series["nee"], series["ter"] - series["gpp"], atol=1e-12)
    assert (series["soil_moisture"] >= -1e-9).all() and (series["soil_evaporation"] >= 0).all()
    assert all(np.isfinite(values).all() for values in series.values())
    # the parameters that it gives are those with which the model's equations have its fluxes
    same, _ = truth.simulate(forcing, truth.prescribed(series), ecology.soil, CONSTANTS, start)
    for name in ("transpiration", "soil_evaporation", "runoff", "heterotrophic_respiration", "gpp"):
        np.testing.assert_allclose(same[name], series[name], rtol=1e-6, atol=1e-9)
    usual, _ = nature_of("model", static)
    assert type(usual) is Ecology and nature_of("model", static)[1] is truth.water_and_carbon
    model, _ = truth.simulate(forcing, usual, usual.soil, CONSTANTS, start)
    for name in ("transpiration", "heterotrophic_respiration"):
        differ = np.abs(model[name] - series[name]).mean() / series[name].mean()
        assert 0.05 < differ < 1, name
    # respiration lags: for the same temperature of the air it is higher when the year cools than when it warms
    germany = list(PLACES).index("germany")
    celsius, respiration = forcing["air_temperature"][germany] - 273.15, series["basal_respiration"][germany]
    day = np.arange(celsius.size) % 365
    mild = (celsius > 4) & (celsius < 10)
    autumn, spring = respiration[mild & (day > 240)], respiration[mild & (day < 150)]
    assert autumn.mean() > 1.1 * spring.mean()


def test_co2_rises_as_steeply_as_asked_from_the_same_start():
    days = pd.date_range("2014-01-01", "2017-12-31")
    place = survey(np.array([51.0]), np.array([10.0]))
    one, two = (Weather(days, 0, trend).at(place, 0)["co2"][:, 0] for trend in (1.0, 2.0))
    rise = one[-365:].mean() - one[:365].mean()
    assert two[-365:].mean() - two[:365].mean() == pytest.approx(2 * rise, rel=0.05)
    assert two[0] == pytest.approx(one[0], abs=1e-9)


def test_the_nature_is_a_key_of_the_configuration(tmp_path):
    for name in ("model", "other"):
        config = configuration(resolution=30.0, twin={"models": 1, "nature": name}, end="2014-12-31")
        twin.generate(config, tmp_path / name)
    one, two = (xr.load_dataset(tmp_path / name / "truth.nc") for name in ("model", "other"))
    np.testing.assert_array_equal(one["snowfall"], two["snowfall"])
    assert float(np.abs(one["heterotrophic_respiration"] - two["heterotrophic_respiration"]).max()) > 0.1
    assert float(one["q10"]) == float(two["q10"])
