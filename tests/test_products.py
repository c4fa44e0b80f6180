"""The products' readers and writers: every layout there and back, bad files, real files."""

from __future__ import annotations

import fnmatch
import logging
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import pyproj
import pytest
import xarray as xr

import product_files as make
from h2cm import units
from h2cm.sources import catalogue, products
from h2cm.sources.harmonise.statics import FEATURES
from h2cm.sources.products import axes, globsnow, opening, raster, reading, times, values
from h2cm.space import regrid
from h2cm.space.grid import Grid
from h2cm.store import DataError

GRID = Grid(10.0)
DAYS = pd.date_range("2003-12-30", "2004-03-02")
MONTHS = pd.date_range("2015-01-01", "2016-12-01", freq="MS")
COMPOSITES = pd.DatetimeIndex(
    [*pd.date_range("2003-01-01", "2003-12-31", freq="8D"), *pd.date_range("2004-01-01", "2004-01-20", freq="8D")]
)


def maps(times, seed=0, missing=0.0, **ranges):
    """A standardised data set of random maps between the given bounds."""
    rng = np.random.default_rng(seed)
    shape = (len(times), GRID.lat.size, GRID.lon.size) if times is not None else (GRID.lat.size, GRID.lon.size)
    gone = rng.random(shape) < missing
    dims = ("time", "lat", "lon") if times is not None else ("lat", "lon")
    fields = {n: (dims, np.where(gone, np.nan, rng.uniform(a, b, shape))) for n, (a, b) in ranges.items()}
    return xr.Dataset(fields, {"lat": GRID.lat, "lon": GRID.lon} | ({} if times is None else {"time": times}))


def several(dim, names, data):
    return xr.concat([data * (1 + 0.1 * i) for i in range(len(names))], pd.Index(names, name=dim))


CARBON = dict(gpp=(0, 9), npp=(0, 5), ra=(0, 5), rh=(0, 5), nbp=(-2, 2))
SAMPLES = {
    "gpcp": (maps(DAYS, precipitation=(0, 50)), 1e-5),
    "ceres": (maps(DAYS, net_radiation=(-190, 400)), 1e-3),
    "crujra": (maps(DAYS, air_temperature=(220, 320), missing=0.3).drop_sel(time="2004-02-29"), 1e-4),
    "era5": (maps(DAYS, air_temperature=(260, 310), vapour_pressure_deficit=(0, 1.5)), 2e-4),
    "cams_co2": (maps(DAYS, co2=(360, 420)), 1e-3),
    "grace": (maps(MONTHS, tws=(-500, 500), missing=0.2), 1e-9),
    "modis_fapar": (maps(COMPOSITES, fapar=(0, 1), missing=0.4), 0.0051),
    "fluxcom": (maps(MONTHS, gpp=(0, 12), et=(0, 6), nee=(-3, 3), missing=0.2), 1e-5),
    "grun": (maps(MONTHS, runoff=(0, 20), missing=0.2), 1e-5),
    "oco2_mip": (several("member", ["AMES", "CSU"], maps(MONTHS, nee_total=(-5, 5))), 1e-5),
    "carboscope": (maps(MONTHS, nee_total=(-5, 5)), 1e-5),
    "gfed": (maps(MONTHS, fire=(0, 5)), 1e-5),
    "trendy": (several("model", ["A"], maps(MONTHS, **CARBON)), 1e-5),
    "transcom": (np.round(maps(None, region=(0, 22))), 0),
    "simulations": (maps(MONTHS, gpp=(0, 12), npp=(0, 6), nee=(-3, 3), missing=0.2), 1e-5),
}


@pytest.mark.parametrize("product", SAMPLES)
def test_there_and_back(product, tmp_path):
    """What a writer writes, the reader reads, on the same grid, times and values; under names that the catalogue knows."""
    sample, tolerance = SAMPLES[product]
    written = products.write(product, sample, tmp_path)
    found = products.files(product, tmp_path)
    row = catalogue.product(product)
    found += [f for f in written if any(fnmatch.fnmatch(f.name, text) for text in row.skip)]  # the mean of an ensemble
    first = row.pattern(catalogue.WHOLE)
    assert product in ("modis_fapar", "carboscope") or all(fnmatch.fnmatch(f.name, first) for f in found)
    assert sorted(written) == sorted(found)
    with products.read(product, products.files(product, tmp_path)) as data:
        for name in data.data_vars:
            expected = sample[name].isel(model=0) if "model" in sample.dims else sample.get(name)
            if expected is None:  # made of others, as ter
                continue
            one = data[name].sel(time=expected.time) if "time" in expected.dims else data[name]
            np.testing.assert_allclose(one.transpose(*expected.dims), expected, atol=tolerance, rtol=1e-6)
            np.testing.assert_allclose(data.lon, GRID.lon)
            np.testing.assert_allclose(data.lat, GRID.lat)
    assert not list(tmp_path.rglob("*.unfinished"))


