"""The spatial split: whole blocks, towers that are near each other together, a fixed test set."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from h2cm.config import ConfigError, parse
from h2cm.train.split import blocks, groups, split


def configuration(source: str = "twin", seed: int = 0, **options):
    towers = {"towers": {"folders": ["zips"], "co2": "co2.csv"}} if source == "towers" else {}
    constraints = {"gpp": {"prediction": "gpp", "compare": "monthly"}}
    return parse({"run": "t", "source": source, "seed": seed, "constraints": constraints, "split": options} | towers)


def cells(lat, lon, sites=None) -> xr.Dataset:
    coords = {"lat": ("cell", np.asarray(lat, float)), "lon": ("cell", np.asarray(lon, float))}
    if sites is not None:
        coords["site"] = ("cell", np.asarray(sites))
    return xr.Dataset(coords=coords)


def globe(resolution: float) -> xr.Dataset:
    lat, lon = np.arange(-60, 80, resolution) + resolution / 2, np.arange(-180, 180, resolution) + resolution / 2
    return cells(*(axis.ravel() for axis in np.meshgrid(lat, lon, indexing="ij")))


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([1.0, 2.0, 2.5, 4.0, 6.0, 9.0]), st.integers(2, 12), st.integers(0, 2**31))
def test_every_block_has_one_role_in_each_fold(resolution, folds, seed):
    table = split(globe(resolution), configuration(seed=seed, folds=folds))
    columns = [f"fold_{k}" for k in range(folds)]
    assert list(table.columns) == ["cell", "lat", "lon", "block", *columns]
    assert (table.groupby("block")[columns].nunique() == 1).all(axis=None)
    # the test set is the same in all folds; every other cell is validated on once, and trained on otherwise
    test = table[columns].eq("test")
    assert test.all(axis=1).equals(test.any(axis=1))
    validated = table[columns].eq("validation").sum(axis=1)
    assert (validated[~test.any(axis=1)] == 1).all() and (validated[test.any(axis=1)] == 0).all()
    of_blocks = table.groupby("block").first()[columns]
    assert np.isclose(of_blocks["fold_0"].eq("test").mean(), 1 / 11, atol=1 / len(of_blocks))
    sizes = of_blocks.eq("validation").sum()
    assert sizes.max() - sizes.min() <= 1


def test_blocks_are_named_by_their_corner():
    lat, lon = np.array([-90, 47.5, 0.0, -0.5, 49.9, 89.5]), np.array([-180, 7.5, 0.0, -0.5, 179.9, 180.0])
    expected = ["90S 180W", "45N 5E", "0N 0E", "5S 5W", "45N 175E", "85N 180W"]
    assert blocks(lat, lon, 5.0).tolist() == expected


def test_the_draw_depends_on_the_seed_and_on_nothing_else():
    one, other = (split(globe(5.0), configuration(seed=1)) for _ in range(2))
    np.random.seed(0)  # noqa: NPY002 - the global random state must not matter, and stay as it was
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    assert split(globe(5.0), configuration(seed=1)).equals(one) and one.equals(other)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    assert not split(globe(5.0), configuration(seed=2)).equals(one)


def test_the_test_set_does_not_depend_on_the_number_of_folds():
    three, nine = (split(globe(5.0), configuration(folds=k))["fold_0"].eq("test") for k in (3, 9))
    assert three.equals(nine) and three.any()


def test_no_test_set_if_none_is_asked_for():
    assert not split(globe(10.0), configuration(test_fraction=0.0)).eq("test").any(axis=None)


def test_a_fold_without_cells_is_refused():
    with pytest.raises(ConfigError, match=r"split.folds: 5 folds, .* only 3 blocks of 5 degrees"):
        split(cells([0, 10, 20, 30], [0, 0, 0, 0]), configuration(folds=5))


def test_towers_that_a_chain_joins_are_one_group():
    lat, lon = np.array([50.0, 50.3, 50.6, 60.0, 0.0, 0.0]), np.array([8.0, 8.0, 8.0, 10.0, 179.9, -179.8])
    sites = np.array(["C", "B", "A", "D", "F", "E"])
    assert groups(lat, lon, sites, 0.5).tolist() == ["A", "A", "A", "D", "E", "E"]
    assert groups(lat, lon, sites, 0.0).tolist() == sites.tolist()
    # 0.5 degrees of longitude are less than 0.5 degrees of a great circle at 60 degrees north
    assert len(set(groups(np.array([60.0, 60.0]), np.array([0.0, 0.9]), np.array(["A", "B"]), 0.5))) == 1


def tower_cells(n: int = 12) -> xr.Dataset:
    lat = np.repeat(np.arange(n // 2) * 5.0, 2) + np.tile([0.0, 0.1], n // 2)
    return cells(lat, np.zeros(n), [f"T{i:02}" for i in range(n)])


def test_near_towers_share_their_role():
    table = split(tower_cells(), configuration("towers", folds=2))
    assert list(table.columns[:5]) == ["cell", "site", "lat", "lon", "block"]
    assert (table["fold_0"].to_numpy()[::2] == table["fold_0"].to_numpy()[1::2]).all()
    assert set(table["fold_0"]) == {"train", "validation", "test"}


def test_chosen_test_towers_take_their_neighbours_along():
    table = split(tower_cells(), configuration("towers", folds=2, test_sites=["T02"]))
    assert table.loc[table["fold_1"] == "test", "site"].tolist() == ["T02", "T03"]


def test_an_unknown_test_tower_is_named():
    with pytest.raises(ConfigError, match=r"split.test_sites: .* has no XX-Xxx"):
        split(tower_cells(), configuration("towers", folds=2, test_sites=["T02", "XX-Xxx"]))
