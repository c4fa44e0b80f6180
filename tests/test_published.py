"""The study's own inputs and targets: a small Zarr store in their layout, and what our store makes of it."""

import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from h2cm import config, store
from h2cm.config import ConfigError
from h2cm.sources import published
from h2cm.sources.catalogue import PATH
from h2cm.store import DataError

pytest.importorskip("zarr")

LAT, LON = np.arange(59.5, 54, -1.0), np.arange(5.5, 10, 1.0)  # rows from north to south
DAYS = pd.date_range("2014-12-01", "2016-12-31")
MONTHS = pd.date_range("2014-12-01", "2016-12-01", freq="MS")
RANGES = {"rn": (-20, 200), "prec": (0, 20), "tair": (260, 300), "vpd": (0, 20), "co2": (390, 410)}


def field(times, low, high, seed):
    values = np.random.default_rng(seed).uniform(low, high, (len(times), LAT.size, LON.size)).astype("f4")
    return xr.DataArray(values, {"time": times, "lat": LAT, "lon": LON}, ("time", "lat", "lon"), "data")


@pytest.fixture(scope="module")
def arrays():
    """Each group's array, in the layout of the record."""
    groups = {name: field(DAYS, *limits, i) for i, (name, limits) in enumerate(RANGES.items())}
    groups["swe_bc"] = field(DAYS, 0, 100, 10)
    groups["fapar"] = field(pd.date_range("2014-12-03", "2016-12-31", freq="8D"), 0, 1, 11)
    for i, (name, limit) in enumerate(
        {"tws": 100, "et_xbase": 5, "q_v2": 5, "gpp": 10, "nee": 5, "nee_iav": 1}.items()
    ):
        groups[name] = field(MONTHS, 0, limit, 20 + i)
    groups["tws"] = groups["tws"].drop_sel(time=["2015-03-01", "2015-04-01"])  # a gap of GRACE
    groups["nee"][5, 1, 2] = np.nan
    mask = np.ones((LAT.size, LON.size), "i8")
    mask[0, 0] = mask[3, 2] = 0
    groups["mask"] = xr.DataArray(mask, {"lat": LAT, "lon": LON}, ("lat", "lon"), "data")
    groups["cue"] = field(DAYS[:1], 0.3, 0.6, 30)[0].drop_vars("time")
    groups["grid_area"] = (groups["cue"] * 0 + 1e10 * np.cos(np.radians(groups["cue"].lat))).rename("data")
    static = np.random.default_rng(31).random((30, LAT.size, LON.size)).astype("f4")
    groups["static"] = xr.DataArray(
        static, {"variable": [f"s{i}" for i in range(30)], "lat": LAT, "lon": LON}, ("variable", "lat", "lon"), "data"
    )
    return {name: data.assign_attrs(mean=float(data.mean()), std=float(data.std())) for name, data in groups.items()}


@pytest.fixture(scope="module")
def record(arrays, tmp_path_factory):
    """The unpacked record: the store stands in a folder below."""
    folder = tmp_path_factory.mktemp("published")
    for name, data in arrays.items():
        data.to_dataset(name="data").to_zarr(folder / "record" / "data.zarr", group=name, mode="a", zarr_format=2)
    return folder


@pytest.fixture(scope="module")
def run():
    whole = config.load(PATH.with_name("published.yaml"))
    period = whole.period.model_copy(update={"start": date(2015, 1, 1), "end": date(2016, 12, 31)})
    return whole.model_copy(update={"period": period})


@pytest.fixture(scope="module")
def data(record, run):
    return published.read(record, run).load()


def test_cells_are_those_of_the_mask_in_the_stores_order(data):
    assert data.sizes["cell"] == LAT.size * LON.size - 2
    cells = list(zip(data.lat.values, data.lon.values, strict=True))
    assert cells == sorted(cells)
    assert (59.5, 5.5) not in cells
    assert (56.5, 7.5) not in cells


def test_values_are_at_their_cells_and_days(data, arrays):
    for cell, day in ((0, 0), (7, 200), (22, 730)):
        lat, lon = data.lat.values[cell], data.lon.values[cell]
        here = data["air_temperature"].isel(cell=cell, time=day)
        assert float(here) == float(arrays["tair"].sel(lat=lat, lon=lon, time=here.time))
    assert data.sizes["time"] == 731
    assert float(data["area"][0]) == pytest.approx(1e10 * np.cos(np.radians(54.5)), rel=1e-6)


