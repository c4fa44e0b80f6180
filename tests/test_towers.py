"""The reader of towers: hand-computed values, one message for each kind of bad input, and the real files."""

from __future__ import annotations

import logging
import shutil
import zipfile
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from conftest import ROOT
from fake_oneflux import LAYOUTS, settings, tables, write_tables, write_zip
from h2cm import store
from h2cm.config import ConfigError, load, parse
from h2cm.sources import towers
from h2cm.sources.products import mauna_loa
from h2cm.sources.towers import daily, fluxes, oneflux, radiation, sites, template
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
    return towers.read(parse(settings(folder, **keys)))[0]


def rainy():
    """The tables of another tower: there is more rain."""
    daily, monthly = tables()
    return daily.assign(P_ERA=3.0), monthly


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
    assert static[["elevation", "water_holding_capacity", "absolute_latitude"]].tolist() == [200, 150, 5]


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
    data, _ = towers.read(parse(values))
    assert data.sizes["time"] == 89 and data.sizes["month"] == 3
    for name in ("gpp", "nee", "et", "fapar"):
        assert np.isnan(data[name][0, 0]) and np.isfinite(data[name][0, 1])


def test_leaf_area_outside_the_flux_record_counts(folder):
    rewrite(folder, lambda daily, monthly: (daily, monthly[monthly.TIMESTAMP >= 200103]))
    data = read(folder)
    assert data.fapar.notnull().values.tolist() == [[True, True, False]]
    assert data.gpp.notnull().values.tolist() == [[False, False, True]]


def plain():
    """The monthly table as the reader gives it: carbon fluxes without the name of their threshold."""
    _, monthly = tables()
    return monthly.rename(columns=lambda name: name.replace("_VUT", "")).replace(-9999, np.nan)


def test_one_partitioning_for_the_whole_record():
    monthly = plain()
    assert fluxes.partitioning(monthly) == "GPP_NT_REF"
    monthly.loc[1:, "GPP_NT_REF"] = np.nan
    assert fluxes.partitioning(monthly) == "GPP_DT_REF"
    assert (fluxes.tower_fluxes(monthly, 0.5).gpp == 6).all()


def test_quality_of_nee_stands_for_that_of_latent_heat_only_where_a_file_has_none():
    monthly = plain()
    monthly["LE_F_MDS_QC"] = np.nan
    monthly.loc[0, "NEE_REF_QC"] = 0.1
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
    write_zip(folder / "more", "AA-Two", *rainy())
    write_tables(folder, [SITE, "AA-Two"])
    text = (folder / "sites.csv").read_text().replace("AA-Two,5.0,11", "AA-Two,5.0,10")
    (folder / "sites.csv").write_text(text)
    data = read(folder, folders=[str(folder / "more"), str(folder)], sites=str(folder / "sites.csv"))
    assert data.site.values.tolist() == [SITE, "AA-Two"] and data.lon.values.tolist() == [10, 10]
    one = read(folder, folders=[str(folder), str(folder / "more")], select=["AA-Two"])
    assert one.site.values.tolist() == ["AA-Two"]


def test_tower_without_observations_is_kept_and_told(folder, caplog):
    def change(_, monthly):
        monthly["NEE_VUT_REF_QC"] = monthly["LE_F_MDS_QC"] = 0.0

    write_zip(folder, "AA-Two", *rainy())
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
    "impossible forcing": (_set("daily", 20010105, "P_ERA", 2500.0), "FLX_AA-One.*precipitation: 1 values outside"),
    "negative rain": (
        _set("daily", 20010105, "P_ERA", -3.0),
        "FLX_AA-One.*precipitation: 1 values outside.*2001-01-05",
    ),
    "impossible flux": (_set("monthly", 200102, "NEE_VUT_REF", 700.0), "FLX_AA-One.*nee: 1 values outside"),
    "nothing of quality": (
        _changed(lambda d, m: (d, m.assign(NEE_VUT_REF_QC=0.1))),
        "gpp: expected a value of good quality",
    ),
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
    "off the globe": (_replace("sites.csv", "One,5.0", "One,150.0"), "sites.csv: lat: site AA-One: expected -90 to 90"),
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


