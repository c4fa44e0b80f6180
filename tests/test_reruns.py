"""What runs again after which change: a table, each row tried with a real Snakemake on a finished run.

The run and its pretended files are those of test_dag.py. Of summaries, figures and tables counts only whether any is drawn: how
many there are is what their registries say.
"""

from __future__ import annotations

import copy
import os

import pytest
import yaml

from test_dag import CONFIG, configure, done, edit, planned, snakemake  # noqa: F401 - fixtures

SCORED = {"evaluate": 3, "metrics": 1, "table": 2, "report_page": 1}
PREDICTED = SCORED | {"predict": 3, "dataset": 15, "dataset_description": 1, "figure": 1, "table": 3}
TRAINED = PREDICTED | {"train": 3, "figure": 2}
SPLIT = TRAINED | {"split": 1, "figure": 3, "dataset_grid": 1}  # how unlike cells are to those trained on
STORED = TRAINED | {"harmonise": 1, "store_summary": 1}
EARTH = STORED | {"twin": 1, "harmonise": 8, "comparison": 2, "dataset_grid": 1}
SAID = {"resolve": 1, "rule_graph": 1, "report_page": 1}  # the configuration is written and shown
VERSIONS = {"rule_graph": 1, "report_page": 1}  # the versions of what runs are written and shown
DESCRIBED = SAID | {"dataset_grid": 1}  # the data set says how it was made
DRAWN = {"figure": 3, "table": 5}
ONE = {"train": 1, "predict": 1, "evaluate": 1, "metrics": 1}  # of the second experiment, which is not the data set's


def config(key, value):
    return ("config", key, value)


def code(file, old, new):
    return ("code", file, old, new)


def delete(path):
    return ("delete", path)


def anew(path):
    return ("anew", path)


def installed(name, version="99.0"):
    return ("installed", name, version)


def package(folder, name, version):
    """A folder that makes Python believe that a package is installed in another version."""
    about = folder / f"{name.replace('-', '_')}-{version}.dist-info" / "METADATA"
    about.parent.mkdir(parents=True)
    about.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return folder


def counted(jobs):
    """Jobs by rule; what is drawn counts as one."""
    drawing = {"summary", "figure", "table"}
    return {rule: n for rule, n in jobs.items() if rule not in drawing} | (
        {"drawn": 1} if drawing & jobs.keys() else {}
    )


