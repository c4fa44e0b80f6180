"""Where the model is asked about places unlike those it has learned from: the area of applicability.

Meyer and Pebesma (2021, doi:10.1111/2041-210X.13650). Attributes and climate are standardised over the cells that are
trained on, and weigh the same: without importances, which a model that sees them through networks and equations does not have.
The dissimilarity of a cell is its distance to the nearest cell trained on, over the mean distance between all pairs of these. For
a cell that is trained on itself, cells of its own fold do not count, as it is validated with models that have not
seen them. The threshold is the largest dissimilarity of the cells trained on that is no outlier, at most the upper quartile and
1.5 times the range between the quartiles.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.spatial.distance import cdist

ROWS = 512
"""Cells whose distances are computed at once: bounds the memory."""


def standardised(predictors: np.ndarray, trained: np.ndarray) -> np.ndarray:
    """Predictors (cell, predictor) less their mean over the cells trained on, over their standard deviation; one that does
    not vary there is left out."""
    known = np.asarray(predictors, "f8")[trained]
    std = known.std(0)
    varies = std > 1e-9 * np.maximum(np.abs(known).max(0), 1e-30)
    return (predictors[:, varies] - known.mean(0)[varies]) / std[varies]


def _distances(z: np.ndarray, trained: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    for start in range(0, len(z), ROWS):
        rows = slice(start, min(start + ROWS, len(z)))
        yield rows, cdist(z[rows], z[trained])


def dissimilarity(predictors: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """The dissimilarity index of each cell, (cell,).

    Parameters
    ----------
    predictors : ndarray, shape (cell, predictor)
    fold : ndarray of int, shape (cell,)
        The fold that validates the cell; -1 for cells of the test set, which nothing is trained on.

    Raises
    ------
    ValueError
        If there are not two folds with cells.
    """
    trained = fold >= 0
    if np.unique(fold[trained]).size < 2:
        raise ValueError("expected cells of at least two folds")
    z = standardised(predictors, trained)
    nearest, total = np.empty(len(z)), 0.0
    for rows, distance in _distances(z, trained):
        total += distance[trained[rows]].sum()
        own = fold[rows, None] == fold[None, trained]
        nearest[rows] = np.where(own, np.inf, distance).min(1)
    number = int(trained.sum())
    return nearest / (total / (number * (number - 1)))


def threshold(index: np.ndarray, fold: np.ndarray) -> float:
    """The largest dissimilarity of the cells trained on that is no outlier."""
    known = index[fold >= 0]
    low, high = np.percentile(known, [25, 75])
    return float(known[known <= high + 1.5 * (high - low)].max())
