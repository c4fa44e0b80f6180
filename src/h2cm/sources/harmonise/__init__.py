"""Harmonising: every product becomes one variable of the store, on its cells, days and months.

The products of each variable, and how it is made of them, are a row of `h2cm.sources.harmonise.sources.SOURCES`.
"""

from __future__ import annotations

import logging
from pathlib import Path

import xarray as xr

from h2cm.config import Config
from h2cm.sources.harmonise.reduce import Target
from h2cm.sources.harmonise.sources import COMPETITORS, SOURCES, Archive
from h2cm.space import regrid
from h2cm.space.grid import land_cells
from h2cm.store import DataError
from h2cm.vocabulary import CARBON_FLUX, VARIABLES

__all__ = ["comparison", "harmonise", "products_of"]

log = logging.getLogger(__name__)


def products_of(name: str) -> tuple[str, ...]:
    """The products that a variable of the store, or a competitor (``fluxcom``, ``trendy``), is made of.

    Raises
    ------
    DataError
        If there is no such variable.
    """
    if name in COMPETITORS:
        return COMPETITORS[name].products
    if name not in SOURCES:
        raise DataError(f"variable {name!r}: no product holds it; expected one of {', '.join(SOURCES)}")
    return SOURCES[name].products


def _archive(config: Config, folder: str | Path, cells: xr.Dataset | None) -> Archive:
    regrid.check_engine(config.grid.regridding)
    return Archive(Target(config, land_cells(config) if cells is None else cells), Path(folder))


def _coordinates(archive: Archive) -> dict:
    return {name: ("cell", archive.target.cells[name].values) for name in ("lat", "lon")}


def harmonise(name: str, config: Config, folder: str | Path, cells: xr.Dataset | None = None) -> xr.DataArray:
    """One variable of the store, from its products.

    Parameters
    ----------
    name : str
        A row of `h2cm.vocabulary.VARIABLES` that comes from products.
    config : Config
        ``period``, ``grid`` and ``products.local`` are used.
    folder : path
        With one folder for each product.
    cells : Dataset, optional
        ``lat`` and ``lon`` (cell) of the store; those of `h2cm.space.grid.land_cells` if not given.

    Returns
    -------
    DataArray
        Dimensions and unit of the variable's row; the attribute ``source`` names the products, ``members`` and
        ``left_out`` the members of an ensemble, and those that could not be read, with the reason.

    Raises
    ------
    DataError
        If a product is missing or unfit, or forcing has a gap.
    """
    made_of = products_of(name)
    if name not in VARIABLES:
        raise DataError(f"variable {name!r}: expected a variable of the store, {name} is a competitor")
    archive = _archive(config, folder, cells)
    row, coords = VARIABLES[name], _coordinates(archive)
    values = SOURCES[name].make(archive)
    if name == "static":
        values, features = values
        coords["feature"] = features
    elif len(row.dims) == 2:
        values = values.T
        coords[row.dims[1]] = archive.target.days if row.dims[1] == "time" else archive.target.months
    source = " less ".join(made_of) if name.startswith("nee_") else ", ".join(made_of)
    return xr.DataArray(values, coords, row.dims, name, {"units": row.units, "source": source} | archive.notes)


def comparison(name: str, config: Config, folder: str | Path, cells: xr.Dataset | None = None) -> xr.Dataset:
    """A competitor of the comparison figures, on the cells and months of the store.

    Parameters
    ----------
    name : {"fluxcom", "trendy", "transcom", "simulations"}
    config, folder, cells
        See `harmonise`.

    Returns
    -------
    Dataset
        ``gpp``, ``nee`` and ``ter``, gC m-2 day-1, dimensions (cell, month), of ``trendy`` (model, cell, month); of
        ``transcom`` the number of the ``region`` (cell) that fluxes are averaged over.
    """
    if name not in COMPETITORS:
        raise DataError(f"comparison {name!r}: expected one of {', '.join(COMPETITORS)}")
    archive = _archive(config, folder, cells)
    data = COMPETITORS[name].make(archive).assign_coords(_coordinates(archive))
    if "month" in data.dims:
        data = data.assign_coords(month=archive.target.months)
        for variable in data.data_vars.values():
            variable.attrs["units"] = CARBON_FLUX
    return data.astype("f4", keep_attrs=True).assign_attrs(
        source=", ".join(COMPETITORS[name].products), **archive.notes
    )
