"""From files in the products' own layouts to harmonised values, against numbers worked out by hand."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import product_files as make
from h2cm.config import parse
from h2cm.sources import products
from h2cm.sources.harmonise import comparison, harmonise, products_of
from h2cm.sources.harmonise.plausible import check_season
from h2cm.sources.harmonise.reduce import Target, complete, observed, shared_days, step_ends
from h2cm.sources.harmonise.sources import SOURCES
from h2cm.sources.harmonise.statics import FEATURES
from h2cm.store import DataError, check
from h2cm.vocabulary import VARIABLES

CELL = xr.Dataset(coords={"lat": ("cell", [45.0]), "lon": ("cell", [45.0])})
S = 0.7071067811865476  # share of the south row of 45° in a quarter of a hemisphere


def config(start, end, resolution=90.0, **more):
    row = {"prediction": "gpp", "compare": "monthly"}
    period = {"start": start, "end": end}
    return parse(
        {
            "run": "t",
            "source": "products",
            "constraints": {"gpp": row},
            "period": period,
            "grid": {"resolution": resolution},
        }
        | more
    )


def one(name, folder, start, end, resolution=90.0, cells=CELL):
    """Harmonised values of the first cell, checked as the store checks them."""
    areas = {"modis_fapar": {"folder": str(folder / "modis_fapar"), "pattern": "*.nc"}}  # not tiles
    data = harmonise(name, config(start, end, resolution, products={"local": areas}), folder, cells)
    check(data, "test")
    assert data.dims == VARIABLES[name].dims
    return data.isel(cell=0)


JANUARY = ("2003-01-01", "2003-01-31")


def test_precipitation(tmp_path):
    make.gpcp(tmp_path)
    values = one("precipitation", tmp_path, "2003-01-01", "2003-01-02")
    np.testing.assert_allclose(values, [make.MEAN, 2 * make.MEAN], rtol=1e-6)
    assert list(values.time.values) == list(pd.to_datetime(["2003-01-01", "2003-01-02"]).values)


def test_net_radiation(tmp_path):
    make.ceres(tmp_path)
    values = one("net_radiation", tmp_path, "2003-01-01", "2003-01-02")
    np.testing.assert_allclose(values, 100 + 10 * make.MEAN - 20 + 300 - 350, rtol=1e-6)


def test_air_temperature_of_a_calendar_without_leap_days(tmp_path):
    make.crujra(tmp_path)
    values = one("air_temperature", tmp_path, "2004-02-28", "2004-03-01")
    np.testing.assert_allclose(values, np.array([271.5, 276.5, 281.5]) + make.MEAN, rtol=1e-6)


def test_vapour_pressure_deficit(tmp_path):
    """e(300 K) = 6.1121 exp(17.502 * 26.84 / 267.81) = 35.3156 hPa, e(290 K) = 19.1728 hPa."""
    make.era5(tmp_path)
    values = one("vapour_pressure_deficit", tmp_path, "2003-01-01", "2003-01-01")
    np.testing.assert_allclose(values, 16.1429, rtol=1e-4)


def test_co2(tmp_path):
    """6.08e-4 * 28.9647 / 44.0095 = 400.15 ppm."""
    make.cams_co2(tmp_path)
    np.testing.assert_allclose(one("co2", tmp_path, "2003-01-01", "2003-01-01"), 400.15, rtol=1e-4)


def test_co2_before_the_reanalysis(tmp_path, caplog):
    """A day of 2002 is that of 2003 less the rise at Mauna Loa, 2 ppm a year; never a gap in the files of later years."""
    days = pd.date_range("2003-01-01", "2003-12-31")
    grid = {"lat": [-45.0, 45.0], "lon": [-135.0, -45.0, 45.0, 135.0]}
    season = 380 + 5 * np.sin(2 * np.pi * np.arange(365) / 365)
    cams = xr.Dataset(
        {"co2": (("time", "lat", "lon"), np.tile(season[:, None, None], (1, 2, 4)))}, grid | {"time": days}
    )
    products.write("cams_co2", cams, tmp_path / "cams_co2")
    months = pd.date_range("2000-06-01", "2004-06-01", freq="MS")
    record = xr.Dataset({"co2": ("time", 370 + np.arange(months.size) / 6)}, {"time": months})
    with pytest.raises(DataError, match=r"mauna_loa: expected files named co2_mm_mlo\.csv"):
        one("co2", tmp_path, "2001-01-01", "2003-12-31")
    products.write("mauna_loa", record, tmp_path / "mauna_loa")
    found = one("co2", tmp_path, "2000-12-01", "2003-12-31")
    np.testing.assert_allclose(found.sel(time="2003"), season, atol=0.1)
    np.testing.assert_allclose(found.sel(time="2002"), season - 2, atol=0.2)
    np.testing.assert_allclose(found.sel(time="2001"), season - 4, atol=0.2)
    assert "761 days before 2003 are those of 2003 less the rise at Mauna Loa, 6.0 ppm" in caplog.text
    with pytest.raises(DataError, match=r"expected a value for every day of the period, there is none on 2004-01-01"):
        one("co2", tmp_path, "2003-01-01", "2004-01-31")
    with pytest.raises(DataError, match=r"expected a value for every day of the period, there is none on 2002-07-01"):
        one("co2", tmp_path, "2002-01-01", "2003-06-30")


def test_water_storage_with_gaps(tmp_path):
    make.grace(tmp_path)
    values = one("tws", tmp_path, "2003-01-01", "2003-05-31")
    np.testing.assert_allclose(values, [20 * make.MEAN, np.nan, 20, 40, np.nan], rtol=1e-6)


def test_fapar_of_composites_across_the_month(tmp_path):
    """24 days of 0.2 and 7 days of 0.9 in January; the eighth day of the last composite is not half of February."""
    make.modis_fapar(tmp_path)
    values = one("fapar", tmp_path, "2003-01-01", "2003-02-28")
    np.testing.assert_allclose(values, [(24 * 0.2 + 7 * 0.9) / 31, np.nan], rtol=1e-6)


def test_snow_of_the_polar_grid(tmp_path):
    make.globsnow(tmp_path)
    cells = xr.Dataset(coords={"lat": ("cell", [85.0, 85.0, -5.0]), "lon": ("cell", [45.0, -45.0, 45.0])})
    globe = {"resolution": 10.0, "bounds": [-180.0, -90.0, 180.0, 90.0]}
    data = harmonise("swe", config(*JANUARY, grid=globe), tmp_path, cells)
    np.testing.assert_allclose(data[:, 0], [40, 80, np.nan], rtol=1e-6)


def test_fluxcom(tmp_path):
    make.fluxcom(tmp_path)
    np.testing.assert_allclose(one("gpp", tmp_path, *JANUARY), make.MEAN, rtol=1e-6)
    np.testing.assert_allclose(one("et", tmp_path, *JANUARY), 0.1 * 24 * make.MEAN, rtol=1e-6)
    competitor = comparison("fluxcom", config(*JANUARY), tmp_path, CELL)
    np.testing.assert_allclose(competitor.nee, -0.5 * make.MEAN, rtol=1e-6)
    np.testing.assert_allclose(competitor.ter, 0.5 * make.MEAN, rtol=1e-6)
    assert competitor.gpp.dims == ("cell", "month") and competitor.gpp.attrs["units"] == "g m-2 day-1"


def test_runoff(tmp_path):
    make.grun(tmp_path)
    np.testing.assert_allclose(one("runoff", tmp_path, *JANUARY), 0.5 * make.MEAN, rtol=1e-6)


def test_oco2_is_the_median_of_the_members_less_fire(tmp_path):
    """Median of 1, 2 and 10, less 1 of fire; February has fire, but no flux."""
    make.oco2_mip(tmp_path)
    make.gfed(tmp_path)
    np.testing.assert_allclose(one("nee_oco2", tmp_path, "2015-01-01", "2015-02-28"), [1.0, np.nan], rtol=1e-6)


def test_carboscope_less_fire(tmp_path):
    """(10 days of 3 and 21 of 1) / 31, less 1 of fire."""
    make.carboscope(tmp_path)
    make.gfed(tmp_path)
    expected = (10 * 3 + 21 * 1) / 31 - 1
    np.testing.assert_allclose(one("nee_carboscope", tmp_path, "2015-01-01", "2015-01-31"), expected, rtol=1e-6)


def test_no_fire_product_means_no_net_flux(tmp_path, caplog):
    make.carboscope(tmp_path)
    make.gfed(tmp_path)
    path = tmp_path / "gfed" / "GFED4.1s_2015.hdf5"
    path.rename(path.with_name("GFED4.1s_2014.hdf5"))
    with pytest.raises(DataError, match="carboscope less gfed: expected values between 2014-12-31 and 2015-01-31"):
        harmonise("nee_carboscope", config("2014-12-31", "2015-01-31"), tmp_path, CELL)
    assert "gfed has no fire emissions in one month, 2015-01" in caplog.text
    with pytest.raises(DataError, match=r"gfed: expected files of 2015 to 2015 in .* only those of other years"):
        harmonise("nee_carboscope", config("2015-01-01", "2015-01-31"), tmp_path, CELL)


def test_carbon_use_efficiency(tmp_path):
    """Ratios 0.5 and 0.3, and 0.5 for the model with GPP below 0.1: the median is 0.5."""
    make.trendy(tmp_path)
    assert float(one("cue", tmp_path, *JANUARY)) == pytest.approx(0.5)
    for path in (tmp_path / "trendy").glob("C_*"):
        path.unlink()
    assert float(one("cue", tmp_path, *JANUARY)) == pytest.approx((0.5 + 0.3) / 2)


def test_process_models_are_compared_one_by_one(tmp_path, caplog):
    """Those without respiration are left out, which is reported; too few are an error that says why."""
    make.trendy(tmp_path)
    with pytest.raises(
        DataError, match=r"at least 2 members .* found 1: A\. Left out:\s+B: it has no ra, rh\s+C: it has"
    ):
        comparison("trendy", config(*JANUARY), tmp_path, CELL)
    models = comparison("trendy", config(*JANUARY, products={"min_members": 1}), tmp_path, CELL)
    assert list(models.model.values) == ["A"] and "B is left out: it has no ra, rh" in caplog.text
    assert models.attrs["members"] == "A" and models.attrs["left_out"].startswith("B: it has no ra, rh; C: ")
    np.testing.assert_allclose(
        [models.gpp, models.ter, models.nee], np.reshape([4, 3.5, -0.5], (3, 1, 1, 1)), rtol=1e-6
    )


def test_static_attributes(tmp_path):
    for product in FEATURES:
        getattr(make, product)(tmp_path)
    data = harmonise("static", config(*JANUARY), tmp_path, CELL)
    check(data, "test")
    assert data.shape == (1, 30) and len(set(data.feature.values)) == 30
    value = {str(f): float(data.sel(feature=f)[0]) for f in data.feature.values}
    soil = 8500 / 30  # mapped units
    expected = {
        "sand": soil / 10,
        "bulk_density": soil / 100,
        "ph": soil / 10,
        "nitrogen": soil / 100,
        "organic_carbon_stock": 5.5,
        "available_water_capacity": (15 * 5 + 30 * 10 + 40 * 15) / 30 / 100,  # trapezia between the levels
        "depth_to_bedrock": 3.5,
        "forest": S / (S + (1 - S) / 2),  # the north-east pixel is outside
        "grassland": (1 - S) / 2 / (S + (1 - S) / 2),
        "bare_land": 0.0,
        "wetlands": (1 - S) / 2 + S / 2,
        "regularly_flooded_wetlands": (1 - S) / 2,
        "groundwater_driven_wetlands": S / 2,
        "lakes": (1 - S) / 2,
    }
    weight = np.array([1 - S, 1 - S, S]) / (2 - S)  # 100 and 300 in the north, 100 in the south
    mean = (weight * [100, 300, 100]).sum()
    expected |= {"elevation_mean": mean, "elevation_std": np.sqrt((weight * ([100, 300, 100] - mean) ** 2).sum())}
    assert {n: value[n] for n in expected} == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("variable, product", [("precipitation", "gpcp"), ("fapar", "modis_fapar")])
def test_pieces_do_not_change_the_result(tmp_path, monkeypatch, variable, product):
    getattr(make, product)(tmp_path)
    period = ("2003-01-01", "2003-01-02" if product == "gpcp" else "2003-02-28")
    whole = one(variable, tmp_path, *period)
    monkeypatch.setattr("h2cm.space.regrid.PIECE", 1)  # one step at a time, and of that one row
    xr.testing.assert_allclose(one(variable, tmp_path, *period), whole, rtol=1e-6)


def test_contiguous_files_are_read_in_bands(tmp_path, monkeypatch):
    """What a file stores in one piece is still read in several."""
    make.modis_fapar(tmp_path)
    (path,) = (tmp_path / "modis_fapar").iterdir()
    monkeypatch.setattr("h2cm.space.regrid.PIECE", 8 * 16)  # of the 4 rows of 8
    with products.read("modis_fapar", [path]) as data:
        chunks = data["fapar"].transpose("time", "lat", "lon").chunks
    assert set(chunks[0]) == {1} and set(chunks[1]) == {2}


def test_own_files_elsewhere(tmp_path):
    """`products.local` names a folder and a pattern of the user's own."""
    make.gpcp(tmp_path / "mine")
    for path in (tmp_path / "mine" / "gpcp").iterdir():
        path.rename(path.with_name(path.name.replace("gpcp_v01r03_daily", "rain")))
    local = {"gpcp": {"folder": str(tmp_path / "mine"), "pattern": "rain_*.nc"}}
    chosen = config("2003-01-01", "2003-01-02", products={"local": local})
    data = harmonise("precipitation", chosen, tmp_path / "elsewhere", CELL)
    np.testing.assert_allclose(data[0], [make.MEAN, 2 * make.MEAN], rtol=1e-6)


