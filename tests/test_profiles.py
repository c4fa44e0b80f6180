"""Profiles: the rule on made-up ones, what is held in training, and the workflow's files of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from climates import make_store
from fake_results import fake_config, fake_results
from h2cm.config import ConfigError, from_sections, parse, profiles, sections_of
from h2cm.model import weights
from h2cm.results.evaluate.identified import SPREADS, VERDICTS, identified
from h2cm.results.evaluate.profiles import COLUMNS, collect, spread_over_seeds, verdicts
from h2cm.results.figures.drawing import draw_figure
from h2cm.results.figures.registry import FIGURES, figure_names
from h2cm.results.paths import evaluated, files, path
from h2cm.results.tables import identified as table_of
from h2cm.store import DataError, save_csv
from h2cm.train import train
from h2cm.train.held import raw_value
from h2cm.workflow.plan import DRAWN, Plan
from h2cm.workflow.preflight import check

VALUES = np.array([1.2, 1.6, 2.0, 2.4, 2.8])


def verdict(learned, differences, spread=0.5):
    found = identified(learned, VALUES, differences, spread)
    return found.verdict, found.low, found.high


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        ([9, 4, 0, 4, 9], ("identified", 1.9, 2.1)),
        ([0.5, 0.2, 0, 4, 9], ("weakly", -np.inf, 2.1)),
        ([9, 0.9, 0.3, 0.1, 0.9], ("weakly", 1.2 + 0.4 * 8 / 8.1, np.inf)),
        ([0.9, 0.5, 0, -0.4, 0.9], ("not", -np.inf, np.inf)),
        ([1.0, 0, 0, 0, 1.0], ("not", -np.inf, np.inf)),
    ],
)
def test_the_rule(differences, expected):
    """The limit is 1; what was learned, 2, lies on a value that was tried or between two."""
    found = verdict(2.0, np.array(differences, float))
    assert found[0] == expected[0] and found[1:] == pytest.approx(expected[1:], abs=0.1)
    assert found[0] in VERDICTS


def test_the_interval_ends_where_a_straight_line_crosses_the_limit():
    found = identified(2.0, [1.0, 3.0], [4.0, 2.0], 0.5)
    assert (found.low, found.high) == pytest.approx((2 - 0.25, 2 + 0.5))
    outside = identified(5.0, [1.0, 3.0], [4.0, 2.0], 0.5)
    assert outside.verdict == "weakly" and outside.low == pytest.approx(4.0)
    with pytest.raises(ValueError, match="finite"):
        identified(2.0, [1.0, 3.0], [np.nan, 2.0], 0.5)


@given(
    st.floats(-3, 3),
    st.lists(st.tuples(st.floats(-5, 5), st.floats(0, 20)), min_size=2, max_size=9, unique_by=lambda pair: pair[0]),
    st.floats(0.01, 2),
)
def test_a_wider_spread_never_narrows_the_interval(learned, pairs, spread):
    values, differences = np.array(pairs).T
    one, two = (identified(learned, values, differences, s) for s in (spread, 1.5 * spread))
    assert two.low <= one.low <= learned <= one.high <= two.high
    assert VERDICTS.index(two.verdict) >= VERDICTS.index(one.verdict)


def with_profile(**more):
    values = fake_config().model_dump(mode="json")
    values["training"]["members"] = 2
    values["experiments"]["cv"]["profile"] = {"values": {"q10": [1.2, 2], "cue": [0.8, 1.25]}, "folds": [0, 1]} | more
    return values


def test_a_profile_is_trained_as_experiments_of_their_own():
    config = parse(with_profile())
    names = ["cv_released", "cv_q10_1_2", "cv_q10_2", "cv_cue_0_8", "cv_cue_1_25"]
    assert list(profiles(config)) == names and profiles(config)["cv_cue_0_8"] == ("cv", "cue", 0.8)
    row = config.experiments["cv_cue_0_8"]
    assert row.start == "cv" and row.fix == {"cue": 0.8} and row.folds == (0, 1) and row.profile is None
    assert config.experiments["cv_released"].fix == {}
    assert parse(config.model_dump(mode="json")) == config, "the resolved configuration means the same"
    assert evaluated(config) == ["cv", "prior"]
    assert files(["profiles"], config) == [path("profiles")] and not files(["profiles"], fake_config())
    assert "profiles" in figure_names(config) and "profiles" not in figure_names(fake_config())
    check(config)
    plan = Plan(config)
    assert plan.start("cv_q10_2", ["1"]) == ["results/fake/training/cv/fold_1/model.safetensors"]
    assert plan.start("cv", ["1"]) == [] and plan.at("profiles") in plan.promised()
    alone = from_sections(plan.keys("train", "cv_q10_2")).experiments["cv_q10_2"]
    assert alone.fix == {"q10": 2.0} and not hasattr(alone, "profile")
    other = parse(with_profile(values={"q10": [3, 4]}))
    keys = [sections_of(c, "training", experiment="cv") for c in (config, other)]
    assert keys[0] == keys[1], "another profile trains the experiment itself not again"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v["training"].update(members=1), r"cv\.profile: expected training\.members of at least 2"),
        (lambda v: v["experiments"]["cv"]["profile"].update(values={"q10": [2]}), "at least two different values"),
        (lambda v: v["experiments"]["cv"]["profile"].update(folds=[7]), "different folds from 0 to 2"),
        (lambda v: v["experiments"].update(a={"fix": {"cue": 0.8}}), r"a\.fix\.cue: expected a start"),
        (lambda v: v["experiments"].update(a={"start": "b"}), r"a\.start: expected another experiment"),
        (lambda v: v["experiments"].update(a={"start": "cv", "model": "process_only"}), "of the model process_only"),
        (lambda v: v["experiments"].update(cv_released={}), "expected another name"),
        (lambda v: v["experiments"].update(a={"start": "cv", "fix": {"beta_snow": 1.2}}), "between 0 and 1"),
        (
            lambda v: v["experiments"].update(a={"model": "lstm", "fix": {"q10": 2}}),
            "no constants and parameters to hold",
        ),
    ],
)
def test_what_cannot_be_is_refused(change, message):
    values = with_profile()
    change(values)
    with pytest.raises(ConfigError, match=message):
        check(parse(values))


@pytest.mark.parametrize(
    ("name", "value"), [("q10", 1.7), ("beta_co2", 22.0), ("beta_snow", 0.9), ("beta_baseflow", 0.004)]
)
def test_a_constant_gets_the_value_it_is_held_at(name, value):
    from h2cm.model.process import CONSTANTS
    from h2cm.vocabulary import reported

    raw = torch.tensor(raw_value(name, value), dtype=torch.float64)
    assert reported({name: float(CONSTANTS[name].transform(raw))})[name] == pytest.approx(value, rel=1e-9)
    with pytest.raises(ConfigError, match="can have"):
        raw_value("q10", 11.0)


@pytest.mark.parametrize("model", ["h2cm", "process_only"])
def test_training_goes_on_from_the_weights_with_something_held(model, tmp_path):
    store = make_store(cells=8, years=2)
    split = pd.DataFrame({"cell": range(8), "fold_0": ["train"] * 5 + ["validation"] * 2 + ["test"]})
    config = parse(
        {
            "run": "test",
            "source": "twin",
            "constraints": {name: {"prediction": name, "compare": "monthly"} for name in ("gpp", "nee", "et")},
            "training": {"epochs": 12, "patience": 12, "batch_cells": 8, "members": 2, "device": "cpu"},
            "split": {"folds": 2},
            "experiments": {
                "cv": {
                    "model": model,
                    "folds": [0],
                    "profile": {"values": {"q10": [1.3, 3], "alpha_transpiration": [0.7, 1.3]}},
                }
            },
        }
    )
    for name in config.experiments:
        train(store, split, config, name, [0], tmp_path)

    def of(name):
        loaded = weights.load(tmp_path / path("weights", experiment=name, fold=0))
        return loaded, pd.read_csv(tmp_path / path("losses", experiment=name, fold=0))

    for member in of("cv_q10_3")[0].members:
        assert float(member.constants()["q10"]) == pytest.approx(3.0, rel=1e-5), "held, whatever the loss says"
    before, released = of("cv"), of("cv_released")
    first = (
        released[1].query("epoch == 1 and cells == 'train' and constraint == 'total' and member == 0")["loss"].item()
    )
    begun = before[1].query("epoch == 1 and cells == 'train' and constraint == 'total' and member == 0")["loss"].item()
    assert first < begun, "it starts where the other ended"
    table = collect(tmp_path, config)
    assert list(table.columns) == list(COLUMNS) and len(table) == 4 * 2
    held = table[table["quantity"] == "alpha_transpiration"]
    np.testing.assert_allclose(held["value"], held["asked"], atol=0.15)
    assert (held.groupby("asked")["value"].mean().diff().dropna() > 0.2).all(), "the multiples are apart"
    np.testing.assert_array_equal(held["learned"], 1.0)
    assert (table["loss"] > 0).all() and table["difference"].notna().all()
    losses = of("cv_alpha_transpiration_0_7")[1]
    assert {"held_alpha_transpiration", "held:alpha_transpiration"} <= set(losses["constraint"])
    again = tmp_path / "again"
    (again / "training").mkdir(parents=True)
    (again / "training/cv").symlink_to(tmp_path / "training/cv")
    train(store, split, config, "cv_q10_3", [0], again)
    assert (again / path("losses", experiment="cv_q10_3", fold=0)).read_bytes() == (
        tmp_path / path("losses", experiment="cv_q10_3", fold=0)
    ).read_bytes()


def made_up() -> pd.DataFrame:
    """Q10 is found, CUE is not; two folds of three members, whose losses differ by 0.1."""
    rows = []
    for held, values, learned, steep in (
        ("q10", (1.2, 1.5, 2.5, 3.0), 1.8, 8.0),
        ("cue", (0.5, 0.8, 1.25, 2.0), 1.0, 0.05),
    ):
        for value in values:
            for fold in (0, 1):
                for member in range(3):
                    free = 2 + fold + 0.1 * (member - 1)
                    loss = free + steep * np.log(value / learned) ** 2 + 0.01 * (member - 1)
                    rows.append(("cv", held, value, value, learned, fold, member, loss, free, loss - free))
    return pd.DataFrame(rows, columns=COLUMNS)


def test_figure_and_table(tmp_path):
    values = with_profile(values={"q10": [1.2, 1.5, 2.5, 3.0], "cue": [0.5, 0.8, 1.25, 2.0]})
    config = parse(values)
    folder = fake_results(tmp_path, config, n_cells=24)
    save_csv(made_up(), folder / path("profiles"))
    q10 = made_up().query("quantity == 'q10'")
    assert spread_over_seeds(q10) == pytest.approx(0.1), "folds differ by 1, which says nothing of seeds"
    alike = q10.assign(released=2.0, difference=q10["asked"])
    with pytest.raises(DataError, match="cv, q10: expected members whose losses differ"):
        verdicts(alike)
    apart = q10.assign(difference=q10["difference"] + 0.7 * (q10["member"] - 1))
    assert spread_over_seeds(apart) == pytest.approx(0.71), "held, the members end apart"
    found = verdicts(made_up())
    assert found["cv", "q10"][0].verdict == "identified" and found["cv", "cue"][0].verdict == "not"
    seen = from_sections(sections_of(config, *DRAWN))
    table = table_of.make(folder, seen).set_index("quantity")
    assert table["verdict"].to_dict() == {"q10": "identified", "cue": "not"}
    assert 1.5 < table.loc["q10", "low"] < 1.8 < table.loc["q10", "high"] < 2.5 and np.isnan(table.loc["cue", "low"])
    assert table.loc["q10", "truth"] == 1.5 and table.loc["q10", "truth inside"] == "no"
    assert table.loc["q10", "largest difference"] > SPREADS * table.loc["q10", "spread over seeds"]
    drawing = draw_figure("profiles", folder, seen)
    drawing.figure.draw_without_rendering()
    text = FIGURES["profiles"].text(drawing.facts)
    assert "respiration: identified" in text and "carbon-use efficiency: not" in text and "{" not in text


def test_fertilisation_and_water_use_efficiency_appear_only_as_a_product():
    """Why no constraint can tell beta_co2, and why it is not the response to CO2: GPP is proportional to CO2 whatever it is."""
    from h2cm.model.h2cm import GUIDANCE
    from h2cm.model.process import CARRIED, FORCING, State, process_step

    rng = np.random.default_rng(0)
    names = (*GUIDANCE.static_parameters, *GUIDANCE.parameters)
    known = {name: torch.tensor(rng.uniform(0.2, 0.8, 50)) for name in names}
    known |= {"beta_snow": 0.9, "beta_baseflow": 0.004, "q10": 1.8, "beta_co2": 0.0022}
    known = {name: torch.as_tensor(value, dtype=torch.float64) for name, value in known.items()}
    forcing = torch.tensor(rng.uniform([20, 0, 263, 0, 380], [200, 20, 303, 30, 420], (50, len(FORCING))))
    before = State(*(torch.tensor(rng.uniform(0, 50, 50)) for _ in CARRIED), None, None)
    usual = process_step(forcing, before, known)
    other = process_step(
        forcing, before, known | {"beta_co2": known["beta_co2"] / 3, "alpha_wue": known["alpha_wue"] * 3}
    )
    for name, value in usual.items():
        torch.testing.assert_close(other[name], value, rtol=1e-12, atol=1e-12)
    assert float(usual["gpp"].max()) > 0
    richer = forcing.clone()
    richer[:, FORCING.index("co2")] *= 1.25
    for constants in (known, known | {"beta_co2": known["beta_co2"] * 2}):
        ratio = process_step(richer, before, constants)["gpp"] / process_step(forcing, before, constants)["gpp"]
        torch.testing.assert_close(ratio[torch.isfinite(ratio)], torch.full_like(ratio[torch.isfinite(ratio)], 1.25))
