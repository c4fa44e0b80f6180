"""The layouts in which the true files of the products were found, old and new, one test each."""

from __future__ import annotations

import logging

import netCDF4
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import product_files as make
from h2cm import store
from h2cm.config import parse
from h2cm.sources import catalogue, products
from h2cm.sources.harmonise import harmonise
from h2cm.store import DataError
from test_harmonise import CELL

LAT, LON = make.lat(), make.lon()
MAP = ("lat", "lon")
DAY_OF_YEAR = 365.25


@pytest.fixture(autouse=True)
def logged(caplog):
    caplog.set_level(logging.INFO)


def load(product, path, **options):
    with products.read(product, [path] if not isinstance(path, list) else path, **options) as data:
        return data.load()


def config(start, end, **options):
    row = {"prediction": "gpp", "compare": "monthly"}
    return parse(
        {
            "run": "t",
            "source": "products",
            "constraints": {"gpp": row},
            "period": {"start": start, "end": end},
            "grid": {"resolution": 90.0},
            "products": options,
        }
    )


# --- wetlands ------------------------------------------------------------------------------------------------------


def test_wetland_classes(tmp_path):
    """1 groundwater-driven, 2 regularly flooded, 3 both, 4 lakes, 0 none, 15 outside: one pixel of each."""
    path = tmp_path / "CW_TCI.tif"
    make.geotiff(path, np.array([[0, 1, 2], [3, 4, 15]], "u1"), 0, 60, 30)
    data = load("tootchi", path)
    names = ("groundwater_driven_wetlands", "regularly_flooded_wetlands", "wetlands", "lakes")
    found = {name: data[name].values[::-1].ravel() for name in names}
    expected = [[0, 1, 0, 1, 0], [0, 0, 1, 1, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 1]]
    for name, values in zip(names, expected):
        np.testing.assert_array_equal(found[name], [*values, np.nan], name)


# --- OCO-2 MIP -----------------------------------------------------------------------------------------------------


def oco2(
    folder,
    member,
    amount=365.25,
    start="start_date",
    steps=72,
    first="2015-01-01",
    unit="gC per m2 per year",
    dim="time",
):
    """A member as the archive's README describes it: short times without a unit, dates of three components."""
    months = pd.date_range(first, periods=steps, freq="MS")
    axes = {dim: steps, "latitude": LAT, "longitude": LON}
    land = (tuple(axes), np.full((steps, 4, 8), amount), {"dtype": "f4"} | ({"units": unit} if unit else {}))
    variables = {"land": land}
    if start:
        axes["date_component"] = 3
        dates = np.stack([months.year, months.month, np.full(steps, 15)], -1)  # one member has the middle of the months
        variables |= {start: ((dim, "date_component"), dates, {"dtype": "i2"})}
        variables["time"] = ((dim,), np.arange(steps), {"dtype": "i2"})
    return make.netcdf(folder / f"{member}_gridded_fluxes_LNLGIS.nc4", axes, variables)


def test_oco2_as_the_archive_has_it(tmp_path, caplog):
    files = [oco2(tmp_path, "Ames"), oco2(tmp_path, "LoFI", start=None), oco2(tmp_path, "CT", steps=70)]
    data = load("oco2_mip", files)
    assert list(data.member.values) == ["Ames", "LoFI", "CT"] and data.sizes["time"] == 70
    np.testing.assert_allclose(data["nee_total"], 1.0, rtol=1e-5)
    assert str(data.time.values[0])[:10] == "2015-01-01" and str(data.time.values[-1])[:7] == "2020-10"
    assert "taken as the 72 months from 2015-01" in caplog.text
    assert "oco2_mip: found land(time, latitude, longitude) in gC per m2 per year" in caplog.text
    assert "2 of 72 time steps are not in all of the ensemble, and are left out; not in CT" in caplog.text


