"""What figures and tables make of the metrics: spread over folds, and the skill at left-out cells."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from h2cm.results.evaluate.fold import COLUMNS

KEY = [column for column in COLUMNS if column not in ("fold", "value", "n")]


def over_folds(metrics: pd.DataFrame) -> pd.DataFrame:
    """Mean, median, minimum, maximum and number of folds of each metric; undefined values do not count.

    Returns
    -------
    DataFrame
        Columns of the table of metrics without fold, value and n; ``mean``, ``median``, ``minimum``, ``maximum``, ``folds``.
    """
    grouped = metrics.groupby(KEY, sort=False)["value"]
    table = grouped.agg(mean="mean", median="median", minimum="min", maximum="max", folds="count")
    return table.reset_index()


SCOPES = ("area_weighted_mean", "spatial_pattern", "global")


def over_space(pieces: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """`over_folds` of the metrics over space and of the constants, not of single cells, from pieces of the table."""
    return over_folds(pd.concat([piece[piece["scope"].isin(SCOPES)] for piece in pieces], ignore_index=True))


def left_out(metrics: pd.DataFrame, scopes: np.ndarray) -> pd.DataFrame:
    """Metrics of single cells by models that did not see them in training.

    A cell of the fixed test set has one value from every fold, of which the median counts; any other cell is judged by
    the fold that it validates. Validation cells chose the epoch whose weights are used, test cells had no say in anything:
    the column ``cells`` tells them apart.

    Parameters
    ----------
    metrics : DataFrame
        The table of metrics.
    scopes : ndarray of str
        Names of the cells wanted.

    Returns
    -------
    DataFrame
        Columns of the table of metrics; ``fold`` holds the folds used, separated by blanks.
    """
    chosen = metrics[metrics["scope"].isin(scopes) & metrics["cells"].isin(["validation", "test"])]
    grouped = chosen.groupby(KEY, sort=False)
    table = grouped.agg(
        fold=("fold", lambda f: " ".join(map(str, sorted(f)))), value=("value", "median"), n=("n", "max")
    )
    return table.reset_index()[list(COLUMNS)]


def left_out_members(split: pd.DataFrame, cell: int, numbers: tuple[int, ...]) -> list[int]:
    """Positions in `numbers` of the folds that did not train on a tower: all for a test tower, else the one it validates."""
    return [i for i, fold in enumerate(numbers) if split.loc[cell, f"fold_{fold}"] in ("validation", "test")]
