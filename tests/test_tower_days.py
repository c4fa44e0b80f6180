"""Days at towers: departures from the season, the answer to rain, and who predicts a tower that was left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fake_results import fake_config, fake_results, summarise
from h2cm.results.evaluate import days
from h2cm.results.figures.registry import figure_names
from h2cm.results.paths import folds
from h2cm.results.run import Run, measured_days
from h2cm.results.tables import skill_of_days
from h2cm.results.tables.registry import table_names

TIME = pd.date_range("2001-01-01", "2004-12-31").to_numpy()
DAY = days.day_of_year(TIME)
SEASON = 3 * np.sin(2 * np.pi * DAY / 365.25)


def test_days_of_the_year_count_the_leap_day():
    assert DAY[[0, 58, 59, 364, 365]].tolist() == [1, 59, 60, 365, 1]
    assert DAY[-366:][59] == 60 and DAY[-1] == 366


def test_departures_have_no_season_left_and_keep_what_is_not_season():
    rng = np.random.default_rng(0)
    weather = rng.normal(0, 1, DAY.size)
    left = days.departures(SEASON + weather, TIME)
    assert abs(np.corrcoef(left, SEASON)[0, 1]) < 0.05
    assert np.corrcoef(left, weather)[0, 1] > 0.97
    np.testing.assert_allclose(days.departures(SEASON, TIME), 0, atol=0.12)  # the window flattens the peak a little


def test_a_cycle_is_missing_where_its_window_is_nearly_empty():
    values = np.where((DAY > 100) & (DAY < 200), SEASON, np.nan)
    cycle = days.smoothed_cycle(values, DAY)
    assert np.isfinite(cycle[110:190]).all() and np.isnan(cycle[:80]).all() and np.isnan(cycle[220:]).all()
    values = np.where(DAY == 150, 1.0, np.nan)  # four values in four years
    assert np.isnan(days.smoothed_cycle(values, DAY)).all()


def test_skill_of_days_is_that_of_the_measured_days():
    rng = np.random.default_rng(1)
    measured = SEASON + rng.normal(0, 1, DAY.size)
    measured[rng.random(DAY.size) < 0.5] = np.nan
    uncertainty = np.full(DAY.size, 0.5)
    perfect = days.skill(measured, measured, uncertainty, TIME)
    assert perfect["days"] == np.isfinite(measured).sum() and perfect["nse"] == 1 and perfect["anomaly_r"] == 1
    season = days.skill(SEASON, measured, uncertainty, TIME)
    assert season["r"] > 0.85 and abs(season["anomaly_r"]) < 0.2  # the season alone says nothing of the day
    assert season["rmse_over_uncertainty"] == pytest.approx(season["rmse"] / 0.5)
    biased = days.skill(measured + 2, measured, uncertainty, TIME)
    assert biased["anomaly_r"] == pytest.approx(1) and biased["anomaly_nse"] == pytest.approx(1)
    assert biased["rmse"] == pytest.approx(2)


def test_the_answer_to_rain_is_that_of_warm_rain_after_dry_days():
    rain, warm = np.zeros(DAY.size), np.full(DAY.size, 290.0)
    events = np.arange(40, 1400, 40)
    rain[events] = 8.0
    rain[events[3] + 2] = 8.0  # no dry days before
    warm[events[5]] = 274.0  # may be snow
    found = days.rains(rain, warm)
    assert found.tolist() == [e for k, e in enumerate(events) if k != 5 and e + 20 < DAY.size]
    answer = np.zeros(DAY.size)
    for event in events:
        answer[event + 1 : event + 6] = 1.5
    measured = SEASON + answer
    measured[events[1] + 1 : events[1] + 5] = np.nan  # too few days after this one
    predicted, seen = days.answers(SEASON + 0.5 * answer, measured, TIME, found)
    assert len(seen) == len(found) - 1
    np.testing.assert_allclose(days.changes(seen).mean(), 1.5, atol=0.1)
    np.testing.assert_allclose(days.changes(predicted).mean(), 0.75, atol=0.1)
    assert np.isfinite(days.changes(predicted)).all()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    config = fake_config("towers")
    folder = fake_results(tmp_path_factory.mktemp("run"), config)
    summarise(folder, config)
    return Run(folder, config)


def test_a_tower_is_predicted_by_the_folds_that_left_it_out(run):
    data, split = run.summary("tower_days", "cv"), run.split()
    assert data["cell"].values.tolist() == [0, 1, 2, 3]  # where days were measured
    every = [run.daily("cv", fold, ["nee"])["nee"].transpose("cell", "time").values for fold in folds(run.config, "cv")]
    for k, cell in enumerate(data["cell"].values.astype(int)):
        unseen = [fold for fold in range(3) if split.loc[cell, f"fold_{fold}"] != "train"]
        assert len(unseen) == (3 if split.loc[cell, "fold_0"] == "test" else 1)
        np.testing.assert_allclose(data["nee"].values[k], np.mean([every[f][cell] for f in unseen], 0), rtol=1e-5)
    stored = run.stored("nee_daily").values[:4]
    np.testing.assert_array_equal(np.isfinite(data["nee_measured"].values), np.isfinite(stored))


def test_the_table_has_every_tower_and_their_median(run):
    table = skill_of_days.make(run.folder, run.config)
    cv = table[(table["experiment"] == "cv") & (table["flux"] == "et")].set_index("site")
    assert set(cv.index) == {"AA-000", "AA-001", "AA-002", "AA-003", skill_of_days.MEDIAN}
    towers = cv.drop(skill_of_days.MEDIAN)
    assert cv.loc[skill_of_days.MEDIAN, "rmse"] == pytest.approx(towers["rmse"].median())
    assert (towers["rains"] > 0).all() and np.isfinite(towers["rain_change_measured"]).all()
    assert (towers["days"] > 1000).all() and (towers["rmse_over_uncertainty"] > 1).all()


def test_without_measured_days_there_is_neither_figure_nor_table():
    config = fake_config("towers")
    assert measured_days(config) == ("nee", "et") and "tower_days" in figure_names(config)
    none = config.model_copy(update={"towers": config.towers.model_copy(update={"daily_fluxes": None})})
    kept = config.model_copy(update={"prediction": config.prediction.model_copy(update={"daily": ("gpp",)})})
    for other in (none, kept):
        assert "tower_days" not in figure_names(other) and "skill_of_days" not in table_names(other)