def test_an_ensemble_goes_on_without_those_that_cannot_be_read(tmp_path):
    """Who is missing, and why, is said by the result; too few are an error."""
    folder = tmp_path / "oco2_mip"
    for member, amount in (("Ames", 365.25), ("Baker", 730.5)):
        oco2(folder, member, amount)
    oco2(folder, "LoFI", start=None, steps=71)
    oco2(folder, "CSU", unit="kg")
    oco2(folder, "OU", amount=-1e5)
    (folder / "UT_gridded_fluxes_LNLGIS.nc4").write_bytes(b"<html>")
    oco2(folder, "EnsMean", start=None, unit=None, dim="n_months", amount=1e6)
    make.gfed(tmp_path)
    run = config("2015-01-01", "2015-02-28")
    values = harmonise("nee_oco2", run, tmp_path, CELL)
    np.testing.assert_allclose(values[0], [1.5 - 1, 1.5 - 2], rtol=1e-5)  # fire is 1 and 2
    assert values.attrs["members"] == "Ames, Baker"
    for text in ("LoFI: neither start_date", "CSU: oco2_mip", "unit 'kg'", "OU: ", "UT: ", "expected a netCDF file"):
        assert text in values.attrs["left_out"], text
    assert "EnsMean" not in values.attrs["left_out"]
    with pytest.raises(
        DataError, match=r"at least 3 members .*\(products\.min_members\), found 2: Ames, Baker\. Left out:\s+CSU"
    ):
        harmonise("nee_oco2", config("2015-01-01", "2015-02-28", min_members=3), tmp_path, CELL)


def test_the_ensemble_mean_of_oco2_can_be_read_too(tmp_path):
    path = oco2(tmp_path, "EnsMean", start=None, unit=None, dim="n_months")
    assert float(load("oco2_mip", path)["nee_total"].mean()) == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize(
    ("product", "unit"), [("oco2_mip", "gC m-2 yr-1"), ("carboscope", "gC m-2 yr-1"), ("carboscope", "PgC/yr")]
)
def test_undeclared_missing_values_of_the_inversions(tmp_path, caplog, product, unit):
    """-9999 a year is -27 a day, which could be a flux: it is judged in the unit of the file."""
    values = np.full((3, 4, 8), 0.01)
    values[1, 2, 3] = -9999
    name, dims = (
        ("land", ("time", "latitude", "longitude")) if product == "oco2_mip" else ("co2flux_land", ("mtime", *MAP))
    )
    axes = dict(zip(dims, (make.days([0, 31, 59], "2015-01-01"), LAT, LON)))
    area = {"dxyp": (dims[1:], np.full((4, 8), 1e13), {"units": "m2"})}
    file = {"oco2_mip": "A_gridded_fluxes_LNLGIS.nc4", "carboscope": "s99oc_v2022_daily.nc"}[product]
    path = make.netcdf(tmp_path / file, axes, {name: (dims, values, {"units": unit})} | area)
    data = load(product, path)["nee_total"]
    assert int(data.isnull().sum()) == 1 and float(data.min()) > 0
    assert "not declared as missing" in caplog.text


