"""Starting again after a Snakemake that was killed: its lock is taken over and its orphaned jobs are ended.

Every Snakemake process of this workflow says in ``.snakemake/owners/`` who it is, and marks its jobs by an environment
variable. A killed one leaves its record, its lock and perhaps running jobs behind; the next start finds that its
process is gone.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import shutil
import socket
import sys
from contextlib import suppress
from pathlib import Path

import psutil

MARK = "H2CM_OWNER"
READS_ONLY = re.compile(
    r"-[a-zA-Z]*n[a-zA-Z]*|--(dry-?run|summary|detailed-summary|dag|rulegraph|filegraph|d3dag|lint|report|unlock|list.*|archive)"
)
"""Arguments with which Snakemake runs no job; that it is a dry run, it knows only after it has read the rules."""

PATIENCE = 120
"""Seconds that an orphaned job has to end: a training saves first."""


def take_over(folder: Path) -> None:
    """Take over from killed Snakemake processes in a working directory, and register this one.

    Nothing is done where this process runs no job. Where a process that holds the lock lives on, or is one of another machine, Snakemake's own lock decides.
    """
    if any(READS_ONLY.fullmatch(argument) for argument in sys.argv[1:]):
        return
    owners = folder / ".snakemake" / "owners"
    owners.mkdir(parents=True, exist_ok=True)
    dead, others = [], []
    for record in owners.glob("*.json"):
        (others if _may_live(record) else dead).append(record)
    for record in dead:
        _say(
            f"the Snakemake process {_process(record)['pid']} is gone without having ended its work: this one takes over"
        )
        _end_orphans(record.stem)
    if dead and not others:
        shutil.rmtree(folder / ".snakemake" / "locks", ignore_errors=True)
        (folder / ".snakemake" / "locks").mkdir()
    for record in dead:
        record.unlink(missing_ok=True)
    me = psutil.Process()
    name = f"{socket.gethostname()}-{me.pid}-{int(me.create_time())}"
    own = owners / f"{name}.json"
    own.write_text(json.dumps({"host": socket.gethostname(), "pid": me.pid, "started": me.create_time()}))
    os.environ[MARK] = name
    atexit.register(own.unlink, missing_ok=True)


def _process(record: Path) -> dict:
    try:
        return json.loads(record.read_text())
    except (OSError, ValueError):
        return {"host": None, "pid": 0, "started": 0}


def _may_live(record: Path) -> bool:
    """Whether the process of a record runs, as far as can be told from here."""
    process = _process(record)
    if process["host"] not in (None, socket.gethostname()):
        return True
    try:
        return abs(psutil.Process(process["pid"]).create_time() - process["started"]) < 2
    except psutil.NoSuchProcess:
        return False


def _end_orphans(owner: str) -> None:
    """End the jobs that a dead process started on this machine: ask them first."""
    orphans = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == owner:
                orphans.append(process)
        except (psutil.Error, OSError):
            continue
    if not orphans:
        return
    _say(f"ending its orphaned jobs: {', '.join(str(process.pid) for process in orphans)}")
    for process in orphans:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, left = psutil.wait_procs(orphans, PATIENCE)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, 10)


def _say(text: str) -> None:
    print(text, file=sys.stderr)
