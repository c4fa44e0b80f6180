"""The profile ``slurm`` on a real Slurm of one node: a run to its end, and another through all that happens on a cluster.

The second begins where the first has its store, and trains again: it is killed, its controller and its jobs are killed, one
runs over its time, it is interrupted, and it ends on a node with another kernel; its results are those of the first.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
import yaml
from safetensors import safe_open

from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests" / "slurm"))
from cluster import Cluster, missing

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

CONFIG = {
    "run": "tiny",
    "source": "twin",
    "period": {"start": "2015-01-01", "end": "2016-12-31"},
    "grid": {"resolution": 15, "bounds": [-20, -20, 50, 60]},
    "constraints": {
        "gpp": {"prediction": "gpp", "compare": "mean_seasonal_cycle"},
        "tws": {"prediction": "tws", "compare": "monthly_centred"},
    },
    "split": {"folds": 2, "block_degrees": 15},
    "training": {"epochs": 20, "patience": 20, "batch_cells": 4},
    "prediction": {"daily": ["gpp"], "monthly": ["gpp"]},
    "figures": ["training_curves"],
    "dataset": {"zarr": False},
}
RUN = Path("results", "tiny")
METRICS = str(RUN / "evaluation" / "metrics.csv")
# Starting a job takes longer than the job: many are submitted as one.
EARLY = "grid twin harmonise split store_summary resolve rule_graph comparison"
LATE = "predict evaluate metrics summary table figure dataset dataset_grid dataset_description report_page"
STARTED: list[subprocess.Popen] = []
KERNEL = """
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>
int uname(struct utsname *name) {
    int status = syscall(SYS_uname, name);
    strcpy(name->release, "3.2.0-of-another-node");
    return status;
}
"""


def groups(**rules: str) -> list[str]:
    return ["--groups", *(f"{rule}={group}" for group, names in rules.items() for rule in names.split())]


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, ROOT / "tests" / "slurm" / "impatient.py", *arguments, "--snakefile", ROOT / "Snakefile"]
    command += ["--profile", ROOT / "slurm", "--configfile", "config.yaml", "--latency-wait", "20"]
    with open(folder / "said", "w") as said:
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
        STARTED.append(subprocess.Popen(command, cwd=folder, stdout=said, stderr=subprocess.STDOUT, env=environment))
    return STARTED[-1]


def ended(process: subprocess.Popen, folder: Path, status: int | None = 0) -> str:
    """What a process said, at its end; any status but 0 is awaited with None."""
    process.wait(timeout=1500)
    said = (folder / "said").read_text()
    assert process.returncode == 0 if status == 0 else process.returncode != 0, said
    return said


def until(condition, folder: Path, seconds: float = 600):
    """Wait for something, and return it."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, (folder / "said").read_text()
        time.sleep(0.1)
    return found


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.start()
        yield cluster
    finally:
        for process in STARTED:
            process.kill()
            process.wait()
        cluster.stop()


