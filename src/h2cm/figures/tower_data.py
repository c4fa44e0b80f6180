"""What the tower figures share: fluxes, colours of land cover, predictions by models that did not see the tower."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from h2cm.evaluate.fold import aligned
from h2cm.evaluate.run import Run, constraint_of, folds, main_experiment
from h2cm.evaluate.series import common

FLUXES = ("gpp", "nee", "et")

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


def left_out_members(split: pd.DataFrame, cell: int, numbers: tuple[int, ...]) -> list[int]:
    """Positions in `numbers` of the folds that did not train on a tower: all for a test tower, else the one it validates."""
    return [i for i, fold in enumerate(numbers) if split.loc[cell, f"fold_{fold}"] in ("validation", "test")]


class LeftOut:
    """Monthly fluxes at towers, observed and predicted by the folds that did not see the tower in training.

    Parameters
    ----------
    run : Run
        Its first experiment counts.
    fluxes : iterable of str
        Predicted variables; those without a constraint are left out.
    """

    def __init__(self, run: Run, fluxes=FLUXES):
        experiment = main_experiment(run.config)
        self.cells, self.split, self.numbers = run.cells(), run.split(), folds(run.config, experiment)
        self.sites, self.igbp = self.cells["site"].values.astype(str), self.cells["igbp"].values.astype(str)
        names = {flux: constraint_of(run.config, flux) for flux in fluxes}
        self.targets: dict[str, xr.DataArray] = {f: run.target(name, experiment) for f, name in names.items() if name}
        self._predicted = run.ensemble(experiment, self.targets)

    def months(self, flux: str) -> xr.DataArray:
        """The months in which a flux is compared."""
        return self.targets[flux]["month"]

    def pair(self, flux: str, cell: int, observed_only: bool) -> tuple[np.ndarray, np.ndarray]:
        """Predictions (member, month) and observation (month,) at a tower; `observed_only`: both on common months."""
        members = left_out_members(self.split, cell, self.numbers)
        pairs = [aligned(self._predicted[flux].isel(fold=i), self.targets[flux], flux) for i in members]
        pairs = [(p[cell], o[cell]) for p, o in pairs]
        if observed_only:
            pairs = [common(p, o) for p, o in pairs]
        o = pairs[0][1] if pairs else self.targets[flux].isel(cell=cell).values
        return np.array([p for p, _ in pairs]), o

    def observed_months(self, cell: int) -> int:
        """Number of observed months of the flux that has fewest."""
        return min(int(np.isfinite(target.isel(cell=cell)).sum()) for target in self.targets.values())
