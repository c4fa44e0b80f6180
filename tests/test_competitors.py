"""The competitors: they learn what is easy, see no test cell, and are trained as reproducibly as H2CM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

import h2cm
from climates import PAPER_CONSTRAINTS, climate, make_store
from h2cm.config import ConfigError, parse
from h2cm.model import NETWORKS, OUTPUTS, ProcessOnly, build_model, weights
from h2cm.model.boosting import predictors
from h2cm.model.prediction import write
from h2cm.model.process_only import GLOBAL_VALUES
from h2cm.models import DEFINITIONS, MODELS, learned, predictable
from h2cm.store import DataError
from h2cm.train import loop, train
from h2cm.workflow.preflight import check

COMPETITORS = ("process_only", "gradient_boosting", "lstm")
MONTHS = 24


def configuration(constraints=PAPER_CONSTRAINTS, **training):
    values = {"epochs": 3, "batch_cells": 8, "device": "cpu"} | training
    return parse(
        {
            "run": "test",
            "source": "twin",
            "constraints": constraints,
            "training": values,
            "split": {"folds": 2},
            "experiments": {name: {"model": name} for name in MODELS},
        }
    )


@pytest.fixture(scope="module")
def store():
    return make_store(cells=30, years=2)


@pytest.fixture(scope="module")
def split():
    roles = ["train"] * 18 + ["validation"] * 8 + ["test"] * 4
    return pd.DataFrame({"cell": range(30), "fold_0": roles})


def short(store):
    """The first months of a store, for trainings whose result does not matter."""
    return store.isel(time=slice(0, 424), month=slice(0, 14))


def run(store, split, name, folder, config=None):
    train(store, split, config or configuration(), name, [0], folder)
    return h2cm.load(folder / "training" / name / "fold_0" / "model.safetensors")


def numbers(model, store):
    """All that a trained model says of a store."""
    return {name: data.values for name, data in h2cm.predict(model, store).data_vars.items()}


def same(one, two):
    return one.keys() == two.keys() and all(np.array_equal(one[k], two[k]) for k in one)


def r2(prediction, truth):
    return 1 - ((prediction - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()


# what they are


def test_every_parameter_of_the_networks_has_a_global_value_within_its_range():
    assert set(GLOBAL_VALUES) == {name for row in NETWORKS.values() for name in row.outputs}
    model = ProcessOnly(3)
    for name, value in model.global_values().items():
        row = GLOBAL_VALUES[name]
        assert row.low < row.initial < row.high
        assert float(value.detach()) == pytest.approx(row.initial, rel=1e-4), name
    with torch.no_grad():  # wherever an optimiser might take the raw values
        for parameter in model.networks.parameters():
            if parameter.requires_grad:
                parameter.fill_(0.7)
    for name, value in model.global_values().items():
        assert GLOBAL_VALUES[name].low <= float(value.detach()) <= GLOBAL_VALUES[name].high, name


def test_process_equations_alone_have_the_same_parameters_everywhere_and_always():
    rng = np.random.default_rng(0)
    forcing, static = torch.tensor(climate("mixed", 5, 20, rng)), torch.randn(5, 3)
    model = build_model("process_only", 3)
    daily, _ = model(forcing, static)
    for name, value in model.global_values().items():
        if name in daily:
            torch.testing.assert_close(daily[name], value.expand(5, 20), rtol=1e-5, atol=1e-6)
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == len(GLOBAL_VALUES) + 4


@pytest.mark.parametrize("backend", ["native", "fused"])
def test_process_equations_alone_give_the_same_on_every_backend(backend):
    rng = np.random.default_rng(1)
    forcing, static = torch.tensor(climate("mixed", 3, 30, rng)), torch.randn(3, 3)
    results = []
    for name in ("eager", backend):
        model = build_model("process_only", 3, backend=name)
        daily, _ = model(forcing, static, model.spin_up(forcing, static))
        (daily["nee"].square().mean() + daily["tws"].mean() / 100 + daily["runoff"].mean()).backward()
        gradients = [p.grad for p in model.parameters() if p.requires_grad]
        results.append((daily, gradients))
    (expected, of_expected), (found, of_found) = results
    for name in OUTPUTS:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-4, msg=name)
    for a, b in zip(of_found, of_expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_models_without_equations_keep_the_budget_of_carbon(store):
    model = build_model("lstm", 4, learned(configuration(), "lstm"))
    forcing = torch.tensor(climate("mixed", 2, 10, np.random.default_rng(0)))
    daily, _ = model(forcing, torch.randn(2, 4))
    assert set(daily) == set(predictable(configuration(), "lstm"))
    assert set(DEFINITIONS) <= set(daily) and "transpiration" not in daily
    torch.testing.assert_close(daily["nee"], daily["ter"] - daily["gpp"])
    torch.testing.assert_close(daily["npp"] - daily["heterotrophic_respiration"], daily["nep"])
    torch.testing.assert_close(daily["gpp"] - daily["npp"], daily["autotrophic_respiration"])


def test_the_lstm_goes_on_from_its_state():
    model = build_model("lstm", 3, ("gpp", "nee"))
    forcing, static = torch.tensor(climate("mixed", 2, 40, np.random.default_rng(0))), torch.randn(2, 3)
    whole, _ = model(forcing, static)
    first, state = model(forcing[:, :17], static)
    second, _ = model(forcing[:, 17:], static, state)
    torch.testing.assert_close(torch.cat([first["nee"], second["nee"]], 1), whole["nee"])
    spun, _ = model(forcing, static, model.spin_up(forcing, static))
    assert not torch.allclose(spun["nee"][:, 0], whole["nee"][:, 0])


def test_trees_see_the_month_the_two_before_it_and_the_climate():
    rng = np.random.default_rng(0)
    index = pd.date_range("2001-01-01", "2002-12-31").to_period("M")
    months = index.unique()
    days = months.get_indexer(index)
    forcing, static = rng.normal(size=(2, len(index), 5)), rng.normal(size=(2, 3))
    of_month, of_cell = predictors(forcing, static, np.stack([months.year, months.month], 1), days)
    mean = pd.DataFrame(forcing[1, :, 3]).groupby(days).mean()[0].values
    np.testing.assert_allclose(of_month[1, :, 3], mean, rtol=1e-5)
    np.testing.assert_allclose(of_month[1, 2:, 13], mean[:-2], rtol=1e-5)
    assert np.isnan(of_month[:, 0, 5:15]).all() and np.isfinite(of_month[:, 2:]).all()
    np.testing.assert_allclose(of_month[1, 4, 18], (mean[4] + mean[16]) / 2, rtol=1e-5)
    np.testing.assert_allclose(of_cell[:, -3:], static, rtol=1e-6)
    cycle = mean.reshape(2, 12).mean(0)
    np.testing.assert_allclose(of_cell[1, [3, 8]], [cycle.mean(), np.ptp(cycle)], rtol=1e-5)


# what they learn


@pytest.fixture(scope="module")
def easy():
    """A store whose targets follow from the radiation of the month and a static attribute."""
    made = make_store(cells=90, years=1)
    radiation = made["net_radiation"].resample(time="MS").mean().transpose("cell", "time").values
    place = made["static"].values[:, :1]
    made["gpp"] = (("cell", "month"), (3 + radiation / 60 + 0.5 * place).astype("f4"))
    made["nee"] = (("cell", "month"), (0.5 - radiation / 100 + 0.3 * place).astype("f4"))
    return made


@pytest.fixture(scope="module")
def easy_split():
    return pd.DataFrame({"cell": range(90), "fold_0": ["train"] * 60 + ["validation"] * 15 + ["test"] * 15})


EASY = {
    "gpp": {"prediction": "gpp", "compare": "mean_seasonal_cycle"},
    "nee": {"prediction": "nee", "compare": "monthly"},
}


@pytest.mark.parametrize("name", ["gradient_boosting", "lstm"])
def test_an_easy_relation_is_learned_and_holds_at_test_cells(easy, easy_split, tmp_path, name):
    model = run(easy, easy_split, name, tmp_path, configuration(EASY, epochs=25, patience=25, batch_cells=6))
    found = h2cm.predict(model, easy, ["gpp", "nee"])
    if "time" in found.dims:
        found = found.resample(time="MS").mean().rename(time="month")
    for variable in ("gpp", "nee"):
        skill = r2(found[variable].transpose("cell", "month").values[75:], easy[variable].values[75:])
        assert skill > 0.9, f"{variable}: {skill:.2f}"


def test_process_equations_alone_find_the_values_that_made_the_data(store, split, tmp_path):
    truth = build_model("process_only", 4)
    with torch.no_grad():  # other values than the initial ones
        for k, parameter in enumerate(p for p in truth.networks.parameters() if p.requires_grad):
            parameter += 0.05 * (-1) ** k
    made = h2cm.predict(truth, store, ["gpp", "fapar", "et", "runoff"])
    changed = store.copy(deep=True)
    for name in ("gpp", "fapar", "et", "runoff"):
        means = made[name].resample(time="MS").mean()
        changed[name] = (("cell", "month"), means.transpose("cell", "time").values)
    # fAPAR is the same everywhere: a touch of noise makes it a target
    changed["fapar"] = changed["fapar"] + np.random.default_rng(0).normal(0, 0.01, changed["fapar"].shape)
    constraints = {name: {"prediction": name, "compare": "monthly"} for name in ("gpp", "fapar", "et", "runoff")}
    model = run(
        changed, split, "process_only", tmp_path, configuration(constraints, epochs=200, patience=200, decay_epochs=200)
    )
    losses = pd.read_csv(tmp_path / "training" / "process_only" / "fold_0" / "losses.csv").query(
        "cells == 'validation'"
    )
    # the noise of fAPAR stays
    final = losses[losses["constraint"].isin(["gpp", "et", "runoff"])].groupby("epoch")["loss"].sum()
    assert final.iloc[-1] < 0.02 * final.iloc[0], f"{final.iloc[0]:.3f} to {final.iloc[-1]:.4f}"
    for name in ("fapar", "alpha_transpiration", "alpha_soil_evaporation"):
        true, found = (float(m.global_values()[name].detach()) for m in (truth, model))
        assert found == pytest.approx(true, abs=0.05), name


# how they are trained


@pytest.mark.parametrize("name", COMPETITORS)
def test_same_seed_same_numbers_and_test_cells_do_not_matter(store, split, tmp_path, name):
    part = short(store)
    first = numbers(run(part, split, name, tmp_path / "first"), part)
    assert same(first, numbers(run(part, split, name, tmp_path / "again"), part))
    changed = part.copy(deep=True)
    order = np.array([29, 28, 27, 26])
    for target in PAPER_CONSTRAINTS:
        changed[target][26:] = changed[target].values[order] * 3 + 1
    changed["static"][26:] = changed["static"][26:] * 3 + 1
    assert same(first, numbers(run(changed, split, name, tmp_path / "other"), part))


def test_a_killed_lstm_goes_on_to_the_same_weights(store, split, tmp_path, monkeypatch):
    part, run_epoch = short(store), loop.run_epoch
    whole = numbers(run(part, split, "lstm", tmp_path / "whole"), part)

    def killed(folds, objective, progress=None):
        if folds[0].epoch == 2:
            raise KeyboardInterrupt
        run_epoch(folds, objective, progress)

    monkeypatch.setattr("h2cm.train.run_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        run(part, split, "lstm", tmp_path / "killed")
    epochs = []
    monkeypatch.setattr("h2cm.train.run_epoch", lambda f, o, p: (epochs.append(f[0].epoch), run_epoch(f, o, p)))
    assert same(whole, numbers(run(part, split, "lstm", tmp_path / "killed"), part))
    assert epochs == [2]


@pytest.mark.parametrize("name", COMPETITORS)
def test_losses_have_the_layout_of_any_other_model(store, split, tmp_path, name):
    run(short(store), split, name, tmp_path)
    losses = pd.read_csv(tmp_path / "training" / name / "fold_0" / "losses.csv")
    assert list(losses.columns) == ["epoch", "cells", "constraint", "loss", "member"]
    shown = set(losses.query("cells == 'validation'")["constraint"]) - {"total"}
    # an anomaly of the mean over all cells is nothing that trees learn from single cells
    assert shown == set(PAPER_CONSTRAINTS) - ({"nee_carboscope"} if name == "gradient_boosting" else set())
    assert np.isfinite(losses["loss"]).all()
    constants = losses[losses["constraint"].str.startswith("constant:")]
    assert constants.empty == (not MODELS[name].equations)


def test_trees_are_chosen_by_the_validation_cells(easy, easy_split, tmp_path):
    """Where they contradict what is learned there are fewer trees; the other output is the same."""
    config = configuration(EASY)
    first = run(easy, easy_split, "gradient_boosting", tmp_path / "first", config)
    changed = easy.copy(deep=True)
    changed["nee"][60:75] = -changed["nee"][60:75]
    other = run(changed, easy_split, "gradient_boosting", tmp_path / "other", config)
    trees = [{name: r.n_iter_ for name, r in model.regressors.items()} for model in (first, other)]
    assert trees[0]["gpp"] == trees[1]["gpp"] and trees[1]["nee"] < trees[0]["nee"] / 2


# what is written


def test_predictions_have_the_layout_of_any_other_model(store, split, tmp_path):
    part = short(store)
    for name in COMPETITORS:
        model = run(part, split, name, tmp_path / name)
        write(model, part, tmp_path / name, daily=["gpp", "nee"], monthly=["gpp", "nee", "npp"])
        with xr.open_dataset(tmp_path / name / "monthly.nc") as monthly:
            assert {"gpp", "nee", "npp", "lat", "lon"} <= set(monthly.variables)
            assert monthly["gpp"].dims == ("cell", "month") and np.isfinite(monthly["gpp"]).all()
            assert ("q10" in monthly) == ("soil_moisture_capacity" in monthly) == MODELS[name].equations
            assert MODELS[name].title in monthly.attrs["title"]
            found = h2cm.predict(model, part, ["gpp"])["gpp"]
            if MODELS[name].daily:
                found = found.resample(time="MS").mean()
            np.testing.assert_allclose(monthly["gpp"], found, rtol=1e-5, atol=1e-5)
        assert (tmp_path / name / "daily.nc").exists() == MODELS[name].daily


def test_bytes_that_are_no_trees_are_refused_and_not_run(tmp_path):
    import skops.io
    from sklearn.linear_model import LinearRegression

    path, metadata = tmp_path / "model.safetensors", {"model": {"kind": "gradient_boosting"}}
    for content in (b"no archive", skops.io.dumps({"gpp": LinearRegression()}), skops.io.dumps({"gpp": Path})):
        tensors = {"trees": torch.frombuffer(bytearray(content), dtype=torch.uint8)}
        weights.write(tensors, path, metadata | {"features": []})
        with pytest.raises(DataError, match=r"model.safetensors: .*expected regression trees"):
            h2cm.load(path)


def test_what_a_model_cannot_do_is_refused_before_anything_is_trained():
    values = configuration().model_dump(mode="json")
    values["experiments"]["lstm"]["priors"] = {"q10": {"mean": 1.5, "std": 0.3}}
    with pytest.raises(ConfigError, match=r"experiments\.lstm\.priors: expected none"):
        check(parse(values))
    values = configuration(PAPER_CONSTRAINTS).model_dump(mode="json")
    values["experiments"]["gradient_boosting"]["constraints"] = ["nee_carboscope"]
    with pytest.raises(ConfigError, match=r"experiments\.gradient_boosting: expected a constraint with values"):
        check(parse(values))
    values["experiments"]["gradient_boosting"]["constraints"] = ["nee_oco2", "cue"]
    with pytest.raises(ConfigError, match=r"expected a constraint on gpp"):
        check(parse(values))
