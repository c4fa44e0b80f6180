"""The competitor of regression trees: months, one by one, from the weather of the season and the place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import skops.io
import torch
from sklearn.ensemble import HistGradientBoostingRegressor

from h2cm.model.process import FORCING
from h2cm.models import complete, with_definitions
from h2cm.vocabulary import RATIOS

LAGS = (0, 1, 2)
"""Months before, of which the forcing is seen."""

TRUSTED = ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]
"""What may be in the bytes of trees beside what skops trusts anyway."""


def monthly_means(daily: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Means over the months, (cell, month, ...), of daily values (cell, day, ...); `days` is each day's month."""
    starts = np.flatnonzero(np.r_[True, days[1:] != days[:-1]])
    sums = np.add.reduceat(daily, starts, axis=1, dtype=np.float64)
    return sums / np.bincount(days).reshape(1, -1, *[1] * (daily.ndim - 2))


def predictors(forcing: np.ndarray, static: np.ndarray, months: np.ndarray, days: np.ndarray) -> tuple:
    """What the trees see of each month and of each cell.

    Parameters
    ----------
    forcing : ndarray, shape (cell, day, 5)
        In the order of `FORCING`.
    static : ndarray, shape (cell, attribute)
    months : ndarray, shape (month, 2)
        Calendar year and month (1-12).
    days : ndarray, shape (day,)
        Index into `months` of each day.

    Returns
    -------
    ndarray, shape (cell, month, predictor)
        Mean forcing of the month and of the two before it (NaN before the record), its mean seasonal cycle in this
        calendar month, then the columns of the second array.
    ndarray, shape (cell, predictor)
        Mean forcing and range of its mean seasonal cycle over the whole record, then the static attributes.
    """
    monthly = monthly_means(forcing, days)
    calendar = months[:, 1] - 1
    present = np.unique(calendar)
    cycle = np.full((len(monthly), 12, len(FORCING)), np.nan)
    for month in present:
        cycle[:, month] = monthly[:, calendar == month].mean(1)
    of_cell = np.concatenate([np.nanmean(cycle, 1), np.nanmax(cycle, 1) - np.nanmin(cycle, 1), static], -1)
    lagged = []
    for lag in LAGS:
        shifted = np.full_like(monthly, np.nan)
        shifted[:, lag:] = monthly[:, : monthly.shape[1] - lag]
        lagged.append(shifted)
    spread = np.broadcast_to(of_cell[:, None], (*monthly.shape[:2], of_cell.shape[1]))
    of_month = np.concatenate([*lagged, cycle[:, calendar], spread], -1)
    return of_month.astype(np.float32), of_cell.astype(np.float32)


class Boosting:
    """Trained trees: one regressor for each output that was learned.

    Parameters
    ----------
    regressors : dict of HistGradientBoostingRegressor
        By output. That of a ratio (``cue``) gives one value a cell, all others one a cell and month.
    features : sequence of str
        Names of the static attributes, in order.
    metadata : dict, optional
        Of the file of weights that it comes from.
    """

    kind = "gradient_boosting"
    static_outputs: tuple[str, ...] = ()

    def __init__(
        self,
        regressors: Mapping[str, HistGradientBoostingRegressor],
        features: Sequence[str],
        metadata: dict | None = None,
    ):
        self.regressors, self.features, self.metadata = dict(regressors), tuple(features), metadata or {}
        self.n_static = len(self.features)
        self.outputs = with_definitions(self.regressors)

    def constants(self) -> dict:
        """None."""
        return {}

    def monthly(self, forcing: np.ndarray, static: np.ndarray, months: np.ndarray, days: np.ndarray) -> dict:
        """All outputs, each (cell, month), from what `predictors` takes."""
        of_month, of_cell = predictors(forcing, static, months, days)
        flat = of_month.reshape(-1, of_month.shape[-1])
        series = {}
        for name, regressor in self.regressors.items():
            if name in RATIOS:
                series[name] = np.repeat(regressor.predict(of_cell)[:, None], len(months), 1)
            else:
                series[name] = regressor.predict(flat).reshape(of_month.shape[:2])
        return complete(series)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The trees as one tensor of bytes, in the format of skops, for a file of weights."""
        trees = skops.io.dumps(self.regressors)
        return {"trees": torch.frombuffer(bytearray(trees), dtype=torch.uint8)}

    @classmethod
    def from_state(cls, tensors: Mapping[str, torch.Tensor], features: Sequence[str], metadata: dict) -> Boosting:
        """Trained trees from what `state_dict` gave. Nothing in it is run.

        Raises
        ------
        RuntimeError
            If it holds anything else.
        """
        try:
            trees = skops.io.loads(tensors["trees"].numpy().tobytes(), trusted=TRUSTED)
            if not all(isinstance(regressor, HistGradientBoostingRegressor) for regressor in trees.values()):
                raise TypeError("not all of it are trees")
        except Exception as error:  # skops and zipfile raise many kinds
            raise RuntimeError(f"expected regression trees: {error}") from None
        return cls(trees, features, metadata)
