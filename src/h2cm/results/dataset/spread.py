"""Combining folds in bounded memory: some cells at a time from the predictions, then some days at a time to the map.

Predictions are stored by cell, the data set by time. A scratch file between them, (time, cell), lets both be read and
written once, whatever the length of the record and the number of cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import numpy as np

from h2cm import netcdf
from h2cm.results.dataset.attributes import STATISTICS
from h2cm.store import DataError

CELLS = 256
"""Cells combined at once: those of a chunk of the predictions."""

More = Callable[[np.ndarray, slice], np.ndarray]

_COMBINE = {"median": np.median, "minimum": np.min, "maximum": np.max}


@contextmanager
def combined(
    paths: Sequence[str | Path], name: str, folder: str | Path, more: Mapping[str, More] = MappingProxyType({})
) -> Iterator[dict[str, np.ndarray]]:
    """Each of `STATISTICS` over the folds of one variable.

    Parameters
    ----------
    paths : sequence of path
        Predictions of the folds, ``(cell, time)`` or ``(cell, month)``.
    name : str
        The variable.
    folder : path
        Where the scratch file may lie: as many times the size of the variable in one fold as there are statistics.
    more : mapping of callable
        Further statistics, by suffix: functions of the values (fold, cell, step) of some cells, and of which cells, a slice.

    Yields
    ------
    dict of array, shape (time, cell), float32
        By suffix; on disk, gone when the context ends.

    Raises
    ------
    DataError
        Where a fold lacks the variable, differs from the others in its cells or steps, or has a gap.
    """
    with ExitStack() as stack:
        members = []
        for path in paths:
            file = stack.enter_context(netcdf.opened(path))
            file.set_auto_mask(False)
            if name not in file.variables:
                raise DataError(f"{path}: expected {name!r} (prediction.daily, prediction.monthly), found none")
            members.append(file[name])
        shape = members[0].shape
        for path, member in zip(paths, members, strict=True):
            if member.shape != shape:
                raise DataError(f"{path}: {name}: expected the shape {shape} of {paths[0]}, got {member.shape}")
        scratch = Path(stack.enter_context(TemporaryDirectory(dir=folder, prefix="scratch_")))
        arrays = {
            suffix: np.memmap(scratch / f"statistic{suffix}.f4", "f4", "w+", shape=shape[::-1])
            for suffix in (*STATISTICS, *more)
        }
        for start in range(0, shape[0], CELLS):
            cells = slice(start, min(start + CELLS, shape[0]))
            values = np.stack([member[cells] for member in members])
            if not np.isfinite(values).all():
                fold = int(np.argmin(np.isfinite(values).all((1, 2))))
                raise DataError(f"{paths[fold]}: {name}: expected a value for each cell and step, found gaps")
            for suffix, method in STATISTICS.items():
                arrays[suffix][:, cells] = _COMBINE[method](values, axis=0).T
            for suffix, statistic in more.items():
                arrays[suffix][:, cells] = statistic(values, cells).T
        yield arrays
