"""Damaged inputs: each is refused with a plain message, or changes nothing.

The kinds of damage are those of `damage.py`; `TRIES` says how often each is tried. All are drawn from seeds.
"""

from __future__ import annotations

import itertools
import logging
import subprocess
import sys
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

import damage
from climates import climate, make_store, model_for
from conftest import ROOT
from h2cm import netcdf, store
from h2cm.config import parse
from h2cm.model import prediction, weights
from h2cm.sources import products
from h2cm.sources.harmonise import harmonise
from h2cm.sources.products import mauna_loa, raster
from h2cm.space import regrid
from h2cm.space.grid import Grid, land_cells
from h2cm.store import DataError
from h2cm.train import loop, roles, train

TRIES = {"a file of ours": 60, "a table": 60, "weights of a grid": 10, "a raster": 10, "a product's bytes": 10}
"""How often each kind of damage is tried on each file, with another seed."""

OURS = ("weights", "checkpoint", "store", "grid", "daily", "monthly")
NUMBER = itertools.count()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One file of each kind that is written and read again, and what reads it."""
    folder = tmp_path_factory.mktemp("made")
    data = make_store(cells=10, years=1).isel(time=slice(0, 90), month=slice(0, 3))
    table = pd.DataFrame({"cell": range(10), "fold_0": ["train"] * 5 + ["validation"] * 3 + ["test"] * 2})
    config = parse(
        {
            "run": "test",
            "source": "twin",
            "constraints": {"gpp": {"prediction": "gpp", "compare": "monthly"}},
            "training": {"epochs": 1, "device": "cpu"},
            "split": {"folds": 2},
            "model": {"backend": "eager"},
        }
    )
    train(data, table, config, "cv", [0], folder)
    fold = folder / "training/cv/fold_0"
    prediction.write(weights.load(fold / "model.safetensors", "eager"), data, folder, ["nee"], ["gpp"])
    store.write(data["air_temperature"].drop_vars(["lat", "lon"]), folder / "air_temperature.nc", "test")
    store.write(data["area"].assign_attrs(units="m2"), folder / "grid.nc", "test")
    return {
        "weights": (fold / "model.safetensors", weights.load),
        "checkpoint": (fold / "checkpoint_0.pt", loop.read_checkpoint),
        "store": (folder / "air_temperature.nc", store.load),
        "grid": (folder / "grid.nc", store.load),
        "daily": (folder / "daily.nc", netcdf.load),
        "monthly": (folder / "monthly.nc", netcdf.load),
    }


def fresh(folder: Path, like: Path, content: bytes) -> Path:
    """A file of a name that was never there: the libraries remember files."""
    path = folder / f"{next(NUMBER)}_{like.name}"
    path.write_bytes(content)
    return path


def assert_plain(error: BaseException, *words: str) -> None:
    assert isinstance(error, DataError), f"{type(error).__name__}: {error}"
    text = str(error)
    assert "expected" in text or "outside the possible range" in text or "missing" in text, text
    for word in words:
        assert word in text, text


@pytest.mark.parametrize("kind", damage.BYTES)
@pytest.mark.parametrize("what", OURS)
def test_damage_to_a_file_of_ours_is_refused(made, tmp_path, caplog, what, kind):
    original, read = made[what]
    content = original.read_bytes()
    for seed in range(TRIES["a file of ours"]):
        path = fresh(tmp_path, original, damage.damaged(content, kind, np.random.default_rng([seed, 1])))
        if what == "checkpoint":
            caplog.clear()
            assert read(path) is None
            assert f"{path} is damaged" in caplog.text and "training starts anew" in caplog.text
        else:
            with pytest.raises(DataError) as raised:
                read(path)
            assert_plain(raised.value, str(path), "start again")
        path.unlink()


def test_what_is_not_damaged_is_read(made):
    for path, read in made.values():
        assert read(path) is not None


def test_a_damaged_checkpoint_is_not_resumed_from(made, tmp_path, caplog):
    path, _ = made["checkpoint"]
    content = bytearray(path.read_bytes())
    content[-1000] ^= 4
    fold = type("Fold", (), {"average": None})()
    assert not loop.load_checkpoint(fold, fresh(tmp_path, path, bytes(content)), "mark")
    assert vars(fold) == {} and "training starts anew" in caplog.text


def test_weights_that_are_not_finite_are_neither_written_nor_read(tmp_path, monkeypatch):
    forcing = climate("mixed", 4, 30, np.random.default_rng(0))
    model = model_for(forcing, np.random.default_rng(0).normal(size=(4, 3)).astype("f4"))
    clean = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    tried = 0
    for name, tensor in clean.items():
        for value in (float("nan"), float("-inf")):
            if not tensor.is_floating_point() or (name.endswith("_std") and value == float("-inf")):
                continue
            wrong = {n: t.clone() for n, t in clean.items()}
            wrong[name].view(-1)[-1] = value
            with pytest.raises(DataError, match=f"{name}: expected finite weights"):
                weights.write(wrong, tmp_path / "a.safetensors", {"features": []})
            with monkeypatch.context() as patch:
                patch.setattr(weights, "_check_finite", lambda *_: None)
                weights.write(wrong, tmp_path / "b.safetensors", {"features": []})
            with pytest.raises(DataError, match=rf"b\.safetensors: {name}: expected finite weights"):
                weights.load(tmp_path / "b.safetensors")
            tried += 1
    assert tried > 40 and not (tmp_path / "a.safetensors").exists()


def test_predictions_that_are_not_finite_are_not_written(made, tmp_path):
    path, _ = made["weights"]
    model = weights.load(path, "eager")
    model.forcing_std[0] = 1e-38  # overflows float32
    data = make_store(cells=3, years=1).isel(time=slice(0, 40), month=slice(0, 1))
    with pytest.raises(
        DataError, match=r"prediction: \w+: expected finite values, .* cells, the first at lat -50, lon"
    ):
        prediction.write(model, data, tmp_path, ["gpp"], ["gpp"])
    assert not list(tmp_path.iterdir())


# The store: sealed, but not what its rows say.


def _value(value):
    def act(data):
        values = data.values.copy()
        values.reshape(-1)[values.size // 2] = value
        return data.copy(data=values)

    return act


def _times(function):
    return lambda data: data.assign_coords(time=function(data["time"].values))


FORCING = {
    "NaN": _value(np.nan),
    "infinity": _value(np.inf),
    "fill value": _value(-9999.0),
    "default fill value": _value(9.969209968386869e36),
    "no unit": lambda data: data.drop_attrs(),
    "unit": lambda data: data.assign_attrs(units="furlong"),
    "turned": lambda data: data.transpose("time", "cell"),
    "reversed times": _times(lambda t: t[::-1]),
    "repeated times": _times(lambda t: np.r_[t[:1], t[:-1]]),
    "times within the day": _times(lambda t: t + np.timedelta64(6, "h")),
    "no day": lambda data: data.isel(time=slice(0, 0)),
    "text": lambda data: data.astype(str),
}
OTHERS = {
    "air_temperature": {"in °C": lambda data: data - 273.15},
    "co2": {"in ppb": lambda data: data * 1000, "in mol mol-1": lambda data: data * 1e-6},
    "precipitation": {"negative": lambda data: -data - 1, "in m": lambda data: data - 1e-3},
    "vapour_pressure_deficit": {"in Pa": lambda data: data * 100, "negative": lambda data: data - 50},
    "net_radiation": {"in J": lambda data: data * 86400},
    "area": {
        "negative": lambda data: -data,
        "none": lambda data: data * 0,
        "NaN": _value(np.nan),
        "in km2": _value(-1.0),
    },
    "static": {"NaN": _value(np.nan), "infinity": _value(np.inf), "too large for float32": lambda data: data * 1e39},
    "gpp": {"infinity": _value(np.inf), "in kg s-1": lambda data: data - 100, "turned": lambda data: data.T},
    "fapar": {"in %": lambda data: data * 0 + 40},
    "cue": {"above 1": _value(1.5)},
}
STORE = [(name, kind, act) for name in store.VARIABLES if name in OTHERS for kind, act in OTHERS[name].items()]
STORE += [
    (name, kind, act)
    for name in ("net_radiation", "precipitation", "air_temperature", "vapour_pressure_deficit", "co2")
    for kind, act in FORCING.items()
]


@pytest.mark.parametrize(("name", "kind", "act"), STORE, ids=[f"{name}, {kind}" for name, kind, _ in STORE])
def test_a_store_is_checked_on_reading_as_on_writing(tmp_path, name, kind, act):
    """By one function (`h2cm.store.check`): sealed files with impossible content are refused, and not written."""
    units = {"static": "1", "area": "m2"} | {n: store.VARIABLES[n].units for n in OTHERS}
    data = make_store(cells=6, years=1)[name].assign_attrs(units=units[name])
    data = data.clip(max=1.0) if name == "fapar" else data
    store.check(data, "good")
    wrong, path = act(data).rename(name), tmp_path / f"{name}.nc"
    store.save_netcdf(wrong.to_dataset(), path)
    with pytest.raises(DataError) as raised:
        store.load(path)
    assert_plain(raised.value, str(path), name)
    if kind != "text":
        with pytest.raises(DataError) as raised:
            store.write(wrong, tmp_path / "again.nc", "a product")
        assert_plain(raised.value, "a product", name)
        assert not (tmp_path / "again.nc").exists()


# Products: whole files, damaged in what they say.

RUN = {"period": {"start": "2003-01-01", "end": "2003-12-31"}, "grid": {"resolution": 15.0}}
GRID = Grid(15.0)


def earth(times, level: float, amplitude: float, noise: float, south: float = -1.0) -> xr.DataArray:
    """A field with the tropics above the poles, summers above winters (times `south` beyond the equator), and noise."""
    lat, lon = np.meshgrid(GRID.lat, GRID.lon, indexing="ij")
    season = np.cos(2 * np.pi * (times.day_of_year.to_numpy() - 196) / 365)[:, None, None]
    hemisphere = np.sin(np.radians(lat)) * np.where(lat > 0, 1, -south)
    field = level * (1 + 0.8 * np.cos(np.radians(3 * lat)) + 0.4 * np.sin(np.radians(2 * lon)))
    made = (
        field + amplitude * season * hemisphere + noise * np.random.default_rng(0).normal(size=(len(times), *lat.shape))
    )
    return xr.DataArray(made, {"time": times, "lat": GRID.lat, "lon": GRID.lon}, ("time", "lat", "lon"))


MONTHS, DAYS = pd.date_range("2003-01-01", "2003-12-01", freq="MS"), pd.date_range("2003-01-01", "2003-12-31")
COMPOSITES = pd.date_range("2003-01-01", "2003-12-31", freq="8D")
PRODUCTS = {
    "gpp": ("fluxcom", "gpp", lambda: earth(MONTHS, 2.2, 2.0, 0.5).clip(0.01)),
    "et": ("fluxcom", "et", lambda: earth(MONTHS, 1.2, 0.9, 0.2).clip(0.01)),
    "runoff": ("grun", "runoff", lambda: earth(MONTHS, 0.8, 0.3, 0.5).clip(0.001)),
    "tws": ("grace", "tws", lambda: earth(MONTHS, 3.0, -60.0, 60.0)),
    "fapar": ("modis_fapar", "fapar", lambda: earth(COMPOSITES, 0.33, 0.15, 0.02).clip(0.01, 0.95)),
    "precipitation": ("gpcp", "precipitation", lambda: earth(DAYS, 2.0, 1.2, 4.0).clip(0.0)),
}
UNSEEN = {
    ("runoff", "half a year later"), ("tws", "half a year later"),  # no season that holds everywhere
    ("runoff", "upside down"), ("tws", "upside down"),
    ("tws", "times -1"), ("tws", "scale_factor -1"),  # an anomaly with its sign turned
}  # fmt: skip
"""What cannot be told from one product of all land: docs/trust.md says so."""

TOLERANCE = 0.02
"""Of the standard deviation of a field: what its own noise hides."""


@pytest.fixture(scope="module", params=PRODUCTS)
def product(request, tmp_path_factory):
    """A product's file, its variable and axis of time, and what is made of it."""
    product, name, make = PRODUCTS[request.param]
    folder = tmp_path_factory.mktemp("products")
    if product == "gpcp":
        (file,) = products.module("gpcp").write(xr.Dataset({name: make()}), folder / "good" / product, split="year")
    else:
        (file,) = products.write(product, xr.Dataset({name: make()}), folder / "good" / product)
    with netCDF4.Dataset(file) as raw:
        (variable,) = [n for n, v in raw.variables.items() if v.ndim == 3]
        axis = raw[variable].dimensions[0]
    return request.param, product, file, variable, axis, harmonised(request.param, product, file)


