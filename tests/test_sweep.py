"""Priors of the constants, the sweep of their widths, and a synthetic Earth that can show what they do."""

from __future__ import annotations

import pandas as pd
import pytest

from conftest import ROOT
from fake_results import fake_config, fake_results
from h2cm.config import ConfigError, from_sections, load, parse, sections_of, sweeps
from h2cm.model import H2CM
from h2cm.results.evaluate.sweep import COLUMNS, prior_sweep
from h2cm.results.paths import evaluated, files
from h2cm.sources.twin import true_constants
from h2cm.vocabulary import CONSTANTS, reported


def values():
    dumped = fake_config().model_dump(mode="json")
    dumped["experiments"]["prior"]["sweep"] = {"multiples": [0.1, 10], "folds": [0, 1]}
    return dumped


@pytest.fixture(scope="module")
def config():
    return parse(values())


def test_a_sweep_is_trained_as_experiments_of_their_own(config):
    assert sweeps(config) == {"prior_std_times_0_1": ("prior", 0.1), "prior_std_times_10": ("prior", 10.0)}
    row = config.experiments["prior_std_times_0_1"]
    assert row.priors["q10"].std == pytest.approx(0.03) and row.priors["q10"].mean == 1.5
    assert row.folds == (0, 1) and row.sweep is None
    assert parse(config.model_dump(mode="json")) == config, "the resolved configuration means the same"
    # they are trained; nothing is predicted or evaluated with them
    assert evaluated(config) == ["cv", "prior"]
    assert "training/prior_std_times_10/fold_1/losses.csv" in files(["losses"], config)
    assert not [path for path in files(["monthly", "daily", "fold_metrics"], config) if "std_times" in path]
    assert files(["prior_sweep"], config) and not files(["prior_sweep"], fake_config())


def test_a_step_of_the_workflow_sees_the_sweep_only_where_it_matters(config):
    seen = from_sections(sections_of(config, "experiments"))
    assert seen.experiments == config.experiments and sweeps(seen) == sweeps(config)
    alone = from_sections(sections_of(config, "seed", experiment="prior")).experiments["prior"]
    assert alone.priors == config.experiments["prior"].priors and not hasattr(alone, "sweep")


def test_another_sweep_trains_nothing_again(config):
    other = values()
    other["experiments"]["prior"]["sweep"] = {"multiples": [3]}
    keys = [sections_of(c, "training", experiment="prior") for c in (config, parse(other))]
    assert keys[0] == keys[1]


@pytest.mark.parametrize(
    ("experiments", "message"),
    [
        ({"cv": {"sweep": {"multiples": [2]}}}, r"experiments\.cv\.sweep: expected priors"),
        ({"p": {"priors": {"q10": {"mean": 2, "std": 1}}, "sweep": {"multiples": [1]}}}, "none of them 1"),
        ({"p": {"priors": {"q10": {"mean": 2, "std": 1}}, "sweep": {"multiples": []}}}, "expected some"),
        ({"p": {"priors": {"q10": {"mean": 2, "std": 1}}, "sweep": {"multiples": [2], "folds": [7]}}}, "folds from 0"),
        ({"p": {"priors": {"alpha": {"mean": 2, "std": 1}}}}, "beta_baseflow"),
        (
            {"p": {"priors": {"q10": {"mean": 2, "std": 1}}, "sweep": {"multiples": [2]}}, "p_std_times_2": {}},
            "expected another name",
        ),
    ],
)
def test_sweeps_that_cannot_be_are_refused(experiments, message):
    with pytest.raises(ConfigError, match=message):
        parse(fake_config().model_dump(mode="json") | {"experiments": experiments})


def test_the_table_of_the_sweep(config, tmp_path):
    """Losses of two epochs, of which the first is the best."""
    fake_results(tmp_path, config)
    for number, (experiment, row) in enumerate(config.experiments.items()):
        for fold in row.folds or range(3):
            priors = {f"prior_{name}": 0.25 for name in row.priors}
            lines = []
            for epoch, worse in ((0, 0.0), (1, 5.0)):
                losses = {"gpp": 0.4 + worse, "nee_oco2": 0.2} | priors
                losses |= {"total": sum(losses.values())}
                lines += [{"epoch": epoch, "cells": "train", "constraint": k, "loss": 9.0} for k in losses]
                lines += [
                    {"epoch": epoch, "cells": "validation", "constraint": k, "loss": v} for k, v in losses.items()
                ]
                constants = {"q10": 1.4 + number / 10 + worse, "beta_co2": 0.0015}
                lines += [
                    {"epoch": epoch, "cells": "all", "constraint": f"constant:{k}", "loss": v}
                    for k, v in constants.items()
                ]
            pd.DataFrame(lines).to_csv(tmp_path / f"training/{experiment}/fold_{fold}/losses.csv", index=False)
    table = prior_sweep(tmp_path, config)
    assert list(table.columns) == list(COLUMNS)
    assert table.groupby("multiple")["fold"].unique().map(list).to_dict() == {0.1: [0, 1], 1.0: [0, 1, 2], 10.0: [0, 1]}
    narrow = table.query("multiple == 0.1 and fold == 1 and constant == 'q10'").iloc[0]
    assert narrow["value"] == pytest.approx(1.6) and narrow["without_prior"] == pytest.approx(1.4)
    assert narrow["prior_std"] == pytest.approx(0.03) and narrow["prior_loss"] == 0.25
    assert narrow["constraints_loss"] == pytest.approx(0.6)
    fertilisation = table.query("constant == 'beta_co2'")
    assert fertilisation["value"].tolist() == pytest.approx([15.0] * len(fertilisation))


def test_truth_start_and_expectation_differ_on_the_synthetic_earth():
    """Else a constant that no data have moved looks like one that was found."""
    config = load(ROOT / "config" / "config.yaml")
    truth = reported(true_constants(config))
    start = reported({name: value.item() for name, value in H2CM(4).constants().items()})
    priors = [row.priors for row in config.experiments.values() if row.priors]
    assert priors and set(truth) == set(CONSTANTS)
    for name in CONSTANTS:
        assert abs(truth[name] / start[name] - 1) > 0.05, name
        for expected in (row[name].mean for row in priors if name in row):
            assert abs(expected / truth[name] - 1) > 0.05 and abs(expected / start[name] - 1) > 0.05, name