# --- CAMS ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["period first", "reference first", "place first"])
@pytest.mark.parametrize("level", [True, False])
def test_cams_with_forecast_steps(tmp_path, caplog, order, level):
    """Two starts and eight lead times of three hours, the last of which is the next start: 15 times, the shorter lead wins."""
    lead, start = np.arange(0, 27, 3.0), np.array([0.0, 24.0])
    axes = {
        "forecast_period": (lead, {"units": "hours"}),
        "forecast_reference_time": (start * 3600, {"units": "seconds since 2003-01-01"}),
        "latitude": LAT,
        "longitude": LON,
    } | ({"pressure_level": (np.array([1000.0]), {"units": "hPa"})} if level else {})
    dims = [
        "forecast_period",
        "forecast_reference_time",
        *(["pressure_level"] if level else []),
        "latitude",
        "longitude",
    ]
    if order == "reference first":
        dims[:2] = dims[1::-1]
    if order == "place first":
        dims = dims[2:] + dims[:2]
    hours = xr.DataArray(lead, dims="forecast_period") + xr.DataArray(start, dims="forecast_reference_time")
    lag = hours * 0 + xr.DataArray(lead, dims="forecast_period")
    sizes = {name: len(axis[0]) for name, axis in axes.items()}
    ratio = (6e-4 + lag * 1e-7).expand_dims({d: sizes[d] for d in dims if d not in hours.dims}).transpose(*dims)
    times = hours.transpose(*[d for d in dims if d in hours.dims])
    variables = {
        "co2": (tuple(dims), ratio.values, {"units": "kg kg**-1"}),
        "valid_time": (times.dims, times.values * 3600, {"units": "seconds since 2003-01-01"}),
    }
    data = load("cams_co2", make.netcdf(tmp_path / "cams_co2_200301.nc", axes, variables))
    assert data.attrs["step"] == "3 hours" and data.sizes["time"] == 17
    expected = (6e-4 + 1e-7 * np.r_[np.arange(0, 24, 3), np.arange(0, 27, 3)]) * 28.9647 / 44.0095 * 1e6
    np.testing.assert_allclose(data["co2"].transpose("time", ...)[:, 0, 0], expected, rtol=1e-6)
    assert (
        "forecasts of 2 starts and 9 lead times: 17 times, of 1 that come twice the shorter lead is taken"
        in caplog.text
    )


def test_two_dimensions_of_time_that_are_no_forecasts(tmp_path):
    axes = {"a": 2, "b": 2, "latitude": LAT, "longitude": LON}
    times = (("a", "b"), np.arange(4.0).reshape(2, 2), {"units": "hours since 2003-01-01"})
    co2 = (("a", "b", "latitude", "longitude"), np.full((2, 2, 4, 8), 6e-4), {"units": "kg kg-1"})
    path = make.netcdf(tmp_path / "cams_co2_200301.nc", axes, {"valid_time": times, "co2": co2})
    with pytest.raises(
        DataError, match=r"valid_time has the dimensions \('a', 'b'\): expected a start and a lead time"
    ):
        load("cams_co2", path)


# --- TRENDY --------------------------------------------------------------------------------------------------------


def model(folder, name, variable="gpp", axes=("time", "lat", "lon"), time=None, stands=None, unit="kg m-2 s-1"):
    time = time or make.days([14, 45], "2003-01-01")
    values = np.full((len(time[0]), 4, 8), 1 / 86400 / 1000)
    row = {"units": unit, "_FillValue": -99999.0}
    path = folder / f"{name}_S3_{variable.removeprefix('Monthly_')}.nc"
    if variable.startswith("Monthly_"):
        path = path.with_name(f"{name}_S3_{variable}.nc")
    short = stands or variable.removeprefix("Monthly_")
    return make.netcdf(path, dict(zip(axes, (time, LAT, LON))), {short: (axes, values, row)})


ODD = {
    "VISIT-NIES": dict(time=(np.array([2003 + 0.5 / 12, 2003 + 1.5 / 12]), {"units": "years since AD 0-Jan-1st"})),
    "ISBA-CTRIP": dict(axes=("time_counter", "lat_FULL", "lon_FULL")),
    "JULES": dict(variable="npp", stands="npp_nlim"),
    "YIBs": dict(variable="Monthly_gpp"),
    "LPX": dict(time=(np.array([2003, 2003 + 1 / 12]), {"units": "years since 0000-01-01"})),
    "CLM5.0": dict(time=(np.array([3636.0, 3637.0]), {"units": "months since 1700-01-01"})),
    "SDGVM": dict(unit="kgC m-2 s-1"),
}