CONFIG = {"run": "t", "source": "products", "constraints": {"gpp": {"prediction": "gpp", "compare": "monthly"}}} | RUN


def harmonised(name: str, product: str, file: Path) -> np.ndarray:
    local = {product: {"folder": str(file.parent), "pattern": file.name}}
    return harmonise(name, parse(CONFIG | {"products": {"local": local}}), file.parent, CELLS).values


CELLS = land_cells(parse(CONFIG))


@pytest.mark.parametrize("kind", [*damage.VALUES, *damage.TIMES])
def test_damage_to_a_product_is_refused_or_changes_nothing(product, tmp_path, kind):
    name, of, original, variable, axis, expected = product
    if (name, kind) in UNSEEN:
        return
    path = tmp_path / original.name
    path.write_bytes(original.read_bytes())
    rng = np.random.default_rng([1, len(kind)])
    with netCDF4.Dataset(path, "a") as file:
        acts = damage.TIMES if kind in damage.TIMES else damage.VALUES
        acts[kind](file, axis if kind in damage.TIMES else variable, rng)
    assert_refused_or_equal(lambda: harmonised(name, of, path), expected, of)


def assert_refused_or_equal(make, expected: np.ndarray, product: str) -> None:
    try:
        found = make()
    except Exception as error:  # whatever it is: it must be plain
        assert_plain(error, product)
        return
    assert (np.isnan(found) == np.isnan(expected)).mean() > 0.9, "values are lost without a word"
    both = np.isfinite(found) & np.isfinite(expected)
    assert np.sqrt(np.mean((found[both] - expected[both]) ** 2)) <= TOLERANCE * expected[both].std()


