"""Monthly fluxes at towers, observed and predicted."""

from __future__ import annotations

import xarray as xr

from h2cm.results.evaluate.fold import aligned
from h2cm.results.run import Run, shown
from h2cm.results.summaries.members import members, stacked
from h2cm.vocabulary import find


def make(run: Run, experiment: str) -> xr.Dataset:
    """``<flux>`` (member, cell, month) and ``<flux>_target`` (cell, month) of each flux that a constraint compares.

    Months are those of the whole run; those in which a flux is not compared are missing.
    """
    names = shown(run.config, fluxes=True)
    targets = {flux: run.target(name) for flux, name in names.items()}

    def array(values, flux: str) -> xr.DataArray:
        months = targets[flux]["month"].values
        return xr.DataArray(values, {"month": months}, ("cell", "month"), flux, {"units": find(flux).units})

    found = []
    for member, data in members(run, experiment, names):
        parts = [array(aligned(data[flux], target, flux)[0], flux) for flux, target in targets.items() if flux in data]
        found.append((member, xr.merge(parts, join="outer")))
    observed = [
        array(t.transpose("cell", "month").values, flux).rename(f"{flux}_target") for flux, t in targets.items()
    ]
    return xr.merge([stacked(found), *observed], join="outer")