def test_all_products_are_listed():
    rows = {name for name, row in catalogue.load().items() if row.role not in ("published", "towers")}
    assert rows == set(products.PRODUCTS) == set(SAMPLES) | set(FEATURES) | {"globsnow", "mauna_loa"}
    with pytest.raises(DataError, match="'merra': expected one of gpcp"):
        products.module("merra")


def test_mauna_loa_there_and_back(tmp_path):
    record = xr.Dataset({"co2": ("time", [370.0, 371.0, -99.99])}, {"time": MONTHS[:3]})
    found = products.read("mauna_loa", products.write("mauna_loa", record, tmp_path))
    xr.testing.assert_equal(found, record.isel(time=slice(2)))


def test_globsnow_there_and_back(tmp_path):
    """Constant snow north of 35° N in winter; nothing south of it and in summer."""
    sample = maps(MONTHS[:7], swe=(50, 50))
    assert len(products.write("globsnow", sample, tmp_path)) == 5
    with products.read("globsnow", products.files("globsnow", tmp_path)) as data:
        north = regrid.regrid(data["swe"], GRID)
    assert north.sizes["time"] == 5
    np.testing.assert_allclose(north.sel(lat=slice(40, 90)), 50)
    assert north.sel(lat=slice(-90, 30)).isnull().all()


def test_northern_ease_grid():
    """The pole in the middle, Greenwich below it, 90° E to the right (EPSG:3408)."""
    side = 6371228 * 2 * np.sin(np.radians(45 / 2))  # to 45° N
    lat, lon = globsnow.ease_latitude_longitude(np.array([-side, 0, side]), np.array([side, 0, -side]))
    assert lat[1, 1] == 90 and lat[2, 1] == pytest.approx(45) and lat[1, 2] == pytest.approx(45)
    assert lon[2, 1] == 0 and lon[1, 2] == 90 and lon[1, 0] == -90 and abs(lon[0, 1]) == 180


@pytest.mark.parametrize("product", FEATURES)
def test_static_there_and_back(product, tmp_path):
    sample = maps(None, **{name: (0.05, 0.1) for name in FEATURES[product]})
    if product == "soilgrids":
        sample = sample * 1000
    if product == "gtopo30":
        sample = sample * 10000
    if product == "tootchi":
        sample["wetlands"] = sample["regularly_flooded_wetlands"] + sample["groundwater_driven_wetlands"]
    products.write(product, sample, tmp_path)
    with products.read(product, products.files(product, tmp_path)) as data:
        total = sum(sample[n] for n in FEATURES[product]) if product == "globeland30" else 1.0
        for name in set(FEATURES[product]) & set(data.data_vars):
            found = regrid.regrid(data[name], GRID)
            step = 0.06 if product == "soilgrids" else 0.008
            rows = dict(lat=slice(-80, 80))  # the pixels of a class spread unevenly over the narrow end of a polar cell
            np.testing.assert_allclose(found.sel(rows), (sample[name] / total).sel(rows), atol=step)
        if product == "gtopo30":
            mean = regrid.regrid(data["elevation"], GRID)
            spread = np.sqrt(regrid.regrid(data["elevation_squared"], GRID) - mean**2)
            np.testing.assert_allclose(mean, sample["elevation_mean"], atol=0.51)
            np.testing.assert_allclose(spread, sample["elevation_std"], rtol=0.01, atol=1)


# --- bad files ---------------------------------------------------------------------------------------------------


def rain(folder, **changes):
    return make.gpcp(folder, **changes)


def edit(path, function):
    with netCDF4.Dataset(path, "a") as file:
        function(file)


def read(files):
    with products.read("gpcp", files) as data:
        return data.load()


def test_missing_variable(tmp_path):
    files = rain(tmp_path)
    edit(files[1], lambda f: f.renameVariable("precip", "rainfall"))
    with pytest.raises(
        DataError, match=r"gpcp: .*20030102.*: expected the variable precipitation named precip, found .*rainfall"
    ):
        read(files)


