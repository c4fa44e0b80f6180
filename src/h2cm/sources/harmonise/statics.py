"""The 30 static attributes of each cell: soil, land cover, relief and wetlands.

Shares and soil properties are means over the cell of the maps at 1/30°; of the elevation, the mean and the standard
deviation within the cell.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr

from h2cm.sources import catalogue
from h2cm.sources.harmonise.reduce import Target
from h2cm.space import regrid

ELEVATION = ("elevation_mean", "elevation_std")
FEATURES: dict[str, tuple[str, ...]] = {
    name: ELEVATION if name == "gtopo30" else row.holds
    for name, row in catalogue.load().items()
    if row.role == "static"
}
"""The attributes, by product, in the order of the store."""

MIN_VALID = 0.1  # a coast has soil where it has land; the rest comes from the neighbours


def static_fields(open_product: Callable[[str], xr.Dataset], target: Target) -> tuple[np.ndarray, list[str]]:
    """Static attributes of the cells.

    Parameters
    ----------
    open_product : callable
        Name of a product to its standardised data set.
    target : Target

    Returns
    -------
    values : array (cell, feature)
        NaN where a product covers less than `MIN_VALID` of the cell.
    names : list of str
    """
    rows, columns = target.index
    values, names = [], []

    def mean(field: xr.DataArray) -> np.ndarray:
        return regrid.regrid(field, target.grid, MIN_VALID, target.config.grid.regridding).values[rows, columns]

    for product, features in FEATURES.items():
        with open_product(product) as data:
            for name in features:
                if name == "elevation_mean":
                    one = mean(data["elevation"])
                elif name == "elevation_std":
                    one = np.sqrt(np.maximum(mean(data["elevation_squared"]) - mean(data["elevation"]) ** 2, 0))
                else:
                    one = mean(data[name])
                values.append(one)
                names.append(name)
    return np.stack(values, -1), names
