"""What made a result, and whether it would be made again; the run and its pretended files are those of test_dag.py."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import xarray as xr
import yaml
from safetensors.torch import save_file

from test_dag import CONFIG, configure, done, edit  # noqa: F401 - fixtures
from test_reruns import package

RUN = "results/test/"
FILES = {
    "netCDF": "predictions/cv/fold_0/monthly.nc",
    "CSV": "evaluation/metrics.csv",
    "weights": "training/cv/fold_0/model.safetensors",
    "figure": "figures/maps.png",
}


def origin(folder: Path, file: str, status: int, *arguments: str) -> str:
    """What is said of a file."""
    paths = [str(folder / "src"), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    if "fake" in paths[-1]:
        paths.reverse()  # a pretended package comes first
    result = subprocess.run(
        [sys.executable, "-m", "h2cm.origin", file, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
    )
    said = result.stdout + result.stderr
    assert result.returncode == status and "Traceback" not in said, said
    return said


@pytest.mark.parametrize("kind", FILES)
def test_what_made_a_result_is_said_and_that_it_would_be_made_again(done, kind):  # noqa: F811
    said = origin(done, RUN + FILES[kind], 0)
    assert "would make the same" in said and "would not" not in said
    rule = {"netCDF": "predict", "CSV": "metrics", "weights": "train", "figure": "figure"}[kind]
    assert f"{FILES[kind]} was made by the rule {rule} (" in said
    assert f"  {RUN}store/co2.nc  sha256 e3b0c44298fc1c14" in said or kind in ("CSV", "figure")  # of an empty file
    assert "  training.learning_rate: 0.005" in said and "  grid.resolution: 15" in said
    assert "  train: " in said and ", torch 2." in said


def test_what_differs_now_is_said(done, edit, tmp_path, monkeypatch):  # noqa: F811
    weights = RUN + FILES["weights"]
    configure(edit, done, training={"epochs": 7})
    said = origin(done, weights, 1)
    assert f"train ({RUN}training/cv/fold_0/losses.csv): training.epochs: 100, now 7" in said or (
        f"train ({weights}): training.epochs: 100, now 7" in said
    )
    (done / "config" / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    assert "would make the same" in origin(done, weights, 0)

    source = done / "src" / "h2cm" / "model" / "process.py"
    text = source.read_text()
    edit("src/h2cm/model/process.py", "REFERENCE_TEMPERATURE = 15.0", "REFERENCE_TEMPERATURE = 15.1")
    assert "): other code" in origin(done, weights, 1)
    source.write_text(text)

    monkeypatch.setenv("PYTHONPATH", str(package(tmp_path / "fake", "torch", "99.0")))
    said = origin(done, weights, 1)
    assert "torch 2." in said and ", now 99.0" in said and "other code" not in said


def test_an_input_that_was_exchanged_is_found_whatever_its_date(done):  # noqa: F811
    file = done / RUN / "store" / "gpp.nc"
    before = file.stat()
    file.write_bytes(b"exchanged")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    try:
        said = origin(done, RUN + FILES["figure"], 1)
    finally:
        file.write_bytes(b"")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert f"{RUN}store/gpp.nc is another file than the one from which {RUN}training/cv/" in said
    (file.parent / "gpp.nc").rename(file.parent / "away")
    try:
        assert f"{RUN}store/gpp.nc, from which" in origin(done, RUN + FILES["weights"], 1)
    finally:
        (file.parent / "away").rename(file)


def test_away_from_its_run_a_file_says_what_it_knows_itself(tmp_path):
    made = {"provenance": json.dumps({"code": "0123456789abcdef", "inputs": {"store/gpp.nc": "e3b0"}})}
    xr.Dataset(attrs=made).to_netcdf(tmp_path / "monthly.nc")
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors", made)
    for name in ("monthly.nc", "model.safetensors"):
        assert "code: 0123456789abcdef" in origin(tmp_path, name, 2)
    (tmp_path / "metrics.csv").write_text("a,b\n")
    assert "metrics.csv: expected a file with a record" in origin(tmp_path, "metrics.csv", 2)
    shutil.copy(tmp_path / "metrics.csv", tmp_path / "damaged.nc")
    assert "damaged.nc: expected a file that can be read" in origin(tmp_path, "damaged.nc", 2)
    assert "nothing.nc: expected a result, found none" in origin(tmp_path, "nothing.nc", 2)
