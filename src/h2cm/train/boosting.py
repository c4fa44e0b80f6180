"""Training of the regression trees (`h2cm.model.boosting`): the same cells, months and weights as in the loss.

Each output is learned from the targets as the store has them, month by month, also where H2CM is only shown their mean
seasonal cycle: the trees are told more, not less. Every cell weighs the same, however many of its months are observed,
as in the loss. The size of the trees and their number are chosen by the validation cells.
"""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from h2cm.comparisons import COMPARISONS, departure_from_mean
from h2cm.config import Config
from h2cm.model.boosting import predictors
from h2cm.models import constraints_of, learned
from h2cm.train.data import Data, own_spread

LEAVES = (8, 32)
"""Largest numbers of leaves of a tree that are tried."""

LEARNING_RATE = 0.2

ITERATIONS, PATIENCE, TOLERANCE = 300, 10, 1e-4
"""Trees at most, and how many of them may lower the validation loss by less than this share of the target's variance."""


def sources(config: Config, experiment: str) -> dict[str, str]:
    """The constraint that each output is learned from: the one whose comparison says most (`COMPARISONS`)."""
    rank = list(COMPARISONS)
    rows = sorted(constraints_of(config, experiment).items(), key=lambda row: rank.index(row[1].compare))
    return {output: next(name for name, c in rows if c.prediction == output) for output in learned(config, experiment)}


def samples(
    of_month: np.ndarray, of_cell: np.ndarray, target: np.ndarray, centred: bool, spread: np.ndarray | float = 1.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predictors, targets and weights of all observed values of some cells; the weights of a cell sum to 1 over `spread` squared."""
    observed = np.isfinite(target)
    if target.ndim == 1:
        return of_cell[observed], target[observed], np.ones(observed.sum())
    count = observed.sum(1)
    if centred:
        target = target - (np.nansum(target, 1) / np.maximum(count, 1))[:, None]
    weight = np.broadcast_to((1 / (np.maximum(count, 1) * spread**2))[:, None], target.shape)
    return of_month[observed], target[observed], weight[observed]


def variance(y: np.ndarray, weight: np.ndarray) -> float:
    """Weighted variance."""
    return float(np.average((y - np.average(y, weights=weight)) ** 2, weights=weight))


def fit(train: tuple, validation: tuple, seed: int) -> HistGradientBoostingRegressor:
    """The regressor with the least loss of the validation cells among `LEAVES`, stopped by them."""
    x, y, weight = train
    best = None
    for leaves in LEAVES:
        regressor = HistGradientBoostingRegressor(
            max_leaf_nodes=leaves,
            learning_rate=LEARNING_RATE,
            max_iter=ITERATIONS,
            early_stopping=True,
            n_iter_no_change=PATIENCE,
            tol=TOLERANCE * variance(y, weight),
            random_state=seed,
        )
        regressor.fit(x, y, weight, X_val=validation[0], y_val=validation[1], sample_weight_val=validation[2])
        if best is None or regressor.validation_score_[-1] > best.validation_score_[-1]:
            best = regressor
    return best


def fit_fold(
    data: Data, cells: tuple[np.ndarray, np.ndarray], config: Config, experiment: str, fold: int
) -> tuple[dict[str, HistGradientBoostingRegressor], list[dict]]:
    """Train one fold.

    Parameters
    ----------
    data : Data
    cells : tuple of ndarray
        Training and validation cells.

    Returns
    -------
    dict
        A regressor for each output.
    list of dict
        The losses in the layout of any other model; an epoch is a tree of each output. A constraint's loss is the mean
        of squared differences in units of the standard deviation of what the trees are shown in the training cells.
    """
    seed = int(np.random.SeedSequence([config.seed, fold]).generate_state(1)[0])
    used = [predictors(*(a.numpy() for a in (data.forcing[c], data.static[c], data.months, data.days))) for c in cells]
    regressors, curves = {}, {"train": {}, "validation": {}}
    for output, constraint in sources(config, experiment).items():
        centred = COMPARISONS[config.constraints[constraint].compare].compared is departure_from_mean
        chosen = [data.targets[constraint][c].numpy().astype(np.float64) for c in cells]
        spreads = [1.0, 1.0]
        if config.constraints[constraint].scale == "cell":
            spread = own_spread(data, constraint, float(np.nanstd(chosen[0]))).double().numpy()
            spreads = [spread[c] / np.sqrt(np.mean(spread[cells[0]] ** 2)) for c in cells]
        train, validation = (samples(*p, t, centred, s) for p, t, s in zip(used, chosen, spreads, strict=True))
        regressors[output] = fit(train, validation, seed)
        scale = -2 / variance(*train[1:])  # the score is minus half of the mean square
        curves["train"][constraint] = regressors[output].train_score_[1:] * scale
        curves["validation"][constraint] = regressors[output].validation_score_[1:] * scale
    history = []
    for kind, of_constraints in curves.items():
        length = max(map(len, of_constraints.values()))
        filled = {k: np.r_[v, np.full(length - len(v), v[-1])] for k, v in of_constraints.items()}
        filled["total"] = sum(config.constraints[k].weight * v for k, v in filled.items())
        history += [
            {"epoch": epoch, "cells": kind, "constraint": name, "loss": float(loss)}
            for name, losses in filled.items()
            for epoch, loss in enumerate(losses, 1)
        ]
    return regressors, history
