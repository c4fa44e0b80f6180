"""Joining tables."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from h2cm.files import whole
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
    header = None
    with whole(path) as unfinished, open(unfinished, "wb") as joined:
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