# Layouts of other releases, and archives that cannot be used.


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("unpacked", [False, True])
def test_each_layout_is_read_and_named(tmp_path, layout, unpacked, caplog):
    path = write_zip(tmp_path, SITE, *tables(), layout)
    write_tables(tmp_path, [SITE])
    if unpacked:
        shutil.unpack_archive(path, path.with_suffix("") if layout != "v1.3" else tmp_path / path.name[:-4])
        path.unlink()
    with caplog.at_level(logging.INFO):
        data, report = towers.read(parse(settings(tmp_path)))
    assert (data.nee == -2).all() and report["used"].all()
    era, fluxes_of = LAYOUTS[layout][2:]
    assert report["layout"].item().startswith(f"{fluxes_of} and {era}, ")
    assert any(report["layout"].item() in record.message for record in caplog.records)


@pytest.mark.parametrize("absent", ["values", "columns"])
def test_constant_threshold_is_taken_where_the_variable_one_failed(folder, absent):
    daily, monthly = tables()
    vut = [name for name in monthly if "_VUT_" in name]
    cut = monthly[vut].rename(columns=lambda name: name.replace("VUT", "CUT"))
    cut["NEE_CUT_REF"] = -1.5
    rest = monthly.assign(**dict.fromkeys(vut, -9999)) if absent == "values" else monthly.drop(columns=vut)
    write_zip(folder, SITE, daily, pd.concat([rest, cut], axis=1), "v1.3")
    next(folder.glob("FLX*.zip")).unlink()
    data, report = towers.read(parse(settings(folder)))
    assert (data.nee == -1.5).all() and (data.gpp == 5).all()
    assert report["layout"].item().endswith("NEE_CUT_REF")


def test_one_threshold_for_the_whole_record(folder):
    daily, monthly = tables()
    cut = monthly[["NEE_VUT_REF", "NEE_VUT_REF_QC", "GPP_NT_VUT_REF", "GPP_DT_VUT_REF"]]
    cut = cut.rename(columns=lambda name: name.replace("VUT", "CUT")).assign(NEE_CUT_REF=-1.5)
    monthly.loc[2, "NEE_VUT_REF"] = -9999  # February; 4 of 5 months: the variable threshold stays
    write_zip(folder, SITE, daily, pd.concat([monthly, cut], axis=1))
    np.testing.assert_array_equal(read(folder).nee, [[-2, np.nan, -2]])
    monthly.loc[1:, "NEE_VUT_REF"] = -9999
    write_zip(folder, SITE, daily, pd.concat([monthly, cut], axis=1))
    assert (read(folder).nee == -1.5).all()


def test_neither_threshold(folder):
    rewrite(folder, lambda d, m: (d, m.drop(columns="NEE_VUT_REF")))
    with pytest.raises(DataError, match=r"FULLSET_MM.*expected the column NEE_VUT_REF \(or all of NEE_CUT_REF, "):
        read(folder)


def test_an_icos_archive_is_named_with_the_reason(folder, caplog):
    (folder / "ICOSETC_DE-Hai_ARCHIVE_L2.zip").write_bytes(b"PK")
    with caplog.at_level(logging.WARNING):
        _, report = towers.read(parse(settings(folder)))
    row = report.set_index("site").loc["DE-Hai"]
    assert not row["used"] and "no downscaled ERA meteorology" in row["reason"]
    assert any("DE-Hai is left out: an ICOS Level-2 archive" in record.message for record in caplog.records)
    next(folder.glob("FLX*.zip")).unlink()
    with pytest.raises(DataError, match=r"found none; ICOSETC_DE-Hai_ARCHIVE_L2.zip cannot be used: an ICOS Level-2"):
        read(folder)


