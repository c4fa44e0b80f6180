"""``h2cm inspect``: what it says of real files, of files of every product, and of files that nobody has seen."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib.image import imread

import product_files as make
from fake_oneflux import tables, write_zip
from h2cm.inspect import inspect, main
from h2cm.sources import products
from h2cm.store import DataError

REAL = Path(__file__).parent / "data"


def said(path, **options):
    return str(inspect(path, **options))


def test_a_real_file_with_temperature_and_dew_point(tmp_path):
    """CAMS EAC4 at the surface holds what ERA5 holds; the map shows the mean of the deficit."""
    picture = tmp_path / "map.png"
    report = inspect(REAL / "cams_eac4_surface.nc", picture)
    assert report.read_as == "era5"
    for line in (
        "t2m(valid_time, latitude, longitude) float32, K",
        "step: 3 hours",
        "period: 2022-11-20 00:00:00 to 2022-11-21 21:00:00, 16 steps",
        "vapour_pressure_deficit(time 16, lat 4, lon 5): hPa; 5.28589 to 11.1196",
        "note: era5: found t2m(valid_time, latitude, longitude) in K",
        "misses: years: the study uses 2001 to 2019, this file holds 2022 to 2022",
        "misses: land beyond its 2.25 degrees of latitude and 3 of longitude",
    ):
        assert line in str(report), line
    image = imread(picture)
    assert image.shape[:2] == (320, 600) and np.ptp(image) > 0.5


@pytest.mark.parametrize(
    ("name", "read_as", "words"),
    [
        ("era5_new_store.nc", None, "the stamps fit no rule"),
        ("era5_former_store.nc", None, "expected at least two latitudes along one dimension, found shape (1,)"),
        ("earthkit_single.nc", None, "one step alone, without bounds"),
        ("era5_pressure_levels.nc", None, "u(valid_time, pressure_level, latitude, longitude)"),
        ("MOD10A2.A2022033.h09v05.061.2022042050729.hdf", None, "Maximum_Snow_Extent(fakeDim0"),
        ("FLX_FR-Pue_FLUXNET2015_FULLSET_MM_2007-2014_2-3.csv", None, "Text      TIMESTAMP,TA_F_MDS"),
        ("co2_mm_mlo.csv", "mauna_loa", "co2(time 23): ppm"),
    ],
)
def test_real_files(name, read_as, words):
    report = inspect(REAL / name)
    assert report.read_as == read_as and words in str(report), str(report)


FORMS = sorted(products.PRODUCTS.keys() - {"mauna_loa", "trendy", "modis_fapar", "simulations"})


@pytest.mark.parametrize("product", FORMS)
def test_a_file_of_each_product_is_known(product, tmp_path):
    """Also under a name that says nothing, where its variables tell what it is."""
    if product == "transcom":
        axes = {"lat": make.lat(), "lon": make.lon(True)}
        make.netcdf(
            tmp_path / "transcom" / "TRANSCOM_Map_MZT.nc", axes, {"regions": (("lat", "lon"), np.ones((4, 8)), {})}
        )
    else:
        getattr(make, product)(tmp_path)
    path = next(
        p for p in sorted((tmp_path / product).iterdir()) if p.suffix != ".HDR" and not p.name.startswith("Ens")
    )
    report = inspect(path, tmp_path / "map.png")
    single = {"ceres", "era5", "cams_co2", "carboscope", "crujra", "globsnow", "oco2_mip", "gpcp", "grun"}
    if report.read_as is None:  # one step alone says not how long it is
        assert product not in single, str(report)
    assert f"{product}: " in str(report).partition("Looks like")[2], str(report)
    if report.read_as and product not in ("globeland30", "gtopo30", "tootchi"):
        assert report.read_as == product, str(report)
        assert (tmp_path / "map.png").stat().st_size > 3000


@pytest.mark.parametrize(
    ("member", "kind"), [("x/readme.txt", "Unpack it"), ("FLX_XX-Abc_FLUXNET_FULLSET_MM.csv", "archive of a tower")]
)
def test_archives(tmp_path, member, kind):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(member, "a,b\n1,2\n")
    report = inspect(tmp_path / "a.zip")
    assert kind in str(report) and report.read_as is None


def test_damaged_files_are_described(tmp_path):
    for source in REAL.iterdir():
        if source.suffix in (".nc", ".hdf"):
            path = tmp_path / source.name
            path.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
            assert inspect(path).read_as is None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.sampled_from(
        [
            b"",
            b"CDF\x01",
            b"CDF\x02",
            b"\x89HDF\r\n\x1a\n",
            b"\x0e\x03\x13\x01",
            b"II*\x00",
            b"\x1f\x8b",
            b"PK\x03\x04",
            b"year,month,average\n",
        ]
    ),
    rest=st.binary(max_size=200),
    name=st.sampled_from(
        [
            "x",
            "era5_200301.nc",
            "co2_mm_mlo.csv",
            "GFED4.1s_2003.hdf5",
            "s1oc_v1_daily.nc.gz",
            "E000N90.DEM",
            "CW_TCI.tif",
            "MOD15A2H.A2003001.h18v04.061.2020061162134.hdf",
        ]
    ),
)
def test_no_file_makes_a_traceback(tmp_path, start, rest, name):
    path = tmp_path / name
    path.write_bytes(start + rest)
    report = inspect(path, tmp_path / "map.png")
    assert str(report).startswith(f"File      {name}") and "Looks like" in str(report)


def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([str(REAL / "cams_eac4_surface.nc")]) == 0
    assert "Read as   era5" in capsys.readouterr().out and (tmp_path / "cams_eac4_surface.nc.png").is_file()
    assert main([str(REAL / "earthkit_single.nc"), "--no-map"]) == 1
    assert main(["absent.nc"]) == 2 and "absent.nc: expected a file, there is none" in capsys.readouterr().err
    with pytest.raises(DataError):
        inspect(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "code"), [(["inspect", str(REAL / "co2_mm_mlo.csv"), "--no-map"], 0), ([], 2), (["guess"], 2)]
)
def test_the_console_command(arguments, code, tmp_path):
    done = subprocess.run([sys.executable, "-m", "h2cm", *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == code
    assert ("Read as   mauna_loa" in done.stdout) if code == 0 else ("usage: h2cm inspect" in done.stderr)


def test_the_archive_of_a_tower(tmp_path):
    path = write_zip(tmp_path / "FLX_AA-One_FLUXNET2015_FULLSET_2000-2001_beta-3", "AA-One", *tables())
    report = inspect(path)
    assert report.read_as == "towers" and "site AA-One" in str(report) and "TA_ERA 100% present" in str(report)
    icos = path.rename(tmp_path / "ICOSETC_AA-One_ARCHIVE_L2.zip")
    assert "its reader does not take it" in str(inspect(icos)) and inspect(icos).read_as is None
