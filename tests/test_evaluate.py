"""Metrics, time scales and the table of metrics, against independent calculations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fake_results import CONSTANTS, fake_config, fake_results, summarise
from h2cm.config import Evaluation
from h2cm.results.evaluate.aggregate import left_out, over_folds
from h2cm.results.evaluate.files import join_tables
from h2cm.results.evaluate.fold import COLUMNS, evaluate_fold, value_pairs
from h2cm.results.evaluate.metrics import METRICS, scores
from h2cm.results.evaluate.series import (
    anomaly,
    area_weighted_mean,
    centred,
    decompose,
    mean_ratio,
    mean_seasonal_cycle,
    monthly_means,
)
from h2cm.results.figures.drawing import draw_figure
from h2cm.results.paths import files
from h2cm.results.run import Run, constraint_of
from h2cm.store import DataError, holds_anomalies, save_netcdf, write
from h2cm.vocabulary import DEPARTURE, MEAN_SEASONAL_CYCLE

finite = st.floats(-100, 100, width=32)
series = arrays("f8", st.integers(3, 40), elements=finite)


def by_hand(p, o):
    """The metrics of complete series, in plain NumPy."""
    return {
        "rmse": np.sqrt(np.mean((p - o) ** 2)),
        "r": np.corrcoef(p, o)[0, 1],
        "r2": np.corrcoef(p, o)[0, 1] ** 2,
        "nse": 1 - np.sum((p - o) ** 2) / np.sum((o - o.mean()) ** 2),
        "sdr": p.std() / o.std(),
        "bias": p.mean() - o.mean(),
    }


def test_scores_of_many_series_with_gaps_match_plain_numpy():
    rng = np.random.default_rng(1)
    o = rng.normal(3, 2, (5, 4, 60))
    p = 0.8 * o + rng.normal(0, 1, o.shape)
    o[rng.random(o.shape) < 0.2] = np.nan
    p[rng.random(o.shape) < 0.1] = np.nan
    metrics, n = scores(p, o)
    for i in np.ndindex(5, 4):
        both = ~np.isnan(p[i]) & ~np.isnan(o[i])
        assert n[i] == both.sum()
        for name, value in by_hand(p[i][both], o[i][both]).items():
            assert metrics[name][i] == pytest.approx(value, rel=1e-10), name


def test_weights_count_like_repetitions():
    rng = np.random.default_rng(2)
    p, o, weights = rng.normal(size=20), rng.normal(size=20), rng.integers(1, 5, 20)
    weighted, n = scores(p, o, weights=weights)
    repeated, _ = scores(p.repeat(weights), o.repeat(weights))
    assert n == 20
    assert {k: float(v) for k, v in weighted.items()} == pytest.approx({k: float(v) for k, v in repeated.items()})


@given(series)
def test_a_perfect_prediction(o):
    metrics, _ = scores(o, o)
    assert metrics["rmse"] == 0 and metrics["bias"] == 0
    if o.std() > 1e-3:
        assert [metrics[name] for name in ("r", "r2", "nse", "sdr")] == pytest.approx([1, 1, 1, 1])


@given(series, st.floats(0.1, 50), st.floats(-20, 20))
def test_a_scaled_and_shifted_prediction(o, scale, shift):
    metrics, _ = scores(scale * o + shift, o)
    assert metrics["bias"] == pytest.approx((scale - 1) * o.mean() + shift, abs=1e-6)
    assert metrics["rmse"] >= abs(metrics["bias"]) - 1e-6
    if o.std() > 1e-2:
        assert metrics["r"] == pytest.approx(1)
        assert metrics["sdr"] == pytest.approx(scale)
        assert metrics["nse"] <= metrics["r2"] + 1e-9


@given(series, st.floats(0.1, 50), st.integers(0, 2**32 - 1))
def test_another_unit_changes_rmse_and_bias_only(o, unit, seed):
    p = o + np.random.default_rng(seed).normal(0, 5, o.size)
    one, _ = scores(p, o)
    other, _ = scores(unit * p, unit * o)
    for name in METRICS:
        factor = unit if name in ("rmse", "bias") else 1
        assert other[name] == pytest.approx(factor * one[name], rel=1e-6, abs=1e-9, nan_ok=True)


def test_undefined_metrics_are_nan_and_keep_their_number():
    metrics, n = scores([1.0, 2.0, np.nan, 4.0], [1.0, 3.0, 5.0, np.nan])
    assert n == 2 and all(np.isnan(value) for value in metrics.values())
    metrics, n = scores([1.0, 2.0, 3.0], [0.1, 0.1, 0.1])
    assert n == 3 and metrics["rmse"] > 0 and metrics["bias"] == pytest.approx(1.9)
    assert all(np.isnan(metrics[name]) for name in ("r", "r2", "nse", "sdr"))
    metrics, _ = scores([0.1, 0.1, 0.1], [1.0, 2.0, 3.0])
    assert np.isnan(metrics["r"]) and metrics["sdr"] == 0 and metrics["nse"] < 0
    metrics, n = scores(np.empty((2, 0)), np.empty((2, 0)))
    assert n.tolist() == [0, 0] and np.isnan(metrics["rmse"]).all()


def test_rounding_of_a_series_without_anomaly_is_no_variation():
    calendar_month = np.arange(48) % 12 + 1
    o = 1000 + np.sin(calendar_month)  # each year like the other
    p = o + np.random.default_rng(0).normal(0, 0.1, 48)
    pair = decompose(p, o, calendar_month)["anomaly"]
    metrics, n = scores(*pair, magnitude=(np.abs(p).max(), np.abs(o).max()))
    assert n == 48 and np.isnan(metrics["r"]) and np.isnan(metrics["nse"])


def test_seasonal_cycle_and_anomaly_match_pandas_for_a_record_that_starts_and_ends_anywhere():
    months = pd.date_range("2003-04-01", "2009-01-01", freq="MS")
    values = np.random.default_rng(3).normal(size=months.size)
    values[[4, 17]] = np.nan
    expected = pd.Series(values, months)
    cycle = expected.groupby(months.month).mean()
    np.testing.assert_allclose(mean_seasonal_cycle(values, months.month.values), cycle.values)
    departure = expected - cycle.reindex(months.month).values
    np.testing.assert_allclose(anomaly(values, months.month.values), departure.values)


def test_months_never_observed_have_no_seasonal_cycle():
    cycle = mean_seasonal_cycle(np.arange(6.0), np.arange(1, 7))
    np.testing.assert_array_equal(cycle, [0, 1, 2, 3, 4, 5, *[np.nan] * 6])


def test_a_month_observed_once_has_no_anomaly():
    calendar_month = np.r_[np.arange(1, 13), np.arange(1, 7)]
    result = anomaly(np.arange(18.0), calendar_month)
    np.testing.assert_array_equal(result, [*[-6.0] * 6, *[np.nan] * 6, *[6.0] * 6])


def test_a_trend_and_a_missing_year_make_no_bias():
    calendar_month = np.arange(120) % 12 + 1
    truth = np.sin(calendar_month) + 0.05 * np.arange(120)
    observed = truth.copy()
    observed[:12] = np.nan
    for timescale, pair in decompose(truth, observed, calendar_month).items():
        metrics, _ = scores(*pair)
        assert metrics["rmse"] == pytest.approx(0, abs=1e-12), timescale


@settings(max_examples=30)
@given(arrays("f8", (3, 30), elements=finite), st.integers(0, 2**32 - 1))
def test_anomalies_and_centred_series_average_to_zero(values, seed):
    values = np.where(np.random.default_rng(seed).random(values.shape) < 0.3, np.nan, values)
    for result in (anomaly(values, np.arange(30) % 12 + 1), centred(values)):
        np.testing.assert_allclose(np.nansum(result, -1), 0, atol=1e-9)


def test_area_weighted_mean_is_of_the_cells_that_are_there():
    values = np.array([[1.0, np.nan, np.nan], [3.0, 5.0, np.nan]])
    np.testing.assert_allclose(area_weighted_mean(values, np.array([1.0, 3.0])), [2.5, 5.0, np.nan])


def test_monthly_means_of_days():
    days = pd.date_range("2011-11-15", "2012-03-10")
    values = np.random.default_rng(0).normal(size=(2, days.size))
    result = monthly_means(xr.DataArray(values, {"time": days}, ("cell", "time"), "gpp"))
    expected = pd.DataFrame(values.T, days).groupby(days.to_period("M")).mean()
    np.testing.assert_allclose(result.values, expected.values.T)
    assert list(result["month"].dt.strftime("%Y-%m").values) == [str(month) for month in expected.index]


def test_ratio_of_means_weighs_months_by_their_days():
    ratio = mean_ratio(
        np.array([[1.0, 2.0], [0.1, 0.0]]), np.array([[2.0, 4.0], [0.05, 0.05]]), np.array([31, 28]), 0.1
    )
    assert ratio[0] == pytest.approx(0.5) and np.isnan(ratio[1])
    uneven = mean_ratio(np.array([[1.0, 0.0]]), np.array([[1.0, 1.0]]), np.array([31, 28]), 0.1)
    assert uneven[0] == pytest.approx(31 / 59)


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    config = fake_config("twin")
    folder = fake_results(tmp_path_factory.mktemp("twin"), config, n_cells=30)
    return folder, config, evaluate_fold(folder, config, "cv", 1)


def one(table, **wanted):
    """Value and n of the only row that fits."""
    for column, value in wanted.items():
        table = table[table[column] == value]
    assert len(table) == 1, wanted
    return table["value"].item(), table["n"].item()


def test_table_is_tidy(twin):
    _, config, table = twin
    assert tuple(table.columns) == COLUMNS
    assert not table.duplicated([c for c in COLUMNS if c not in ("value", "n")]).any()
    assert set(table["cells"]) == {"train", "validation", "test", "all"}
    assert set(table["timescale"]) == {"monthly", "msc", "anomaly", "mean", "constant"}
    assert set(table["metric"]) == set(METRICS)
    assert set(table["reference"]) == {*config.constraints, "truth"}
    assert {"cue", "heterotrophic_respiration", "transpiration", "q10", "beta_co2"} <= set(table["variable"])


def test_area_weighted_mean_of_the_test_cells_matches_xarray(twin):
    folder, _, table = twin
    with xr.open_dataset(folder / "predictions/cv/fold_1/monthly.nc") as data:
        p = data["gpp"].load().astype("f8")
    o = xr.load_dataset(folder / "store/gpp.nc")["gpp"].astype("f8")
    p = p.where(o.notnull())
    test = pd.read_csv(folder / "split/split.csv")["fold_1"].to_numpy() == "test"
    area = xr.load_dataset(folder / "store/grid.nc")["area"]
    p, o = (side.isel(cell=test).weighted(area.isel(cell=test)).mean("cell").to_series() for side in (p, o))
    cycles = [side.groupby(side.index.month).mean() for side in (p, o)]
    departures = [side - side.groupby(side.index.month).transform("mean") for side in (p, o)]
    for timescale, pair in {"monthly": (p, o), "msc": cycles, "anomaly": departures}.items():
        for metric, expected in by_hand(*(side.to_numpy() for side in pair)).items():
            value, n = one(
                table, cells="test", scope="area_weighted_mean", reference="gpp", timescale=timescale, metric=metric
            )
            assert value == pytest.approx(expected, rel=1e-6, abs=1e-9)
            assert n == pair[0].size


def test_single_cells_and_years_of_a_constraint(twin):
    folder, config, table = twin
    assert config.constraints["nee_oco2"].years == (2011, 2012)
    cell = int(np.flatnonzero(pd.read_csv(folder / "split/split.csv")["fold_1"] == "validation")[0])
    o = xr.load_dataset(folder / "store/nee_oco2.nc")["nee_oco2"].isel(cell=cell).sel(month=slice("2011", "2012"))
    p = (
        xr.load_dataset(folder / "predictions/cv/fold_1/monthly.nc")["nee"]
        .isel(cell=cell)
        .sel(month=slice("2011", "2012"))
    )
    there = o.notnull().values
    expected = by_hand(p.values[there].astype("f8"), o.values[there].astype("f8"))
    for metric in METRICS:
        row = {"scope": f"cell {cell}", "reference": "nee_oco2", "timescale": "monthly", "metric": metric}
        assert one(table, **row) == (pytest.approx(expected[metric], rel=1e-6), there.sum())


def test_training_cells_of_a_grid_are_not_listed_one_by_one_but_towers_are(twin, tmp_path):
    _, _, table = twin
    assert set(table.loc[table["cells"] == "train", "scope"]) == {"area_weighted_mean", "spatial_pattern"}
    config = fake_config("towers")
    towers = evaluate_fold(fake_results(tmp_path, config, n_cells=12), config, "cv", 0)
    assert {f"AA-{i:03d}" for i in range(12)} <= set(towers["scope"])
    assert "truth" not in set(towers["reference"])


def test_storage_is_compared_without_its_level(twin):
    _, _, table = twin
    bias, _ = one(table, cells="test", scope="area_weighted_mean", reference="tws", timescale="monthly", metric="bias")
    rmse, _ = one(
        table,
        cells="test",
        scope="area_weighted_mean",
        reference="truth",
        variable="tws",
        timescale="monthly",
        metric="rmse",
    )
    assert abs(bias) < 1 and rmse < 50  # the predictions lie 400 mm above the target


def test_constants_and_ratio_against_the_truth(twin):
    folder, _, table = twin
    learned = xr.load_dataset(folder / "predictions/cv/fold_1/monthly.nc")
    bias, _ = one(table, scope="global", variable="beta_co2")
    assert bias == pytest.approx(1e4 * (float(learned["beta_co2"]) - CONSTANTS["beta_co2"]), rel=1e-5)
    days = learned["month"].dt.days_in_month
    predicted = learned["npp"].weighted(days).mean("month") / learned["gpp"].weighted(days).mean("month")
    test = pd.read_csv(folder / "split/split.csv")["fold_1"].to_numpy() == "test"
    area = xr.load_dataset(folder / "store/grid.nc")["area"].values
    target = xr.load_dataset(folder / "store/cue.nc")["cue"].values
    expected = np.average((predicted.values - target)[test], weights=area[test])
    value, n = one(table, cells="test", scope="spatial_pattern", reference="cue", metric="bias")
    assert value == pytest.approx(expected, rel=1e-5) and n == test.sum()


def test_every_period_of_the_evaluation_beside_the_whole(tmp_path):
    config = fake_config("twin")
    folder = fake_results(tmp_path, config, n_cells=12)
    whole = evaluate_fold(folder, config, "cv", 0)
    assert set(whole["period"]) == {"whole"}
    periods = Evaluation(periods={"middle": (2011, 2011), "first": (2010, 2010)})
    table = evaluate_fold(folder, config.model_copy(update={"evaluation": periods}), "cv", 0)
    assert set(table["period"]) == {"whole", "middle", "first"}
    pd.testing.assert_frame_equal(table[table["period"] == "whole"].reset_index(drop=True), whole)
    series = table[(table["scope"] == "area_weighted_mean") & (table["timescale"] == "monthly")]
    length = series.groupby("period")["n"].max()
    assert length["middle"] == 12 and length["whole"] == 36
    middle = series[series["period"] == "middle"]
    assert set(middle.loc[middle["reference"] == "truth", "n"]) == {12}  # the targets have gaps
    # a target without a month in a period is left out there: OCO-2 begins in 2011
    assert "nee_oco2" in set(middle["reference"]) and "nee_oco2" not in set(
        table.loc[table["period"] == "first", "reference"]
    )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "store/et.nc").unlink(), "et.nc: expected a file of this run"),
        (
            lambda f: cut(f / "predictions/cv/fold_0/monthly.nc", cell=slice(5)),
            "expected predictions for 12 cells, got 5",
        ),
        (lambda f: cut(f / "predictions/cv/fold_0/monthly.nc", month=slice(0, 30)), "expected predictions for 2012-07"),
        (lambda f: drop(f / "predictions/cv/fold_0/monthly.nc", "runoff"), "expected 'runoff'"),
        (lambda f: shorten(f / "split/split.csv"), "split.csv: expected 12 cells"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, damage, message):
    config = fake_config("twin")
    folder = fake_results(tmp_path, config, n_cells=12)
    damage(folder)
    with pytest.raises(DataError, match=message):
        evaluate_fold(folder, config, "cv", 0)


def cut(path, **slices):
    data = xr.load_dataset(path)
    save_netcdf(data.isel(slices), path)


def drop(path, name):
    save_netcdf(xr.load_dataset(path).drop_vars(name), path)


def shorten(path):
    pd.read_csv(path).iloc[:-1].to_csv(path, index=False)


def test_tables_are_joined_whole_or_not_at_all(tmp_path):
    for name, text in {"a": "x,y\n1,2\n", "b": "x,y\n3,4\n", "c": "x,z\n5,6\n"}.items():
        (tmp_path / name).write_text(text)
    join_tables([tmp_path / "a", tmp_path / "b"], tmp_path / "joined")
    assert (tmp_path / "joined").read_text() == "x,y\n1,2\n3,4\n"
    with pytest.raises(DataError, match="expected the columns x,y, got x,z"):
        join_tables([tmp_path / "a", tmp_path / "c"], tmp_path / "other")
    assert not (tmp_path / "other").exists()
    with pytest.raises(DataError, match="got none"):
        join_tables([], tmp_path / "other")


def test_spread_over_folds_and_left_out_cells():
    key = {
        "experiment": "cv",
        "period": "whole",
        "reference": "gpp",
        "variable": "gpp",
        "timescale": "monthly",
        "metric": "nse",
    }
    rows = [
        {"fold": fold, "cells": cells, "scope": scope, "value": value, "n": 10}
        for fold, cells, scope, value in [
            (0, "validation", "A", 0.5),
            (1, "train", "A", 0.9),
            (0, "test", "B", 0.1),
            (1, "test", "B", 0.7),
            (2, "test", "B", np.nan),
        ]
    ]
    metrics = pd.DataFrame(rows).assign(**key)[list(COLUMNS)]
    spread = over_folds(metrics).query("cells == 'test'").iloc[0]
    assert [spread[c] for c in ("mean", "minimum", "maximum", "folds")] == pytest.approx([0.4, 0.1, 0.7, 2])
    skill = left_out(metrics, np.array(["A", "B"])).set_index("scope")
    assert skill.loc["A", ["fold", "value"]].tolist() == ["0", 0.5]
    assert skill.loc["B", "fold"] == "0 1 2" and skill.loc["B", "value"] == pytest.approx(0.4)


def test_files_of_a_run_and_the_constraint_of_a_variable():
    config = fake_config("twin")
    assert files(["monthly"], config, "cv") == [f"predictions/cv/fold_{k}/monthly.nc" for k in range(3)]
    assert len(files(["losses"], config)) == 6
    assert constraint_of(config, "nee") == "nee_oco2" and constraint_of(config, "ter") is None


def test_constants_of_all_folds(twin):
    folder, config, _ = twin
    summarise(folder, config)
    constants = Run(folder, config).constants()
    assert len(constants) == 6 and constants["beta_co2"].between(10, 30).all()


def test_a_perfect_prediction_of_a_target_that_holds_anomalies(tmp_path):
    """As the published `nee_iav`: compared with the flux itself, a perfect model had an NSE far below 0."""
    config = fake_config("twin")
    folder = fake_results(tmp_path, config, n_cells=20)
    flux = xr.load_dataset(folder / "predictions/cv/fold_1/monthly.nc")["nee"]
    departure = anomaly(flux.values.astype("f8"), flux["month"].dt.month.values)
    departure[np.random.default_rng(1).random(departure.shape) < 0.15] = np.nan
    target = xr.DataArray(departure, {"month": flux["month"].values}, ("cell", "month"), "nee_carboscope")
    attrs = {"units": "g m-2 day-1", DEPARTURE: MEAN_SEASONAL_CYCLE}
    write(target.assign_attrs(attrs), folder / "store/nee_carboscope.nc", "test")
    assert holds_anomalies(xr.load_dataset(folder / "store/nee_carboscope.nc")["nee_carboscope"])

    table = evaluate_fold(folder, config, "cv", 1).query("reference == 'nee_carboscope'")
    assert set(table["timescale"]) == {"anomaly"} and "spatial_pattern" not in set(table["scope"])
    nse = table[table["metric"] == "nse"]["value"]
    assert len(nse) > 3 and nse.min() > 1 - 1e-6
    assert table[table["metric"] == "rmse"]["value"].max() < 1e-5
    others = evaluate_fold(folder, config, "cv", 1).query("reference == 'nee_oco2'")
    assert set(others["timescale"]) == {"monthly", "msc", "anomaly", "mean"}
    summarise(folder, config)
    figure = draw_figure("series_nee_carboscope", folder, config).figure
    assert all(axis.has_data() for axis in figure.axes if axis.get_visible())


def test_a_ratio_is_evaluated_by_its_own_sides(tmp_path):
    config = fake_config("twin")
    row = config.constraints["cue"].model_copy(update={"prediction": "wue"})
    config = config.model_copy(update={"constraints": config.constraints | {"cue": row}})
    folder = fake_results(tmp_path, config, n_cells=20)
    predicted = xr.load_dataset(folder / "predictions/cv/fold_0/monthly.nc")
    days = predicted["month"].dt.days_in_month.values
    wue = (predicted["gpp"].values @ days) / (predicted["transpiration"].values @ days)
    (found,) = [p for reference, _, p, _ in value_pairs(Run(folder, config), predicted) if reference == "cue"]
    np.testing.assert_allclose(found, wue, rtol=1e-6)
    drop(folder / "predictions/cv/fold_0/monthly.nc", "transpiration")
    with pytest.raises(DataError, match="expected 'transpiration' for 'cue'"):
        evaluate_fold(folder, config, "cv", 0)