@pytest.mark.parametrize("name", ODD)
def test_habits_of_the_models_of_trendy(tmp_path, name):
    data = load("trendy", model(tmp_path, name, **ODD[name]))
    (found,) = data.data_vars.values()
    assert [str(t)[:10] for t in data.time.values] == ["2003-01-01", "2003-02-01"]
    np.testing.assert_allclose(found, 1.0, rtol=1e-6)
    assert list(products.module("trendy").models([next(tmp_path.iterdir())])) == [name]


def test_a_flux_that_is_not_used_need_not_be_readable(tmp_path):
    """DLEM has annual nbp, and JULES beside its npp one that is not limited by nitrogen."""
    folder = tmp_path / "trendy"
    for name in ("DLEM", "JULES"):
        for variable in ("gpp", "npp"):
            model(folder, name, variable)
    model(folder, "DLEM", "nbp", time=(np.array([0.0, 365.0]), {"units": "days since 2003-01-01"}))
    model(folder, "JULES", "npp_noNlimitation", stands="npp")
    model(folder, "ISAM", "gpp", unit="furlong")
    model(folder, "ISAM", "npp")
    with pytest.raises(DataError, match="expected monthly steps, they are 365 days apart"):
        load("trendy", folder / "DLEM_S3_nbp.nc")
    values = harmonise("cue", config("2003-01-01", "2003-02-28"), tmp_path, CELL)
    assert float(values[0]) == pytest.approx(1.0) and values.attrs["members"] == "DLEM, JULES"
    assert values.attrs["left_out"].startswith("ISAM: trendy: ISAM_S3_gpp.nc: gpp: expected the unit 'kg m-2 s-1'")
    store.write(values, tmp_path / "store" / "cue.nc", "trendy")
    area = CELL["area"] if "area" in CELL else xr.DataArray(np.ones(values.sizes["cell"]), dims="cell")
    listed = store.summarise(store.open_store(tmp_path / "store").assign(area=area)).set_index("variable")
    assert listed.loc["cue", "members"] == "DLEM, JULES" and listed.loc["cue", "left_out"].startswith("ISAM: ")


# --- others --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["Degrees Kelvin", "Kelvin", "degrees kelvin", "K"])
def test_units_of_cru_jra(tmp_path, unit):
    axes = {"time": make.days([0, 0.25], "2003-01-01", "noleap"), "lat": LAT, "lon": LON}
    tmp = (("time", "lat", "lon"), np.full((2, 4, 8), 280.0), {"units": unit})
    path = make.netcdf(tmp_path / "crujra.v2.4.5d.tmp.2003.365d.noc.nc", axes, {"tmp": tmp})
    assert float(load("crujra", path)["air_temperature"].mean()) == 280


@pytest.mark.parametrize("edition", ["Terra-Aqua-MODIS_Ed4.1", "Terra-Aqua-NOAA20_Ed4.2"])
def test_editions_of_ceres(tmp_path, edition):
    make.ceres(tmp_path)
    (path,) = (tmp_path / "ceres").iterdir()
    path.rename(path.with_name(f"CERES_SYN1deg-Day_{edition}_Subset_200301-200301.nc"))
    assert len(products.files("ceres", tmp_path / "ceres")) == 1
    row = catalogue.product("ceres")
    assert row.version == "Ed4.2" and row.doi == "10.5067/Terra-Aqua-NOAA20/CERES/SYN1degDay_L3.004B"


