"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED = ".unfinished"
"""How the name of a file ends that is being written."""

FULL = 2**20
"""Bytes left on a disk that count as none."""


class DataError(ValueError):
    """Data that cannot be used; the message names the file, the variable and what was expected."""


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Write a file under another name beside its own, which it gets when it is complete and on the disk.

    The folder is made. Whatever goes wrong, what was at `path` before stays as it was, and nothing else is left; what a
    killed process of this machine has left behind is removed by the next that writes the same file.

    Raises
    ------
    OSError
        That the disk is full, with the path and what to do, whatever the library that wrote made of it.

    Yields
    ------
    Path
        Where to write: a name of this process alone, so that two processes never write into one file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{path.name}.{socket.gethostname()}.*{UNFINISHED}"):
        if not _alive(left.name.removesuffix(UNFINISHED).rpartition(".")[2]):
            left.unlink(missing_ok=True)
    unfinished = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}{UNFINISHED}")
    unfinished.unlink(missing_ok=True)
    try:
        yield unfinished
        _to_disk(unfinished)
        os.replace(unfinished, path)
        _to_disk(path.parent)
    except Exception as error:  # libraries say "HDF error" or "iostream error" where the disk is full
        free = shutil.disk_usage(path.parent).free
        if free < FULL or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            said = f"the disk is full ({free / 1e6:.0f} MB left): free some space there, and start again"
            raise OSError(errno.ENOSPC, said, str(path)) from error
        raise
    finally:
        unfinished.unlink(missing_ok=True)


def cache() -> Path:
    """The user's folder for what takes long to make, and can be made again at any time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "h2cm"


def _to_disk(path: Path) -> None:
    """Wait until the system has written a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _alive(pid: str) -> bool:
    if not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