def test_one_tower_that_cannot_be_read_does_not_stop_the_others(folder, caplog):
    write_zip(folder, "AA-Two", *rainy()).write_bytes(b"no zip")
    write_zip(folder, "AA-Thr", *rainy())  # not in the table of sites
    write_tables(folder, [SITE, "AA-Two"])
    with caplog.at_level(logging.WARNING):
        data, report = towers.read(parse(settings(folder)))
    assert data.site.values.tolist() == [SITE]
    assert report.set_index("site")["used"].to_dict() == {SITE: True, "AA-Thr": False, "AA-Two": False}
    told = " ".join(record.message for record in caplog.records)
    assert "AA-Two is left out: " in told and "readable ONEFlux zip" in told and "no row for AA-Thr" in told
    with pytest.raises(DataError, match=r"towers.min_towers: expected at least 2 .* found 1 of 3: .*AA-Thr.*AA-Two"):
        read(folder, min_towers=2)


def test_members_of_another_site_are_refused(folder):
    write_zip(folder, SITE, *tables(), of="AA-Two")
    with pytest.raises(DataError, match=r"expected a member of site AA-One, found that of AA-Two"):
        read(folder)


def test_the_same_meteorology_at_two_towers_is_refused(folder):
    write_zip(folder, "AA-Two", *tables())
    write_tables(folder, [SITE, "AA-Two"])
    _, report = towers.read(parse(settings(folder)))
    assert report["used"].tolist() == [True, False]
    assert "its meteorology is that of" in report["reason"][1]


def test_leaf_area_that_ends_before_the_period_is_said(folder):
    values = settings(folder) | {"period": {"start": "2001-03-01", "end": "2001-03-31"}}
    with pytest.raises(DataError, match=r"lai.csv: lai: the table of these towers covers 2001-01 to 2001-02, nothing"):
        towers.read(parse(values))
    (folder / "lai.csv").write_text("site,month,lai\nXX-Non,2001-01,1.0\n")
    with pytest.raises(DataError, match=r"lai.csv: site: expected a row of some of the towers \(AA-One"):
        read(folder)


# Options.


def test_daytime_net_radiation_leaves_out_the_loss_of_the_night(folder):
    day, whole = read(folder, net_radiation="daytime").net_radiation, read(folder).net_radiation
    # (1 - 40/200) 200 + 0.98 (300 - 364.484) h / 24: 5 degrees north, 11.7 h in January to 12.1 h in March
    loss = 0.98 * (300 - 5.670374419e-8 * 283.15**4)
    np.testing.assert_allclose(whole, 160 + loss, atol=2e-3)
    share = (day - 160) / loss
    assert 11.68 < 24 * share[0, 0] < 11.74 and 12.0 < 24 * share[0, -1] < 12.15


def test_attributes_of_the_forcing_instead_of_climate_classes(folder):
    data = read(folder, attributes=["climate", "place"])
    static = data.static[0].to_series()
    assert static.index.tolist()[:3] == ["elevation", "water_holding_capacity", "absolute_latitude"]
    assert not any(name.startswith(("climate_", "igbp_")) for name in static.index) and len(static) == 11
    assert static["mean_air_temperature"] == pytest.approx(283.15) and static["mean_precipitation"] == 2
    assert static["share_of_frost_days"] == 0 and static["seasonality_of_precipitation"] == 0
    assert static["dryness"] == pytest.approx(96.806 * 0.0864 / 2.45 / 2, rel=1e-4)
    with pytest.raises(ConfigError, match=r"towers.attributes"):
        parse(settings(folder, attributes=["weather"]))


# Daily fluxes.


