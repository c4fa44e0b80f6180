"""The region of each cell."""

from __future__ import annotations

import numpy as np
import xarray as xr

from h2cm.results.run import Run

NAMES = {
    1: "North American boreal",
    2: "North American temperate",
    3: "South American tropical",
    4: "South American temperate",
    5: "Northern Africa",
    6: "Southern Africa",
    7: "Eurasian boreal",
    8: "Eurasian temperate",
    9: "Tropical Asia",
    10: "Australia",
    11: "Europe",
}
"""The land regions of TransCom-3 (Baker et al., 2006, doi:10.1029/2004GB002439); 0 is in none of them."""


def make(run: Run, experiment: str) -> xr.Dataset:
    """``region`` (cell), a key of `NAMES` or 0; the attribute ``source`` says which map it is from."""
    cells = run.cells()
    data = run.regions()
    if data is None:
        from h2cm.sources.twin.regions import region_map
        from h2cm.space.grid import Grid

        grid = Grid(2.5)
        found = region_map(grid.resolution)["region"]
        picked = found.sel(lat=cells["lat"], lon=cells["lon"], method="nearest").values
        numbers = np.where(picked > max(NAMES), 0, picked)
        source = "regions of TransCom-3 with straightened borders"
    else:
        numbers, source = data["region"].values, data.attrs["source"]
    attrs = {"long_name": "number of the TransCom-3 land region, 0 for none", "units": "1"}
    return xr.Dataset({"region": ("cell", numbers, attrs)}, attrs={"source": source})