def test_missing_axis(tmp_path):
    files = rain(tmp_path)
    edit(files[0], lambda f: f.renameVariable("latitude", "rows"))
    with pytest.raises(DataError, match="expected latitudes named latitude or lat"):
        read(files)


@pytest.mark.parametrize("unit", ["K", "furlong", "mm month-1"])
def test_wrong_unit(tmp_path, unit):
    files = rain(tmp_path)
    edit(files[0], lambda f: f["precip"].setncattr("units", unit))
    with pytest.raises(DataError, match=rf"precip: expected the unit 'mm/day': unit '{unit}'"):
        read(files)


def test_another_unit_of_the_same_kind_is_converted(tmp_path, caplog):
    files = rain(tmp_path)
    edit(files[0], lambda f: f["precip"].setncattr("units", "kg m-2 s-1"))
    edit(files[0], lambda f: f["precip"].__setitem__(slice(None), f["precip"][:] / 86400))
    np.testing.assert_allclose(read(files)["precipitation"][0], make.pattern(), rtol=1e-6)
    assert "the unit is 'kg m-2 s-1' where 'mm/day' is documented: converted" in caplog.text


def test_no_unit_is_the_documented_one(tmp_path, caplog):
    files = rain(tmp_path)
    edit(files[0], lambda f: f["precip"].delncattr("units"))
    with caplog.at_level(logging.INFO):
        np.testing.assert_allclose(read(files)["precipitation"][0], make.pattern())
    assert "precip: no unit given, taken as mm/day" in caplog.text


def test_a_day_twice(tmp_path, caplog):
    files = rain(tmp_path)
    again = files[0].with_name("gpcp_v01r03_daily_d20030101_c20200101.nc")
    again.write_bytes(files[0].read_bytes())
    assert read([*files, again]).sizes["time"] == 2
    assert "holds 2003-01-01 00:00:00 twice, with equal values: the second is dropped" in caplog.text
    edit(again, lambda f: f["precip"].__setitem__((0, 0, 0), 99.0))
    with pytest.raises(DataError, match="holds 2003-01-01 00:00:00 twice, with different values"):
        read([*files, again])


def test_days_out_of_order_are_sorted(tmp_path):
    files = rain(tmp_path, number=3)
    assert read(files[::-1]).indexes["time"].is_monotonic_increasing


@pytest.mark.parametrize("axis", ["latitude", "longitude"])
def test_shifted_grid(tmp_path, axis):
    files = rain(tmp_path)
    shift = 11.25  # a quarter of a cell
    edit(files[0], lambda f: f[axis].__setitem__(slice(None), f[axis][:] + shift))
    with pytest.raises(
        DataError, match=rf"the grid is shifted: expected {axis}s whose edges are multiples of the spacing 45"
    ):
        read(files)


def test_files_on_different_grids(tmp_path):
    files = rain(tmp_path)
    make.netcdf(
        files[1],
        {"time": make.days([1]), "latitude": (np.array([-45.0, 45.0]), {}), "longitude": (np.array([90.0, 270.0]), {})},
        {"precip": (("time", "latitude", "longitude"), np.ones((1, 2, 2)), {"units": "mm/day"})},
    )
    with pytest.raises(DataError, match="gpcp: precipitation: expected the same grid in all files, the lat differ"):
        read(files)


def test_latitude_from_north_to_south_is_turned(tmp_path):
    files = rain(tmp_path)

    def turn(f):
        f["latitude"][:] = f["latitude"][:][::-1]
        f["precip"][:] = f["precip"][:][:, ::-1]

    edit(files[0], turn)
    np.testing.assert_allclose(read(files)["precipitation"][0], make.pattern())


@pytest.mark.parametrize(
    ("values", "words"), [([-80, -20, -30, 60], "only rise or only fall"), ([-90, 0, 90, 180], "within -90 to 90")]
)
def test_bad_latitudes(tmp_path, values, words):
    files = rain(tmp_path)
    edit(files[0], lambda f: f["latitude"].__setitem__(slice(None), values))
    with pytest.raises(DataError, match=words):
        read(files)


def test_negative_precipitation(tmp_path, caplog):
    by_rounding = rain(tmp_path / "a", change=lambda day, v: np.where(v == 7, -0.005, v))
    assert float(read(by_rounding)["precipitation"].min()) == 0
    assert "values are impossible by rounding" in caplog.text
    files = rain(tmp_path / "b", change=lambda day, v: np.where(v == 7, -0.5, v))
    with pytest.raises(
        DataError,
        match=r"gpcp_v01r03_daily_d20030101.*: precip: 28 of 32 values outside .* 0 to 2000 mm/day, the first is -0.5",
    ):
        read(files)