def write_daily(folder, site=SITE, **change):
    """A file in CalLMIP's layout: NEE -2 gC m-2 day-1, latent heat 49 W m-2, the first day missing."""
    days = pd.date_range("2001-01-01", "2001-03-31")
    values = {"NEE": (-2.0, "gC/m2/d"), "Qle": (49.0, "W/m2"), "Qh": (30.0, "W/m2")}
    data = xr.Dataset(coords={"time": days, "latitude": ("y", [5.0]), "longitude": ("x", [10.0])})
    for name, (value, unit) in values.items():
        for kind, of in (("", value), ("_uc", 0.5)):
            series = np.full((90, 1, 1), of, np.float32)
            series[0] = np.nan
            data[f"{name}{kind}_daily"] = (("time", "y", "x"), series, {"units": unit})
    data.attrs["site_code"] = site
    data = change.get("act", lambda d: d)(data)
    folder.mkdir(exist_ok=True)
    path = folder / f"{change.get('named', site)}_daily_aggregated_2001-2001_FLUXNET2015_Flux.nc"
    data.to_netcdf(path)
    return path


def test_daily_fluxes_go_into_the_store(folder, tmp_path):
    write_zip(folder, "AA-Two", *rainy())
    write_tables(folder, [SITE, "AA-Two"])
    path = write_daily(folder / "daily")
    config = parse(settings(folder, daily_fluxes=str(folder / "daily")))
    data, _ = towers.read(config)
    assert np.isnan(data.nee_daily[0, 0]) and (data.nee_daily[0, 1:] == -2).all() and data.nee_daily[1].isnull().all()
    np.testing.assert_allclose(data.et_daily[0, 1:], 49 * 0.0864 / 2.45, rtol=1e-6)
    np.testing.assert_allclose(data.et_daily_uncertainty[0, 1:], 0.5 * 0.0864 / 2.45, rtol=1e-6)
    assert (data.nee_daily_uncertainty[0, 1:] == 0.5).all() and data.nee_daily.attrs["units"] == "g m-2 day-1"
    assert path in towers.inputs(config) and towers.outputs(config) == list(daily.VARIABLES)
    towers.write(data, tmp_path / "store", "test")
    assert (tmp_path / "store" / "et_daily.nc").is_file()
    assert "nee_daily" not in read(folder) and towers.outputs(parse(settings(folder))) == []


def _attribute(name, value):
    return lambda data: data.assign_attrs({name: value})


def _unit(unit, factor):
    def act(data):
        data["NEE_daily"] = (data["NEE_daily"] * factor).assign_attrs(units=unit)
        return data

    return act


def test_daily_fluxes_in_another_unit_of_their_kind_are_converted(folder):
    write_daily(folder / "daily", act=_unit("kg m-2 s-1", 1 / 86.4e6))
    data = read(folder, daily_fluxes=str(folder / "daily"))
    np.testing.assert_allclose(data.nee_daily[0, 1:], -2, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"act": _attribute("site_code", "AA-Two")}, "site_code: expected AA-One, found AA-Two: the file of another"),
        ({"act": lambda d: d.assign_coords(latitude=("y", [9.0]))}, "latitude: expected 5 of AA-One, found 9"),
        ({"act": lambda d: d.drop_vars("Qle_uc_daily")}, "expected the variables NEE_daily.*not so: Qle_uc_daily"),
        ({"act": _unit("W/m2", 1)}, "NEE_daily: units: .*W/m2"),
        ({"act": _unit("", 1)}, "NEE_daily: units: "),
        ({"act": lambda d: d.assign(Qh_uc_daily=-d["Qh_uc_daily"])}, "Qh_uc_daily: "),
        ({"act": lambda d: xr.concat([d, d], "time")}, "time: expected each day once"),
    ],
)
def test_daily_fluxes_that_cannot_be_used_are_one_clear_message(folder, change, message):
    write_daily(folder / "daily", **change)
    with pytest.raises(DataError, match=r"AA-One_daily_.*" + message) as error:
        read(folder, daily_fluxes=str(folder / "daily"))
    assert "\n" not in str(error.value)


def test_no_or_damaged_daily_files(folder):
    with pytest.raises(DataError, match=r"towers.daily_fluxes: .*nowhere: expected files named like"):
        read(folder, daily_fluxes=str(folder / "nowhere"))
    write_daily(folder / "daily").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"AA-One_daily_.*expected a netCDF file of daily fluxes"):
        read(folder, daily_fluxes=str(folder / "daily"))


