"""A killed Snakemake: the next start takes its lock over and ends its orphans, and what it has in the queue of Slurm."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from conftest import ROOT
from h2cm.config import parse
from h2cm.workflow import takeover
from h2cm.workflow.resources import as_given_for, gpus

SNAKEFILE = f"""
import sys

sys.path.insert(0, {str(ROOT / "src")!r})
from h2cm.workflow.takeover import take_over

if workflow.is_main_process:
    take_over(Path.cwd())


rule work:
    output:
        "done",
    shell:
        "echo $$ >> pids; if [ $(wc -l < pids) = 1 ]; then sleep 300; fi; touch done"
"""


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--rerun-incomplete", *arguments]
    with open(folder / "said", "w") as said:  # a pipe would stay open as long as an orphan lives
        return subprocess.Popen(command, cwd=folder, stdout=said, stderr=subprocess.STDOUT)


def end(process: subprocess.Popen, folder: Path) -> str:
    """What a process said, at its end."""
    process.wait(timeout=200)
    return (folder / "said").read_text()


@pytest.fixture
def working(tmp_path):
    """A Snakemake whose job runs, and the job's process."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    process = start(tmp_path)
    pids = tmp_path / "pids"
    until = time.monotonic() + 120
    while not (pids.exists() and pids.read_text().strip()):
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.1)
    job = psutil.Process(int(pids.read_text()))
    yield tmp_path, process, job
    for one in (process, job):
        if psutil.pid_exists(one.pid):
            os.kill(one.pid, signal.SIGKILL)
    process.wait()


def test_a_lock_whose_owner_is_dead_is_taken_over(working):
    folder, process, job = working
    process.kill()
    process.wait()
    assert job.is_running() and list((folder / ".snakemake" / "locks").iterdir())
    dry = start(folder, "--dry-run")
    assert "takes over" not in end(dry, folder) and job.is_running(), "a dry run changes nothing"
    again = start(folder)
    said = end(again, folder)
    assert again.returncode == 0, said
    assert f"the Snakemake process {process.pid} is gone" in said and str(job.pid) in said
    assert not job.is_running() and (folder / "done").exists()
    assert not list((folder / ".snakemake" / "owners").iterdir())


def test_the_lock_of_a_living_owner_is_respected(working):
    folder, process, job = working
    second = start(folder)
    said = end(second, folder)
    assert second.returncode != 0 and "locked" in said.lower() and "takes over" not in said
    assert process.poll() is None and job.is_running()


# Slurm's commands, pretended: the queue is a file. (The real ones: test_slurm.py.)
SQUEUE = '#!/bin/sh\n[ -e "$QUEUE" ] || { echo "Unable to contact slurm controller" >&2; exit 1; }\ngrep -q "name $4$" "$QUEUE" && grep -v name "$QUEUE"\ntrue\n'
SCANCEL = '#!/bin/sh\nfor job in "$@"; do sed -i "/^$job$/d" "$QUEUE"; done\n'


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """A queue with two jobs of the run ``gone``, whose Snakemake is dead."""
    commands = tmp_path / "commands"
    commands.mkdir()
    for name, text in (("squeue", SQUEUE), ("scancel", SCANCEL)):
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    queue = tmp_path / "queue"
    queue.write_text("name gone\n11\n12\n")
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    monkeypatch.setenv("QUEUE", str(queue))
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "pids").write_text("1\n")  # the job is quick
    return queue


def record(folder: Path, host: str | None = None) -> Path:
    """The record of a dead process, of this machine or another."""
    dead = subprocess.Popen(["true"])
    dead.wait()
    owner = folder / ".snakemake" / "owners" / "dead.json"
    owner.parent.mkdir(parents=True)
    owner.write_text(json.dumps({"host": host or socket.gethostname(), "pid": dead.pid, "started": 0, "slurm": "gone"}))
    return owner


def test_jobs_of_a_dead_owner_in_the_queue_are_cancelled(queue, tmp_path):
    owner = record(tmp_path)
    process = start(tmp_path)
    said = end(process, tmp_path)
    assert process.returncode == 0 and "were cancelled: 11, 12" in said
    assert queue.read_text() == "name gone\n" and not owner.exists() and (tmp_path / "done").exists()


def test_nothing_is_started_while_it_is_not_known_what_is_in_the_queue(queue, tmp_path):
    owner = record(tmp_path)
    queue.unlink()
    process = start(tmp_path)
    said = end(process, tmp_path)
    assert process.returncode != 0 and "Unable to contact slurm controller" in said
    assert owner.exists() and not (tmp_path / "done").exists()


def test_that_none_of_another_machine_lives_is_said_by_unlocking(queue, tmp_path):
    owner = record(tmp_path, host="elsewhere")
    end(start(tmp_path), tmp_path)
    assert owner.exists() and "11" in queue.read_text()
    said = end(start(tmp_path, "--unlock"), tmp_path)
    assert "were cancelled: 11, 12" in said and not owner.exists() and "11" not in queue.read_text()


def test_a_process_that_ends_leaves_no_job_in_the_queue(queue, tmp_path, capsys):
    own = record(tmp_path)
    takeover._leave(own)
    assert "11" not in queue.read_text() and not own.exists()
    assert "jobs left in the queue of Slurm were cancelled: 11, 12" in capsys.readouterr().err
    own.write_text(json.dumps({"slurm": "gone"}))
    queue.unlink()
    takeover._leave(own)
    assert own.exists(), "the next start asks again"


def test_what_is_set_for_a_rule_counts_for_those_in_its_place():
    threads, nothing = {"train": 4, "train_b": 2, "predict": 1}, {}
    as_given_for("train", ["train_a", "train_b"], threads, nothing)
    assert threads == {"train": 4, "train_a": 4, "train_b": 2, "predict": 1} and nothing == {}


def test_a_gpu_is_asked_for_where_the_configuration_insists_only():
    values = {"run": "x", "source": "twin", "constraints": {"gpp": {"prediction": "gpp", "compare": "monthly"}}}
    asked = {
        device: gpus(parse(values | {"training": {"device": device}})) for device in ("auto", "cpu", "cuda", "cuda:1")
    }
    assert asked == {"auto": 0, "cpu": 0, "cuda": 1, "cuda:1": 1}
