"""The configuration: what is refused and how it is said, defaults, and that its documentation is that of the schema."""

from __future__ import annotations

import pytest
import yaml

from conftest import ROOT
from h2cm import vocabulary
from h2cm.config import Config, ConfigError, from_sections, load, parse, read_yaml, sections_of, typed
from h2cm.space.grid import Grid
from h2cm.workflow.preflight import check, check_device, check_folds
from h2cm.workflow.reference import reference

FILES = sorted(path for path in (ROOT / "config").glob("*.yaml") if path.name != "products.yaml")


@pytest.fixture
def values() -> dict:
    """A small configuration, as read from YAML."""
    return {
        "run": "test",
        "source": "twin",
        "period": {"start": "2010-01-01", "end": "2012-12-31"},
        "grid": {"resolution": 10},
        "constraints": {
            "gpp": {"prediction": "gpp", "compare": "monthly", "years": [2010, 2011]},
            "cue": {"prediction": "cue", "compare": "mean_ratio"},
        },
        "split": {"folds": 3},
        "experiments": {"cv": {}, "prior": {"priors": {"q10": {"mean": 1.5, "std": 0.3}}, "folds": [0, 2]}},
    }


def change(values: dict, path: str, value) -> dict:
    *sections, key = path.split(".")
    for name in sections:
        values = values.setdefault(name, {})
    values[key] = value
    return values


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_configuration_files_are_valid(path):
    config = load(path)
    check(config, str(path))
    assert parse(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("colour", "red", "colour: no such key; expected one of run, source, seed, "),
        ("training.epoch", 3, "training.epoch: no such key; did you mean epochs?"),
        ("experiments.cv.sweeps", {}, "experiments.cv.sweeps: no such key; did you mean sweep?"),
        ("experiments.prior.priors.q10.meen", 2, "experiments.prior.priors.q10.meen: no such key; did you mean mean?"),
        ("constraints.gpp.wait", 2.0, "constraints.gpp.wait: no such key; did you mean weight?"),
        ("prediction.daily", "gpp", "prediction.daily: expected a list, as [gpp] (found 'gpp')"),
        ("experiments.cv.folds", 1, "experiments.cv.folds: expected a list (found 1)"),
        ("training", 3, "training: expected keys and values (found 3)"),
        ("experiments", "cv", "experiments: expected keys and values (found 'cv')"),
        ("training.epochs", "many", "training.epochs: Input should be a valid integer (found 'many')"),
        ("training.epochs", 0, "training.epochs: Input should be greater than 0 (found 0)"),
        ("training.epochs", 2.5, "training.epochs: Input should be a valid integer (found 2.5)"),
        ("source", "sat", "source: Input should be 'twin', 'towers', 'products' or 'published' (found 'sat')"),
        ("run", "../elsewhere", "run: String should match"),
        ("period.end", "2009-12-31", "period: the period is empty: it starts 2010-01-01 and ends 2009-12-31"),
        ("constraints.gpp.years", [2009, 2011], "constraints.gpp.years: expected years within the period 2010-2012"),
        ("constraints.gpp.years", [2012, 2010], "constraints.gpp.years: expected [first, last], got [2012, 2010]"),
        ("constraints", {}, "constraints: expected at least one entry"),
        ("experiments", {}, "experiments: expected at least one entry"),
        ("experiments.cv.constraints", ["et"], "experiments.cv.constraints: expected some of gpp, cue (found 'et')"),
        ("experiments.cv.constraints", [], "experiments.cv.constraints: expected at least one constraint"),
        (
            "experiments.cv.folds",
            [3],
            "experiments.cv.folds: expected different folds from 0 to 2, at least one (found [3])",
        ),
        ("experiments.cv.train_years", [2010, 2019], "experiments.cv.train_years: expected years within the period"),
        (
            "evaluation.periods.late",
            [2000, 2010],
            "evaluation.periods.late: expected years within the period",
        ),
        ("experiments.a b", {}, "experiments.a b: expected a name of letters"),
        ("split.test_sites", ["DE-Hai"], "split.test_sites: expected none, as the source is twin"),
        ("source", "towers", "towers.folders: expected at least one folder"),
        (
            "constraints.gdp",
            {"prediction": "gpp", "compare": "monthly"},
            "constraints.gdp: 'gdp' is not known; did you mean gpp?",
        ),
        ("constraints.gpp.prediction", "gdp", "constraints.gpp.prediction: 'gdp' is not known; did you mean gpp?"),
        ("constraints.gpp.compare", "yearly", "constraints.gpp.compare: expected one of monthly, monthly_centred, "),
        ("constraints.gpp.compare", "mean_ratio", "constraints.gpp.compare: expected a comparison of months, as the"),
        ("constraints.cue.compare", "monthly", "constraints.cue.compare: expected a comparison of one value a cell, "),
        (
            "constraints.cue.prediction",
            "gpp",
            "constraints.cue.prediction: 'gpp' is not known; expected one of cue, wue",
        ),
        ("prediction.daily", ["gdp"], "prediction.daily: 'gdp' is not known; did you mean gpp?"),
        ("figures", ["split_mop"], "figures: 'split_mop' is none of carbon_cycle"),
        ("grid.resolution", 7, "grid.resolution: expected a divisor of 180 degrees, got 7"),
        (
            "grid.resolution",
            4,
            "grid.resolution: expected a divisor of 90 degrees, as the files of the synthetic Earth",
        ),
        (
            "grid.resolution",
            12,
            "grid.resolution: expected a divisor of 90 degrees, as the files of the synthetic Earth",
        ),
        ("grid.bounds", [0, 0, 0.5, 0.5], "grid.bounds: [0.0, 0.0, 0.5, 0.5] holds no centre"),
        (
            "grid.resolution",
            1e-6,
            "grid.resolution: expected at most 1e+08 cells within the bounds, 1e-06 degrees make 5.",
        ),
        ("grid.resolution", 1e-320, "grid.resolution: expected at most 1e+08 cells within the bounds"),
        ("grid.resolution", float("nan"), "grid.resolution: Input should be a finite number"),
        (
            "constraints.gpp.prediction",
            "nee",
            "constraints.gpp.prediction: expected gpp, which the target observes (found 'nee')",
        ),
        ("constraints.gpp.weight", float("inf"), "constraints.gpp.weight: Input should be a finite number"),
        (
            "experiments.prior.priors.q10.mean",
            float("nan"),
            "experiments.prior.priors.q10.mean: Input should be a finite",
        ),
        ("training.device", "gpu", "training.device: expected auto, cpu, cuda, cuda:1 or mps (found 'gpu')"),
        (
            "products.local.fluxcon",
            {"folder": "a", "pattern": "*"},
            "products.local.fluxcon: 'fluxcon' is not known; did you mean fluxcom?",
        ),
        ("products.local.gpcp", {"folder": "a"}, "products.local.gpcp: expected folder and pattern, pattern not there"),
        ("products.local.gpcp", {"pattern": "*"}, "products.local.gpcp: expected folder and pattern, folder not there"),
        (
            "products.local.gpcp",
            {"folder": "a{b}", "pattern": "*"},
            "products.local.gpcp.folder: expected a name without braces (found 'a{b}')",
        ),
        (
            "products.local.gpcp",
            {"folder": "a", "pattern": "{month}"},
            "products.local.gpcp.pattern: expected a name without braces but {year}",
        ),
        ("products.folder", "data/{x}", "products.folder: expected a name without braces (found 'data/{x}')"),
        ("towers.folders", ["{here}"], "towers.folders.0: expected a name without braces (found '{here}')"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_key(values, path, value, expected):
    check(parse(values))
    change(values, path, value)
    with pytest.raises(ConfigError) as error:
        check(parse(values, "c.yaml"), "c.yaml")
    assert f"c.yaml: {expected}" in str(error.value)
    assert all(line.startswith("c.yaml: ") for line in str(error.value).splitlines())


def test_all_mistakes_are_named_at_once(values):
    change(values, "constraints.gpp.years", [1999, 2000])
    change(values, "experiments.cv.folds", [7])
    with pytest.raises(ConfigError) as error:
        parse(values)
    assert len(str(error.value).splitlines()) == 2


def test_a_key_of_a_section_given_as_one_word_is_explained(values):
    with pytest.raises(ConfigError) as error:
        parse(values | {"training.epochs": 3})
    assert "training.epochs: no such key; one in a section is written as --config 'training={epochs: 3}'" in str(
        error.value
    )


def test_values_of_the_command_line_have_types(values):
    given = {
        "training": {"epochs": "3", "device": "cpu"},
        "grid": {"bounds": ["0", "0.5", "40", "40"]},
        "run": "x",
        "seed": 4,
    }
    config = parse(
        values
        | {"grid": {"resolution": 10} | typed(given)["grid"]}
        | {k: typed(given)[k] for k in ("training", "run", "seed")}
    )
    assert (
        config.training.epochs == 3 and config.grid.bounds == (0, 0.5, 40, 40) and (config.run, config.seed) == ("x", 4)
    )


@pytest.mark.parametrize(("folds", "resolution"), [(400, 6), (40, 20)])
def test_more_folds_than_blocks_of_land_are_refused_before_anything_runs(values, folds, resolution):
    change(values, "grid.resolution", resolution)
    check_folds(parse(values))
    change(values, "split.folds", folds)
    with pytest.raises(
        ConfigError, match=rf"split\.folds: {folds} folds, but without the test set there are only \d+ blocks"
    ):
        check_folds(parse(values))


def test_more_folds_than_towers_are_refused_before_anything_runs():
    config = load(ROOT / "config" / "towers.yaml")
    check_folds(config)
    many = config.model_copy(update={"split": config.split.model_copy(update={"folds": 4})})
    with pytest.raises(ConfigError, match=r"split\.folds: expected fewer than there are towers, 3 \(found 4\)"):
        check_folds(many)


def test_a_gpu_that_is_not_there_is_said_before_anything_runs(values, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    check_device(parse(values))
    change(values, "training.device", "cuda")
    with pytest.raises(ConfigError, match=r"training\.device: cuda was asked for, but PyTorch finds no GPU here"):
        check_device(parse(values))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("run: [", "expected YAML"),
        ("- a\n- b", "expected keys and values, found list"),
        ("", "expected keys and values"),
        ("run: a\nseed: 1\nrun: b", r"the key 'run' is there twice, in lines 1 and 3"),
        ("split:\n  folds: 2\n  folds: 3", r"the key 'folds' is there twice, in lines 2 and 3"),
        ("constraints: {gpp: {}, gpp: {}}", r"the key 'gpp' is there twice"),
        ("? [a, b]\n: 1", "expected YAML"),
    ],
)
def test_files_that_are_no_configuration(tmp_path, content, expected):
    path = tmp_path / "c.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=expected) as error:
        load(path)
    assert str(path) in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing\.yaml: expected a configuration file"):
        load(tmp_path / "nothing.yaml")


def test_a_part_has_its_sections_and_no_other(values):
    config = parse(values)
    seen = from_sections(
        yaml.safe_load(yaml.safe_dump(sections_of(config, "seed", "period", "constraints", experiment="prior")))
    )
    assert (seen.seed, seen.period, seen.constraints) == (config.seed, config.period, config.constraints)
    assert seen.experiments.keys() == {"prior"}
    assert seen.experiments["prior"].priors == config.experiments["prior"].priors
    with pytest.raises(AttributeError):
        _ = seen.experiments["prior"].folds
    for name in Config.model_fields.keys() - {"seed", "period", "constraints", "experiments"}:
        with pytest.raises(AttributeError):
            getattr(seen, name)


def test_every_key_is_explained():
    rows = [line for line in reference().splitlines() if line.startswith("| `") and line.count("|") >= 5]
    assert len(rows) > 50
    assert not [row for row in rows if not row.split("|")[-2].strip()]


def test_default_outputs_exist(values):
    assert set(parse(values).prediction.monthly) <= set(vocabulary.OUTPUTS)


def test_anchors_and_merged_keys_are_not_twice(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("a: &one {x: 1, y: 2}\nb:\n  <<: *one\n  x: 3\n")
    assert read_yaml(path) == {"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 2}}


def test_an_absurd_grid_is_refused_at_once():
    """By its number of cells, before any array is made."""
    with pytest.raises(ConfigError, match="expected at most 1e"):
        Grid(1e-9)
    assert Grid(0.05).lat.size == 3600


def test_the_soak_is_of_the_size_of_the_study():
    soak, paper = (load(ROOT / name) for name in ("benchmarks/soak.yaml", "config/paper.yaml"))
    assert (soak.grid, soak.period, soak.split) == (paper.grid, paper.period, paper.split)
    assert soak.constraints == paper.constraints and soak.model == paper.model and soak.training.epochs == 1
    assert soak.training.batch_cells == paper.training.batch_cells