@pytest.mark.parametrize(
    "name", ["s10oc_v2022_daily.nc", "nbetEXToc_v2024E.flux.nc", "oc_v2025.flux.nc", "sEXTocNEET_v2020_daily.nc"]
)
@pytest.mark.parametrize("area", ["dxyp", "area"])
@pytest.mark.parametrize("where", ["file", "variable"])
def test_versions_of_carboscope(tmp_path, caplog, name, area, where):
    """Spin-up years are left out, and the area may be given for each time of the inversion."""
    valid = {"yrfi_valid": 2002, "yrfe_valid": np.int32(2003)}
    months = pd.date_range("2001-01-01", "2004-12-01", freq="MS")
    axes = {
        "mtime": ((months - months[0]).days.values + 15.0, {"units": "days since 2001-01-01"}),
        "lat": LAT,
        "lon": LON,
        "rt": 2,
    }
    values = np.full((48, 4, 8), 365.25 * 1e13 / 1e15)
    values[:12] = 1e3  # not physical before the data begin
    flux = {"units": "PgC/yr"} | (valid if where == "variable" else {})
    cells = np.full((2, 4, 8) if area == "area" else (4, 8), 1e13)
    dims = ("rt", "lat", "lon") if area == "area" else ("lat", "lon")
    variables = {"co2flux_land": (("mtime", "lat", "lon"), values, flux), area: (dims, cells, {"units": "m2"})}
    make.netcdf(tmp_path / name, axes, variables, valid if where == "file" else None)
    data = load("carboscope", products.files("carboscope", tmp_path))
    assert [str(data.time.values[i])[:7] for i in (0, -1)] == ["2002-01", "2003-12"] and data.attrs["step"] == "month"
    np.testing.assert_allclose(data["nee_total"], 1.0, rtol=1e-6)
    assert "24 of 48 steps lie outside the years that the file calls valid, 2002 to 2003" in caplog.text


def test_an_area_that_changes_is_no_area(tmp_path):
    axes = {"mtime": make.days([15, 45]), "lat": LAT, "lon": LON, "rt": 2}
    cells = np.stack([np.full((4, 8), 1e13), np.full((4, 8), 2e13)])
    flux = (("mtime", "lat", "lon"), np.ones((2, 4, 8)), {"units": "PgC/yr"})
    path = make.netcdf(
        tmp_path / "oc_v2025.flux.nc", axes, {"co2flux_land": flux, "area": (("rt", "lat", "lon"), cells, {})}
    )
    with pytest.raises(DataError, match="area: expected one area of each cell, it changes along rt"):
        load("carboscope", path)


@pytest.mark.parametrize("name", ["C", "carbon_emissions"])
@pytest.mark.parametrize("time", [(np.arange(1, 13), {}), (np.arange(1, 13), {"units": "month"}), None])
def test_version_5_of_gfed(tmp_path, name, time):
    """A month of 31 days that emits 31 g a month emits 1 a day; the year is in the file's name."""
    months = pd.date_range("2003-01-01", periods=12, freq="MS")
    time = time or ((months - months[0]).days.values.astype("f8"), {"units": "days since 2003-01-01"})
    sums = np.broadcast_to(months.days_in_month.values[:, None, None], (12, 4, 8)).astype("f8")
    axes = {"time": time, "lat": make.lat(True), "lon": LON}
    attrs = {} if name == "C" else {"units": "g C m-2 mon-1"}
    path = make.netcdf(tmp_path / "GFED5.1_monthly_2003.nc", axes, {name: (("time", "lat", "lon"), sums, attrs)})
    (found,) = products.files("gfed", tmp_path, years=(2003, 2003))
    assert found == path
    data = load("gfed", path)
    np.testing.assert_allclose(data["fire"], 1.0)
    assert list(data.time.values) == list(months.values)


def test_the_polar_tile_of_gtopo30_is_skipped(tmp_path, caplog):
    make.gtopo30(tmp_path)
    for name in ("gt30antarcps.dem", "ANTARCPS.DEM"):
        (tmp_path / "gtopo30" / name).write_bytes(b"")
    found = products.files("gtopo30", tmp_path / "gtopo30")
    assert [f.name for f in found] == ["E000N90.DEM"]
    assert "gtopo30: not read, as the catalogue says: ANTARCPS.DEM, gt30antarcps.dem" in caplog.text


