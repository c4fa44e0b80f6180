"""Where a result comes from: versions, hashes of the input files, the configuration."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from h2cm.workflow.dependencies import COUNTED

PACKAGES = ("h2cm", *COUNTED.values(), "netCDF4", "snakemake")
"""The packages that compute or draw, what writes the files, and the workflow manager."""


def versions() -> dict[str, str]:
    """Versions of Python and of `PACKAGES`; those that are not installed are left out."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def input_hashes(files: Iterable[str | Path]) -> dict[str, str]:
    """SHA-256 of each file, by its path as given.

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    """
    hashes = {}
    for path in files:
        with open(path, "rb") as file:
            hashes[str(path)] = hashlib.file_digest(file, "sha256").hexdigest()
    return hashes


def record(inputs: Iterable[str | Path], code: str) -> dict:
    """All three, for the metadata of a result: versions, input hashes and the hash of the code that made it.

    Parameters
    ----------
    inputs : iterable of path
    code : str
        See `h2cm.workflow.dependencies.code_hash`.
    """
    return {"versions": versions(), "inputs": input_hashes(inputs), "code": code}