P = "src/h2cm/sources/products/"
NEW = "EDITED = True\n\n\n"
ROWS = {
    # how it is computed, not what
    "device": (config("training.device", "cpu"), SAID),
    "backend": (config("model.backend", "fused"), SAID),
    "folds a job": (config("training.folds_per_job", 2), SAID),
    "folder of products, synthetic Earth": (config("products.folder", "elsewhere"), SAID),
    "own files of a product, synthetic Earth": (
        config("products.local", {"grace": {"folder": "a", "pattern": "*.nc"}}),
        STORED | SAID,
    ),
    "neighbours of towers, without towers": (config("split.neighbour_degrees", 2.0), SAID),
    "order of constraints": (config("constraints", dict(reversed(CONFIG["constraints"].items()))), SAID),
    # values
    "epochs": (config("training.epochs", 3), TRAINED | DESCRIBED),
    "learning rate": (config("training.learning_rate", 0.001), TRAINED | DESCRIBED),
    "spin-up": (config("model.spin_up_passes", 2), TRAINED | DESCRIBED),
    "seed": (config("seed", 1), EARTH | DESCRIBED | {"split": 1, "figure": 3}),
    "period": (config("period.end", "2017-12-31"), EARTH | DESCRIBED | DRAWN),
    "resolution": (config("grid.resolution", 18), EARTH | DESCRIBED | DRAWN | {"grid": 1, "split": 1}),
    "least land": (config("grid.min_land_fraction", 0.6), EARTH | DESCRIBED | {"grid": 1, "split": 1, "figure": 3}),
    "noise": (config("twin.noise", 0.1), EARTH | SAID),
    "weight of a constraint": (config("constraints.gpp.weight", 2.0), TRAINED | DESCRIBED),
    "years of a constraint": (config("constraints.gpp.years", [2015, 2015]), TRAINED | DESCRIBED | DRAWN),
    "comparison of a constraint": (config("constraints.gpp.compare", "monthly"), TRAINED | DESCRIBED | DRAWN),
    "a constraint more": (
        config("constraints.et", {"prediction": "et", "compare": "monthly"}),
        STORED | DESCRIBED | DRAWN,
    ),
    "folds of the split": (
        config("split.folds", 3),
        SPLIT | DESCRIBED | DRAWN | {"train": 4, "predict": 4, "evaluate": 4},
    ),
    "blocks of the split": (config("split.block_degrees", 10.0), SPLIT | DESCRIBED),
    "test share": (config("split.test_fraction", 0.2), SPLIT | DESCRIBED),
    "a prior": (config("experiments.prior.priors.q10.mean", 1.4), ONE | SAID | DRAWN),
    "training years of an experiment": (config("experiments.prior.train_years", [2015, 2015]), ONE | SAID | DRAWN),
    "a fold more of an experiment": (config("experiments.prior.folds", [0, 1]), ONE | SAID | DRAWN),
    "an experiment more": (config("experiments.more", {"folds": [1]}), ONE | SAID | DRAWN),
    "a period of the evaluation": (config("evaluation.periods", {"late": [2016, 2016]}), SCORED | SAID),
    "daily outputs": (config("prediction.daily", ["gpp"]), PREDICTED | DESCRIBED | {"dataset": 12}),
    "a figure more": (config("figures", [*CONFIG["figures"], "constants"]), SAID | {"figure": 1}),
    "a figure less": (config("figures", CONFIG["figures"][:-1]), SAID),
    # code
    "a comment": (code("src/h2cm/model/process.py", '"""', '"""Said otherwise. '), {}),
    "a message of the log in the training loop": (
        code("src/h2cm/train/loop.py", 'log.warning("', 'log.warning("Note: '),
        {},
    ),
    "the name of a variable in words": (
        code("src/h2cm/vocabulary.py", '"snow melt per degree above freezing"', '"snow melt a degree"'),
        {"dataset": 15, "dataset_grid": 1, "dataset_description": 1, "figure": 3, "report_page": 1},
    ),
    "the physics": (
        code("src/h2cm/model/process.py", "REFERENCE_TEMPERATURE = 15.0", "REFERENCE_TEMPERATURE = 15.1"),
        TRAINED | {"table": 4},
    ),
    "the loss": (code("src/h2cm/train/loss.py", "\ndef ", "\nEDITED = True\n\n\ndef "), TRAINED),
    "training": (code("src/h2cm/train/loop.py", "\ndef ", "\nEDITED = True\n\n\ndef "), TRAINED),
    "how a product is read": (code(P + "grace.py", "\ndef read(", "\nEDITED = True\n\n\ndef read("), STORED),
    "how a product is written": (
        code(P + "grace.py", "\ndef write(", "\ndef write_(): ...\n\n\n@write_\ndef write("),
        EARTH,
    ),
    "how a competitor is read": (
        code(P + "trendy.py", "\ndef read(", "\nEDITED = True\n\n\ndef read("),
        {"comparison": 1, "figure": 1, "report_page": 1},
    ),
    "regridding code": (code("src/h2cm/space/regrid.py", "\ndef ", "\nEDITED = True\n\n\ndef "), EARTH),
    "the split": (code("src/h2cm/train/split.py", "\ndef ", "\nEDITED = True\n\n\ndef "), SPLIT),
    "prediction": (code("src/h2cm/model/prediction.py", "\ndef ", "\nEDITED = True\n\n\ndef "), PREDICTED),
    "the metrics": (
        code("src/h2cm/results/evaluate/metrics.py", "\ndef ", "\nEDITED = True\n\n\ndef "),
        SCORED | {"figure": 1},
    ),
    "a figure": (
        code("src/h2cm/results/figures/maps.py", "def draw(", NEW + "def draw("),
        {"figure": 1, "report_page": 1},
    ),
    "a table": (
        code("src/h2cm/results/tables/networks.py", "def make(", NEW + "def make("),
        {"table": 1, "report_page": 1},
    ),
    "a script": (
        code("workflow/scripts/store_summary.py", "with job(snakemake):", "with job(snakemake, progress=True):"),
        {"store_summary": 1},
    ),
    # files
    "weights deleted": (
        delete("training/cv/fold_0/model.safetensors"),
        TRAINED | {"train": 1, "predict": 1, "evaluate": 1},
    ),
    "losses deleted": (delete("training/cv/fold_1/losses.csv"), TRAINED | {"train": 1, "predict": 1, "evaluate": 1}),
    "monthly predictions deleted": (
        delete("predictions/prior/fold_0/monthly.nc"),
        {"predict": 1, "evaluate": 1, "metrics": 1, "table": 3, "report_page": 1},
    ),
    "a PDF deleted": (delete("figures/maps.pdf"), {"figure": 1, "report_page": 1}),
    "metrics of a fold deleted": (delete("evaluation/cv/fold_0.csv"), SCORED | {"evaluate": 1}),
    "all metrics deleted": (delete("evaluation/metrics.csv"), {"metrics": 1, "table": 2, "report_page": 1}),
    "a table deleted": (delete("tables/networks.csv"), {"table": 1, "report_page": 1}),
    "the truth deleted": (delete("twin/truth.nc"), EARTH),
    "forcing deleted": (delete("store/co2.nc"), STORED | {"dataset_grid": 1}),
    "a constraint deleted": (delete("store/gpp.nc"), STORED),
    "the split deleted": (delete("split/split.csv"), SPLIT),
    # versions of packages: of those that compute or draw (COUNTED in h2cm.workflow.dependencies)
    "PyTorch": (installed("torch"), TRAINED | VERSIONS | {"dataset_grid": 1}),
    "the library of figures": (installed("matplotlib"), {"figure": 3, "report_page": 1} | VERSIONS),
    "the library of units": (installed("pint"), EARTH | VERSIONS),
    "what reads and writes netCDF": (installed("netCDF4"), VERSIONS),
    "what draws a progress bar": (installed("tqdm"), {}),
    "a store file written anew, the same": (anew("store/gpp.nc"), {}),
    "the split written anew, the same": (anew("split/split.csv"), {}),
}


