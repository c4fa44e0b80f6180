"""A killed Snakemake: the next start takes its lock over and ends its orphans."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from conftest import ROOT

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
