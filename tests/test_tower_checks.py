"""What a tower's archive says of itself: the real towers pass, each kind of damage is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT
from h2cm.sources.towers import checks, oneflux, sites, solar
from h2cm.store import DataError
from tower_damage import DAMAGES

EXAMPLE = ROOT / "resources" / "towers"
TABLE = sites.read_table(EXAMPLE / "sites.csv")
CHOSEN = 10  # real towers damaged


def place(site):
    return TABLE.at[site, "lat"], TABLE.at[site, "elevation_m"]


@pytest.fixture(scope="module")
def example():
    return {site: oneflux.read(path) for site, path in oneflux.find([EXAMPLE]).items()}


@pytest.fixture(scope="module")
def real(shared):
    return {site: oneflux.read(path) for site, path in oneflux.find([shared / "data" / "oneflux"]).items()}


def assert_sound(towers):
    for site, tower in towers.items():
        failed = [(site, s.name, s.value) for s in checks.statements(tower, *place(site)) if not s.holds]
        assert not failed


def assert_caught(tower, damage, both, seed):
    damaged = DAMAGES[damage](tower, both, np.random.default_rng(seed))
    with pytest.raises(DataError, match=r"expected .* found ") as error:
        checks.check(damaged, *place(tower.site))
    assert str(tower.path) in str(error.value) and "\n" not in str(error.value)


def test_the_example_is_sound(example):
    assert_sound(example)
    names = {s.name for s in checks.statements(example["DE-Hai"], *place("DE-Hai")) if np.isfinite(s.value)}
    assert len(names) == 29  # none is passed over for want of a column


@pytest.mark.parametrize("both", [False, True], ids=["daily member", "both members"])
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("site", ["DE-Gri", "DE-Hai", "FI-Hyy"])
def test_damage_to_the_example_is_refused(example, site, damage, both):
    assert_caught(example[site], damage, both, seed=1)


def test_real_towers_are_sound(real):
    assert len(real) == 58
    assert_sound(real)


@pytest.mark.parametrize("both", [False, True], ids=["daily member", "both members"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_to_real_towers_is_refused(real, damage, both):
    for site in np.random.default_rng(7).choice(sorted(real), CHOSEN, replace=False):
        assert_caught(real[site], damage, both, seed=2)


def test_the_data_of_a_tower_elsewhere_are_refused(example):
    hainich = replace(example["FI-Hyy"], site="DE-Hai")
    with pytest.raises(DataError, match=r"SW_IN_POT: its latitude less that of the site: expected .*another site"):
        checks.check(hainich, *place("DE-Hai"))


def test_elevation_is_seen_in_the_pressure(example):
    tower = example["DE-Hai"]
    latitude, elevation = place("DE-Hai")
    with pytest.raises(DataError, match=r"PA_ERA: its elevation less that of the site: expected -250 to 250 m"):
        checks.check(tower, latitude, elevation + 400)


def test_a_statement_without_its_columns_holds(example):
    tower = example["DE-Hai"]
    few = replace(
        tower,
        daily=tower.daily[list(oneflux.DAILY_COLUMNS)],
        monthly=tower.monthly[[*oneflux.MONTHLY_COLUMNS, "NEE_REF", "NEE_REF_QC", "GPP_NT_REF", "GPP_DT_REF"]],
    )
    checks.check(few, *place("DE-Hai"))
    assert len(list(checks.statements(few, *place("DE-Hai")))) == 14


# The sun.


def test_sun_against_the_examples_of_fao_56():
    """Allen et al. (1998), examples 8 and 9: 20 degrees south, 3 September: 32.2 MJ m-2 day-1, 11.7 h.

    Their declination (6.9 degrees) is a sine; the almanac's is 7.6.
    """
    day = pd.DatetimeIndex(["2001-09-03"])
    megajoule = solar.potential_radiation(-20.0, day.day_of_year.to_numpy()) * 0.0864
    assert megajoule == pytest.approx(32.2, rel=0.02)
    assert solar.day_length(-20.0, day) == pytest.approx(11.7, abs=0.1)


def test_polar_day_and_night():
    days = pd.DatetimeIndex(["2001-06-21", "2001-12-21"])
    tilt = np.rad2deg(solar.declination(days.day_of_year.to_numpy()))
    np.testing.assert_allclose(tilt, [23.44, -23.44], atol=0.04)
    assert solar.day_length(80.0, days).tolist() == [24, 0]
    assert solar.potential_radiation(80.0, days.day_of_year.to_numpy())[1] == pytest.approx(0, abs=1e-9)


def test_potential_radiation_is_that_of_the_real_files(example):
    for site, tower in example.items():
        days = pd.date_range("2006-01-01", "2013-12-31")
        ours = (
            pd.Series(solar.potential_radiation(place(site)[0], days.day_of_year.to_numpy()), days)
            .resample("MS")
            .mean()
        )
        ratio = tower.monthly["SW_IN_POT"].sum() / ours.sum()
        assert ratio == pytest.approx(1, abs=0.02)


@given(st.floats(-89, 89), st.integers(1, 366))
def test_days_here_and_beyond_the_equator_share_24_hours(latitude, day):
    days = pd.DatetimeIndex([pd.Timestamp("2004-01-01") + pd.Timedelta(days=day - 1)])
    assert solar.day_length(latitude, days) + solar.day_length(-latitude, days) == pytest.approx(24)
    assert 0 <= solar.potential_radiation(latitude, np.array([day]))[0] + 1e-9 < 560


@given(st.floats(-66, 66))
def test_latitude_is_found_in_its_season(latitude):
    days = pd.date_range("2001-01-01", "2001-12-31")
    daily = pd.Series(solar.potential_radiation(latitude, days.day_of_year.to_numpy()), days)
    assert solar.latitude_of(3 * daily.groupby(days.month).mean().to_numpy()) == pytest.approx(latitude, abs=0.06)