@pytest.fixture(scope="module")
def finished(slurm, tmp_path_factory) -> tuple[Path, str]:
    """The folder of a whole run, its two folds trained by one job with a pretended GPU, and what it said."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "config.yaml").write_text(
        yaml.safe_dump(CONFIG | {"training": CONFIG["training"] | {"folds_per_job": 2}})
    )
    together = [*groups(early=EARLY, late=LATE), "--group-components", "early=20", "late=20", "--cores", "2"]
    given = ["--set-resources", 'train:gres="gpu:1"', "--set-threads", "train=2", "predict=1"]
    return folder, ended(start(folder, "all", *together, *given), folder)


def numbers(said: str) -> list[str]:
    return re.findall(r"submitted with SLURM jobid (\d+)", said)


def test_a_run_to_its_end(slurm, finished):
    folder, said = finished
    jobs = {number: slurm.jobs()[number] for number in numbers(said)}
    assert len(jobs) == 3 and {job["JobState"] for job in jobs.values()} == {"COMPLETED"}
    assert "sacct" not in said and "account" not in said, "no noise of an accounting that is not there"
    train = next(job for job in jobs.values() if job["Comment"] == "rule_train_cv_folds_0_1")
    # what a profile sets for the rule `train` reaches stacked training; time and memory are those of the rule
    assert train["TresPerNode"] == "gres:gpu:1" and train["NumCPUs"] == "2" and train["TimeLimit"] == "1-00:00:00"
    # that there is no GPU, whatever Slurm believes, was found by the job
    log = (folder / RUN / "logs" / "train" / "cv_folds_0_1.log").read_text()
    assert (
        "a GPU was given (CUDA_VISIBLE_DEVICES=0), but PyTorch finds none" in log
        and f"(Slurm job {train['JobId']})" in log
    )
    assert "Nothing to be done" in ended(start(folder, "all"), folder)
    assert not list((folder / ".snakemake" / "owners").iterdir())


def trains(folder: Path, fold: int) -> int | None:
    """The living process that trains a fold and has saved at least once."""
    place = folder / RUN / "training" / "cv" / f"fold_{fold}"
    try:
        pid = json.loads((place / ".holder.json").read_text())["pid"]
    except (OSError, ValueError):
        return None
    return pid if (place / "checkpoint_0.pt").exists() and psutil.pid_exists(pid) else None


def weights(folder: Path, fold: int) -> tuple[dict[str, torch.Tensor], str]:
    with safe_open(folder / RUN / "training" / "cv" / f"fold_{fold}" / "model.safetensors", "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, json.dumps(file.metadata())  # noqa: SIM118


@pytest.mark.skipif(
    "H2CM_SLURM" not in os.environ, reason="takes ten minutes and does not end the same each time: H2CM_SLURM=1"
)
def test_whatever_happens_the_next_start_finishes_the_work(slurm, finished, tmp_path):
    undisturbed, _ = finished
    folder = tmp_path / "disturbed"
    shutil.copytree(undisturbed, folder)
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    for name in ("training", "predictions", "evaluation"):
        shutil.rmtree(folder / RUN / name)
    after = [*groups(after="predict evaluate"), "--cores", "2"]

    def jobs_of(fold: int) -> list[dict[str, str]]:
        """The jobs that train a fold, first to last."""
        found = slurm.jobs()
        ours = [n for n in sorted(found, key=int) if found[n].get("WorkDir") == str(folder)]
        return [found[n] for n in ours if found[n].get("Comment") == f"rule_train_wildcards_cv_{fold}"]

    def state(fold: int) -> list[str]:
        return [job["JobState"] for job in jobs_of(fold)]

    # Snakemake is killed while one of its jobs runs and the other waits.
    first = start(folder, METRICS, *after, "--set-threads", "train=2")
    until(lambda: sorted(state(0) + state(1)) == ["PENDING", "RUNNING"], folder)
    os.kill(until(lambda: trains(folder, 0) or trains(folder, 1), folder), signal.SIGSTOP)  # it would be done too soon
    first.kill()
    first.wait()
    assert sorted(state(0) + state(1)) == ["PENDING", "RUNNING"], "its jobs do not know"

    # The next start cancels them, and trains both at once.
    limit = 'train:runtime=attempt ** 5 if wildcards.fold == "0" else 60'
    second = start(folder, METRICS, *after, "--set-threads", "train=1", "--set-resources", limit)
    until(lambda: len(state(0)) == len(state(1)) == 2, folder)
    said = (folder / "said").read_text()
    assert f"the Snakemake process {first.pid} is gone" in said
    cancelled = re.search(r"jobs in the queue of Slurm were cancelled: ([\d, ]+);", said)[1]
    assert set(cancelled.split(", ")) == {jobs_of(fold)[0]["JobId"] for fold in (0, 1)}
    assert state(0)[0] == state(1)[0] == "CANCELLED"

    # One hangs, and runs over its minute. The other is cancelled by somebody; the controller is killed and comes back.
    hung: set[int] = set()

    def hangs(condition):
        if len(state(0)) == 2 and (pid := trains(folder, 0)):
            os.kill(pid, signal.SIGSTOP)
            hung.add(pid)
        return condition()

    until(lambda: hangs(lambda: trains(folder, 1)), folder)
    slurm.ask("scancel", jobs_of(1)[1]["JobId"])
    slurm.kill("slurmctld")
    time.sleep(2)
    slurm.start_controller()
    until(lambda: hangs(lambda: len(state(0)) == 3), folder)
    assert state(0)[1] == "TIMEOUT"
    limits, memory = zip(*((job["TimeLimit"], int(re.search(r"mem=(\d+)M", job["TRES"])[1])) for job in jobs_of(0)[1:]))
    assert limits == ("00:01:00", "00:32:00") and memory[1] == 2 * memory[0], "time and memory grow with the attempt"

    # Snakemake is interrupted (Ctrl-C) while the second attempt runs and the other fold is done.
    os.kill(until(lambda: (pid := trains(folder, 0)) not in hung and pid, folder), signal.SIGSTOP)
    until(lambda: len(state(1)) == 3 and state(1)[2] == "COMPLETED", folder)
    assert state(1)[1] in ("CANCELLED", "FAILED"), "cancelled, it has saved and ended by itself"
    second.send_signal(signal.SIGINT)
    ended(second, folder, None)
    until(lambda: not slurm.ask("squeue", "--noheader", "--format=%i"), folder)
    assert state(0)[2] in ("CANCELLED", "FAILED")
    log = (folder / RUN / "logs" / "train" / "cv_fold_0.log.attempts").read_text()
    assert "asked to end" in log and len(set(re.findall(r"\(Slurm job (\d+)\)", log))) >= 2, "of all attempts"

    # The last start, on a node with another kernel: the rest and no more.
    (tmp_path / "kernel.c").write_text(KERNEL)
    library = tmp_path / "kernel.so"
    subprocess.run(["g++", "-x", "c", "-shared", "-fPIC", "-o", library, tmp_path / "kernel.c"], check=True)
    slurm.environment_of_tasks({"LD_PRELOAD": str(library)})
    said = ended(start(folder, METRICS, *after), folder)
    slurm.environment_of_tasks({})
    assert len(state(1)) == 3, "a fold that is trained is not trained again"
    ran = set(re.findall(r"Finished jobid: \d+ \(Rule: (\w+)\)", said))
    assert ran == {"train", "predict", "evaluate", "metrics"}
    log = (folder / RUN / "logs" / "train" / "cv_fold_0.log").read_text()
    assert "goes on after epoch" in log.rpartition("starts on")[2]

    for fold in (0, 1):
        (ours, origin), (theirs, _) = weights(folder, fold), weights(undisturbed, fold)
        assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
        assert ("of-another-node" in origin) == (fold == 0)
        losses = RUN / "training" / "cv" / f"fold_{fold}" / "losses.csv"
        assert (folder / losses).read_bytes() == (undisturbed / losses).read_bytes()
    assert (folder / METRICS).read_bytes() == (undisturbed / METRICS).read_bytes()
