"""Joining tables."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from h2cm.store import DataError


def join_tables(paths: Sequence[str | Path], path: str | Path) -> None:
    """Join CSV files of the same columns, byte by byte below the header (the result may have millions of rows).

    Raises
    ------
    DataError
        Where there is no file, or the columns differ.
    """
    if not paths:
        raise DataError(f"{path}: expected tables to join, got none")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    header = None
    with open(part, "wb") as joined:
        for one in paths:
            with open(one, "rb") as file:
                first = file.readline()
                if header is None:
                    header = first
                    joined.write(first)
                elif first != header:
                    expected, got = header.decode().strip(), first.decode().strip()
                    raise DataError(f"{one}: expected the columns {expected}, got {got}")
                shutil.copyfileobj(file, joined)
    os.replace(part, path)