def test_files_of_other_years_are_not_opened(tmp_path):
    files = make.gpcp(tmp_path)
    files[0].with_name("gpcp_v01r03_daily_d19990101_c20170530.nc").write_text("broken")
    assert one("precipitation", tmp_path, "2003-01-01", "2003-01-02").notnull().all()


def test_every_variable_of_a_product_has_a_row():
    towers_only = {"nee"}
    assert set(SOURCES) == {n for n, row in VARIABLES.items() if row.role not in ("grid", "observation")} - towers_only
    assert products_of("nee_oco2") == ("oco2_mip", "gfed") and products_of("trendy") == ("trendy",)
    with pytest.raises(DataError, match="'nee': no product holds it"):
        products_of("nee")


def test_no_files(tmp_path):
    with pytest.raises(DataError, match=r"gpcp: expected files named gpcp_v01r03.* found none"):
        harmonise("precipitation", config(*JANUARY), tmp_path, CELL)


def test_a_missing_day_of_forcing(tmp_path):
    files = make.gpcp(tmp_path, 4)
    files[2].unlink()
    expected = r"gpcp: precipitation: .* none on 2003-01-03; missing in 2003: 1 of 4 days"
    with pytest.raises(DataError, match=expected):
        harmonise("precipitation", config("2003-01-01", "2003-01-04"), tmp_path, CELL)