def test_fluxes_of_fluxcom_are_per_area_of_land(tmp_path):
    """They are not multiplied by the share of land; a cell counts in the mean with the land that it holds."""
    share = np.full((4, 8), 1.0)
    share[2, 4] = 0.1  # the cell of value 1 (south-west of the quarter)
    share[3, 5] = 0.0  # that of value 5
    axes = {"time": make.days([14, 45]), "lat": LAT, "lon": LON}
    gpp = (("time", "lat", "lon"), np.stack([make.pattern()] * 2), {"units": "gC m-2 d-1"})
    variables = {"GPP": gpp, "land_fraction": (("lat", "lon"), share, {"units": "1"})}
    make.netcdf(tmp_path / "fluxcom" / "GPP_2003_050_monthly.nc", axes, variables)
    data = load("fluxcom", products.files("fluxcom", tmp_path / "fluxcom"))
    np.testing.assert_allclose(data["gpp"][0], make.pattern())
    south, north = np.sin(np.pi / 4), 1 - np.sin(np.pi / 4)
    expected = (0.1 * south * 1 + south * 2 + north * 3) / (1.1 * south + north)
    values = harmonise("gpp", config("2003-01-01", "2003-01-31"), tmp_path, CELL)
    np.testing.assert_allclose(values[0], expected, rtol=1e-6)


@pytest.mark.parametrize("dims", [("y", "x"), ("x", "y")])
@pytest.mark.parametrize("named", [True, False])
def test_globsnow_in_either_order_of_dimensions(tmp_path, dims, named):
    """The same map whichever way it lies: 40 mm in the quarter of 0-90° E, 80 mm else."""
    make.globsnow(tmp_path)
    (path,) = (tmp_path / "globsnow").iterdir()
    with xr.open_dataset(path) as raw:
        expected, raw = load("globsnow", path), raw.load()
    if named:
        lat, lon = products.module("globsnow").ease_latitude_longitude(raw.x.values, raw.y.values)
        raw = raw.drop_vars(["x", "y"]).assign(latitude=(("y", "x"), lat), longitude=(("y", "x"), lon))
    path.unlink()
    raw.transpose(*dims).to_netcdf(path)
    xr.testing.assert_allclose(load("globsnow", path)["swe"], expected["swe"])


# --- time stamps ---------------------------------------------------------------------------------------------------


def runoff(
    folder, values, unit="days since 2003-01-01", calendar="noleap", bounds=None, named="time_bnds", linked=True
):
    axes = {"time": (np.asarray(values, "f8"), {"units": unit, "calendar": calendar}), "Y": LAT, "X": LON, "nv": 2}
    if bounds is not None and linked:
        axes["time"][1]["bounds"] = named
    variables = {"Runoff": (("time", "Y", "X"), np.ones((len(values), 4, 8)), {"units": "mm/day"})}
    if bounds is not None:
        variables[named] = (("time", "nv"), np.asarray(bounds, "f8"), {})
    return make.netcdf(folder / "GRUN_x.nc", axes, variables)


