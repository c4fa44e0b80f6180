"""Whole runs, from data to figures, as a user starts them: a tiny synthetic Earth, and a few real towers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from nbclient import NotebookClient

import product_files as make
from conftest import ROOT
from h2cm import load, predict
from h2cm.store import open_store

SMALL = {
    "split": {"folds": 2},
    "training": {"epochs": 2, "batch_cells": 8},
    "prediction": {"daily": ["gpp"]},
    "figures": ["training_curves", "constants"],
}
TWIN = SMALL | {
    "figures": ["training_curves", "constants", "flux_maps", "seasonal_cycles", "series_gpp"],
    "run": "earth",
    "source": "twin",
    "period": {"start": "2014-01-01", "end": "2015-12-31"},
    "grid": {"resolution": 10, "bounds": [-20, -20, 50, 60]},
    "constraints": {
        "tws": {"prediction": "tws", "compare": "monthly_centred"},
        "swe": {"prediction": "swe", "compare": "monthly"},
        "fapar": {"prediction": "fapar", "compare": "monthly"},
        "et": {"prediction": "et", "compare": "mean_seasonal_cycle"},
        "runoff": {"prediction": "runoff", "compare": "mean_seasonal_cycle"},
        "gpp": {"prediction": "gpp", "compare": "mean_seasonal_cycle"},
        "nee_oco2": {"prediction": "nee", "compare": "monthly"},
        "nee_carboscope": {"prediction": "nee", "compare": "spatial_mean_anomaly"},
        "cue": {"prediction": "cue", "compare": "mean_ratio"},
    },
    "experiments": {
        "cv": {},
        "process_only": {
            "model": "process_only",
            "folds": [0],
            "priors": {"q10": {"mean": 1.5, "std": 0.3}, "beta_snow": {"mean": 0.8, "std": 0.1}},
            "sweep": {"multiples": [0.1]},
        },
        "gradient_boosting": {"model": "gradient_boosting", "folds": [0]},
        "lstm": {"model": "lstm", "folds": [0]},
    },
}
# least r2 between what comes out of products, readers and regridding, and the truth behind them
HARMONISED = {
    "tws": 0.98,
    "swe": 0.98,
    "fapar": 0.98,
    "runoff": 0.98,
    "et": 0.96,  # its year-to-year variation is damped, as in the real product
    "gpp": 0.96,  # likewise
    "nee_oco2": 0.98,  # after the fire emissions in it are subtracted
    "nee_carboscope": 0.75,  # coarser than the cells
    "cue": 0.2,  # the median of imperfect models
}
TOWERS = SMALL | {
    "run": "towers",
    "source": "towers",
    "period": {"start": "2014-01-01", "end": "2015-12-31"},
    "towers": {"select": ["BE-Bra", "CH-Dav", "DE-Hai", "DE-Tha", "FI-Hyy", "FR-Gri"]},
    "constraints": {name: {"prediction": name, "compare": "monthly"} for name in ("gpp", "nee", "et")},
    "figures": ["training_curves", "tower_map"],
}


def snakemake(folder: Path, *arguments: str) -> str:
    # no profile is found in `folder`: the one of the repository is
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    said = result.stdout + result.stderr
    assert result.returncode == 0, said
    return said


def run(folder: Path, config: dict) -> Path:
    """Run a configuration to its end; its folder."""
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    arguments = ("all", "--cores", "2", "--configfile", "config.yaml")
    said = snakemake(folder, *arguments)
    results = Path("results", config["run"])
    assert re.search(rf"figures +{results}/figures/", said), "the end says where the results are"
    assert "Nothing to be done" in snakemake(folder, *arguments)
    assert not list(folder.rglob("*.unfinished")), "nothing half-written stays"
    for name in config["figures"]:
        for kind in ("png", "pdf"):
            assert (folder / results / "figures" / f"{name}.{kind}").stat().st_size > 1000
    return folder / results


def run_notebook(results: Path) -> None:
    """The notebook of the documentation, on the results of this run."""
    notebook = nbformat.read(ROOT / "docs" / "notebook.ipynb", as_version=4)
    kernel = {"H2CM_RUN": str(results.resolve()), "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
    executed = NotebookClient(notebook, timeout=300, kernel_name="python3").execute(env=os.environ | kernel)
    printed = "".join(o.get("text", "") for cell in executed.cells for o in cell.get("outputs", []))
    assert re.search(r"\d{4}: \d+\.\d PgC", printed), printed


def check_against_the_truth(results: Path) -> None:
    with xr.open_dataset(results / "twin" / "truth.nc") as truth:
        for name, least in HARMONISED.items():
            with xr.open_dataset(results / "store" / f"{name}.nc") as found:
                ours = found[name].load()
            if name == "cue":
                true = (truth["npp"].sum("time") / truth["gpp"].sum("time")).values
            else:
                daily = truth[name.removesuffix("_oco2").removesuffix("_carboscope")]
                true = daily.resample(time="MS").mean().transpose("cell", "time").values
            known = np.isfinite(ours.values) & np.isfinite(true)
            if name == "tws":  # known but for a constant
                ours, true = (np.where(known, x, np.nan) for x in (ours, true))
                ours, true = (x - np.nanmean(x, 1, keepdims=True) for x in (ours, true))
            ours = np.asarray(ours)[known]
            r2 = 1 - ((ours - true[known]) ** 2).sum() / ((true[known] - true[known].mean()) ** 2).sum()
            assert known.mean() > 0.1 and r2 > least, f"{name}: r2 {r2:.3f}"


def check_competitors(results: Path, metrics: pd.DataFrame) -> None:
    """They are in the same table, on the same cells, and what they cannot say is absent."""
    assert set(metrics["experiment"]) == {"cv", "process_only", "gradient_boosting", "lstm"}
    series = metrics.query("scope == 'area_weighted_mean' and cells == 'test' and fold == 0 and metric == 'rmse'")
    counted = series.pivot(index=["reference", "variable", "timescale"], columns="experiment", values="n")
    assert counted["process_only"].equals(counted["cv"])
    for name in ("gradient_boosting", "lstm"):
        shared = counted[name].notna()
        assert (counted[name] == counted["cv"])[shared].all()
        assert ("truth", "transpiration", "monthly") not in counted.index[shared]
        assert {"gpp", "nee_oco2", "tws"} <= set(counted.index[shared].get_level_values("reference"))
        assert not (results / "predictions" / name / "fold_0" / "daily.nc").exists() or name == "lstm"
    sweep = pd.read_csv(results / "evaluation" / "prior_sweep.csv")
    assert sweep.groupby("multiple").size().to_dict() == {0.1: 2, 1.0: 2}
    assert not (results / "predictions" / "process_only_std_times_0_1").exists()


def test_a_synthetic_earth(tmp_path):
    results = run(tmp_path, TWIN)
    metrics = pd.read_csv(results / "evaluation" / "metrics.csv")
    assert set(metrics["cells"]) >= {"train", "validation", "test"} and set(metrics["fold"]) == {0, 1}
    assert {"gpp", "nee_oco2", "truth"} <= set(metrics["reference"])
    assert yaml.safe_load((results / "config.yaml").read_text())["training"]["clip"] == 0.5

    check_against_the_truth(results)
    check_competitors(results, metrics)
    run_notebook(results)

    # the weights are enough to predict what the workflow predicted
    weights = results / "training" / "cv" / "fold_0" / "model.safetensors"
    again = predict(load(weights), open_store(results / "store"), ["gpp"])["gpp"]
    with xr.open_dataset(results / "predictions" / "cv" / "fold_0" / "daily.nc") as written:
        xr.testing.assert_allclose(
            again.drop_vars(again.coords), written["gpp"].load().drop_vars(written["gpp"].coords)
        )

    report = tmp_path / "report.html"
    snakemake(tmp_path, "--report", str(report), "--configfile", "config.yaml")
    assert "training_curves" in report.read_text()

    check_redrawn(tmp_path / "copy", results)


SMALL_FILES = (
    "config.yaml",
    "workflow.json",
    "store/grid.nc",
    "split",
    "evaluation",
    "summaries",
    "training/*/*/losses.csv",
)
"""What the Makefile says must be kept to draw anew."""


def check_redrawn(copy: Path, results: Path) -> None:
    """On a copy of the repository with nothing of the run but its small files, of arbitrary times, all is drawn again."""
    for name in ("Snakefile", "Makefile", "workflow", "src", "profiles", "config", "envs"):
        copied = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        copied(ROOT / name, copy / name)
    kept = [file for pattern in SMALL_FILES for file in results.glob(pattern)]
    kept += [file for folder in kept for file in folder.rglob("*")]
    reduced = copy / "results" / results.name
    for k, file in enumerate(file for file in kept if file.is_file()):
        target = reduced / file.relative_to(results)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
        os.utime(target, (1e9 + 1e6 * (k * 7 % 11),) * 2)
    assert sum(file.stat().st_size for file in reduced.rglob("*") if file.is_file()) < 20e6
    before = {file for file in reduced.rglob("*") if file.is_file()}

    # Not as a part of the make that may run these tests: it would name its folders in between.
    alone = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = subprocess.run(
        ["make", "-n", "-o", "env", "redraw", "RUN=earth", "CORES=2"],
        cwd=copy,
        env=alone,
        capture_output=True,
        text=True,
    )
    snakemake_line = command.stdout.replace("\\\n", " ").split("snakemake", 1)[1].split()
    environment = os.environ | {"PYTHONPATH": str(copy / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *snakemake_line], cwd=copy, env=environment, capture_output=True, text=True
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    ran = set(re.findall(r"^(\w+)[\w ]*: \d+ (?:s|min)  \[\d+ of", said, re.MULTILINE))
    assert ran == {"figure", "table", "report_page", "redraw"}
    made = {str(file.relative_to(reduced)) for file in reduced.rglob("*") if file.is_file()} - {
        str(file.relative_to(reduced)) for file in before
    }
    wanted = [p for folder in ("figures", "tables") for p in results.glob(f"{folder}/*") if not p.name.startswith(".")]
    assert {str(p.relative_to(results)) for p in wanted} | {"report.html", "report.zip"} <= made
    assert not any(name.startswith(("training", "predictions", "store", "twin", "comparison")) for name in made)
    for name in TWIN["figures"]:
        assert (reduced / "figures" / f"{name}.png").read_bytes() == (results / "figures" / f"{name}.png").read_bytes()


def test_real_towers(tmp_path, shared):
    folder = shared / "data"
    files = {
        "folders": [str(folder / "oneflux")],
        "lai": str(folder / "oneflux" / "lai_monthly.csv"),
        "co2": str(folder / "co2_mm_mlo.csv"),
    }
    results = run(tmp_path, TOWERS | {"towers": TOWERS["towers"] | files})
    skill = pd.read_csv(results / "tables" / "skill_per_tower.csv")
    assert set(TOWERS["towers"]["select"]) >= set(skill["tower" if "tower" in skill else "site"])


def test_the_towers_that_come_with_the_project(tmp_path):
    config = yaml.safe_load((ROOT / "config" / "towers.yaml").read_text()) | SMALL | {"split": {"folds": 2}}
    config["split"]["test_sites"] = ["DE-Gri"]
    keys = {key: str(ROOT / config["towers"][key]) for key in ("lai", "co2")}
    config["towers"] |= keys | {"folders": [str(ROOT / "resources" / "towers")]}
    results = run(tmp_path, config | {"figures": ["training_curves", "tower_map"]})
    report = pd.read_csv(results / "towers.csv")
    assert report["used"].all() and report["site"].tolist() == ["DE-Gri", "DE-Hai", "FI-Hyy"]
    skill = pd.read_csv(results / "tables" / "skill_per_tower.csv")
    assert set(report["site"]) >= set(skill["tower" if "tower" in skill else "site"])


@pytest.mark.parametrize("change", ["missing zip", "unreadable zip"])
def test_bad_towers_end_the_run_before_training(tmp_path, shared, change):
    zips = tmp_path / "zips"
    zips.mkdir()
    (zips / "sites.csv").write_bytes((shared / "data" / "oneflux" / "sites.csv").read_bytes())
    select = ["DE-Hai", "DE-Tha", "FI-Hyy"]
    files = [zips / f"FLX_{site}_FLUXNET2015_FULLSET_2000-2020_beta-3.zip" for site in select]
    for bad in files if change == "unreadable zip" else files[:1]:
        bad.write_bytes(b"no zip")
    towers = {"folders": ["zips"], "co2": str(shared / "data" / "co2_mm_mlo.csv"), "select": select}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(TOWERS | {"towers": towers}))
    with pytest.raises(AssertionError) as error:
        snakemake(tmp_path, "all", "--cores", "1", "--configfile", "config.yaml")
    said = str(error.value)
    assert (bad.name if change == "unreadable zip" else "DE-Tha") in said
    assert "Traceback" not in said and not list(tmp_path.rglob("*.safetensors"))


def test_tiles_are_averaged_a_year_at_a_time(tmp_path):
    """From tiles of fAPAR, found in a folder of the user's, to the store: half of January 40 %, the rest 60 %."""
    for day, value in ((1, 40), (9, 40), (17, 60), (25, 60)):
        make.modis_tile(tmp_path / "tiles", day, 19, 4, np.full((2400, 2400), value, "u1"))
    config = {
        "run": "tiles",
        "source": "products",
        "period": {"start": "2003-01-01", "end": "2003-01-31"},
        "grid": {"resolution": 1, "bounds": [15, 41, 26, 49]},
        "constraints": {"fapar": {"prediction": "fapar", "compare": "monthly"}},
        "split": {"folds": 2},
        "products": {"local": {"modis_fapar": {"folder": "tiles", "pattern": "MOD15A2H.A{year}*.hdf"}}},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    wanted = ("results/tiles/store/fapar.nc", "--cores", "2", "--configfile", "config.yaml")
    snakemake(tmp_path, *wanted)
    with xr.open_dataset(tmp_path / wanted[0]) as data:
        np.testing.assert_allclose(data["fapar"], (16 * 0.4 + 15 * 0.6) / 31, atol=1e-4)
        assert data["fapar"].sizes["cell"] > 40
    with xr.open_dataset(tmp_path / "data" / "condensed" / "modis_fapar_2003.nc") as condensed:
        assert condensed["Fpar_500m"].encoding["chunksizes"] == (1, 200, 7200)
    assert "Nothing to be done" in snakemake(tmp_path, *wanted)
