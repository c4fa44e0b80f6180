"""Skill for monthly fluxes at each tower, by models that did not see it in training."""

from pathlib import Path

import pandas as pd

from h2cm.config import Config
from h2cm.results.evaluate.aggregate import left_out
from h2cm.results.run import Run, shown

METRICS = ("nse", "r", "rmse", "bias")


def tower_skill(run: Run) -> pd.DataFrame:
    """Metrics of monthly fluxes at left-out towers, tidy: experiment, cells, folds, site, flux, metric, value, n."""
    fluxes = {name: flux for flux, name in shown(run.config, fluxes=True).items()}
    metrics = run.metrics()
    chosen = metrics["reference"].isin(fluxes) & (metrics["timescale"] == "monthly") & metrics["metric"].isin(METRICS)
    table = left_out(metrics[chosen], run.scopes(run.cells()))
    table["flux"] = table["reference"].map(fluxes)
    table = table.rename(columns={"scope": "site", "fold": "folds"})
    return table[["experiment", "cells", "folds", "site", "flux", "metric", "value", "n"]]


def make(folder: Path, config: Config) -> pd.DataFrame:
    """One row a tower and experiment: site, igbp, lat, lon, role, the folds that judge it, and each metric of each flux.

    Towers of the test set are judged by all folds; their metrics are medians. ``<flux>_n`` is the number of months.
    """
    run = Run(folder, config)
    skill = tower_skill(run)
    key = ["experiment", "site", "cells", "folds"]
    wide = skill.pivot_table(index=key, columns=["flux", "metric"], values="value", dropna=False, observed=True)
    months = skill.pivot_table(index=key, columns="flux", values="n", aggfunc="max")
    table = pd.DataFrame(index=months.index)
    for flux in (f for f in shown(config, fluxes=True) if f in months):
        for metric in METRICS:
            table[f"{flux}_{metric}"] = wide[flux, metric]
        table[f"{flux}_n"] = months[flux].astype("Int64")
    cells = run.cells()
    sites = pd.DataFrame({name: cells[name].values for name in ("igbp", "lat", "lon")}, index=run.scopes(cells))
    table = table.reset_index().join(sites, on="site")
    first = ["experiment", "site", "igbp", "lat", "lon", "cells", "folds"]
    table = table[first + [column for column in table if column not in first]]
    return table.sort_values(["experiment", "site"], ignore_index=True)
