"""Metrics over space, with their spread over the folds (as Table C1 of the paper)."""

from pathlib import Path

import pandas as pd

from h2cm.config import Config
from h2cm.results.evaluate.aggregate import over_folds
from h2cm.results.run import Run

SCOPES = ("area_weighted_mean", "spatial_pattern")


def make(folder: Path, config: Config) -> pd.DataFrame:
    """One row an experiment, period, kind of cells, scope, reference, time scale and metric, with mean, median, minimum, maximum."""
    metrics = Run(folder, config).metrics(period=None)
    return over_folds(metrics[metrics["scope"].isin(SCOPES)])