@pytest.mark.parametrize("code", [-9999.0, -99999.0, 1e20, 9.969209968386869e36])
def test_missing_values_that_are_not_declared(tmp_path, caplog, code):
    files = rain(tmp_path, number=1, change=lambda day, v: np.where(v == 5, code, v))
    values = read(files)["precipitation"][0]
    assert int(values.isnull().sum()) == 1 and np.isnan(values.sel(lat=67.5, lon=67.5))
    assert "not declared as missing" in caplog.text


def test_a_code_for_missing_is_one_also_where_it_were_possible():
    """Storage in cm may be -999 as far as physics goes, but no measurement is just that; it is judged in the file's unit."""
    found = values.clean(np.array([-999.0, -998.9, -99.9]), -2000, 2000, 0, "cm", "x", scale=10.0)
    np.testing.assert_array_equal(found, [np.nan, -9989, -999])


def test_infinite_values(tmp_path):
    with pytest.raises(DataError, match="1 of 32 values outside the possible range"):
        read(rain(tmp_path, number=1, change=lambda day, v: np.where(v == 5, np.inf, v)))


@pytest.mark.parametrize("content", [b"<html><body>Please log in</body></html>", b"CDF", b""])
def test_no_netcdf_file(tmp_path, content):
    files = rain(tmp_path)
    files[0].write_bytes(content)
    with pytest.raises(DataError, match=r"gpcp_v01r03_daily_d20030101.*expected a netCDF file"):
        read(files)


def test_truncated_files(tmp_path):
    make.crujra(tmp_path)
    packed = products.files("crujra", tmp_path / "crujra")[0]
    packed.write_bytes(packed.read_bytes()[:-500])
    with pytest.raises(DataError, match=r"gzipped file.*truncated"):
        products.read("crujra", [packed])
    make.gtopo30(tmp_path)
    path = tmp_path / "gtopo30" / "E000N90.DEM"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(DataError, match="expected 16 bytes, as its header says, found 14"):
        products.read("gtopo30", [path])


def test_unpacked_copies_are_deleted(tmp_path, monkeypatch):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    make.crujra(tmp_path)
    with products.read("crujra", products.files("crujra", tmp_path / "crujra")) as data:
        data.load()
        assert list((tmp_path / "tmp").iterdir())
    assert not list((tmp_path / "tmp").iterdir())


def test_water_storage_of_the_ocean_is_missing(tmp_path):
    make.grace(tmp_path)
    with products.read("grace", products.files("grace", tmp_path)) as data:
        january = data["tws"].isel(time=0).load()
    assert int(january.isnull().sum()) == 1 and np.isnan(january.sel(lat=-67.5, lon=22.5))


@pytest.mark.parametrize(("dtype", "packing"), [("u1", {"scale_factor": 0.01}), ("u1", {}), ("f4", {})])
def test_fapar_packed_or_not(tmp_path, dtype, packing):
    """20 %, as whole numbers with and without a declared scale, or as a fraction; codes above are missing."""
    values = np.full((1, 4, 8), 20 if dtype == "u1" else 0.2)
    values[0, 0, 0] = 254 if dtype == "u1" else 2.54
    axes = {"time": make.days([0]), "lat": make.lat(), "lon": make.lon()}
    path = tmp_path / "MOD15A2H.061_500m_aid0001.nc"
    make.netcdf(path, axes, {"Fpar_500m": (("time", "lat", "lon"), values, {"dtype": dtype} | packing)})
    with products.read("modis_fapar", [path]) as data:
        found = data["fapar"].load()
    assert np.isnan(found[0, 0, 0]) and found.sum() == pytest.approx(31 * 0.2, rel=1e-6)