@pytest.mark.parametrize("code", [-999.0, -9999.0, -99999.0, -32768.0])
@pytest.mark.parametrize("name", PRODUCTS)
def test_missing_values_that_nothing_declares(tmp_path, name, code):
    """Storage in cm may be -999 as far as physics goes; what is exactly a code is one."""
    of, variable, make = PRODUCTS[name]
    data = xr.Dataset({variable: make()})
    split = {"split": "year"} if of == "gpcp" else {}
    expected = harmonised(name, of, products.module(of).write(data, tmp_path / "a", **split)[0])
    (path,) = products.module(of).write(data, tmp_path / "b", **split)
    with netCDF4.Dataset(path, "a") as file:
        (stands,) = [n for n, v in file.variables.items() if v.ndim == 3]
        if file[stands].dtype.kind != "f":
            return
        damage._some(code, 0.0)(file, stands, np.random.default_rng(0))
    assert_refused_or_equal(lambda: harmonised(name, of, path), expected, of)


def test_the_same_daily_file_twice(tmp_path, caplog):
    """One warning, and nothing is counted twice; other values on the same days are an error that says how many."""
    (file,) = products.module("gpcp").write(
        xr.Dataset({"precipitation": earth(DAYS, 2, 1, 1).clip(0)}), tmp_path, split="year"
    )
    twice = file.with_name(file.name.replace("c20170530", "c20200101"))
    twice.write_bytes(file.read_bytes())
    with products.read("gpcp", [file]) as once, products.read("gpcp", [file, twice]) as both:
        xr.testing.assert_equal(once.load(), both.load())
    warned = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warned) == 1 and "holds 365 steps from 2003-01-01 00:00:00 to 2003-12-31 00:00:00 twice" in caplog.text
    with netCDF4.Dataset(twice, "a") as raw:
        raw["precip"][100:103] = 5.0
    with pytest.raises(DataError, match=r"holds 2003-04-11 .* different values \(3 of the 365 steps that come twice\)"):
        products.read("gpcp", [file, twice])


