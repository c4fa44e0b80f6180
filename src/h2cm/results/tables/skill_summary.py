"""Skill for monthly fluxes over the left-out towers."""

from pathlib import Path

import pandas as pd

from h2cm.config import Config
from h2cm.results.run import Run
from h2cm.results.tables.skill_per_tower import METRICS, tower_skill

ALL = "validation and test"
QUANTILES = {"median": 0.5, "lower_quartile": 0.25, "upper_quartile": 0.75}


def make(folder: Path, config: Config) -> pd.DataFrame:
    """One row an experiment, kind of left-out towers and flux: number of towers, median and quartiles of each metric."""
    skill = tower_skill(Run(folder, config)).dropna(subset="value")
    skill = pd.concat([skill.assign(cells=ALL), skill])
    key = ["experiment", "cells", "flux"]
    grouped = skill.groupby([*key, "metric"])["value"]
    columns = {"towers": skill.groupby(key)["site"].nunique()}
    for metric in METRICS:
        for name, share in QUANTILES.items():
            columns[f"{metric}_{name}"] = grouped.quantile(share).xs(metric, level="metric")
    return pd.DataFrame(columns).reset_index()
