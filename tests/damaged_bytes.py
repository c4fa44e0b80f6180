"""Read damaged copies of a product's file, one line a copy: same, refused, or what is wrong.

Run by `test_damage.py` in a process of its own: the library of HDF5 may crash on a damaged file, or read on forever.
``python damaged_bytes.py VARIABLE PRODUCT FILE FOLDER TRIES FIRST``
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import numpy as np
import xarray as xr

import damage
from h2cm.sources import products
from h2cm.store import DataError

PATIENCE = 20  # seconds for one file


def outcome(product: str, path: Path, expected: xr.Dataset) -> str:
    try:
        with products.read(product, [path]) as data:
            found = data.load()
    except DataError as error:
        return "refused" if path.name in str(error) else f"no name: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    for name in expected.data_vars:
        if name not in found or found[name].sizes != expected[name].sizes:
            return f"{name} is not there, or of another size"
        if not np.allclose(found[name], expected[name], rtol=1e-6, atol=1e-9, equal_nan=True):
            one, two = found[name].values, expected[name].values
            if not np.isfinite(one).any():
                return "refused: no value at all, which is an error of h2cm.sources.harmonise"
            other = ~np.isclose(one, two, rtol=1e-6, atol=1e-9, equal_nan=True)
            return f"{name}: {other.sum()} of {other.size} values are others, {one[other][:3]} for {two[other][:3]}"
    return "same"


def main(product: str, original: Path, folder: Path, tries: int, first: int) -> None:
    with products.read(product, [original]) as data:
        expected = data.load()
    content, kinds = original.read_bytes(), list(damage.BYTES)
    for number in range(first, tries):
        wrong = damage.damaged(content, kinds[number % len(kinds)], np.random.default_rng([number, 6]))
        path = folder / str(number) / original.name
        path.parent.mkdir()
        path.write_bytes(wrong)
        signal.alarm(PATIENCE)  # its default ends the process, also within the library
        print(" ".join(outcome(product, path, expected).split()), flush=True)
        path.unlink()


if __name__ == "__main__":
    main(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]), int(sys.argv[5]), int(sys.argv[6]))
