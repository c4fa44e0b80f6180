"""Skill of H2CM, its competitors and the products they are compared with, side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from h2cm.comparisons import TIMESCALES
from h2cm.config import Config
from h2cm.results.evaluate.metrics import scores
from h2cm.results.figures.drawing import read
from h2cm.results.figures.style import TIMESCALE_NAMES, constraint_name, look
from h2cm.results.run import Run, series_constraints
from h2cm.results.tables.performance_carbon import spread
from h2cm.vocabulary import SHARE, find

METRICS = {"nse": "NSE", "r": "r", "rmse": "RMSE", "bias": "Bias"}


def make(folder: Path, config: Config) -> pd.DataFrame:
    """Rows: constraint, time scale, metric; a column for each model or product: median [minimum, maximum] of its members.

    Of the area-weighted mean over the test cells. A product is not compared with a constraint that is made of it.
    """
    found = read(Run(folder, config), "series")
    rows = []
    for name in series_constraints(config):
        for timescale in TIMESCALES:
            series = f"{name}_{timescale}"
            metrics = {
                who: scores(data[series].values, data[f"{series}_target"].values)[0]
                for who, data in found.items()
                if series in data
            }
            for metric, title in METRICS.items() if metrics else ():
                unit = find(name).units.replace("g ", "gC ", 1)
                with_unit = metric in ("rmse", "bias") and unit != SHARE
                row = {
                    "constraint": constraint_name(name, config.source),
                    "time scale": TIMESCALE_NAMES[timescale],
                    "metric": f"{title} ({unit})" if with_unit else title,
                }
                for who in found:
                    row[look(who, config).name] = _spread(metrics[who][metric]) if who in metrics else ""
                rows.append(row)
    return pd.DataFrame(rows)


def _spread(values: np.ndarray) -> str:
    values = values[np.isfinite(values)]
    return (
        spread(np.median(values), values.min(), values.max(), ".3g" if np.abs(values).max() >= 10 else ".2f")
        if values.size
        else ""
    )
