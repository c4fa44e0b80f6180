"""The table "to add ... write ..." of README.md, row by row: each addition is made in a copy of the package and seen."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest

from conftest import ROOT


@pytest.fixture
def copy(tmp_path):
    """A copy of the package and its configuration: functions to edit a file of it and to run code with it."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "config", tmp_path / "config")

    class Copy:
        folder = tmp_path

        @staticmethod
        def insert(path: str, before: str, text: str) -> None:
            """Write a row before the only place where `before` stands."""
            file = tmp_path / path
            old = file.read_text()
            assert old.count(before) == 1, (path, before, old.count(before))
            file.write_text(old.replace(before, text + before))

        @staticmethod
        def write(path: str, text: str) -> None:
            (tmp_path / path).write_text(text)

        @staticmethod
        def run(code: str) -> str:
            """What the code prints, run with the copy and the helpers of the tests."""
            paths = os.pathsep.join([str(tmp_path / "src"), str(ROOT / "tests")])
            head = "from pathlib import Path\nfrom fake_results import *\nfrom h2cm.workflow.preflight import check\n"
            done = subprocess.run(
                [sys.executable, "-c", head + code],
                capture_output=True,
                text=True,
                cwd=tmp_path,
                env=os.environ | {"PYTHONPATH": paths},
            )
            assert done.returncode == 0, done.stderr
            return done.stdout

    return Copy


RUN = """
import pandas as pd
from h2cm.results.evaluate.fold import evaluate_fold
from h2cm.store import save_csv
config = fake_config("twin")
def with_constraint(config, name, **row):
    values = config.model_dump(mode="json")
    values["constraints"][name] = row
    config = parse(values)
    check(config)
    return config
def run(config, cells=20):
    folder = fake_results(Path("run"), config, n_cells=cells)
    table = pd.concat([evaluate_fold(folder, config, "cv", k) for k in range(3)])
    save_csv(table, folder / "evaluation/metrics.csv")
    summarise(folder, config)
    return folder, table
"""


def a_figure(copy):
    copy.write(
        "src/h2cm/results/figures/added.py",
        "import xarray as xr\nfrom matplotlib import pyplot as plt\nfrom h2cm.results.figures.drawing import Drawing\n\n\n"
        "def draw(folder, config):\n    return Drawing(plt.subplots()[0], xr.Dataset(), {'cells': 3})\n",
    )
    copy.insert(
        "src/h2cm/results/figures/registry.py",
        '    "split_map": Figure(',
        '    "added": Figure(ANY, (), "Added.", detail="{cells} cells."),\n',
    )
    code = """
from h2cm.results.figures.drawing import draw_figure
from h2cm.results.figures.registry import FIGURES, figure_names
config = fake_config("twin")
assert "added" in figure_names(config)
print(FIGURES["added"].text(draw_figure("added", "nowhere", config).facts))
"""
    assert copy.run(code) == "Added. 3 cells.\n"
    copy.write(
        "src/h2cm/results/tables/added.py",
        "import pandas as pd\n\n\ndef make(folder, config):\n    return pd.DataFrame()\n",
    )
    copy.insert(
        "src/h2cm/results/tables/registry.py", '    "networks": Table(', '    "added": Table(ANY, (), "Added."),\n'
    )
    code = "from h2cm.results.tables.registry import table_names\nprint('added' in table_names(fake_config('towers')))"
    assert copy.run(code) == "True\n"


def a_constraint(copy):
    """It is trained on, evaluated, and stands in every figure of constraints."""
    copy.insert("src/h2cm/vocabulary.py", '    _target("nee", long_name="net', '    _target("ter"),\n')
    code = (
        RUN
        + """
from h2cm.results.figures.drawing import draw_figure
config = with_constraint(config, "ter", prediction="ter", compare="monthly")
folder, table = run(config)
assert set(table.query("reference == 'ter'")["timescale"]) == {"monthly", "msc", "anomaly", "mean"}
for name in ("metrics_carbon", "series_ter", "maps", "training_curves"):
    figure = draw_figure(name, folder, config).figure
    texts = [axis.get_title("left") + axis.get_ylabel() for axis in figure.axes]
    print(name, sum("TER" in text for text in texts))
from h2cm.results.run import shown
print(*shown(config, fluxes=True))
from h2cm.train.loss import required_outputs
print("ter" in required_outputs(config.constraints))
"""
    )
    lines = copy.run(code).splitlines()
    assert [line.split()[1] != "0" for line in lines[:4]] == [True] * 4, lines
    assert lines[4].split() == ["gpp", "ter", "nee", "et", "runoff"] and lines[5] == "True"


