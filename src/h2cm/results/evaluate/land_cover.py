"""The land cover of cells and towers, as groups that errors are taken of."""

from __future__ import annotations

import numpy as np
import xarray as xr

from h2cm.results.evaluate.intervals import POOLED
from h2cm.results.run import Run
from h2cm.sources import catalogue

PRODUCT = "globeland30"


def classes_of(run: Run, cells: xr.Dataset) -> tuple[np.ndarray, list[str]]:
    """The number of the land cover of each cell, (cell,), and the names of all.

    Of towers the IGBP class; of a grid the class that covers most of the cell; all the same where the static attributes do not
    hold the classes by name.
    """
    if "igbp" in cells:
        names, number = np.unique(cells["igbp"].values.astype(str), return_inverse=True)
        return number, [str(name) for name in names]
    static = run.stored("static")
    known = [name for name in catalogue.product(PRODUCT).holds if name in static["feature"].values.astype(str)]
    if not known:
        return np.zeros(cells.sizes["cell"], int), [POOLED]
    share = static.assign_coords(feature=static["feature"].values.astype(str)).sel(feature=known)
    return share.transpose("cell", "feature").values.argmax(1), known
