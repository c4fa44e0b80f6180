"""Calibrated intervals and the area of applicability: what they promise, and that no test cell has a part in them."""

from __future__ import annotations

import netCDF4
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_results import fake_config, fake_results, summarise
from h2cm.config import from_sections
from h2cm.results.dataset.attributes import QUANTILES, global_attributes, variable_attributes
from h2cm.results.dataset.files import write_grid, write_variable
from h2cm.results.evaluate.applicability import dissimilarity, threshold
from h2cm.results.evaluate.intervals import (
    ENOUGH,
    LEVELS,
    Calibration,
    corrected,
    local_month,
    offsets,
    spread_of,
    weighted_quantiles,
)
from h2cm.results.paths import path
from h2cm.results.run import Run, shown
from h2cm.results.summaries import applicability, intervals
from h2cm.results.summaries.registry import summary_inputs
from h2cm.results.tables import coverage
from h2cm.store import save_netcdf
from h2cm.vocabulary import VARIABLES
from h2cm.workflow.plan import Plan
from test_dataset import findings


def test_the_local_year_begins_half_a_year_later_in_the_south():
    months = local_month(np.arange(1, 13), np.array([50.0, -30.0]))
    assert months[0].tolist() == list(range(12)) and months[1, 6] == 0 and months[1, 0] == 6


def test_levels_are_moved_outwards_and_missing_where_the_cells_cannot_tell():
    assert corrected([0.05, 0.5, 0.95], 20).tolist() == pytest.approx([0.0025, 0.525, 0.9975])
    few = corrected(LEVELS, 2)
    assert np.isnan(few[[0, -1]]).all() and np.isfinite(few[LEVELS.index(0.5)])
    assert np.isnan(corrected(LEVELS, 0)).all()


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0.1, 3)), min_size=1, max_size=30), st.floats(0, 1))
def test_weighted_quantiles_are_the_least_values_with_enough_weight(pairs, level):
    values, weights = np.array(pairs).T
    found = weighted_quantiles(values, weights, np.array([level]))[0]
    share = weights[values <= found].sum() / weights.sum()
    assert share >= level - 1e-9 and found in values
    smaller = weights[values < found].sum() / weights.sum()
    assert smaller < level + 1e-9 or found == values.min()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_what_is_exchangeable_is_covered_as_often_as_said(seed):
    """Cells drawn alike, whose months have an error in common: the cells decide how much is known, not the months."""
    rng = np.random.default_rng(seed)
    classes = np.repeat([0, 1], [60, 5])

    def errors(size):
        return rng.gamma(2, 1, (size, 1)) * rng.choice([-1, 1], (size, 1)) + rng.normal(0, 0.3, (size, 24))

    months = local_month(np.tile(np.arange(1, 13), 2), np.ones(65))
    table, count = offsets(errors(65), np.ones(65), classes, months, 2)
    assert count.tolist() == [60, 5]
    new = errors(4000)
    low, high = (table[0, 0, LEVELS.index(level)] for level in (0.05, 0.95))
    inside = ((new[:, [0, 12]] >= low) & (new[:, [0, 12]] <= high)).mean()
    assert inside > 0.75, "a draw of 60 cells; 0.9 on average"


def test_it_is_covered_on_average():
    inside = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        table, _ = offsets(
            rng.standard_t(3, (25, 12)), np.ones(25), np.zeros(25, int), np.tile(np.arange(12), (25, 1)), 1
        )
        new = rng.standard_t(3, 200)
        inside.append(((new >= table[0, 3, 0]) & (new <= table[0, 3, -1])).mean())
    assert 0.89 < np.mean(inside) < 0.97


def test_few_cells_take_the_errors_of_all():
    rng = np.random.default_rng(0)
    classes = np.repeat([0, 1], [ENOUGH, ENOUGH - 1])
    errors = rng.normal(0, 1, (classes.size, 12)) + 10 * classes[:, None]
    months = np.tile(np.arange(12), (classes.size, 1))
    table, _ = offsets(errors, np.ones(classes.size), classes, months, 2)
    assert table[0].max() < 5, "errors of its own"
    assert table[1, 0, -1] > 5 > table[1, 0, 0], "of both together"
    errors[:, 6] = np.nan
    table, _ = offsets(errors, np.ones(classes.size), classes, months, 2)
    assert np.isfinite(table[:, 6]).all(), "a month that nobody observes takes those of the others"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    config = fake_config()
    folder = fake_results(tmp_path_factory.mktemp("run"), config, n_cells=150)
    summarise(folder, config)
    return folder, config