def test_a_year_too_short(tmp_path):
    make.gpcp(tmp_path, 3)
    with pytest.raises(DataError, match=r"missing in 2003: 362 of 365 days; 2004: 1 of 1 days"):
        harmonise("precipitation", config("2003-01-01", "2004-01-01"), tmp_path, CELL)


def test_a_day_with_missing_hours_is_missing(tmp_path):
    make.era5(tmp_path)
    path = tmp_path / "era5" / "era5_200301.nc"
    with xr.open_dataset(path) as data:
        short = data.isel(valid_time=slice(0, 20)).load()
    short.to_netcdf(path)
    with pytest.raises(DataError, match="vapour_pressure_deficit: expected a value for every day"):
        harmonise("vapour_pressure_deficit", config("2003-01-01", "2003-01-01"), tmp_path, CELL)


def test_a_month_without_any_value_is_logged(tmp_path, caplog):
    make.grace(tmp_path)
    with caplog.at_level(logging.INFO):
        one("tws", tmp_path, "2003-01-01", "2003-05-31")
    assert "grace: tws: 2 of 5 months have no value; observed from 2003-01 to 2003-04" in caplog.text


def target(cells, resolution=1.0):
    return Target(config("2003-01-01", "2003-01-02", resolution), cells)


def test_a_coast_takes_from_its_neighbour(caplog):
    cells = xr.Dataset(coords={"lat": ("cell", [0.5, 0.5, 0.5]), "lon": ("cell", [0.5, 1.5, 3.5])})
    values = np.array([[np.nan, 2.0, 9.0], [1.0, 3.0, 9.0]])
    filled = complete(values, target(cells), "crujra: air_temperature")
    np.testing.assert_array_equal(filled, [[2, 2, 9], [1, 3, 9]])
    assert "crujra: air_temperature: 1 of 3 cells lack values" in caplog.text and "111 km" in caplog.text