def test_tiles_of_modis(tmp_path, caplog):
    """Two composites of two tiles about 15° and 25° E at 45° N, 40 and 60 %; of the first, the southern half is water."""
    for day in (1, 9):
        for horizontal, value in ((19, 40), (20, 60)):
            values = np.full((2400, 2400), value, "u1")
            if (day, horizontal) == (1, 19):
                values[1200:] = 254
            make.modis_tile(tmp_path, day, horizontal, 4, values)
    make.modis_tile(tmp_path, 1, 20, 4, np.full((2400, 2400), 10, "u1"), produced=2015000000000)  # an older production
    make.modis_tile(tmp_path, 9, 21, 4, np.full((2400, 2400), 50, "u1"))
    with products.read("modis_fapar", products.files("modis_fapar", tmp_path, years=(2003, 2003))) as data:
        assert data.attrs["step"] == "8 days" and data["fapar"].shape == (2, 3600, 7200)
        assert [str(t)[:10] for t in data["time"].values] == ["2003-01-01", "2003-01-09"]
        found = regrid.regrid(data["fapar"], Grid(1.0), 0.9).sel(lon=[18.5, 30.5], lat=[42.5, 47.5])
    np.testing.assert_allclose(found, [[[np.nan, 0.6], [0.4, 0.6]], [[0.4, 0.6], [0.4, 0.6]]], rtol=1e-6)
    assert "A2003001: 1 tiles that others have are not there: h21v04" in caplog.text


def test_pixels_of_modis_lie_where_proj_puts_them(tmp_path):
    """Cells of 0.05° hold the mean longitude of their pixels, to a pixel; so do those of 1° after regridding."""
    sinusoidal = pyproj.CRS("+proj=sinu +R=6371007.181 +units=m")
    to_degrees = pyproj.Transformer.from_crs(sinusoidal, sinusoidal.geodetic_crs, always_xy=True)
    size = 1111950.519667 / 2400
    x, y = np.meshgrid((np.arange(2400) + 0.5) * size, 6 * 2400 * size - (np.arange(2400) + 0.5) * size)
    lon, _ = to_degrees.transform(x, y)
    values = np.where(lon * 3 > 100, 255, np.round(lon * 3)).astype("u1")  # h18v03: 0 to 20° E, 50 to 60° N
    make.modis_tile(tmp_path, 1, 18, 3, values)
    with products.read("modis_fapar", products.files("modis_fapar", tmp_path)) as data:
        found = regrid.regrid(data["fapar"], Grid(1.0), 0.9)[0].sel(lat=slice(50, 60), lon=slice(0, 15))
    assert found.notnull().all()
    np.testing.assert_allclose(found, np.broadcast_to(found.lon * 3 / 100, found.shape), atol=2e-4)


def test_bad_tiles_of_modis(tmp_path):
    path = make.modis_tile(tmp_path, 1, 19, 4, np.full((24, 24), 40, "u1"))
    moved = path.rename(path.with_name(path.name.replace("h19", "h20")))
    with (
        products.read("modis_fapar", [moved]) as data,
        pytest.raises(DataError, match="expected the corners of h20v04"),
    ):
        data.load()
    percent = make.modis_tile(tmp_path, 9, 19, 4, np.full((24, 24), 40, "u1"), scale=1.0)
    with products.read("modis_fapar", [percent]) as data, pytest.raises(DataError, match=r"expected bytes in 0\.01"):
        data.load()
    broken = tmp_path / path.name
    broken.write_bytes(moved.read_bytes()[:1000])
    with products.read("modis_fapar", [broken]) as data, pytest.raises(DataError, match=r"h19v04.* it is damaged"):
        data.load()
    area = tmp_path / "MOD15A2H.061_500m_aid0001.nc"
    with pytest.raises(DataError, match=r"expected tiles \(.hdf\) or areas \(.nc\), found both"):
        products.read("modis_fapar", [moved, area])
    with pytest.raises(DataError, match=r"MOD15A2H.A1.hdf: expected a name like"):
        products.read("modis_fapar", [tmp_path / "MOD15A2H.A1.hdf"])


def test_a_dimension_too_many(tmp_path):
    axes = {"time": make.days([15]), "pft": 2, "lat": make.lat(), "lon": make.lon()}
    flux = (("time", "pft", "lat", "lon"), np.ones((1, 2, 4, 8)) * 1e-8, {"units": "kg m-2 s-1"})
    make.netcdf(tmp_path / "A_S3_gpp.nc", axes, {"gpp": flux})
    with pytest.raises(DataError, match=r"A_S3_gpp.nc: expected the dimensions .* found also \{'pft': 2\}"):
        products.read("trendy", [tmp_path / "A_S3_gpp.nc"])


def test_dew_point_above_the_temperature(tmp_path):
    make.era5(tmp_path)
    path = tmp_path / "era5" / "era5_200301.nc"
    edit(path, lambda f: (f.set_auto_maskandscale(False), f["d2m"].__setitem__(slice(None), 2785)))
    with (
        products.read("era5", [path]) as data,
        pytest.raises(DataError, match=r"dew point lies above the temperature, by up to 1\.00 K"),
    ):
        data.load()


