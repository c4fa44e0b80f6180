"""The reader of towers: hand-computed values, one message for each kind of bad input, and the real files."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest

from fake_oneflux import settings, tables, write_tables, write_zip
from h2cm import store
from h2cm.config import ConfigError, load, parse
from h2cm.sources import towers
from h2cm.sources.products import mauna_loa
from h2cm.sources.towers import fluxes, oneflux, radiation, sites
from h2cm.store import DataError
from h2cm.train.split import split

SITE = "AA-One"


@pytest.fixture
def folder(tmp_path):
    """One good tower with its tables."""
    write_zip(tmp_path, SITE, *tables())
    write_tables(tmp_path, [SITE])
    return tmp_path


def read(folder, **keys):
    return towers.read(parse(settings(folder, **keys)))


def rewrite(folder, change):
    """Write the tower again with its tables changed by ``change(daily, monthly)``."""
    daily, monthly = tables()
    result = change(daily, monthly)
    write_zip(folder, SITE, *(result or (daily, monthly)))


def test_hand_computed_values(folder):
    data = read(folder)
    assert data.sizes == {"cell": 1, "time": 90, "month": 3, "feature": 25}
    # (1 - 40/200) 200 + 0.98 (300 - 5.670374419e-8 * 283.15^4) = 160 + 0.98 (300 - 364.484)
    np.testing.assert_allclose(data.net_radiation, 96.806, atol=2e-3)
    np.testing.assert_allclose(data.air_temperature, 283.15, rtol=1e-6)
    assert (data.precipitation == 2).all() and (data.vapour_pressure_deficit == 5).all()
    assert (data.gpp == 5).all() and (data.nee == -2).all()
    np.testing.assert_allclose(data.et, 49 * 0.0864 / 2.45, rtol=1e-6)  # 1.728 mm day-1
    np.testing.assert_allclose(data.fapar[0, :2], [1 - np.exp(-0.5), 1 - np.exp(-1)], rtol=1e-6)
    assert np.isnan(data.fapar[0, 2])
    assert data.area.item() == 1 and data.site.item() == SITE and data.igbp.item() == "DBF"
    static = data.static[0].to_series()
    assert static[["igbp_DBF", "climate_temperate"]].eq(1).all() and static.filter(like="_").eq(1).sum() == 2
    assert static[["elevation", "water_holding_capacity", "absolute_latitude"]].tolist() == [200, 150, 50]


def test_poor_and_missing_months_are_not_observed(folder):
    def change(_, monthly):
        monthly.loc[monthly.TIMESTAMP == 200102, "NEE_VUT_REF_QC"] = 0.4
        monthly.loc[monthly.TIMESTAMP == 200102, "LE_F_MDS"] = -9999
        monthly.loc[monthly.TIMESTAMP == 200103, "LE_F_MDS_QC"] = 0.49

    rewrite(folder, change)
    data = read(folder)
    assert data.nee.isnull().values.tolist() == data.gpp.isnull().values.tolist() == [[False, True, False]]
    assert data.et.isnull().values.tolist() == [[False, True, True]]
    assert read(folder, min_quality=0.3).nee.notnull().all()


def test_months_cut_by_the_period_are_not_observed(folder):
    values = settings(folder) | {"period": {"start": "2001-01-02", "end": "2001-03-31"}}
    data = towers.read(parse(values))
    assert data.sizes["time"] == 89 and data.sizes["month"] == 3
    for name in ("gpp", "nee", "et", "fapar"):
        assert np.isnan(data[name][0, 0]) and np.isfinite(data[name][0, 1])


def test_leaf_area_outside_the_flux_record_counts(folder):
    rewrite(folder, lambda daily, monthly: (daily, monthly[monthly.TIMESTAMP >= 200103]))
    data = read(folder)
    assert data.fapar.notnull().values.tolist() == [[True, True, False]]
    assert data.gpp.notnull().values.tolist() == [[False, False, True]]


def test_one_partitioning_for_the_whole_record():
    _, monthly = tables()
    monthly = monthly.replace(-9999, np.nan)
    assert fluxes.partitioning(monthly) == "GPP_NT_VUT_REF"
    monthly.loc[1:, "GPP_NT_VUT_REF"] = np.nan
    assert fluxes.partitioning(monthly) == "GPP_DT_VUT_REF"
    assert (fluxes.tower_fluxes(monthly, 0.5).gpp == 6).all()


def test_quality_of_nee_stands_for_that_of_latent_heat_only_where_a_file_has_none():
    _, monthly = tables()
    monthly["LE_F_MDS_QC"] = np.nan
    monthly.loc[0, "NEE_VUT_REF_QC"] = 0.1
    assert fluxes.tower_fluxes(monthly, 0.5).et.notna().tolist() == [False, True, True, True, True]
    monthly.loc[4, "LE_F_MDS_QC"] = 0.9
    assert fluxes.tower_fluxes(monthly, 0.5).et.notna().tolist() == [False, False, False, False, True]


def test_albedo_own_where_measured_else_of_the_class():
    daily, monthly = (
        table.set_index(pd.to_datetime(table.TIMESTAMP.astype(str), format=f)).astype(float)
        for table, f in zip(tables("2000-01-01", "2001-12-31"), ("%Y%m%d", "%Y%m"), strict=True)
    )
    own = radiation.monthly_albedo(monthly, daily, "GRA")
    assert own.tolist() == pytest.approx([0.2] * 12)
    monthly.loc[monthly.index.month == 1, "SW_OUT_QC"] = 0.5  # half a month
    monthly.loc[monthly.index.month == 2, "SW_IN_F"] = 5.0  # too dark for a ratio
    monthly.loc[monthly.index.month == 3, "SW_OUT"] = 199.0  # a sensor under snow
    monthly.loc["2000-04", "SW_OUT"] = 60.0  # median of 0.3 and 0.2
    assert radiation.monthly_albedo(monthly, daily, "GRA").tolist() == pytest.approx([0.19] * 3 + [0.25] + [0.2] * 8)
    assert radiation.monthly_albedo(monthly.drop(columns="SW_OUT"), daily, "ENF").tolist() == pytest.approx([0.12] * 12)


@pytest.mark.parametrize(("igbp", "frozen"), [("GRA", 0.75), ("ENF", 0.13), ("DBF", 0.21), ("SNO", 0.75)])
def test_albedo_of_a_class_rises_with_frost(igbp, frozen):
    bare = radiation.SNOW_FREE_ALBEDO[igbp]
    np.testing.assert_allclose(
        radiation.class_albedo(igbp, [-20, -5, -2.5, 0, 20]), [frozen, frozen, (bare + frozen) / 2, bare, bare]
    )


def test_co2_passes_through_the_middle_of_months_and_over_gaps(folder):
    days = pd.DatetimeIndex(["2001-01-16", "2001-02-15", "2001-03-16", "2001-01-31"])
    text = (folder / "co2.csv").read_text()
    january, february = 362.0, 363.0
    at = mauna_loa.daily(mauna_loa.read([folder / "co2.csv"]), days)
    np.testing.assert_allclose(at[[0, 2]], [january, 364.0], atol=1e-9)  # noon of the 16th is the middle of 31 days
    assert january < at[3] < february
    (folder / "co2.csv").write_text(text.replace(",363,0", ",-99.99,0"))  # no February
    gap = mauna_loa.daily(mauna_loa.read([folder / "co2.csv"]), days)
    np.testing.assert_allclose(gap[[0, 2]], at[[0, 2]], atol=1e-9)
    assert gap[1] == pytest.approx(362 + 2 * 30 / 59)


def test_towers_at_one_place_in_two_folders(folder):
    write_zip(folder / "more", "AA-Two", *tables())
    write_tables(folder, [SITE, "AA-Two"])
    text = (folder / "sites.csv").read_text().replace("AA-Two,50.0,11", "AA-Two,50.0,10")
    (folder / "sites.csv").write_text(text)
    data = read(folder, folders=[str(folder / "more"), str(folder)], sites=str(folder / "sites.csv"))
    assert data.site.values.tolist() == [SITE, "AA-Two"] and data.lon.values.tolist() == [10, 10]
    one = read(folder, folders=[str(folder), str(folder / "more")], select=["AA-Two"])
    assert one.site.values.tolist() == ["AA-Two"]


def test_tower_without_observations_is_kept_and_told(folder, caplog):
    def change(_, monthly):
        monthly["NEE_VUT_REF_QC"] = monthly["LE_F_MDS_QC"] = 0.0

    write_zip(folder, "AA-Two", *tables())
    write_tables(folder, [SITE, "AA-Two"])
    (folder / "lai.csv").write_text("site,month,lai\nAA-Two,2001-01,1.0\n")
    rewrite(folder, change)
    with caplog.at_level(logging.WARNING):
        assert read(folder).sizes["cell"] == 2
    assert [SITE in record.message for record in caplog.records] == [True]


def test_store_round_trip(folder, tmp_path):
    data = read(folder)
    towers.write(data, tmp_path / "store", "test")
    back = store.open_store(tmp_path / "store")
    assert set(back.data_vars) == set(data.data_vars)
    assert sorted(p.stem for p in (tmp_path / "store").iterdir()) == sorted({*data.data_vars, "grid"} - {"area"})
    for name in data.data_vars:
        np.testing.assert_array_equal(back[name], data[name])
        assert back[name].attrs["units"] == store.VARIABLES[name].units
    assert back.site.values.tolist() == [SITE] and back.feature.values.tolist() == data.feature.values.tolist()


def test_other_networks_and_releases_are_recognised():
    names = ("AMF_US-Ha1_FLUXNET_FULLSET_1991-2020_3-5.zip", "ICOSETC_BE-Bra_FLUXNET_2021_L2.zip")
    assert [oneflux.ZIP_NAME.match(name)["site"] for name in names] == ["US-Ha1", "BE-Bra"]
    assert not oneflux.ZIP_NAME.match("photographs.zip")


# Each kind of bad input: what is done to the good tower, and what the message must name.


def _truncate(folder):
    path = next(folder.glob("*.zip"))
    path.write_bytes(path.read_bytes()[:500])


def _flip_bytes(folder):
    path = next(folder.glob("*.zip"))
    content = bytearray(path.read_bytes())
    content[200:260] = bytes(60)
    path.write_bytes(content)


def _second_folder(folder):
    write_zip(folder / "again", SITE, *tables())
    return {"folders": [str(folder), str(folder / "again")]}


def _replace(file, old, new):
    def act(folder):
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new))

    return act


def _changed(change):
    return lambda folder: rewrite(folder, change)


def _set(table, stamp, column, value):
    def change(daily, monthly):
        chosen = daily if table == "daily" else monthly
        chosen[column] = chosen[column].astype(object if isinstance(value, str) else float)
        chosen.loc[stamp == chosen.TIMESTAMP, column] = value

    return _changed(change)


BAD = {
    "no folder": (lambda f: {"folders": [str(f / "nowhere")]}, "nowhere: expected a folder"),
    "no zip": (lambda f: next(f.glob("*.zip")).unlink(), "expected zips named like"),
    "selected site without zip": (lambda f: {"select": ["XX-Non"]}, "towers.select: XX-Non: no zip"),
    "two zips of a site": (_second_folder, r"again.FLX_AA-One.*: site AA-One is in .* already"),
    "cut zip": (_truncate, "FLX_AA-One.*expected a readable ONEFlux zip"),
    "damaged zip": (_flip_bytes, "FLX_AA-One.*expected a readable ONEFlux zip"),
    "not a zip": (
        lambda f: next(f.glob("*.zip")).write_text("<html>not found</html>"),
        "FLX_AA-One.*expected a readable ONEFlux zip",
    ),
    "no daily column": (_changed(lambda d, m: (d.drop(columns="VPD_ERA"), m)), "ERAI_DD.*expected the column VPD_ERA"),
    "no monthly column": (_changed(lambda d, m: (d, m.drop(columns="LE_F_MDS"))), "FULLSET_MM.*column LE_F_MDS"),
    "no header": (_changed(lambda d, m: (d.set_axis(range(d.shape[1]), axis=1), m)), "ERAI_DD.*expected the column"),
    "no rows": (_changed(lambda d, m: (d.iloc[:0], m)), "ERAI_DD"),
    "words for numbers": (_set("daily", 20010105, "P_ERA", "rain"), "ERAI_DD.*P_ERA: expected numbers"),
    "a day twice": (_changed(lambda d, m: (pd.concat([d, d.iloc[:1]]), m)), "TIMESTAMP: 2000-12-01 occurs twice"),
    "no date": (_set("monthly", 200101, "TIMESTAMP", 200113), "FULLSET_MM.*TIMESTAMP: expected %Y%m"),
    "a day without forcing": (
        _set("daily", 20010105, "LW_IN_ERA", -9999),
        "FLX_AA-One.*LW_IN_ERA: .* 1 are missing, from 2001-01-05 to 2001-01-05",
    ),
    "forcing ends early": (
        _changed(lambda d, m: (d[d.TIMESTAMP < 20010301], m)),
        "FLX_AA-One.*TA_ERA: .* 31 are missing, from 2001-03-01 to 2001-03-31; .* to 2001-02-28",
    ),
    "no forcing at all": (_changed(lambda d, m: (d.assign(P_ERA=-9999), m)), "P_ERA: .* 90 are missing.*has none"),
    "impossible forcing": (_set("daily", 20010105, "TA_ERA", 95.0), "FLX_AA-One.*air_temperature: 1 values outside"),
    "negative rain": (
        _set("daily", 20010105, "P_ERA", -3.0),
        "FLX_AA-One.*precipitation: 1 values outside.*2001-01-05",
    ),
    "impossible flux": (_set("monthly", 200102, "NEE_VUT_REF", 700.0), "FLX_AA-One.*nee: 1 values outside"),
    "nothing of quality": (_changed(lambda d, m: (d, m.assign(NEE_VUT_REF_QC=0.1))), "gpp: expected a month of good"),
    "no table of sites": (lambda f: (f / "sites.csv").unlink(), "sites.csv: expected the table of sites"),
    "no column in it": (_replace("sites.csv", "igbp", "cover"), "sites.csv: expected the columns .* absent: igbp"),
    "site not in it": (_replace("sites.csv", SITE, "AA-Two"), "sites.csv: .*no row for AA-One"),
    "site in it twice": (
        lambda f: (f / "sites.csv").write_text((f / "sites.csv").read_text() + f"{SITE},1,1,1,DBF,Cfb,1\n"),
        "sites.csv: site AA-One occurs twice",
    ),
    "no static attribute": (
        _replace("sites.csv", "150.0", ""),
        "sites.csv: water_holding_capacity_mm: no value for site AA-One",
    ),
    "unknown class": (_replace("sites.csv", "DBF", "OAK"), "sites.csv: igbp: site AA-One: expected one of ENF.*'OAK'"),
    "unknown climate": (_replace("sites.csv", "Cfb", "mild"), "sites.csv: koeppen: site AA-One"),
    "off the globe": (_replace("sites.csv", "50.0", "150.0"), "sites.csv: lat: site AA-One: expected -90 to 90"),
    "words for a height": (_replace("sites.csv", "200.0", "high"), "sites.csv: elevation_m: expected numbers"),
    "no leaf area": (lambda f: (f / "lai.csv").unlink(), "lai.csv: expected the table of leaf area"),
    "negative leaf area": (_replace("lai.csv", "1.0", "-1.0"), "lai.csv: lai: expected numbers of 0 or more"),
    "leaf area without column": (_replace("lai.csv", "lai", "leaves"), "lai.csv: expected the columns .* absent: lai"),
    "leaf area twice": (_replace("lai.csv", "2001-02", "2001-01"), "lai.csv: site AA-One: 2001-01 occurs twice"),
    "leaf area of no month": (_replace("lai.csv", "2001-02", "spring"), "lai.csv: month: expected YYYY-MM"),
    "no CO2": (
        lambda f: (f / "co2.csv").unlink(),
        "co2.csv: expected the monthly CO2 record of Mauna Loa, one file, found 0",
    ),
    "CO2 without column": (_replace("co2.csv", "average", "mean"), "co2.csv: expected the columns .* absent: average"),
    "CO2 ends early": (
        lambda f: (f / "co2.csv").write_text("\n".join((f / "co2.csv").read_text().splitlines()[:6])),
        "co2.csv: average: expected CO2 from 2001-01 to 2001-03, found 2000-11 to 2001-02",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_message(folder, case):
    act, message = BAD[case]
    keys = act(folder)
    with pytest.raises(DataError, match=message) as caught:
        read(folder, **(keys if isinstance(keys, dict) else {}))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("member", ["ERAI_DD", "FULLSET_MM"])
def test_missing_member(folder, member):
    import zipfile

    path = next(folder.glob("*.zip"))
    with zipfile.ZipFile(path) as archive:
        kept = {name: archive.read(name) for name in archive.namelist() if member not in name}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in kept.items():
            archive.writestr(name, content)
    with pytest.raises(DataError, match=r"FLX_AA-One.*expected one member like"):
        read(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"constraints": {"tws": {"prediction": "tws", "compare": "monthly"}}},
            "constraints.tws: towers do not observe",
        ),
        ({"towers": {"folders": ["."], "co2": "co2.csv"}}, "constraints.fapar: expected a table"),
        ({"period": {"start": "2001-02-01", "end": "2001-01-01"}}, "the period is empty"),
    ],
)
def test_configuration_that_towers_cannot_serve(folder, change, message):
    with pytest.raises(ConfigError, match=message):
        towers.read(parse(settings(folder) | change))


# The real files.


@pytest.fixture(scope="module")
def real(shared):
    """All 58 towers as ``config/towers.yaml`` asks for them."""
    from conftest import ROOT

    config = load(ROOT / "config" / "towers.yaml")
    data = shared / "data"
    paths = {"folders": (data / "oneflux",), "lai": data / "oneflux/lai_monthly.csv", "co2": data / "co2_mm_mlo.csv"}
    config = config.model_copy(update={"towers": config.towers.model_copy(update=paths)})
    return config, towers.read(config)


def test_real_towers_are_complete(real):
    _, data = real
    assert data.sizes["cell"] == 58 and data.sizes["time"] == 6939 and data.sizes["month"] == 228
    assert len(set(data.igbp.values)) == 11
    for name, least in {"gpp": 6500, "nee": 6500, "et": 6500, "fapar": 1200}.items():
        assert data[name].notnull().sum() > least
    # an Amazonian forest, a subarctic bog, temperate forests: orders of magnitude and signs
    by_site = data.set_index(cell="site")
    assert 8 < by_site.gpp.sel(cell="GF-Guy").mean() < 11 and 0.2 < by_site.gpp.sel(cell="SE-Deg").mean() < 2
    assert by_site.nee.sel(cell="DE-Hai").mean() < -0.5
    assert 1 < by_site.et.sel(cell="DE-Tha").mean() < 2


def test_real_net_radiation_agrees_with_the_towers(shared):
    folder = shared / "data/oneflux"
    zips = oneflux.find([folder])
    table = sites.pick(sites.read_table(folder / "sites.csv"), list(zips), folder / "sites.csv")
    rows = []
    for name, path in zips.items():
        daily, monthly = oneflux.read(path)
        albedo = radiation.monthly_albedo(monthly, daily, table.at[name, "igbp"])
        rows.append(radiation.agreement(radiation.net_radiation(daily, albedo), monthly))
    agreement = pd.DataFrame(rows, index=list(zips), columns=["r", "rmse", "n"]).dropna()
    assert len(agreement) == 48
    assert agreement.r.median() > 0.985 and agreement.rmse.median() < 10.5


def test_real_test_towers_are_whole_groups(real):
    config, data = real
    roles = split(data, config).set_index("site")
    assert set(roles.index[roles["fold_0"] == "test"]) == set(config.split.test_sites)  # no neighbour was added


def test_real_period_beyond_the_record_is_refused(shared):
    data = shared / "data"
    values = settings(data / "oneflux", lai=str(data / "oneflux/lai_monthly.csv"), co2=str(data / "co2_mm_mlo.csv"))
    values["towers"]["select"] = ["DE-Hai"]
    values["period"] = {"start": "2019-01-01", "end": "2020-12-31"}
    with pytest.raises(DataError, match=r"DE-Hai.*366 are missing, from 2020-01-01 .* to 2019-12-31"):
        towers.read(parse(values))
