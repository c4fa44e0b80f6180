"""Training that may be stopped at any time and is never done twice at once."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from h2cm.workflow.job import ASKED

log = logging.getLogger(__name__)

EVERY = 600.0
"""Seconds of training after which a checkpoint is written within an epoch."""


class Guard:
    """Saves between two batches, every `EVERY` seconds and before the process ends on SIGTERM or Ctrl-C.

    Parameters
    ----------
    save : callable
        Writes the checkpoints of all folds.
    """

    def __init__(self, save: Callable[[], None]):
        self.save, self.asked, self.last = save, False, time.monotonic()

    def after_batch(self) -> None:
        """Save if it is time; end the process, with the status of a terminated one, if it was asked to."""
        if self.asked or time.monotonic() - self.last > EVERY:
            self.save()
            self.last = time.monotonic()
        if self.asked:
            log.warning("%s: the checkpoint is written, training goes on from here", ASKED)
            sys.exit(128 + signal.SIGTERM)

    def ask(self, number: int, *_) -> None:
        """The handler of the signals; a second Ctrl-C does not wait for the end of the batch."""
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def guarded(save: Callable[[], None]) -> Iterator[Guard]:
    """A `Guard` that hears SIGTERM and Ctrl-C; the former handlers are put back at the end."""
    guard = Guard(save)
    try:
        before = {number: signal.signal(number, guard.ask) for number in (signal.SIGTERM, signal.SIGINT)}
    except ValueError:  # not the main thread of the process, which alone hears signals
        yield guard
        return
    try:
        yield guard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def alone(folders: list[Path]) -> Iterator[None]:
    """Hold the lock of each folder, so that no other process trains there; waits, and says for whom.

    The system gives a lock up when its process ends, however it ends.
    """
    with ExitStack() as held:
        for folder in sorted(folders):
            folder.mkdir(parents=True, exist_ok=True)
            holder, lock = folder / ".holder.json", FileLock(folder / ".lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                log.warning("%s: another process trains here, this one waits: %s", folder, _said(holder))
                lock.acquire()
            held.callback(lock.release)
            who = {"host": socket.gethostname(), "pid": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
            holder.write_text(json.dumps(who))
            held.callback(holder.unlink, missing_ok=True)
        yield


def _said(holder: Path) -> str:
    try:
        return holder.read_text()
    except OSError:
        return "unknown"