def test_daily_fluxes_of_another_tower_do_not_go_with_the_months(tmp_path):
    days = pd.date_range("2001-01-01", "2001-12-31")
    season = pd.Series(np.sin(days.day_of_year / 58), days)

    def act(data):
        data = data.reindex(time=days, method="nearest")
        data["NEE_daily"] = data["NEE_daily"].copy(data=season.to_numpy()[:, None, None])
        return data

    path = write_daily(tmp_path, act=act)
    monthly = season.resample("MS").mean()
    assert daily.read(path, SITE, monthly_nee=monthly)["nee"].equals(season.rename("nee").rename_axis("time"))
    with pytest.raises(DataError, match=r"NEE_daily: its monthly means go with the tower's own NEE by r = -1.00 in 12"):
        daily.read(path, SITE, monthly_nee=-monthly)


def test_real_daily_fluxes(shared):
    files = daily.find(shared / "data" / "callmip")
    assert len(files) == 8
    zips = oneflux.find([shared / "data" / "oneflux"])
    table = sites.read_table(ROOT / "resources" / "towers" / "sites.csv")
    for site, path in files.items():
        place = table.loc[site, ["lat", "lon"]].astype(float)
        monthly = oneflux.read(zips[site]).monthly["NEE_REF"]
        fluxes_of = daily.read(path, site, *place, monthly)
        assert fluxes_of["nee"].notna().sum() > 50 and fluxes_of["et"].notna().sum() > 500
        assert 0.5 < fluxes_of["et"].mean() < 3 and (fluxes_of["nee_uncertainty"].dropna() >= 0).all()


# A template for one's own tower.

PLACE = ["--lat", "51.08", "--lon", "10.45", "--elevation", "430", "--igbp", "DBF", "--koeppen", "Cfb"]


def test_a_filled_template_is_read_like_the_archive_that_filled_it(tmp_path, capsys):
    command = [str(tmp_path), "--site", "XX-Own", "--start", "2006-01-01", "--end", "2013-12-31", *PLACE]
    template.main([*command, "--water-holding-capacity", "200"])
    target = Path(capsys.readouterr().out.strip())
    resources = ROOT / "resources" / "towers"
    keys = {"co2": str(resources / "co2_mm_mlo.csv"), "lai": None}
    values = settings(tmp_path, **keys) | {"period": {"start": "2007-01-01", "end": "2007-12-31"}}
    del values["constraints"]["fapar"]
    with pytest.raises(DataError, match=r"TA_ERA: expected a value on every day of the period"):
        towers.read(parse(values))
    (source,) = resources.glob("FLX_DE-Hai_*.zip")
    with zipfile.ZipFile(source) as archive:
        for name in archive.namelist():
            kind = "DD" if "_DD_" in name else "MM"
            (mine,) = target.glob(f"*_{kind}_*.csv")
            empty, given = pd.read_csv(mine), pd.read_csv(archive.open(name))
            assert (empty["TIMESTAMP"] == given["TIMESTAMP"]).all()
            empty.assign(**given[[column for column in given if column in empty]]).to_csv(mine, index=False)
    own, report = towers.read(parse(values))
    assert own.site.item() == "XX-Own" and own.lat.item() == 51.08
    assert report["layout"].item() == "FULLSET and ERA5, 2006-2013_template, NEE_VUT_REF"
    values["towers"] |= {"folders": [str(resources)], "select": ["DE-Hai"]}
    hainich, _ = towers.read(parse(values))
    for name in ("nee", "gpp", "et", "net_radiation", "precipitation"):
        np.testing.assert_array_equal(own[name], hainich[name])
    with pytest.raises(SystemExit, match=r"site XX-Own is there already"):
        template.main([*command, "--water-holding-capacity", "200"])


