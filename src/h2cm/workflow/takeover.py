"""Starting again after a Snakemake that was killed: its lock is taken over and its orphaned jobs are ended.

Every Snakemake process of this workflow says in ``.snakemake/owners/`` who it is and how its jobs are called in the
queue of Slurm, if it has any there, and marks those of this machine by an environment variable. A killed one leaves its
record, its lock and perhaps jobs behind; the next start finds that its process is gone.
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

from h2cm.workflow import slurm

MARK = "H2CM_OWNER"
READS_ONLY = re.compile(
    r"-[a-zA-Z]*n[a-zA-Z]*|--(dry-?run|summary|detailed-summary|dag|rulegraph|filegraph|d3dag|lint|report|list.*|archive)"
)
"""Arguments with which Snakemake runs no job; that it is a dry run, it knows only after it has read the rules."""

PATIENCE = 120
"""Seconds that an orphaned job has to end: a training saves first."""


def take_over(folder: Path) -> None:
    """Take over from killed Snakemake processes in a working directory, and register this one.

    Nothing is done where this process runs no job. Where a process that holds the lock lives on, or is one of another
    machine, Snakemake's own lock decides; with ``--unlock`` the user says that none of another machine lives.

    Raises
    ------
    h2cm.workflow.slurm.NoAnswer
        If it is not known whether jobs of a killed process are still in the queue of Slurm; its record stays.
    """
    unlocks = "--unlock" in sys.argv[1:]
    if any(READS_ONLY.fullmatch(argument) for argument in sys.argv[1:]):
        return
    owners = folder / ".snakemake" / "owners"
    owners.mkdir(parents=True, exist_ok=True)
    dead, others = [], []
    for record in owners.glob("*.json"):
        (others if _may_live(record, unlocks) else dead).append(record)
    for record in dead:
        process = _process(record)
        _say(f"the Snakemake process {process['pid']} is gone without having ended its work: this one takes over")
        if process.get("slurm") and (jobs := slurm.cancel(process["slurm"], PATIENCE)):
            _say(
                f"its jobs in the queue of Slurm were cancelled: {', '.join(jobs)}; training goes on from where they saved"
            )
        _end_orphans(record.stem)
    if dead and not others:
        shutil.rmtree(folder / ".snakemake" / "locks", ignore_errors=True)
        (folder / ".snakemake" / "locks").mkdir()
    for record in dead:
        record.unlink(missing_ok=True)
    if unlocks:
        return
    me = psutil.Process()
    name = f"{socket.gethostname()}-{me.pid}-{int(me.create_time())}"
    _own(folder, name).write_text(
        json.dumps({"host": socket.gethostname(), "pid": me.pid, "started": me.create_time()})
    )
    os.environ[MARK] = name
    atexit.register(_leave, _own(folder, name))


def note_slurm(folder: Path, name: str | None) -> None:
    """Note in the record of this process how its jobs are called in the queue of Slurm; None if it has none there."""
    if name:
        slurm.quieten()
        own = _own(folder, os.environ[MARK])
        own.write_text(json.dumps(_process(own) | {"slurm": name}))


def _own(folder: Path, name: str) -> Path:
    return folder.absolute() / ".snakemake" / "owners" / f"{name}.json"


def _leave(own: Path) -> None:
    """At the end of this process, however it ends but by a kill: leave no job in the queue, then no record."""
    try:
        if (name := _process(own).get("slurm")) and (jobs := slurm.cancel(name, patience=0)):
            _say(f"jobs left in the queue of Slurm were cancelled: {', '.join(jobs)}")
    except slurm.NoAnswer as error:
        _say(f"{error}; jobs that are left in the queue of Slurm are cancelled at the next start")
        return
    own.unlink(missing_ok=True)


def _process(record: Path) -> dict:
    try:
        return json.loads(record.read_text())
    except (OSError, ValueError):
        return {"host": None, "pid": 0, "started": 0}


def _may_live(record: Path, unlocks: bool) -> bool:
    """Whether the process of a record runs, as far as can be told from here."""
    process = _process(record)
    if process["host"] not in (None, socket.gethostname()):
        return not unlocks
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