def test_no_test_cell_has_a_part_in_the_calibration(run, tmp_path):
    folder, config = run
    first = intervals.make(Run(folder, config), "cv")
    split = Run(folder, config).split()
    test = np.flatnonzero(split["fold_0"] == "test")
    other = fake_results(tmp_path / "other", config, n_cells=150)
    for name in set(shown(config).values()):
        file = other / path("variable", variable=name)
        data = xr.load_dataset(file)
        data[name][test] = (data[name][test] * 3 + 1).clip(VARIABLES[name].low, VARIABLES[name].high)
        save_netcdf(data, file)
    second = intervals.make(Run(other, config), "cv")
    for name in ("offset", "least_spread", "calibration_cells"):
        xr.testing.assert_equal(first[name], second[name])
    gpp = [one["below"].sel(variable="gpp", reference="observed").values for one in (first, second)]
    assert np.abs(gpp[0] - gpp[1]).max() > 0.1, "the check sees them"
    validation = np.flatnonzero(split["fold_0"] == "validation")
    data = xr.load_dataset(file := other / path("variable", variable="gpp"))
    data["gpp"][validation] += 5
    save_netcdf(data, file)
    third = intervals.make(Run(other, config), "cv")
    assert float((third["offset"] - second["offset"]).sel(variable="gpp").max()) > 1


def test_what_is_observed_is_calibrated_and_other_fluxes_are_carried_over(run):
    folder, config = run
    data = Run(folder, config).summary("intervals", "cv")
    kinds = {str(n): int(k) for n, k in zip(data["variable"].values, data["transferred"].values, strict=True)}
    assert {name for name, kind in kinds.items() if not kind} == set(shown(config))
    assert {"npp", "heterotrophic_respiration", "ter", "transpiration"} == {n for n, kind in kinds.items() if kind}
    # every fold is wrong by a factor of its own and by noise: what they differ by is not what they err by
    table = coverage.make(folder, config).set_index(["variable", "reference"])
    gpp = table.loc[("gpp", "observed")]
    assert gpp["intervals"] == "calibrated" and 0.85 < gpp["within 90 %"] <= 1
    assert gpp["folds within 90 %"] < 0.85 and gpp["crps"] < gpp["crps of folds"] * 1.2
    assert table.loc[("npp", "truth"), "intervals"] == "transferred" and ("npp", "observed") not in table.index
    assert table["cells"].between(1, 150).all() and (table["width"] > 0).all()


def test_the_factor_is_one_of_the_spread(run):
    folder, config = run
    calibration = Calibration(Run(folder, config).summary("intervals", "cv"))
    rng = np.random.default_rng(0)
    members = rng.normal(3, 1, (3, 150, 36))
    month = np.tile(np.arange(1, 13), 3)
    around = calibration.around("npp", members, month)
    wide = calibration.around("npp", 3 * (3 + 2 * members), month)
    np.testing.assert_allclose(wide, 6 * around, rtol=1e-6)
    assert np.isnan(spread_of(members[:1], month)).all()
    part = calibration.around("npp", members[:, 40:60], month, slice(40, 60))
    np.testing.assert_allclose(part, around[:, 40:60])
    np.testing.assert_allclose(calibration.around("gpp", members, month), calibration.around("gpp", 2 * members, month))


def test_the_data_set_carries_the_quantiles(run):
    folder, config = run
    calibration = Calibration(Run(folder, config).summary("intervals", "cv"))
    cells = xr.load_dataset(folder / path("grid"))
    members = [folder / path("monthly", experiment="cv", fold=fold) for fold in range(3)]
    for name in ("gpp", "heterotrophic_respiration", "fapar"):
        write_variable(config, name, "monthly", members, cells, folder, "code", calibration)
        written = xr.load_dataset(folder / path("dataset_file", variable=name, step="monthly", year="2010"))
        at = written.sel(lat=cells.lat, lon=cells.lon).transpose("cell", "time", ...)
        values = np.stack([xr.load_dataset(file)[name].values for file in members])
        median, year = np.median(values, 0), np.arange(12)
        around = calibration.around(name, values, np.tile(year + 1, 3))
        for suffix, level in QUANTILES.items():
            expected = (median + around[LEVELS.index(level)])[:, :12]
            expected = expected.clip(0, 1) if name == "fapar" else expected.clip(-10, 60)
            np.testing.assert_allclose(at[name + suffix], expected, rtol=2e-4, atol=1e-6)
        quantiles = np.stack([at[name + suffix] for suffix in QUANTILES])
        assert (np.diff(quantiles, axis=0) >= 0).all(), "in order"
        assert ("Not calibrated" in written[f"{name}_q95"].comment) == (name == "heterotrophic_respiration")
    with netCDF4.Dataset(folder / path("dataset_file", variable="gpp", step="monthly", year="2010")) as file:
        assert set(file["gpp"].ancillary_variables.split()) == {f"gpp{s}" for s in ("_min", "_max", *QUANTILES)}
    for name in ("gpp", "heterotrophic_respiration"):
        assert findings(folder / path("dataset_file", variable=name, step="monthly", year="2012")) == []
    assert "departures" in variable_attributes("tws", "_q05")["long_name"]


