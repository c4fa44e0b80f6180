"""`h2cm.open` and `h2cm.predict` as somebody uses them who has data of their own: units, axes, folds, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import h2cm
from climates import make_store, model_for
from h2cm.model import FORCING, weights
from h2cm.store import DataError

OUTPUTS = ["gpp", "nee", "tws"]


@pytest.fixture(scope="module")
def store():
    return make_store(cells=6, years=1).isel(time=slice(0, 60), month=slice(0, 2))


@pytest.fixture(scope="module")
def folds(store, tmp_path_factory):
    """An experiment of three folds with random weights."""
    folder = tmp_path_factory.mktemp("training") / "cv"
    forcing = np.stack([store[name].values for name in FORCING], -1)
    for fold in range(3):
        features = tuple(store["feature"].values)
        model = model_for(forcing, store["static"].values, seed=fold)
        weights.save(model, folder / f"fold_{fold}/model.safetensors", features, experiment="cv", fold=fold)
    return folder


@pytest.fixture(scope="module")
def model(folds):
    return h2cm.load(folds / "fold_0/model.safetensors")


@pytest.fixture(scope="module")
def expected(model, store):
    return h2cm.predict(model, store, OUTPUTS)


def with_unit(store, name, units, scale=1.0, offset=0.0):
    return store.assign({name: (store[name] * scale + offset).assign_attrs(units=units)})


def test_the_package_shows_what_it_offers():
    assert {"load", "open", "predict", "H2CM"} <= set(dir(h2cm))


@pytest.mark.parametrize(
    ("name", "units", "scale", "offset"),
    [
        ("air_temperature", "degC", 1.0, -273.15),
        ("air_temperature", "°C", 1.0, -273.15),
        ("air_temperature", "celsius", 1.0, -273.15),
        ("precipitation", "kg m-2 s-1", 1 / 86400, 0.0),
        ("precipitation", "kg m**-2 s**-1", 1 / 86400, 0.0),
        ("precipitation", "m s-1", 1e-3 / 86400, 0.0),
        ("vapour_pressure_deficit", "Pa", 100.0, 0.0),
        ("vapour_pressure_deficit", "kPa", 0.1, 0.0),
        ("co2", "mol mol-1", 1e-6, 0.0),
        ("co2", "1", 1e-6, 0.0),
        ("co2", "umol mol-1", 1.0, 0.0),
        ("net_radiation", "J m-2 day-1", 86400.0, 0.0),
        ("net_radiation", "MJ m-2 day-1", 0.0864, 0.0),
    ],
)
def test_units_are_read_and_converted(model, store, expected, name, units, scale, offset):
    given = with_unit(store, name, units, scale, offset)
    read = h2cm.open(given)[name]
    assert read.attrs["units"] == store[name].attrs["units"]
    np.testing.assert_allclose(read, store[name], rtol=2e-5, atol=2e-4)
    found = h2cm.predict(model, given, OUTPUTS)
    for output in OUTPUTS:
        np.testing.assert_allclose(found[output], expected[output], rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        # the numbers of other units that call themselves what the model takes
        (lambda s: with_unit(s, "air_temperature", "K", 1, -273.15), r"air_temperature: \d+ values outside .* 180 to 340 K"),
        (lambda s: with_unit(s, "vapour_pressure_deficit", "hPa", 100), r"vapour_pressure_deficit: .* 0 to 150 hPa"),
        (lambda s: with_unit(s, "co2", "ppm", 1e-6), r"co2: 360 values outside .* 300 to 700 ppm; the first is 0\.000"),
        (lambda s: with_unit(s, "net_radiation", "W m-2", 86400), r"net_radiation: .* -400 to 800 W m-2"),
        (lambda s: s.assign(precipitation=s["precipitation"].where(s["lat"] > -50, -9999.0)), r"precipitation: 60 values .* -9999 at cell 0"),
        (lambda s: s.assign(air_temperature=s["air_temperature"].where(s["lat"] > -50, -9999.0)), r"air_temperature: 60 values"),
        (lambda s: s.assign(static=s["static"].where(s["lat"] > -50, -9999.0)), r"static: .*-9999 at cell 0, feature attribute_0 looks"),
        # what cannot be converted
        (lambda s: with_unit(s, "net_radiation", "J m-2", 86400), r"net_radiation: expected W m-2, .*'J m-2' cannot be turned"),
        (lambda s: with_unit(s, "precipitation", "mm"), r"precipitation: expected mm day-1, .*'mm' cannot be turned"),
        (lambda s: with_unit(s, "precipitation", "mm month-1"), r"months have different lengths"),
        (lambda s: with_unit(s, "air_temperature", "C"), r"air_temperature: expected K"),
        (lambda s: s.assign(co2=s["co2"].drop_attrs()), r"co2: expected its unit in the attribute units \(ppm"),
        # what is not there
        (lambda s: s.drop_vars("co2"), r"expected net_radiation, .*; co2 not there"),
        (lambda s: s.drop_vars("static"), r"; static not there"),
        (lambda s: s.isel(time=0), r"expected forcing along an axis time"),
        (lambda s: s.assign(co2=s["co2"].where(s["time"] != s["time"][3])), r"co2: no value at cell 0 \(lat -50, lon -170\) on 2001-01-04"),
        (lambda s: s.isel(cell=0).assign(co2=s["co2"].isel(cell=0).where(s["time"] != s["time"][3])), r"co2: no value at cell 0 on 2001-01-04"),
    ],
)  # fmt: skip
def test_what_would_give_nonsense_is_refused(model, store, change, message):
    with pytest.raises(DataError, match=message):
        h2cm.predict(model, change(store), OUTPUTS)


def test_one_output_by_its_name(model, store, expected):
    found = h2cm.predict(model, store, "gpp")
    np.testing.assert_array_equal(found["gpp"], expected["gpp"])
    assert "nee" not in found
    with pytest.raises(DataError, match="gdp: not known; the model gives"):
        h2cm.predict(model, store, "gdp")


def test_a_single_cell(model, store, expected):
    found = h2cm.predict(model, store.isel(cell=4), OUTPUTS)
    assert found["gpp"].dims == ("time",) and found["soil_moisture_capacity"].dims == ()
    assert float(found["lat"]) == float(store["lat"][4])
    for output in OUTPUTS:
        np.testing.assert_allclose(found[output], expected[output].isel(cell=4), rtol=1e-5, atol=1e-5)


def test_places_of_another_name(model, store, expected):
    named = store.assign_coords(cell=list("abcdef")).rename(cell="site")
    found = h2cm.predict(model, named, "gpp")
    assert found["gpp"].dims == ("time", "site")
    np.testing.assert_array_equal(found["gpp"].sel(site="c"), expected["gpp"].isel(cell=2))


@pytest.fixture
def on_map(store):
    """The six cells on a map of two rows and four columns, of which two are sea; CO2 is one series for all."""
    lat, lon = [-10.0, 20.0], [0.0, 5.0, 10.0, 15.0]
    places = [(0, 0), (0, 1), (0, 3), (1, 0), (1, 2), (1, 3)]
    fields = {}
    for name in (*FORCING, "static"):
        rest = [d for d in store[name].dims if d != "cell"]
        field = np.full((2, 4, *(store.sizes[d] for d in rest)), np.nan, "f4")
        for cell, (row, column) in enumerate(places):
            field[row, column] = store[name].transpose("cell", ...)[cell]
        dims = (*rest, "latitude", "longitude") if rest == ["time"] else ("latitude", "longitude", *rest)
        field = np.moveaxis(field, 2, 0) if rest == ["time"] else field
        fields[name] = (dims, field, dict(store[name].attrs))
    fields["co2"] = ("time", store["co2"].values[0], dict(store["co2"].attrs))
    coords = {"latitude": lat, "longitude": lon, "time": store["time"], "feature": store["feature"]}
    return xr.Dataset(fields, coords), places


def test_a_map(model, store, on_map):
    data, places = on_map
    same_co2 = store.assign(co2=store["co2"].isel(cell=0).broadcast_like(store["co2"]).assign_attrs(units="ppm"))
    expected = h2cm.predict(model, same_co2, OUTPUTS)
    found = h2cm.predict(model, data, OUTPUTS)
    assert found["gpp"].dims == ("time", "lat", "lon") and found["soil_moisture_capacity"].dims == ("lat", "lon")
    assert found["gpp"].attrs["units"] == "g m-2 day-1" and found["q10"].dims == ()
    np.testing.assert_array_equal(found["lon"], [0, 5, 10, 15])
    for output in OUTPUTS:
        for cell, (row, column) in enumerate(places):
            values = found[output].isel(lat=row, lon=column)
            np.testing.assert_allclose(values, expected[output].isel(cell=cell), rtol=1e-5, atol=1e-5)
        assert np.isnan(found[output].values[:, 0, 2]).all() and np.isnan(found[output].values[:, 1, 1]).all()
    one = h2cm.predict(model, data.sel(latitude=20, longitude=10), "gpp")["gpp"]
    np.testing.assert_allclose(one, expected["gpp"].isel(cell=4), rtol=1e-5, atol=1e-5)
    row = h2cm.predict(model, data.isel(latitude=1, longitude=[0, 2]), "gpp")["gpp"]
    assert row.dims == ("time", "lon")
    np.testing.assert_allclose(row.isel(lon=1), expected["gpp"].isel(cell=4), rtol=1e-5, atol=1e-5)
    with pytest.raises(DataError, match="expected places with a value of every input"):
        h2cm.predict(model, data.isel(longitude=slice(1, 3)).where(data["latitude"] < -90), "gpp")


@pytest.mark.parametrize("way", ["loaded", "path"])
def test_the_folds_of_an_experiment(folds, store, way):
    found = h2cm.predict(h2cm.load(folds) if way == "loaded" else folds, store, "gpp")
    each = [h2cm.predict(h2cm.load(folds / f"fold_{k}"), store, "gpp") for k in range(3)]
    values = np.stack([one["gpp"].values for one in each])
    assert np.ptp(values, 0).max() > 0.01, "the folds differ"
    np.testing.assert_allclose(found["gpp"], np.median(values, 0), rtol=1e-6)
    np.testing.assert_array_equal(found["gpp_min"], values.min(0))
    np.testing.assert_array_equal(found["gpp_max"], values.max(0))
    assert found["gpp"].dims == each[0]["gpp"].dims and found["gpp_min"].attrs["units"] == "g m-2 day-1"
    assert found["gpp"].attrs["long_name"].endswith(", median of 3 folds")
    q10 = [float(one["q10"]) for one in each]
    assert float(found["q10_max"]) == pytest.approx(max(q10))
    on_place = h2cm.predict(folds, store.isel(cell=2), "gpp")
    np.testing.assert_allclose(on_place["gpp_max"], found["gpp_max"].isel(cell=2), rtol=1e-5, atol=1e-6)


def test_a_folder_without_weights_is_named(tmp_path):
    with pytest.raises(DataError, match=r"model\.safetensors: expected the weights of a trained fold"):
        h2cm.load(tmp_path)


def test_files_are_opened(store, tmp_path, model, expected):
    celsius = with_unit(store, "air_temperature", "degC", 1, -273.15)
    celsius[[*FORCING, "static"]].to_netcdf(tmp_path / "place.nc")
    opened = h2cm.open(tmp_path / "place.nc")
    assert opened["air_temperature"].attrs["units"] == "K"
    found = h2cm.predict(model, tmp_path / "place.nc", OUTPUTS)
    np.testing.assert_allclose(found["gpp"], expected["gpp"], rtol=2e-3, atol=2e-3)
    with pytest.raises(DataError, match="expected the netCDF files of a store, found none"):
        h2cm.open(tmp_path / "nowhere")
