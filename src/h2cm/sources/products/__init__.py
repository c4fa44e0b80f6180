"""The data products: one module each, with `read` (its files to a standardised data set) and `write` (the inverse).

A standardised data set holds the store's units and signs on the product's own grid and time steps: dimensions
``time`` (the start of each step, real calendar; attribute ``step`` says how long it is), ``lat`` ascending and ``lon``
from -180 to 180, or ``lat`` and ``lon`` (y, x) on curvilinear grids; ``member`` or ``model`` first where there are
several. `h2cm.sources.products.reading` says what is repaired and what is an error.

What the files are called and what stands in them is the row of the catalogue, `ROW` of a module; `read` looks for that.
A module of a product whose row says ``condensed`` has `condense`, which averages tiles to one file.
Adding a product is one module here and one row in ``config/products.yaml``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path

import xarray as xr

from h2cm.files import UNFINISHED
from h2cm.sources import catalogue
from h2cm.store import DataError

log = logging.getLogger(__name__)

PRODUCTS: dict[str, tuple[str, ...]] = {
    name: row.holds for name, row in catalogue.load().items() if row.role not in ("published", "towers")
}
"""What the reader of each product makes, by the names of the standardised data set."""


def module(product: str):
    """The module of a product.

    Raises
    ------
    DataError
        If there is none of that name.
    """
    if product not in PRODUCTS:
        raise DataError(f"product {product!r}: expected one of {', '.join(PRODUCTS)}")
    return import_module(f"h2cm.sources.products.{product}")


def files(
    product: str, folder: str | Path, pattern: str | None = None, years: tuple[int, int] | None = None
) -> list[Path]:
    """The files of a product in a folder and those below it, sorted.

    Parameters
    ----------
    product : str
    folder : path
    pattern : str, optional
        Of their names, with {year} where it stands in them; the product's own if not given.
    years : tuple of int, optional
        First and last year wanted: files whose names tell that they are of other years are left out.

    Raises
    ------
    DataError
        If there are none.
    """
    row = catalogue.product(product)
    own = pattern is not None
    patterns = (pattern,) if own else row.files
    there = sorted(p for p in Path(folder).rglob("*") if p.is_file() and p.suffix != UNFINISHED)
    found = [p for p in there if any(fnmatchcase(p.name, text.replace("{year}", "*")) for text in patterns)]
    skipped = [] if own else [p for p in found if any(fnmatchcase(p.name, text) for text in row.skip)]
    if skipped:
        log.info("%s: not read, as the catalogue says: %s", product, ", ".join(p.name for p in skipped))
        found = [p for p in found if p not in skipped]
    if not found:
        raise DataError(f"{product}: expected files named {' or '.join(patterns)} in {folder}, found none")
    if years is None:
        return found
    of = {p: catalogue.date_in(p.name, (*patterns, *row.files)) for p in found}
    wanted = [p for p, date in of.items() if date is None or years[0] <= int(date[:4]) <= years[1]]
    if not wanted:
        raise DataError(
            f"{product}: expected files of {years[0]} to {years[1]} in {folder}, found only those of other years"
        )
    return wanted


def read(product: str, paths: Sequence[str | Path], **options) -> xr.Dataset:
    """Read files of a product, lazily where they are many; close the data set when done.

    `options` are those of the product's own reader.

    Raises
    ------
    DataError
        If a file is not what the product's layout says.
    """
    return module(product).read([Path(p) for p in paths], **options)


def condense(product: str, paths: Sequence[str | Path], path: str | Path) -> None:
    """Average the tiles of a product to one file, which `read` takes in their place."""
    module(product).condense([Path(p) for p in paths], Path(path))


def write(product: str, dataset: xr.Dataset, folder: str | Path) -> list[Path]:
    """Write a standardised data set in a product's own layout.

    Parameters
    ----------
    product : str
    dataset : Dataset
        Standardised; any grid and period that the layout allows.
    folder : path

    Returns
    -------
    list of Path
        The files.
    """
    return module(product).write(dataset, Path(folder))