def test_damaged_bytes_of_a_product(product, tmp_path):
    """In a process of its own, as HDF5 may crash or hang in a damaged file: `damaged_bytes.py`; what it reads is what was written."""
    name, of, original, *_ = product
    tries = TRIES["a product's bytes"] * len(damage.BYTES)
    child = [
        sys.executable,
        str(ROOT / "tests" / "damaged_bytes.py"),
        name,
        of,
        str(original),
        str(tmp_path),
        str(tries),
    ]
    outcomes: list[str] = []
    while len(outcomes) < tries:  # what ends the process is one outcome, and the next begins after it
        said = subprocess.run([*child, str(len(outcomes))], capture_output=True, text=True, timeout=600)
        outcomes += said.stdout.splitlines()
        if len(outcomes) < tries:
            outcomes.append(f"ended {said.returncode}")
    wrong = [text for text in outcomes if not text.startswith(("refused", "same", "ended"))]
    assert len(outcomes) == tries and not wrong, wrong[:3]
    ended = [text for text in outcomes if text.startswith("ended")]
    assert len(ended) <= 0.02 * tries, ended  # the library's own; a job ends with it, and nothing is written


# Tables, rasters, kept weights.


@pytest.mark.parametrize("kind", damage.BYTES)
def test_damage_to_the_record_of_co2(tmp_path, kind):
    original = ROOT / "tests" / "data" / "co2_mm_mlo.csv"
    expected = mauna_loa.read([original])["co2"]
    for seed in range(TRIES["a table"]):
        path = fresh(tmp_path, original, damage.damaged(original.read_bytes(), kind, np.random.default_rng([seed, 2])))
        try:
            found = mauna_loa.read([path])["co2"]
        except Exception as error:
            assert_plain(error, str(path))
            continue
        common = np.intersect1d(found["time"], expected["time"])
        assert common.size and np.isin(found["time"], expected["time"]).all()
        difference = np.abs(found.sel(time=common) - expected.sel(time=common))
        assert float(difference.max()) < 2 * mauna_loa.JUMP