def test_a_gap_far_from_all_is_an_error():
    cells = xr.Dataset(coords={"lat": ("cell", [0.5, 0.5]), "lon": ("cell", [0.5, 9.5])})
    with pytest.raises(DataError, match=r"missing at 0.5 N 9.5 E .* within 2 cells"):
        complete(np.array([[1.0, np.nan], [1.0, np.nan]]), target(cells), "x")


def test_a_constraint_without_any_value_is_an_error():
    with pytest.raises(DataError, match="expected values between 2003-01-01 and 2003-01-02, there is none"):
        observed(np.full((1, 3), np.nan), target(CELL, 90.0), "x")


def test_time_that_steps_and_targets_share():
    starts = pd.to_datetime(["2003-01-25", "2003-12-27"]).values.astype("datetime64[ns]")
    ends = step_ends(starts, "8 days")
    assert [str(e)[:10] for e in ends] == ["2003-02-02", "2004-01-01"]
    first = pd.to_datetime(["2003-01-01", "2003-02-01", "2003-12-01"]).values.astype("datetime64[ns]")
    last = pd.to_datetime(["2003-02-01", "2003-03-01", "2004-01-01"]).values.astype("datetime64[ns]")
    np.testing.assert_array_equal(shared_days(starts, ends, first, last).toarray(), [[7, 0], [1, 0], [0, 5]])


