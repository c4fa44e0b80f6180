"""The data set for users: the numbers, CF, and its use by CDO and xarray as the files are."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from rocrate.rocrate import ROCrate

from conftest import ROOT
from fake_results import fake_config, fake_results
from h2cm.config import Config, parse
from h2cm.results.dataset.archive import write_zarr
from h2cm.results.dataset.attributes import MASS_NAMES, global_attributes, precision, variable_attributes
from h2cm.results.dataset.description import write_description
from h2cm.results.dataset.files import map_grid, time_axis, write_grid, write_variable
from h2cm.results.evaluate.series import area_weighted_mean
from h2cm.results.paths import dataset_years as years
from h2cm.results.paths import folds, path
from h2cm.store import DataError, save_netcdf
from h2cm.vocabulary import OUTPUTS

ACCEPTED = (
    # written by the netCDF library itself
    "_QuantizeBitRoundNumberOfSignificantBits should begin with a letter",
    # CF 1.11, 7.3.4: a standard name may stand for what is no dimension; the checker knows coordinates only
    "cell_methods name component realization does not match",
)


def make(folder: Path, source: str = "twin", **changes) -> tuple[Config, Path, dict[str, np.ndarray]]:
    """A run with predictions of three folds, its data set, and the predictions (fold, cell, step) of each file."""
    values = fake_config(source, folds=3, years=2).model_dump(mode="json")
    values["dataset"] = {"chunks": [50, 7, 11]} | changes
    values["prediction"] = {"daily": ["gpp", "nee"], "monthly": ["gpp", "tws"]}
    config = parse(values)
    run = fake_results(folder, config, n_cells=300) if source == "twin" else fake_results(folder, config)
    cells = xr.load_dataset(run / "store/grid.nc")
    rng = np.random.default_rng(0)
    truth = {}
    for step, axis in (("daily", "time"), ("monthly", "month")):
        n = time_axis(config, step)[0].size
        names = getattr(config.prediction, step)
        for name in names:
            season = np.sin(2 * np.pi * np.arange(n) / (365 if step == "daily" else 12))
            truth[step, name] = (3 + season + rng.normal(0, 1, (3, cells.sizes["cell"], n))).astype("f4")
        for fold in folds(config, "cv"):
            data = {name: (("cell", axis), truth[step, name][fold]) for name in names}
            file = run / f"predictions/cv/fold_{fold}/{step}.nc"
            save_netcdf(xr.Dataset(data, attrs={"provenance": '{"inputs": {"store/gpp.nc": "00ff"}}'}), file)
        for name in names:
            write_variable(config, name, step, members(run, config, step), cells, run, "code")
    return config, run, truth


def path_of(name: str, step: str, year: str) -> str:
    """Path of a file below the folder of the data set."""
    return path("dataset_file", variable=name, step=step, year=year).removeprefix("dataset/")


def members(run: Path, config: Config, step: str) -> list[Path]:
    return [run / f"predictions/cv/fold_{fold}/{step}.nc" for fold in folds(config, "cv")]


@pytest.fixture(scope="module")
def earth(tmp_path_factory):
    config, run, truth = make(tmp_path_factory.mktemp("earth"))
    cells = xr.load_dataset(run / "store/grid.nc")
    attributes = global_attributes(config, [run / "store/grid.nc"], "code")
    write_grid(config, cells, run / "dataset/grid.nc", attributes)
    return config, run / "dataset", truth, cells


@pytest.fixture(scope="module")
def towers(tmp_path_factory):
    config, run, truth = make(tmp_path_factory.mktemp("towers"), "towers")
    return config, run / "dataset", truth, xr.load_dataset(run / "store/grid.nc")


@pytest.mark.parametrize(("step", "name"), [("daily", "gpp"), ("daily", "nee"), ("monthly", "tws")])
def test_each_cell_and_step_is_the_median_and_range_of_the_folds(earth, step, name):
    config, folder, truth, cells = earth
    data = xr.concat(
        [xr.load_dataset(folder / path_of(name, step, y)) for y in years(config)], "time", data_vars="minimal"
    )
    relative = 2.0 ** -(precision(config.dataset.significant_digits)[0] + 1)
    for suffix, combine in (("", np.median), ("_min", np.min), ("_max", np.max)):
        found = data[name + suffix]
        assert found.dims == ("time", "lat", "lon") and found.dtype == np.float32
        at_cells = found.sel(lat=cells.lat, lon=cells.lon).transpose("cell", "time")
        np.testing.assert_allclose(at_cells, combine(truth[step, name], axis=0), rtol=relative * 1.001)
        assert int(found.notnull().isel(time=0).sum()) == cells.sizes["cell"], "nothing where there is no land"
    first = pd.Timestamp(config.period.start)
    assert data["time"].values[0] == first + (pd.Timedelta("12h") if step == "daily" else pd.Timedelta("15.5D"))
    assert data.sizes["time"] == truth[step, name].shape[2] and data.indexes["time"].is_monotonic_increasing
    bounds = data["time_bnds"].values
    assert (bounds[1:, 0] == bounds[:-1, 1]).all(), "steps follow each other without a gap"


def test_a_globe_is_written_from_pole_to_pole_and_a_region_as_it_is():
    globe = fake_config()
    assert map_grid(globe).lat.size == 18 and map_grid(globe).lon.size == 36
    region = parse(globe.model_dump(mode="json") | {"grid": {"resolution": 10, "bounds": [-20, -20, 50, 60]}})
    assert map_grid(region).lat.tolist() == list(np.arange(-15.0, 60, 10))


def findings(path: Path) -> list[str]:
    """What the compliance checker has to say of a file, less what is `ACCEPTED`."""
    report = path.with_suffix(".json")
    command = [
        Path(sys.executable).with_name("compliance-checker"),
        "--test",
        "cf:1.11",
        "--format",
        "json",
        "--output",
        str(report),
        str(path),
    ]
    subprocess.run(command, capture_output=True, check=False)
    results = json.loads(report.read_text())["cf:1.11"]
    said = [
        f"{r['name']}: {m}"
        for level in ("high", "medium", "low")
        for r in results[f"{level}_priorities"]
        for m in r["msgs"]
    ]
    assert results["possible_points"] > 20, "the checker has looked"
    return [line for line in said if not any(text in line for text in ACCEPTED)]


def test_files_keep_to_cf(earth, towers):
    for config, folder, _, _ in (earth, towers):
        for step, name in (("daily", "gpp"), ("daily", "nee"), ("monthly", "tws")):
            assert findings(folder / path_of(name, step, years(config)[-1])) == []
    assert findings(earth[1] / "grid.nc") == []


def test_the_checker_finds_a_wrong_standard_name(earth, tmp_path):
    wrong = shutil.copy(earth[1] / path_of("gpp", "monthly", "2010"), tmp_path / "wrong.nc")
    with netCDF4.Dataset(wrong, "a") as file:
        file["gpp"].standard_name = "gross_productivity"
    assert any("standard_name" in line for line in findings(wrong))


@pytest.mark.parametrize("name", OUTPUTS)
def test_standard_names_are_in_the_table_with_a_unit_that_fits(name):
    import compliance_checker
    from cf_units import Unit
    from compliance_checker.cf.util import StandardNameTable

    attrs = variable_attributes(name, "")
    assert "mm" not in attrs["units"]
    if attrs["units"].startswith("g m-2"):
        assert "carbon" in attrs["comment"] and "carbon" in attrs["long_name"] + attrs["comment"]
    if "standard_name" in attrs:
        table = StandardNameTable(Path(compliance_checker.__file__).parent / "data/cf-standard-name-table.xml")
        assert Unit(attrs["units"]).is_convertible(Unit(table[attrs["standard_name"]].canonical_units))
    assert MASS_NAMES.keys() <= OUTPUTS.keys()


def cdo(*arguments: str) -> str:
    """What CDO says; it is an error if it warns."""
    result = subprocess.run(["cdo", *map(str, arguments)], capture_output=True, text=True)
    assert result.returncode == 0 and "arning" not in result.stderr, result.stderr
    return result.stdout


needs_cdo = pytest.mark.skipif(shutil.which("cdo") is None, reason="needs CDO (Debian package cdo)")


@needs_cdo
def test_cdo_uses_the_files_as_they_are(earth, tmp_path):
    config, folder, truth, cells = earth
    file = folder / path_of("gpp", "daily", "2011")
    seen = cdo("sinfon", file)
    assert all(name in seen for name in ("gpp ", "gpp_min", "gpp_max", "lonlat", "365 steps", "cellbounds")), seen
    for operator in (["yearmean"], ["selname,gpp"], ["monmean"], ["fldmean"], ["remapnn,lon=10/lat=50"]):
        cdo(*operator, file, tmp_path / "out.nc")
        with xr.open_dataset(tmp_path / "out.nc") as data:
            assert "gpp" in data and data["gpp"].notnull().any()
    cdo("yearmean", "-selname,gpp", file, tmp_path / "year.nc")
    with xr.open_dataset(tmp_path / "year.nc") as year, xr.open_dataset(file) as days:
        np.testing.assert_allclose(year["gpp"][0], days["gpp"].mean("time"), rtol=1e-5)
    cdo("fldmean", "-selname,gpp", file, tmp_path / "mean.nc")
    with xr.open_dataset(tmp_path / "mean.nc") as mean:
        expected = area_weighted_mean(np.median(truth["daily", "gpp"], 0)[:, 365:], map_areas(config, cells))
        np.testing.assert_allclose(mean["gpp"].squeeze(), expected, rtol=1e-4)
    # all variables of all files together, as a user would join them
    cdo("merge", "-selname,gpp", file, "-selname,nee", folder / path_of("nee", "daily", "2011"), tmp_path / "both.nc")
    assert cdo("-s", "showname", tmp_path / "both.nc").split() == ["gpp", "nee"]
    cdo("mergetime", *(folder / path_of("gpp", "daily", year) for year in years(config)), tmp_path / "all.nc")
    assert cdo("-s", "ntime", tmp_path / "all.nc").split()[0] == "730"


@needs_cdo
def test_cdo_reads_towers(towers, tmp_path):
    config, folder, truth, _ = towers
    file = folder / path_of("gpp", "daily", years(config)[0])
    cdo("timmean", "-selname,gpp", file, tmp_path / "mean.nc")
    with xr.open_dataset(tmp_path / "mean.nc") as mean:
        np.testing.assert_allclose(mean["gpp"].squeeze(), np.median(truth["daily", "gpp"], 0).mean(1), rtol=1e-4)


def map_areas(config: Config, cells: xr.Dataset) -> np.ndarray:
    grid = map_grid(config)
    return grid.cell_area()[np.round((cells.lat.values - grid.lat[0]) / grid.resolution).astype(int)]


def test_bounds_give_the_areas_that_weigh_our_means(earth):
    """What CDO does with the bounds, without CDO: the mean weighted by sin(lat) and longitude is ours."""
    config, folder, truth, cells = earth
    data = xr.load_dataset(folder / path_of("gpp", "daily", "2011"))
    band = np.sin(np.radians(data["lat_bnds"])).diff("bnds").squeeze("bnds")
    width = data["lon_bnds"].diff("bnds").squeeze("bnds")
    expected = area_weighted_mean(np.median(truth["daily", "gpp"], 0)[:, 365:], map_areas(config, cells))
    np.testing.assert_allclose(data["gpp"].weighted(band * width).mean(["lat", "lon"]), expected, rtol=1e-4)
    grid = xr.load_dataset(folder / "grid.nc")
    assert float(grid["cell_area"].sum()) == pytest.approx(4 * np.pi * 6.371e6**2)
    assert int(grid["modelled"].sum()) == cells.sizes["cell"]
    assert 0.25 < float(grid["land_fraction"].weighted(grid["cell_area"]).mean()) < 0.35


def test_xarray_uses_the_files_as_they_are(earth):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    _, folder, truth, cells = earth
    with xr.open_mfdataset(str(folder / "daily/gpp_daily_*.nc"), data_vars="minimal") as data:
        lat, lon = float(cells.lat[7]), float(cells.lon[7])
        series = data["gpp"].sel(lat=lat + 2, lon=lon - 2, method="nearest").sel(time="2011-03-05")
        np.testing.assert_allclose(series, np.median(truth["daily", "gpp"][:, 7, 365 + 63]), rtol=1e-4)
        drawn = data["gpp"].isel(time=3).plot()
        assert drawn.axes.get_xlabel() == "longitude [degrees_east]"
        assert "carbon" in drawn.colorbar.ax.get_ylabel() and "g m-2 day-1" in drawn.colorbar.ax.get_ylabel().replace(
            "\n", " "
        )
        plt.close("all")


def test_attributes_say_where_the_numbers_come_from(earth):
    config, folder, _, _ = earth
    with netCDF4.Dataset(folder / path_of("gpp", "daily", "2010")) as file:
        assert json.loads(file.configuration)["seed"] == config.seed
        provenance = json.loads(file.provenance)
        assert {"versions", "inputs", "code"} <= provenance.keys() and provenance["inputs"]["store/gpp.nc"] == "00ff"
        assert any(name.endswith("cv/fold_2/daily.nc") and len(h) == 64 for name, h in provenance["inputs"].items())
        assert file.license == "CC-BY-4.0" and "synthetic" in file.summary and "10.5194" in file.citation
        assert file["gpp"].standard_name == "gross_primary_productivity_of_biomass_expressed_as_carbon"
        assert file["gpp_max"].cell_methods == "time: mean realization: maximum"
        assert file["gpp"].chunking() == [50, 7, 11] and "significant bits" in file["gpp"].precision


def test_towers_are_time_series_of_stations(towers):
    config, folder, truth, cells = towers
    with xr.open_dataset(folder / path_of("gpp", "daily", years(config)[0])) as data:
        assert data.attrs["featureType"] == "timeSeries" and data["gpp"].dims == ("time", "station")
        assert data["station_name"].values.astype(str).tolist() == cells["site"].values.astype(str).tolist()
        np.testing.assert_allclose(data["gpp"].T, np.median(truth["daily", "gpp"], 0), rtol=1e-4)


def test_the_same_predictions_give_the_same_bytes_whatever_the_block(earth, tmp_path, monkeypatch):
    config, folder, _, cells = earth
    monkeypatch.setattr("h2cm.results.dataset.spread.CELLS", 37)
    write_variable(config, "nee", "daily", members(folder.parent, config, "daily"), cells, tmp_path, "code")
    for year in years(config):
        assert (tmp_path / "dataset" / path_of("nee", "daily", year)).read_bytes() == (
            folder / path_of("nee", "daily", year)
        ).read_bytes()
    assert not [path for path in tmp_path.rglob("*") if "scratch" in path.name or "unfinished" in path.name]


def test_gaps_and_wrong_folds_are_refused_and_nothing_is_left(earth, tmp_path):
    config, folder, _, cells = earth
    good = members(folder.parent, config, "monthly")
    bad = tmp_path / "bad.nc"
    with xr.load_dataset(good[1]) as data:
        data["gpp"][3, 5] = np.nan
        save_netcdf(data, bad)
    with pytest.raises(DataError, match=r"bad\.nc: gpp: .*gaps"):
        write_variable(config, "gpp", "monthly", [good[0], bad], cells, tmp_path / "out", "code")
    with pytest.raises(DataError, match=r"expected 'runoff' .*found none"):
        write_variable(config, "runoff", "monthly", good, cells, tmp_path / "out", "code")
    longer = parse(config.model_dump(mode="json") | {"period": {"start": "2010-01-01", "end": "2012-12-31"}})
    with pytest.raises(DataError, match="expected 36 steps of 300 cells"):
        write_variable(longer, "gpp", "monthly", good, cells, tmp_path / "out", "code")
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_memory_does_not_grow_with_the_record(earth, monkeypatch):
    """Predictions are read a block of cells at a time."""
    config, folder, _, cells = earth
    sizes = []
    stack = np.stack
    monkeypatch.setattr("h2cm.results.dataset.spread.CELLS", 16)
    monkeypatch.setattr("numpy.stack", lambda a, *more, **how: sizes.append(np.shape(a)) or stack(a, *more, **how))
    write_variable(config, "gpp", "monthly", members(folder.parent, config, "monthly"), cells, folder.parent, "code")
    blocks = [shape for shape in sizes if len(shape) == 3]
    assert len(blocks) == 19 and max(shape[1] for shape in blocks) == 16


def test_zarr_holds_what_the_files_hold(earth, tmp_path):
    config, folder, _, _ = earth
    files = [folder / path_of(name, "daily", year) for name in ("gpp", "nee") for year in years(config)]
    write_zarr(files, tmp_path / "daily.zarr")
    with xr.open_zarr(tmp_path / "daily.zarr") as whole:
        assert {"gpp", "gpp_min", "gpp_max", "nee", "nee_min", "nee_max"} <= set(whole)
        with xr.open_mfdataset(files[:2], data_vars="minimal") as netcdf:
            xr.testing.assert_equal(whole["gpp_max"].load(), netcdf["gpp_max"].load())
            assert whole["gpp"].attrs["units"] == netcdf["gpp"].attrs["units"]
        assert whole["gpp"].encoding["chunks"] == (50, 7, 11)
    assert not list(tmp_path.glob("*.part"))


def test_description_is_what_zenodo_and_ro_crate_read(earth, monkeypatch):
    config, folder, _, _ = earth
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1600000000")
    files = [*folder.rglob("*_20??.nc"), folder / "grid.nc"]
    write_description(config, files, ROOT / "CITATION.cff", folder)
    zenodo = json.loads((folder / ".zenodo.json").read_text())
    assert zenodo["upload_type"] == "dataset" and zenodo["license"] == "cc-by-4.0" and zenodo["creators"][0]["name"]
    assert "synthetic" in zenodo["description"]
    crate = ROCrate(folder)
    assert crate.datePublished.isoformat().startswith("2020-09-13")
    listed = {entity.id for entity in crate.data_entities}
    assert listed == {file.relative_to(folder).as_posix() for file in files}
    assert len(crate.dereference(path_of("gpp", "daily", "2010"))["sha256"]) == 64
    readme = (folder / "README.md").read_text()
    assert "`gpp`" in readme and "gross_primary_productivity" in readme and "CC-BY-4.0" in readme
    first = [(folder / name).read_bytes() for name in ("README.md", ".zenodo.json", "ro-crate-metadata.json")]
    write_description(config, files, ROOT / "CITATION.cff", folder)
    assert first == [(folder / name).read_bytes() for name in ("README.md", ".zenodo.json", "ro-crate-metadata.json")]
