"""The jobs that a Snakemake process has in the queue of Slurm: its executor gives all of them one name."""

from __future__ import annotations

import logging
import subprocess
import time


class NoAnswer(RuntimeError):
    """Slurm could not be asked."""


def quieten() -> None:
    """Say nothing of the account that the executor guesses, in vain, where none is named: the site's default is used then."""
    logging.getLogger("snakemake.logging").addFilter(lambda record: "SLURM account" not in record.getMessage())


def remaining(name: str) -> list[str]:
    """Numbers of the jobs of this name that wait or run.

    Raises
    ------
    NoAnswer
        If Slurm's controller does not say.
    """
    return _ask("squeue", "--noheader", "--format=%i", "--name", name).split()


def cancel(name: str, patience: float) -> list[str]:
    """Cancel the jobs of this name; they are asked to end first, and training saves.

    Parameters
    ----------
    name : str
    patience : float
        Seconds to wait until they are gone; with 0 they are not waited for.

    Returns
    -------
    list of str
        Numbers of the jobs that there were.

    Raises
    ------
    NoAnswer
        If the controller does not say, or jobs are still there after `patience` seconds.
    """
    found = remaining(name)
    if found:
        _ask("scancel", *found)
    until = time.monotonic() + patience
    while patience and (left := remaining(name)):
        if time.monotonic() > until:
            raise NoAnswer(f"jobs {', '.join(left)} are still there {patience:.0f} s after they were cancelled")
        time.sleep(1)
    return found


def _ask(*command: str) -> str:
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoAnswer(str(error)) from error
    if said.returncode:
        raise NoAnswer(f"{command[0]}: {said.stderr.strip()}")
    return said.stdout
