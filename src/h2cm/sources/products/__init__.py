"""The data products: one module each, with `read` (its files to a standardised data set) and `write` (the inverse).

A standardised data set holds the store's units and signs on the product's own grid and time steps: dimensions
``time`` (the start of each step, real calendar; attribute ``step`` says how long it is), ``lat`` ascending and ``lon``
from -180 to 180, or ``lat`` and ``lon`` (y, x) on curvilinear grids; ``member`` or ``model`` first where there are
several. `h2cm.sources.products.checks` says what is repaired and what is an error.

A module has `PATTERN`, which the names of its files fit, and may have `YEAR`, an expression that finds the year in them.
That of a product whose catalogue row says ``condensed`` has `condense`, which averages tiles to one file.
Adding a product is one module here, one row in `PRODUCTS` and one in ``config/products.yaml``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import xarray as xr

from h2cm.files import UNFINISHED
from h2cm.store import DataError

PRODUCTS: dict[str, tuple[str, ...]] = {
    "gpcp": ("precipitation",),
    "ceres": ("net_radiation",),
    "crujra": ("air_temperature",),
    "era5": ("vapour_pressure_deficit", "air_temperature"),
    "cams_co2": ("co2",),
    "mauna_loa": ("co2",),
    "soilgrids": ("static",),
    "globeland30": ("static",),
    "gtopo30": ("static",),
    "tootchi": ("static",),
    "grace": ("tws",),
    "modis_fapar": ("fapar",),
    "globsnow": ("swe",),
    "fluxcom": ("gpp", "et", "nee", "ter"),
    "grun": ("runoff",),
    "oco2_mip": ("nee_total",),
    "carboscope": ("nee_total",),
    "gfed": ("fire",),
    "trendy": ("gpp", "npp", "ra", "rh", "nbp"),
    "transcom": ("region",),
}
"""What each product holds, by the names of the standardised data set."""


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
        Of their names; the product's own if not given.
    years : tuple of int, optional
        First and last year wanted: files that the module's ``YEAR`` tells to be of other years are left out.

    Raises
    ------
    DataError
        If there are none.
    """
    pattern = pattern or module(product).PATTERN
    found = sorted(p for p in Path(folder).rglob(pattern) if p.is_file() and p.suffix != UNFINISHED)
    if not found:
        raise DataError(f"{product}: expected files named {pattern} in {folder}, found none")
    year = getattr(module(product), "YEAR", None)
    if years is None or year is None:
        return found
    matches = {p: re.search(year, p.name) for p in found}
    wanted = [p for p, match in matches.items() if match is None or years[0] <= int(match[1]) <= years[1]]
    if not wanted:
        raise DataError(
            f"{product}: expected files of {years[0]} to {years[1]} in {folder}, found only those of other years"
        )
    return wanted


def read(product: str, paths: Sequence[str | Path]) -> xr.Dataset:
    """Read files of a product, lazily where they are many; close the data set when done.

    Raises
    ------
    DataError
        If a file is not what the product's layout says.
    """
    return module(product).read([Path(p) for p in paths])


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