def test_months(data, arrays):
    assert list(data.month.values) == list(MONTHS[1:].values)
    lat, lon = data.lat.values[3], data.lon.values[3]
    feb = arrays["fapar"].sel(lat=lat, lon=lon).sel(time="2016-02")
    assert float(data["fapar"].isel(cell=3).sel(month="2016-02-01")) == pytest.approx(float(feb.mean()), rel=1e-6)
    snow = arrays["swe_bc"].sel(lat=lat, lon=lon).sel(time="2015-06")
    assert snow.size == 30
    assert float(data["swe"].isel(cell=3).sel(month="2015-06-01")) == pytest.approx(float(snow.mean()), rel=1e-5)
    gap = data["tws"].isnull().all("cell")
    assert list(gap.month.values[gap]) == list(pd.to_datetime(["2015-03-01", "2015-04-01"]).values)
    assert int(data["nee_oco2"].isnull().sum()) == 1


def test_static_attributes_keep_their_names(data):
    assert data["static"].dims == ("cell", "feature")
    assert list(data.feature.values) == [f"s{i}" for i in range(30)]


def test_written_store_opens_and_is_whole(record, run, tmp_path):
    published.write(published.read(record, run), tmp_path, "doi")
    opened = store.open_store(tmp_path)
    assert set(opened.data_vars) == {"area", *published.GROUPS}
    xr.testing.assert_allclose(opened["gpp"].drop_attrs(), published.read(record, run)["gpp"].load().drop_attrs())
    assert {p.name for p in tmp_path.iterdir()} == {"grid.nc", *(f"{name}.nc" for name in published.GROUPS)}


def test_only_the_constraints_of_the_run_are_taken(record, run):
    few = run.model_copy(update={"constraints": {"gpp": run.constraints["gpp"]}})
    roles = {store.VARIABLES[name].role: name for name in published.read(record, few).data_vars}
    assert roles["constraint"] == "gpp"
    assert "tws" not in published.read(record, few)


def changed(record, tmp_path, arrays, group, change):
    """The record with one group changed."""
    copy = tmp_path / "copy"
    shutil.copytree(record, copy)
    path = published.find(copy)
    shutil.rmtree(path / group)
    new = change(arrays[group])
    if new is not None:
        new.to_dataset(name="data").to_zarr(path, group=group, mode="a", zarr_format=2)
    return copy


@pytest.mark.parametrize(
    ("group", "change", "message"),
    [
        ("gpp", lambda a: None, "group gpp: expected an array `data`"),
        (
            "co2",
            lambda a: a.drop_sel(time=["2015-05-05"]),
            "co2: 1 days of the period are missing, the first is 2015-05-05",
        ),
        ("co2", lambda a: xr.concat([a, a[-1:]], "time"), "co2: 2016-12-31 is there more than once"),
        ("gpp", lambda a: a.assign_attrs(units="W m-2"), "gpp: unit 'W m-2' cannot be turned into 'g m-2 day-1'"),
        ("tws", lambda a: a.rename(lat="y"), "tws: expected dimensions lat and lon"),
        ("nee", lambda a: a.sel(time=slice("2014-12", "2014-12")), "nee: expected some time step from 2015-01-01"),
    ],
)
def test_what_does_not_fit_is_named(record, tmp_path, arrays, run, group, change, message):
    with pytest.raises(DataError, match=message):
        published.read(changed(record, tmp_path, arrays, group, change), run)


def test_a_unit_that_is_stated_is_converted(record, tmp_path, arrays, run, data):
    def to_centimetres(array):
        return (array / 10).assign_attrs(units="cm")

    other = published.read(changed(record, tmp_path, arrays, "tws", to_centimetres), run)
    np.testing.assert_allclose(other["tws"], data["tws"], rtol=1e-6)


def test_impossible_values_are_refused_when_written(record, tmp_path, arrays, run):
    celsius = changed(record, tmp_path, arrays, "tair", lambda a: a - 273.15)
    with pytest.raises(DataError, match=r"air_temperature: .* outside the possible range 180 to 340 K"):
        published.write(published.read(celsius, run), tmp_path / "store", "doi")


def test_another_resolution_is_refused(record, run):
    grid = run.grid.model_copy(update={"resolution": 0.5})
    with pytest.raises(ConfigError, match=r"published data are on 1 degrees, got 0.5"):
        published.read(record, run.model_copy(update={"grid": grid}))


def test_no_store_there(tmp_path, run):
    with pytest.raises(DataError, match=r"expected one Zarr store .* found 0"):
        published.read(Path(tmp_path), run)


def test_the_target_of_anomalies_says_so(data, tmp_path):
    said = {name for name in data.data_vars if store.holds_anomalies(data[name])}
    assert said == {"nee_carboscope"}
    published.write(data[["area", "nee_carboscope"]], tmp_path, "test")
    assert store.holds_anomalies(xr.load_dataset(tmp_path / "nee_carboscope.nc")["nee_carboscope"])
