"""What the tower figures share: fluxes, colours of land cover, predictions by models that did not see the tower."""

from __future__ import annotations

import numpy as np
import xarray as xr

from h2cm.results.evaluate.aggregate import left_out_members
from h2cm.results.paths import folds, main_experiment
from h2cm.results.run import Run, shown
from h2cm.vocabulary import GROUPS

LAND_COVER = {
    "ENF": ("evergreen needleleaf forest", "#004D40"),
    "EBF": ("evergreen broadleaf forest", "#009E73"),
    "DBF": ("deciduous broadleaf forest", "#E69F00"),
    "DNF": ("deciduous needleleaf forest", "#8C6D00"),
    "MF": ("mixed forest", "#7A9A01"),
    "CSH": ("closed shrubland", "#CC79A7"),
    "OSH": ("open shrubland", "#A0527D"),
    "WSA": ("woody savanna", "#D55E00"),
    "SAV": ("savanna", "#B22222"),
    "GRA": ("grassland", "#9BD770"),
    "CRO": ("cropland", "#F0E442"),
    "WET": ("wetland", "#56B4E9"),
    "SNO": ("snow and ice", "#C9D6E3"),
    "BSV": ("barren", "#8C8C8C"),
}
"""IGBP classes: name and colour, in the order in which they are shown."""


def classes(igbp: np.ndarray) -> list[str]:
    """The classes that occur, in the order of `LAND_COVER`, others last."""
    rank = list(LAND_COVER)
    return sorted(np.unique(igbp), key=lambda c: (rank.index(c) if c in rank else len(rank), c))


class LeftOut:
    """Monthly fluxes at towers, observed and predicted by the folds that did not see the tower in training.

    Parameters
    ----------
    run : Run
        Its first experiment counts.
    groups : iterable of str
        Of the vocabulary: the fluxes that are shown, as far as a constraint compares them.
    """

    def __init__(self, run: Run, groups=GROUPS):
        experiment = main_experiment(run.config)
        self.cells, self.split, self.numbers = run.cells(), run.split(), folds(run.config, experiment)
        self.sites, self.igbp = self.cells["site"].values.astype(str), self.cells["igbp"].values.astype(str)
        names = shown(run.config, groups, fluxes=True)
        data = run.summary("towers", experiment)
        self.targets = {
            flux: data[f"{flux}_target"].isel(month=run.compared(data["month"], names[flux])) for flux in names
        }
        self._predicted = {flux: data[flux].sel(month=target["month"]).values for flux, target in self.targets.items()}
        self._observed = {flux: target.values for flux, target in self.targets.items()}

    def months(self, flux: str):
        """The months in which a flux is compared."""
        return self.targets[flux]["month"]

    def pair(self, flux: str, cell: int, observed_only: bool) -> tuple[np.ndarray, np.ndarray]:
        """Predictions (member, month) and observation (month,) at a tower; `observed_only`: in the observed months."""
        predicted = self._predicted[flux][left_out_members(self.split, cell, self.numbers), cell]
        observed = self._observed[flux][cell]
        if observed_only:
            predicted = np.where(np.isfinite(observed), predicted, np.nan)
        return predicted, observed

    def as_drawn(self) -> xr.Dataset:
        """What figures show: ``<flux>_observed`` (cell, month) and the predictions of the folds ``<flux>`` (fold, cell, month)."""
        parts = {}
        for flux, target in self.targets.items():
            coords = {"month": target["month"].values}
            parts[f"{flux}_observed"] = xr.DataArray(
                self._observed[flux], coords, ("cell", "month"), attrs=target.attrs
            )
            parts[flux] = xr.DataArray(self._predicted[flux], coords, ("fold", "cell", "month"), attrs=target.attrs)
        data = xr.merge([array.rename(name) for name, array in parts.items()], join="outer")
        return data.assign_coords(site=("cell", self.sites), igbp=("cell", self.igbp), fold=list(self.numbers))

    def observed_months(self, cell: int) -> int:
        """Number of observed months of the flux that has fewest."""
        return min(int(np.isfinite(observed[cell]).sum()) for observed in self._observed.values())