def a_comparison(copy):
    """It is accepted, explained in the reference, trained with and evaluated."""
    copy.insert(
        "src/h2cm/comparisons.py",
        '        Comparison(\n            "spatial_mean_anomaly",',
        '        Comparison("doubled", "twice the series", lambda v, o, c: (2 * v, o), mean_square, ("monthly",)),\n',
    )
    code = (
        RUN
        + """
import numpy as np, torch
from h2cm.comparisons import Calendar
from h2cm.train.loss import constraint_losses
from h2cm.workflow.reference import reference
config = with_constraint(config, "gpp", prediction="gpp", compare="doubled")
folder, table = run(config)
print(*sorted(set(table.query("reference == 'gpp' and scope == 'area_weighted_mean'")["timescale"])))
print("twice the series" in reference())
losses = constraint_losses({"gpp": torch.ones(2, 3)}, {"gpp": torch.zeros(2, 3)}, torch.ones(2),
    Calendar(torch.eye(12)[:3], torch.ones(3)), {"gpp": config.constraints["gpp"]}, {"gpp": 1.0})
print(float(losses["gpp"]))
"""
    )
    assert copy.run(code).splitlines() == ["monthly", "True", "4.0"]


def a_ratio(copy):
    copy.insert(
        "src/h2cm/vocabulary.py",
        '        Ratio("wue",',
        '        Ratio("share", SHARE, "transpired share", "T/ET", "transpiration", "et", 0.05, 0.6, group="water"),\n',
    )
    copy.insert(
        "src/h2cm/vocabulary.py",
        '    _target("cue", long_name',
        '    _target("cue", "share", long_name="transpired share", dims=CELL, short="T/ET", observes="share"),\n',
    )
    code = (
        RUN
        + """
from h2cm.vocabulary import RATIOS
from h2cm.train.loss import required_outputs
values = config.model_dump(mode="json")
values["constraints"] = {"share": {"prediction": "share", "compare": "mean_ratio"}}
config = parse(values)
check(config)
print(*required_outputs(config.constraints))
import fake_results
real = fake_results.fake_results
config = parse(values | {"constraints": config.model_dump(mode="json")["constraints"]
                         | {"cue": {"prediction": "cue", "compare": "mean_ratio"}}})
both = parse(values | {"constraints": {"cue": {"prediction": "cue", "compare": "mean_ratio"}}})
folder = fake_results.fake_results(Path("run"), both, n_cells=20)
import xarray as xr
data = xr.load_dataset(folder / "store/cue.nc").rename(cue="share")
from h2cm.store import save_netcdf
save_netcdf(data, folder / "store/share.nc")
table = evaluate_fold(folder, config, "cv", 0)
print(len(table.query("reference == 'share'")) > 0, len(table.query("reference == 'truth' and variable == 'share'")) > 0)
"""
    )
    assert copy.run(code).splitlines() == ["transpiration et", "True True"]


def a_data_product(copy):
    """A second product of runoff: its files are read, its row is in Table 1, the store's runoff is made of it."""
    products = copy.folder / "src/h2cm/sources/products"
    (products / "added.py").write_text((products / "grun.py").read_text().replace('"grun"', '"added"'))
    catalogue = copy.folder / "config/products.yaml"
    row = re.search(r"^grun:\n(?:  .*\n)+", catalogue.read_text(), re.M).group()
    row = row.replace("grun:", "added:", 1).replace("G-RUN ensemble", "Added runoff")
    catalogue.write_text(catalogue.read_text() + "\n" + row)
    sources = copy.folder / "src/h2cm/sources/harmonise/sources.py"
    text = sources.read_text()
    assert text.count('monthly, "grun",') == 1
    sources.write_text(text.replace('monthly, "grun",', 'monthly, "added",'))
    code = """
import product_files as make
import xarray as xr
from h2cm.sources import catalogue
from h2cm.sources.harmonise import harmonise
print("Added runoff" in str(catalogue.table().values))
make.grun(Path("files"))
Path("files/grun").rename("files/added")
config = parse({"run": "t", "source": "products", "constraints": {"runoff": {"prediction": "runoff", "compare": "monthly"}},
    "period": {"start": "2003-01-01", "end": "2003-01-31"}, "grid": {"resolution": 90.0}})
cell = xr.Dataset(coords={"lat": ("cell", [45.0]), "lon": ("cell", [45.0])})
data = harmonise("runoff", config, Path("files"), cell)
print(data.attrs["source"], bool(data.notnull().all()))
"""
    assert copy.run(code).splitlines() == ["True", "added True"]


def an_experiment(copy):
    code = """
from h2cm.results.paths import files
values = fake_config("twin").model_dump(mode="json")
values["experiments"]["carbon"] = {"constraints": ["gpp", "nee_oco2"], "folds": [1]}
config = parse(values)
check(config)
print(*[path for path in files(["monthly", "losses"], config) if "carbon" in path])
"""
    assert copy.run(code).split() == ["predictions/carbon/fold_1/monthly.nc", "training/carbon/fold_1/losses.csv"]


ADDITIONS = {
    "a figure or table": a_figure,
    "a constraint": a_constraint,
    "a comparison": a_comparison,
    "a ratio": a_ratio,
    "a data product": a_data_product,
    "an experiment": an_experiment,
}
ELSEWHERE = {"an output, storage or parameter of the model"}
"""Seen in the tests of the model."""


def test_every_row_of_the_readme_is_tried():
    table = (ROOT / "README.md").read_text().partition("| to add | write |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| (an? .*?) \|", table, re.M)) == set(ADDITIONS) | ELSEWHERE


@pytest.mark.parametrize("addition", ADDITIONS)
def test_an_addition_takes_what_the_readme_says(copy, addition):
    ADDITIONS[addition](copy)