@pytest.mark.parametrize("name", ROWS)
def test_exactly_these_rules_run_again(done, edit, tmp_path, monkeypatch, name):  # noqa: F811 - the fixtures
    (kind, *what), expected = ROWS[name]
    run = done / "results" / "test"
    if kind == "config":
        changed = section = copy.deepcopy(CONFIG)
        *keys, last = what[0].split(".")
        for key in keys:
            section = section.setdefault(key, {})
        section[last] = what[1]
        edit("config/config.yaml", yaml.safe_dump(CONFIG), yaml.safe_dump(changed, sort_keys=False))
        assert counted(planned(done)) == counted(expected)
    elif kind == "code":
        edit(*what)
        assert counted(planned(done)) == counted(expected)
    elif kind == "installed":
        path = os.pathsep.join([str(package(tmp_path, *what)), *filter(None, [os.environ.get("PYTHONPATH")])])
        monkeypatch.setenv("PYTHONPATH", path)
        assert counted(planned(done)) == counted(expected)
    elif kind == "delete":
        (run / what[0]).rename(run / "away")
        jobs = planned(done)
        (run / "away").rename(run / what[0])
        assert counted(jobs) == counted(expected)
    else:
        before = (run / what[0]).stat()
        (run / what[0]).touch()
        jobs = planned(done)
        os.utime(run / what[0], ns=(before.st_atime_ns, before.st_mtime_ns))
        assert counted(jobs) == counted(expected)


def test_a_finished_run_has_nothing_left_to_do(done):  # noqa: F811
    assert planned(done) == {} and len(ROWS) >= 40


def test_a_weight_draws_neither_the_map_of_the_split_nor_the_table_of_data_sets(done, edit):  # noqa: F811
    drawn = "Drawing split_map", "Making table datasets"
    said = snakemake(done, "all", "--dry-run", "--forceall")
    assert all(line in said for line in drawn)
    weighted = CONFIG["constraints"] | {"gpp": CONFIG["constraints"]["gpp"] | {"weight": 2.0}}
    configure(edit, done, constraints=weighted)
    said = snakemake(done, "all", "--dry-run")
    assert "Training cv" in said and not any(line in said for line in drawn)
