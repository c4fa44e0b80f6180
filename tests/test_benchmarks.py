"""The benchmarks run and say what they promise; no number of theirs is asserted."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
SMALL = "--cells 3 --days 731 --steps 1 --json"


@pytest.mark.parametrize("options", ["--processor-time", "--predict", "--processor-time --march native x86-64-v3"])
def test_training_is_measured_beside_the_limit(options):
    command = [sys.executable, FOLDER / "training.py", *SMALL.split(), *options.split()]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["march"] for row in rows] == (["native", "x86-64-v3"] if "march" in options else ["native"])
    for row in rows:
        assert row["cells"] == 3 and row["cell_days_per_second"] > 0 and row["limit_cell_days_per_second"] > 0
        wanted = {"spin_up", "forward"} | (set() if "predict" in options else {"backward", "optimiser", "loss"})
        assert wanted <= set(row["seconds"]) and all(value > 0 for value in row["seconds"].values())


@pytest.mark.parametrize("name", sorted(file.name for file in FOLDER.glob("*.py")))
def test_a_benchmark_says_how_it_is_used(name):
    done = subprocess.run([sys.executable, FOLDER / name, "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout
