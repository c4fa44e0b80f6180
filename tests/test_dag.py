"""The workflow, with a real Snakemake in a temporary directory: what it plans.

What runs again after which change is the table of test_reruns.py.

The files of a run are pretended (``--touch``), as what they hold does not matter here; that the rules make them is
tested in test_run.py.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

from conftest import ROOT
from h2cm import config
from h2cm.sources.harmonise import products_of
from h2cm.workflow.plan import Plan

CONFIG = {
    "run": "test",
    "source": "twin",
    "period": {"start": "2015-01-01", "end": "2016-12-31"},
    "grid": {"resolution": 15},
    "constraints": {
        "gpp": {"prediction": "gpp", "compare": "mean_seasonal_cycle"},
        "tws": {"prediction": "tws", "compare": "monthly_centred"},
    },
    "split": {"folds": 2},
    "experiments": {"cv": {}, "prior": {"folds": [0], "priors": {"q10": {"mean": 1.5, "std": 0.3}}}},
    "figures": ["split_map", "training_curves", "maps"],
}


def snakemake(folder: Path, *arguments: str, check: bool = True) -> str:
    """Run Snakemake in a folder and return what it says."""
    command = [sys.executable, "-m", "snakemake", *arguments, "--cores", "2"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    said = result.stdout + result.stderr
    assert not check or result.returncode == 0, said
    assert check or result.returncode != 0, said
    return said


def planned(folder: Path) -> Counter:
    """How many jobs of each rule would run, ``all`` left out."""
    table = re.search(r"^job +count\n-.*\n((?:\w+ +\d+\n)+)total", snakemake(folder, "all", "--dry-run"), re.MULTILINE)
    jobs = Counter({name: int(n) for name, n in (line.split() for line in table[1].splitlines())} if table else {})
    del jobs["all"]
    return jobs


def copy_of_the_workflow(folder: Path) -> Path:
    for name in ("Snakefile", "workflow", "src", "profiles", "envs", "config", "resources", "CITATION.cff"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(source, folder / name)
    return folder


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Path:
    """A folder in which the run is complete."""
    folder = copy_of_the_workflow(tmp_path_factory.mktemp("workflow"))
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    for row in snakemake(folder, "--summary").splitlines():
        name, _, rule = [*row.split("\t"), "", ""][:3]
        if name.startswith("results/"):
            path = folder / name
            path.mkdir(parents=True) if name.endswith("/products") else path.parent.mkdir(parents=True, exist_ok=True)
            if rule and not path.is_dir():
                path.touch()
    snakemake(folder, "all", "--touch", "--forceall")
    assert planned(folder) == {}
    return folder


@pytest.fixture
def edit(done):
    """Edit a file of the finished run; undone afterwards."""
    kept = {}

    def replace(name: str, old: str, new: str) -> None:
        path = done / name
        text = kept.setdefault(path, path.read_text())
        assert old in text, f"{name}: {old!r} is not there"
        path.write_text(text.replace(old, new, 1))

    yield replace
    for path, text in kept.items():
        path.write_text(text)


def configure(edit, done: Path, **changes) -> None:
    name = "config/config.yaml"
    edit(name, yaml.safe_dump(CONFIG), yaml.safe_dump(CONFIG | changes))


def test_an_edit_of_the_catalogue_makes_what_reads_it(done, edit):
    """An edited citation is printed anew, an edited unit read anew; explanations run nothing."""
    edit("config/products.yaml", "  note: >-", "  note: >-\n    Said otherwise.")
    assert planned(done) == {}
    edit("config/products.yaml", "citation: Huffman et al. (2016)", "citation: Huffman et al. (2023)")
    assert planned(done) == {"table": 1, "report_page": 1}
    edit(
        "config/products.yaml",
        "unit: mm/day, store_unit: mm day-1, range: [0, 2000]",
        "unit: mm/h, store_unit: mm day-1, range: [0, 2000]",
    )
    assert planned(done)["twin"] == 1  # the synthetic Earth writes its products as their rows say


def test_of_the_original_products_only_what_reads_a_row_is_made_anew():
    """The keys of the harmonising rule: the rows of the variable's own products, and the members of ensembles."""
    plan = Plan(config.load(ROOT / "config" / "paper.yaml"))
    assert set(plan.layouts(products_of("nee_oco2"))) == {"oco2_mip", "gfed"}
    keys = {name: plan.keys("harmonise", products=products_of(name)) for name in ("nee_oco2", "precipitation")}
    assert keys["nee_oco2"]["products"]["min_members"] == 2 and "min_members" not in keys["precipitation"].get(
        "products", {}
    )
    assert plan.citations("datasets") and not plan.citations("networks")


def test_several_folds_by_one_job(done, edit):
    configure(edit, done, training={"folds_per_job": 2})
    assert not planned(done).keys() & {"train", "train_cv_folds_0_1"}, "the same numbers"
    configure(edit, done, training={"folds_per_job": 2, "learning_rate": 0.001})
    jobs = planned(done)
    assert jobs["train_cv_folds_0_1"] == jobs["train_prior_folds_0"] == 1 and jobs["train"] == 0
    # what a profile sets for `train` counts for these rules too
    said = snakemake(done, "all", "--dry-run", "--set-threads", "train=2")
    assert "Training cv, folds 0, 1, threads: 2" in said


def test_a_given_configuration_replaces_the_default(done, tmp_path):
    path = tmp_path / "other.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in CONFIG.items() if k != "figures"} | {"run": "other"}))
    said = snakemake(done, "all", "--dry-run", "--configfile", str(path))
    assert "results/other/figures/recovery.png" in said and "results/test/" not in said


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": {"epoch": 3}}, "config/config.yaml: training.epoch: no such key; did you mean epochs?"),
        ({"figures": ["map"]}, "config/config.yaml: figures: 'map' is none of carbon_cycle"),
    ],
)
def test_a_mistake_in_the_configuration_is_said_plainly(done, edit, changes, message):
    configure(edit, done, **changes)
    said = snakemake(done, "all", check=False)
    assert message in said and "Traceback" not in said


def test_missing_towers_are_said_plainly(done, edit):
    text = (ROOT / "config" / "towers.yaml").read_text()
    edit("config/towers.yaml", text, re.sub(r"folders: \[.*?\]", "folders: [nowhere]", text))
    said = snakemake(done, "all", "--dry-run", "--configfile", "config/towers.yaml", check=False)
    assert "towers.folders: nowhere: expected a folder with ONEFlux zips" in said and "Traceback" not in said


def test_towers_are_retrieved_only_if_no_folder_is_given(done):
    plan = ("all", "--dry-run", "--configfile", "config/towers_icos.yaml")
    assert "data/retrieved/warm_winter_all.csv" in snakemake(done, *plan)
    said = snakemake(done, *plan, "--config", "towers={folders: [resources/towers]}", "split={folds: 2}")
    assert "warm_winter" not in said and "Reading the towers" in said


@pytest.mark.parametrize("name", ["paper", "published", "towers", "towers_icos"])
def test_the_other_configurations_are_planned(done, name):
    path = done / "config" / f"{name}.yaml"
    said = snakemake(done, "all", "--dry-run", "--quiet", "all", "--configfile", str(path))
    assert "rror" not in said


@pytest.mark.parametrize(
    "command",
    ["ruff check", "ruff format --check", "snakefmt --check Snakefile workflow", "snakemake --lint --cores 1"],
)
def test_lint_and_format_are_clean(command):
    result = subprocess.run([sys.executable, "-m", *command.split()], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