def test_tiles_in_metres(tmp_path):
    """Two neighbouring UTM tiles of 30 m: forest west of 15° E, water east of it; one cell of 1° each."""
    for zone, code in ((32, 20), (33, 60)):
        middle = 9 if zone == 32 else 15
        grid = pyproj.Proj(f"EPSG:326{zone}")
        (west, east), (south, north) = (np.array(v) for v in grid([middle - 3.0, middle + 3.0], [46.0, 47.2]))
        shape = (int((north - south) / 300), int((east - west) / 300))
        make.geotiff(tmp_path / f"n{zone}.tif", np.full(shape, code, "u1"), west, north, 300.0, 255, f"EPSG:326{zone}")
    with products.read("globeland30", sorted(tmp_path.iterdir())) as data:
        near = data.sel(lat=slice(45, 48), lon=slice(5, 20))
        forest, water = (regrid.regrid(near[n], Grid(1.0), 0.9) for n in ("forest", "water_bodies"))
    np.testing.assert_allclose(forest.sel(lat=46.5, lon=[7.5, 10.5, 13.5, 16.5]), [1, 1, 0, 0])
    np.testing.assert_allclose(water.sel(lat=46.5, lon=[7.5, 10.5, 13.5, 16.5]), [0, 0, 1, 1])


def test_soil_in_homolosine_projection(tmp_path):
    """A map of 50 km that holds 10 times the latitude: cells of 5° get theirs, and between the lobes nothing is."""
    size, shape = 50e3, (348, 800)
    igh = pyproj.CRS("+proj=igh +lon_0=0 +datum=WGS84 +units=m")
    x, y = np.meshgrid((np.arange(800) + 0.5) * size - 2e7, 8.7e6 - (np.arange(348) + 0.5) * size)
    _, lat = pyproj.Transformer.from_crs(igh, 4326, always_xy=True).transform(x, y)
    outside = ~np.isfinite(lat)
    values = np.where(outside, 0, np.round(np.where(outside, 0, lat) * 10)).astype("i4")
    assert 0.2 < outside.mean() < 0.5 and values.shape == shape
    make.geotiff(tmp_path / "a_1000.tif", values, -2e7, 8.7e6, size, -32768, igh.to_wkt())
    data = raster.average([tmp_path / "a_1000.tif"], {"v": lambda v: v / 10.0}, lambda v: v != -32768)
    found = regrid.regrid(data["v"], Grid(5.0), 0.1).sel(lat=slice(-80, 80))
    assert float(abs(found - found.lat).max()) < 0.6


def test_rasters_are_read_in_bands(tmp_path, monkeypatch):
    """The same result, and never more pixels at once than allowed."""
    values = np.random.default_rng(0).integers(0, 100, (96, 64)).astype("i4")
    make.geotiff(tmp_path / "a.tif", values, 10, 50, 1 / 120, 7)
    args = [tmp_path / "a.tif"], {"v": lambda v: v.astype("f8")}, lambda v: v != 9
    whole = raster.average(*args)
    monkeypatch.setattr(raster, "PIXELS", 700)
    assert max(v.size for v, _, _ in raster.open_raster(tmp_path / "a.tif").bands()) == 640
    xr.testing.assert_allclose(raster.average(*args), whole)


def test_of_a_very_fine_raster_some_pixels_are_read(tmp_path):
    """1/3600°: one pixel of 10 x 10, the middle one, so that the shares of the classes stay."""
    values = np.kron(np.array([[10, 20], [30, 10]], "u1"), np.ones((120, 120), "u1"))
    make.geotiff(tmp_path / "a.tif", values, 10, 50, 1 / 3600)
    (band,) = raster.open_raster(tmp_path / "a.tif").bands()
    assert band[0].shape == (24, 24) and band[2][0] == pytest.approx(10 + 5 / 3600)
    with products.read("globeland30", [tmp_path / "a.tif"]) as data:
        assert data.sizes == {"lat": 2, "lon": 2}
        np.testing.assert_array_equal(data["cultivated_land"], [[0, 1], [1, 0]])