ENDS = np.cumsum([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
EDGES = np.r_[0, ENDS]


def months_of(path):
    return [str(t)[:10] for t in load("grun", path).time.values]


FIRST_QUARTER = ["2003-01-01", "2003-02-01", "2003-03-01"]


@pytest.mark.parametrize("linked", [True, False])
def test_bounds_tell_the_month_of_a_stamp_at_its_end(tmp_path, linked):
    """Day 31, 59 and 90 of a year without leap day are the ends of January, February and March."""
    bounds = np.stack([EDGES[:3], EDGES[1:4]], -1)
    assert months_of(runoff(tmp_path, [31, 59, 90], bounds=bounds, linked=linked)) == FIRST_QUARTER


def test_ends_of_whole_years_without_bounds(tmp_path, caplog):
    assert months_of(runoff(tmp_path, ENDS))[:3] == FIRST_QUARTER
    assert "12 months stamped 1 February to 1 January and no bounds: taken as the ends of whole years" in caplog.text


@pytest.mark.parametrize("kind", ["end", "bounds", "middle", "start"])
def test_calendar_of_360_days(tmp_path, kind):
    """30 February is no day of ours, but a month is a month."""
    stamps = {"end": [29, 59, 89], "bounds": [30, 60, 90], "middle": [15, 45, 75], "start": [0, 30, 60]}[kind]
    bounds = [[0, 30], [30, 60], [60, 90]] if kind == "bounds" else None
    assert months_of(runoff(tmp_path, stamps, calendar="360_day", bounds=bounds)) == FIRST_QUARTER


@pytest.mark.parametrize("calendar", ["noleap", "standard", "360_day"])
def test_stamps_on_the_last_days_of_months(tmp_path, calendar):
    ends = [29, 59, 89] if calendar == "360_day" else ENDS[:3] - 1
    assert months_of(runoff(tmp_path, ends, calendar=calendar)) == FIRST_QUARTER


@pytest.mark.parametrize(
    ("values", "bounds", "words"),
    [
        ([0, 45, 89], None, "the stamps fit no rule: expected all of them at the start, in the middle or at the end"),
        ([7, 38, 66], None, "the stamps fit no rule"),
        ([0, 30.4, 60.9], None, "the stamps fit no rule"),
        ([182, 547], None, "expected monthly steps, they are 365 days apart"),
        ([182, 547], [[0, 365], [365, 730]], "expected months, the bounds are 365 to 365 days"),
    ],
)
def test_stamps_that_fit_no_rule(tmp_path, values, bounds, words):
    with pytest.raises(DataError, match=rf"grun: GRUN_x.nc: time: {words}"):
        months_of(runoff(tmp_path, values, bounds=bounds))


@pytest.mark.parametrize("unit", ["", "month", "furlongs since 2003-01-01", "years since Monday"])
def test_units_of_time_that_cannot_be_read(tmp_path, unit):
    with pytest.raises(DataError, match=r"GRUN_x\.nc: time: "):
        months_of(runoff(tmp_path, [0, 31], unit=unit))


def test_days_of_another_calendar_that_the_real_one_lacks(tmp_path):
    axes = {
        "time": (np.arange(57, 61.0), {"units": "days since 2003-01-01", "calendar": "360_day"}),
        "lat": LAT,
        "lon": LON,
    }
    tmp = (("time", "lat", "lon"), np.full((4, 4, 8), 280.0), {"units": "K"})
    path = make.netcdf(tmp_path / "crujra.v2.tmp.2003.nc", axes, {"tmp": tmp})
    with pytest.raises(
        DataError, match=r"a calendar whose days the real one does not have .* only months of it can be read"
    ):
        load("crujra", path)


def test_daily_bounds_are_believed(tmp_path):
    """A day stamped at its end, 24:00, is the day before."""
    axes = {
        "time": (np.array([1.0, 2.0]), {"units": "days since 2003-01-01", "bounds": "time_bnds"}),
        "lat": LAT,
        "lon": make.lon(True),
        "nv": 2,
    }
    make.ceres(tmp_path)
    (path,) = (tmp_path / "ceres").iterdir()
    with netCDF4.Dataset(path) as old:
        variables = {
            n: (v.dimensions, v[:].filled(np.nan), {"units": "W m-2"})
            for n, v in old.variables.items()
            if n.startswith("adj")
        }
    variables["time_bnds"] = (("time", "nv"), np.array([[0.0, 1], [1, 2]]), {})
    make.netcdf(path, axes, variables)
    assert [str(t)[:10] for t in load("ceres", path).time.values] == ["2003-01-01", "2003-01-02"]


def test_one_step_alone_says_not_how_long_it_is(tmp_path):
    make.fluxcom(tmp_path)
    (path,) = (tmp_path / "fluxcom").glob("GPP*")
    with xr.open_dataset(path) as data:
        one = data.isel(time=[0]).load()
    one.to_netcdf(path)
    with pytest.raises(DataError, match="one step alone, without bounds: expected at least two"):
        load("fluxcom", path)