def test_a_map_upside_down_shows_in_its_seasons():
    months = np.arange("2003-01", "2004-01", dtype="datetime64[M]")
    phase = np.cos(2 * np.pi * (np.arange(12) - 6) / 12)[:, None]
    north, south = 280 + phase * [15, 0], 280 - phase * [10, 0]
    check_season(north, months, "north", "more", "x")
    check_season(south, months, "south", "more", "x")
    with pytest.raises(
        DataError, match=r"x: expected more in summer than in winter beyond 30 degrees north, found [0-9.]* less"
    ):
        check_season(south * [1, 1], months, "north", "more", "x")
    with pytest.raises(DataError, match="x: expected less in summer"):
        check_season(north, months, "north", "less", "x")
    check_season(south[:3], months[:3], "north", "more", "x")  # one season alone says nothing


def test_a_map_that_misses_the_land(tmp_path):
    make.grun(tmp_path)
    cells = xr.Dataset(coords={"lat": ("cell", [45.0] * 3), "lon": ("cell", [45.0] * 3)})
    values = np.array([[1.0, np.nan, np.nan]])
    with pytest.raises(DataError, match=r"at least 50% of the land cells, found them in 33%: the map is upside down"):
        observed(values, target(cells, 90.0), "grun: runoff", 0.5)


def test_monthly_means_are_no_forcing(tmp_path):
    months = pd.date_range("2003-01-01", "2003-03-01", freq="MS")
    time = ((months - months[0]).days.values, {"units": "days since 2003-01-01"})
    axes = {"valid_time": time, "latitude": make.lat(), "longitude": make.lon()}
    row = (tuple(axes), np.full((3, 4, 8), 290.0), {"units": "K"})
    make.netcdf(tmp_path / "era5" / "era5_2003.nc", axes, {"t2m": row, "d2m": row})
    with pytest.raises(DataError, match=r"era5: expected steps of at most a day, as it is forcing, .* one each month"):
        harmonise("vapour_pressure_deficit", config(*JANUARY), tmp_path, CELL)