def test_the_template_explains_every_column(tmp_path):
    place = {"lat": 1.0, "lon": 1.0, "elevation_m": 1.0, "igbp": "DBF", "koeppen": "Af"}
    of = {**place, "water_holding_capacity_mm": 1.0}
    text = (template.write(tmp_path, "XX-Own", date(2001, 1, 1), date(2001, 2, 1), **of) / "README.md").read_text()
    for names in template.columns():
        for name in names:
            assert f"| `{name}` | " in text
            assert name in template.MEANING or name.removesuffix("_QC") in template.MEANING
    with pytest.raises(DataError, match="igbp: site XX-Two: expected one of"):
        template.write(tmp_path, "XX-Two", date(2001, 1, 1), date(2001, 2, 1), **{**of, "igbp": "OAK"})
    with pytest.raises(DataError, match="expected a name of two capital letters"):
        template.write(tmp_path, "mine", date(2001, 1, 1), date(2001, 2, 1), **of)


# The example that comes with the project.


def test_the_example_is_what_its_configuration_promises(monkeypatch):
    monkeypatch.chdir(ROOT)
    config = load("config/towers.yaml")
    data, report = towers.read(config)
    assert report["used"].all() and data.site.values.tolist() == ["DE-Gri", "DE-Hai", "FI-Hyy"]
    assert len(set(data.igbp.values)) == 3
    assert (data[["gpp", "nee", "et"]].notnull().sum("month").to_array() > 60).all()
    assert set(config.split.test_sites) <= set(data.site.values)
    assert sum(path.stat().st_size for path in (ROOT / "resources" / "towers").iterdir()) < 400_000


def test_the_example_is_a_cut_of_the_real_files(shared):
    for path in (ROOT / "resources" / "towers").glob("*.zip"):
        cut = oneflux.read(path)
        (whole,) = (shared / "data" / "oneflux").glob(f"FLX_{cut.site}_*.zip")
        whole = oneflux.read(whole)
        for part, all_of in ((cut.daily, whole.daily), (cut.monthly, whole.monthly)):
            pd.testing.assert_frame_equal(part, all_of.loc[part.index, part.columns])


# The real files.


@pytest.fixture(scope="module")
def real(shared):
    """All 58 towers as ``config/towers_icos.yaml`` asks for them."""
    config = load(ROOT / "config" / "towers_icos.yaml")
    config = config.model_copy(update={"towers": config.towers.model_copy(update=tables_of(shared))})
    return config, *towers.read(config)


def tables_of(shared):
    data = shared / "data"
    resources = ROOT / "resources" / "towers"
    return {
        "folders": (data / "oneflux",),
        "sites": resources / "sites.csv",
        "lai": resources / "lai_monthly.csv",
        "co2": resources / "co2_mm_mlo.csv",
    }


def test_real_towers_are_complete(real):
    _, data, report = real
    assert report["used"].all() and len(report) == 58
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
        tower = oneflux.read(path)
        albedo = radiation.monthly_albedo(tower.monthly, tower.daily, table.at[name, "igbp"])
        rows.append(radiation.agreement(radiation.net_radiation(tower.daily, albedo), tower.monthly))
    agreement = pd.DataFrame(rows, index=list(zips), columns=["r", "rmse", "n"]).dropna()
    assert len(agreement) == 48
    assert agreement.r.median() > 0.985 and agreement.rmse.median() < 10.5


def test_real_test_towers_are_whole_groups(real):
    config, data, _ = real
    roles = split(data, config).set_index("site")
    assert set(roles.index[roles["fold_0"] == "test"]) == set(config.split.test_sites)  # no neighbour was added


def test_real_period_beyond_the_record_is_refused(shared):
    data = shared / "data"
    values = settings(data / "oneflux", lai=str(data / "oneflux/lai_monthly.csv"), co2=str(data / "co2_mm_mlo.csv"))
    values["towers"]["select"] = ["DE-Hai"]
    values["period"] = {"start": "2019-01-01", "end": "2020-12-31"}
    del values["constraints"]["fapar"]
    with pytest.raises(DataError, match=r"DE-Hai.*366 are missing, from 2020-01-01 .* to 2019-12-31"):
        towers.read(parse(values))