def test_a_cell_is_as_far_as_the_nearest_of_another_fold():
    place = np.array([[0.0], [1.0], [10.0], [11.0], [30.0]])
    fold = np.array([0, 0, 1, 1, -1])
    index = dissimilarity(place, fold)
    pairs = [1, 10, 11, 9, 10, 1]
    np.testing.assert_allclose(index * np.mean(pairs), [10, 9, 9, 10, 19])
    limit = threshold(index, fold)
    assert limit == pytest.approx(10 / np.mean(pairs)) and index[4] > limit
    with pytest.raises(ValueError, match="two folds"):
        dissimilarity(place, np.array([0, 0, 0, -1, -1]))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_the_unit_of_a_predictor_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    table, fold = rng.normal(size=(40, 4)), rng.integers(-1, 4, 40)
    fold[:5] = np.arange(5) - 1
    constant = np.concatenate([table * [1e3, 1e-3, 2, 1] + 5, np.full((40, 1), 3.0)], axis=1)
    np.testing.assert_allclose(dissimilarity(constant, fold), dissimilarity(table, fold), rtol=1e-6)


def test_an_outlier_does_not_widen_the_area():
    index, fold = np.r_[np.linspace(0.1, 0.5, 40), 9.0, 0.6], np.zeros(42, int)
    assert threshold(index, fold) == pytest.approx(0.6)


def test_the_map_is_in_the_data_set(run, tmp_path):
    folder, config = run
    made = applicability.make(Run(folder, config), "observed")
    assert int(made["predictors"]) == 11 + 10
    cells = xr.load_dataset(folder / path("grid"))
    write_grid(config, cells, tmp_path / "grid.nc", global_attributes(config, [folder / path("grid")], "code"), made)
    written = xr.load_dataset(tmp_path / "grid.nc").sel(lat=cells.lat, lon=cells.lon)
    np.testing.assert_allclose(written["dissimilarity"], made["dissimilarity"], rtol=1e-6)
    assert findings(tmp_path / "grid.nc") == []
    inside = (made["dissimilarity"] <= made["threshold"]).values
    np.testing.assert_array_equal(written["inside_area_of_applicability"], inside)
    assert xr.load_dataset(tmp_path / "grid.nc")["dissimilarity"].isnull().any(), "nothing over the sea"


def test_three_towers_are_too_few_to_calibrate_with(tmp_path):
    config = fake_config("towers", folds=2)
    folder = fake_results(tmp_path, config, n_cells=8)
    summarise(folder, config)
    data = Run(folder, config).summary("intervals", "cv")
    ends = data["offset"].sel(level=[0.05, 0.95])
    assert data["offset"].sel(level=0.5).notnull().any() and ends.isnull().all()


def test_the_workflow_gives_what_they_read_and_no_more(run):
    """The data set is made of them, so what they do not need must not make it anew."""
    folder, config = run
    plan = Plan(config)
    for name, module, who in (("intervals", intervals, "cv"), ("applicability", applicability, "observed")):
        keys = plan.summary_keys(name)
        assert "evaluation" not in keys and "training" not in keys and "prior" not in keys.get("experiments", {})
        made = module.make(Run(folder, from_sections(keys)), who)
        xr.testing.assert_allclose(made.astype("f4"), Run(folder, config).summary(name, who), rtol=1e-5)
    assert plan.dataset_intervals("daily") == []
    assert plan.dataset_intervals("monthly") == ["results/fake/summaries/cv/intervals.nc"]
    read = summary_inputs("intervals", "cv", config)
    assert "twin/truth.nc" in read and not [file for file in read if file.startswith("predictions/prior")]