@pytest.mark.parametrize("kind", damage.BYTES)
def test_damage_to_the_split_table(tmp_path, kind):
    table = pd.DataFrame({"cell": range(20), "lat": 1.5, "fold_0": ["train", "validation", "test", "train"] * 5})
    original = tmp_path / "split.csv"
    store.save_csv(table, original)
    expected = roles(table, 0, 20)
    for seed in range(TRIES["a table"]):
        path = fresh(tmp_path, original, damage.damaged(original.read_bytes(), kind, np.random.default_rng([seed, 3])))
        try:
            found = roles(store.read_csv(path), 0, 20)
        except Exception as error:
            assert_plain(error, "split")
            continue
        assert all(np.array_equal(np.sort(one), two) for one, two in zip(found, expected, strict=True))


@pytest.mark.parametrize("kind", damage.BYTES)
def test_damaged_weights_of_a_grid_are_computed_anew(tmp_path, caplog, kind):
    source, target = (regrid.target_of(Grid(degrees)) for degrees in (10.0, 20.0))
    field = np.random.default_rng(0).normal(size=Grid(10.0).cell_area().shape + Grid(10.0).lon.shape)
    expected = regrid.weights(source, target).apply(field[None])
    regrid.weights.cache_clear()
    regrid.weights(source, target, cache=tmp_path)
    (kept,) = tmp_path.iterdir()
    content = kept.read_bytes()
    for seed in range(TRIES["weights of a grid"]):
        kept.write_bytes(damage.damaged(content, kind, np.random.default_rng([seed, 4])))
        regrid.weights.cache_clear()
        np.testing.assert_array_equal(regrid.weights(source, target, cache=tmp_path).apply(field[None]), expected)
    regrid.weights.cache_clear()


@pytest.mark.parametrize("kind", damage.BYTES)
def test_damage_to_a_map_of_classes(tmp_path, kind):
    rng = np.random.default_rng(0)
    classes = xr.DataArray(
        rng.integers(0, 5, (60, 120)).astype("u1"), {"lat": np.arange(-88.5, 90, 3), "lon": np.arange(-178.5, 180, 3)}
    )
    original = tmp_path / "good.tif"
    raster.write_geotiff(original, classes.rename(dim_0="lat", dim_1="lon") if "dim_0" in classes.dims else classes)
    expected = products.read("tootchi", [original]).load()
    for seed in range(TRIES["a raster"]):
        path = fresh(tmp_path, original, damage.damaged(original.read_bytes(), kind, np.random.default_rng([seed, 5])))
        try:
            found = products.read("tootchi", [path]).load()
        except Exception as error:
            assert isinstance(error, DataError) and path.name in str(error), repr(error)
            continue
        assert found.sizes == expected.sizes  # the pixels of a raster carry no checksum: docs/trust.md says so


def test_at_least_2000_inputs_are_tried():
    kinds = len(damage.BYTES)
    tried = {
        "files of ours": len(OURS) * kinds * TRIES["a file of ours"],
        "stores": len(STORE),
        "products": len(PRODUCTS) * (len(damage.VALUES) + len(damage.TIMES)) - len(UNSEEN),
        "bytes of products": len(PRODUCTS) * kinds * TRIES["a product's bytes"],
        "tables": 2 * kinds * TRIES["a table"],
        "rasters, weights of grids": kinds * (TRIES["a raster"] + TRIES["weights of a grid"]),
    }
    print(f"damaged inputs: {sum(tried.values())}: {tried}")
    assert sum(tried.values()) >= 2000
    assert torch.isfinite(torch.zeros(1)).all()