def test_raster_without_a_place(tmp_path):
    make.geotiff(tmp_path / "a.tif", np.full((2, 2), 20, "u1"), 0, 2, -1.0)  # rows from south to north
    with pytest.raises(DataError, match=r"a\.tif: expected a raster that says where it lies"):
        products.read("globeland30", [tmp_path / "a.tif"])
    make.geotiff(tmp_path / "c.tif", np.full((2, 2), 20, "u1"), 5e5, 5e6, 30.0, 255, None)
    with pytest.raises(DataError, match=r"c\.tif: expected a raster in degrees, or one that states its projection"):
        products.read("globeland30", [tmp_path / "c.tif"])
    (tmp_path / "b.tif").write_text("<html>")
    with pytest.raises(DataError, match=r"b\.tif: expected a GeoTIFF or another raster"):
        products.read("globeland30", [tmp_path / "b.tif"])


def test_truncated_rasters(tmp_path):
    rng = np.random.default_rng(0)
    make.geotiff(tmp_path / "a.tif", rng.integers(0, 10, (200, 200)).astype("u1"), 0, 90, 0.4)
    make.gtopo30(tmp_path)
    for path in (tmp_path / "a.tif", tmp_path / "gtopo30" / "E000N90.DEM"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(DataError, match=path.name):
            raster.average([path], {"v": lambda v: v}, lambda v: v >= 0)


def test_unknown_wetland_class(tmp_path):
    make.geotiff(tmp_path / "w.tif", np.array([[0, 9]] * 2, "u1"), 0, 90, 45)
    with pytest.raises(DataError, match=r"expected the classes 0, 1, 2, 3, 4, 15, found \[9\]"):
        products.read("tootchi", [tmp_path / "w.tif"])


def test_fine_rasters_are_averaged_to_a_thirtieth_of_a_degree(tmp_path):
    """8 x 8 pixels of 1/120° become 2 x 2 of 1/30°."""
    values = np.arange(64, dtype="u1").reshape(8, 8)
    make.geotiff(tmp_path / "a.tif", values, 10, 50, 1 / 120)
    data = raster.average([tmp_path / "a.tif"], {"v": lambda v: v.astype("f8")}, lambda v: v >= 0)
    np.testing.assert_allclose(data["v"][::-1], values.reshape(2, 4, 2, 4).mean((1, 3)))
    np.testing.assert_allclose(data.lon, [10 + 1 / 60, 10 + 3 / 60])


def test_a_writer_refuses_what_its_product_does_not_hold(tmp_path):
    with pytest.raises(DataError, match="grun: holds runoff, not rain"):
        products.write("grun", maps(MONTHS[:1], rain=(0, 1)), tmp_path)
    shifted = maps(MONTHS[:1], runoff=(0, 1)).assign_coords(lat=GRID.lat - 2)
    with pytest.raises(DataError, match="the grid is shifted"):
        products.write("grun", shifted, tmp_path)


# --- units ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "target", "value", "expected"),
    [
        ("kg m-2 s-1", "mm day-1", 1e-5, 0.864),
        ("kg C m-2 s-1", "g m-2 day-1", 1e-8, 0.864),
        ("gC m-2 d-1", "g m-2 day-1", 2, 2),
        ("g C / m^2 / yr", "g m-2 day-1", 365.25, 1),
        ("umol CO2 m-2 s-1", "g m-2 day-1", 1, 12.011e-6 * 86400),
        ("degC", "K", 0, 273.15),
        ("cm", "mm", 1, 10),
        ("mm hr-1", "mm day-1", 1, 24),
        ("Pa", "hPa", 100, 1),
        ("mol mol-1", "ppm", 4e-4, 400),
        ("%", "1", 50, 0.5),
        ("Watts m-2", "W m-2", 3, 3),
    ],
)
def test_units(source, target, value, expected):
    scale, offset = units.conversion(source, target)
    assert value * scale + offset == pytest.approx(expected, rel=1e-9)


# --- real files ----------------------------------------------------------------------------------------------------


def test_the_real_map_of_transcom_regions(shared):
    """The nearest region at 1° is that of the map made from the same file by others."""
    path = shared / "data" / "gridded" / "TRANSCOM_Map_MZT.nc"
    with (
        products.read("transcom", [path]) as data,
        xr.open_dataset(shared / "data" / "gridded" / "static_1deg.nc") as other,
    ):
        assert data["region"].shape == (96, 144)
        expected = other["transcom_nearest"].load().sortby("lat")
        wrapped = xr.concat([data["region"], data["region"].isel(lon=[0]).assign_coords(lon=[180.0])], "lon")
        found = wrapped.sel(lat=expected.lat, lon=expected.lon, method="nearest")
    assert float((found.values == expected.values).mean()) > 0.995  # what differs lies half-way between two points
    share = regrid.regrid((wrapped.isel(lon=slice(0, -1)) == 3).astype("f8"), Grid(1.0))
    assert float(share.sel(lat=-5.5, lon=-60.5)) == 1 and float(share.sel(lat=50.5, lon=10.5)) == 0


