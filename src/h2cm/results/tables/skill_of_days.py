"""Skill for daily fluxes at towers where days were measured, by models that did not see the tower in training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from h2cm.config import Config
from h2cm.results.evaluate.days import answers, changes, rains, skill
from h2cm.results.paths import folds, main_experiment
from h2cm.results.run import DAILY_FLUXES, Run
from h2cm.results.summaries.registry import daily_models

MEDIAN = "median"
"""In the place of a tower's name."""


def make(folder: Path, config: Config) -> pd.DataFrame:
    """One row an experiment, tower and flux, and one for the median of the towers.

    Columns: experiment, site, igbp, cells (validation or test), flux, what `h2cm.results.evaluate.days.skill` gives, and
    ``rains``, ``rain_change_measured``, ``rain_change_predicted``: their number and the mean change of the flux with them.
    """
    run = Run(folder, config)
    cells, role = run.cells(), run.split()[f"fold_{folds(config, main_experiment(config))[0]}"]
    sites, igbp = cells["site"].values.astype(str), cells["igbp"].values.astype(str)
    rows = []
    for experiment in daily_models(config):
        data = run.summary("tower_days", experiment)
        time = data["time"].values
        for k, cell in enumerate(data["cell"].values.astype(int)):
            days = rains(data["precipitation"].values[k], data["air_temperature"].values[k])
            kind = "test" if role[cell] == "test" else "validation"
            for flux in (flux for flux in DAILY_FLUXES if flux in data):
                pair = data[flux].values[k], data[f"{flux}_measured"].values[k]
                found = skill(*pair, data[f"{flux}_uncertainty"].values[k], time)
                if not found["days"]:
                    continue
                predicted, measured = (changes(side) for side in answers(*pair, time, days))
                change = {"rains": measured.size}
                for name, values in (("measured", measured), ("predicted", predicted)):
                    change[f"rain_change_{name}"] = float(np.mean(values)) if values.size else np.nan
                first = {"experiment": experiment, "site": sites[cell], "igbp": igbp[cell], "cells": kind, "flux": flux}
                rows.append(first | found | change)
    table = pd.DataFrame(rows)
    numbers = [name for name in table if table[name].dtype.kind in "fi"]
    medians = table.groupby(["experiment", "flux"], sort=False)[numbers].median().reset_index()
    medians = medians.assign(site=MEDIAN, igbp="", cells="validation and test")
    return pd.concat([table, medians], ignore_index=True)[list(table)]