def test_real_relief_through_the_layout_of_gtopo30(shared, tmp_path):
    with xr.open_dataset(shared / "data" / "gridded" / "static_1deg.nc") as real:
        land = real["elevation"].where(real["land_fraction"] > 0.99).sortby("lat").load()
    sample = xr.Dataset({"elevation_mean": land.where(land > -400), "elevation_std": xr.zeros_like(land)})
    products.write("gtopo30", sample, tmp_path)
    with products.read("gtopo30", products.files("gtopo30", tmp_path)) as data:
        coarse, exact = (regrid.regrid(f, Grid(5.0)) for f in (data["elevation"], sample["elevation_mean"]))
    assert float(abs(coarse - exact).max()) < 0.5  # rounded to metres
    assert float(coarse.sel(lat=32.5, lon=87.5)) > 4500  # Tibet


DATA = Path(__file__).parent / "data"


def test_real_temperature_and_dew_point():
    """CAMS EAC4 of the present data store: the deficit from its own two temperatures, and the air near Hawaii."""
    with (
        products.read("era5", [DATA / "cams_eac4_surface.nc"]) as data,
        xr.open_dataset(DATA / "cams_eac4_surface.nc") as raw,
    ):
        assert data.attrs["step"] == "3 hours" and data.sizes == {"time": 16, "lat": 4, "lon": 5}
        wanted = raw.sel(latitude=23.0, longitude=-162.25, valid_time="2022-11-20T12:00", method="nearest")
        found = data.sel(lat=wanted.latitude, lon=wanted.longitude, time=wanted.valid_time)
        t, d = float(wanted.t2m), float(wanted.d2m)
        expected = 6.1121 * (np.exp(17.502 * (t - 273.16) / (t - 32.19)) - np.exp(17.502 * (d - 273.16) / (d - 32.19)))
        assert float(found["vapour_pressure_deficit"]) == pytest.approx(expected, rel=1e-5) and 2 < expected < 15


def test_a_real_file_of_the_present_store_that_is_a_sample():
    """Noon of the first of each month is no monthly mean."""
    with pytest.raises(DataError, match=r"the stamps fit no rule: .* found 2014-01-01T12:00, 2014-02-01T12:00"):
        products.read("era5", [DATA / "era5_new_store.nc"])


def test_a_real_file_of_the_former_store():
    """Packed as 16-bit integers, hours since 1900; one grid point alone is no map, and is refused as such."""
    row = catalogue.product("era5")
    path = DATA / "era5_former_store.nc"
    with opening.open_file(path) as raw, xr.open_dataset(path) as plain:
        assert raw["t2m"].encoding["dtype"] == np.int16 and "since 1900" in raw["time"].attrs["units"]
        ready = times.decode(axes.rename(raw, row, "x"), "x")
        starts, step, _ = times.starts(ready, "any", "x")
        np.testing.assert_array_equal(starts, plain["time"].values.astype("datetime64[ns]"))
        temperature = reading.take(ready, "t", row.variables["air_temperature"], "x")
        assert step == "any" and 200 < float(temperature.mean()) < 330
        with pytest.raises(DataError, match="expected at least two latitudes along one dimension"):
            reading.standardise(raw, row, path)


def test_a_real_tile_of_modis_lies_where_its_name_says(monkeypatch):
    """h09v05 of another product in the same projection: 30 to 40° N."""
    path = DATA / "MOD10A2.A2022033.h09v05.061.2022042050729.hdf"
    modis = products.module("modis_fapar")
    monkeypatch.setattr(modis, "NAME", "Maximum_Snow_Extent")
    monkeypatch.setattr(modis, "CODES", (200, 255))  # of that product: 200 is snow
    values, lat, lon = modis.read_tile(path, 9, 5)
    assert values.shape == (24, 24) and set(np.unique(values)) <= {25, 200}
    assert 30 < lat.min() < lat.max() < 40 and -118 < lon.min() < lon.max() < -92
    with pytest.raises(DataError, match="expected the corners of h10v05"):
        modis.read_tile(path, 10, 5)


def test_the_real_record_of_mauna_loa():
    found = products.read("mauna_loa", [DATA / "co2_mm_mlo.csv"])["co2"]
    assert float(found.sel(time="1958-03-01")) == 315.71 and found.sizes["time"] == 23
