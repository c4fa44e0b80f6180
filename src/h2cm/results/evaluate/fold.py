"""The metrics of one fold of one experiment, as rows of the tidy table.

What is compared, and how:

- Only months that both sides have, in the years of the constraint and of the experiment, count on either side; the
  mean seasonal cycle and the anomaly are made of these months.
- ``area_weighted_mean`` is one series: in each month the mean over the cells that have both values then, weighted by
  area (towers weigh the same).
- A single cell or tower is a scope of its own. Training cells of a grid are left out: how well they are fitted one by
  one says nothing about skill, and they are nine tenths of the table.
- ``spatial_pattern``, time scale ``mean``: the cells' means over time against each other, weighted by area. Ratios
  and, for the truth, static parameters appear here only.
- Storages without an absolute level in the observations (``centred`` in the vocabulary) are centred on both sides, each
  cell on its mean.
- A target that holds anomalies from its own mean seasonal cycle (it says so in an attribute) is compared on the time
  scale ``anomaly`` only, both sides as anomalies of each cell; it has no ``spatial_pattern``.
- What a model without equations does not give is absent for it.
- ``global``, time scale ``constant``: the learned constants of the synthetic Earth, predicted less true, in the units in
  which they are reported.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from h2cm.comparisons import COMPARISONS, TIMESCALES
from h2cm.config import Config, Years
from h2cm.models import MODELS
from h2cm.results.evaluate.metrics import METRICS, scores
from h2cm.results.evaluate.series import (
    aligned,
    anomaly,
    area_weighted_mean,
    centred,
    common,
    decompose,
    mean,
    mean_ratio,
)
from h2cm.results.run import WHOLE, Run
from h2cm.store import DataError, holds_anomalies
from h2cm.vocabulary import CONSTANTS, OUTPUTS, RATIOS, STATIC_PARAMETERS, Ratio, reported

COLUMNS = (
    "experiment",
    "fold",
    "period",
    "cells",
    "scope",
    "reference",
    "variable",
    "timescale",
    "metric",
    "value",
    "n",
)
ROLES = ("train", "validation", "test")
ALL = "all"
"""Cells of all roles together: the global mean, most of which was trained on."""


def evaluate_fold(folder: Path, config: Config, experiment: str, fold: int) -> pd.DataFrame:
    """Compare the monthly predictions of a fold with the constraints and, for the synthetic Earth, with the truth.

    Parameters
    ----------
    folder : Path
        `results/<run>`.
    config : Config
    experiment : str
    fold : int

    Returns
    -------
    DataFrame
        Columns `COLUMNS`.

    Raises
    ------
    DataError
        Where a file is missing, or predictions and targets are not on the same cells and months.
    """
    run = Run(Path(folder), config)
    cells, predicted = run.cells(), run.monthly(experiment, fold)
    area, scopes = cells["area"].values, run.scopes(cells)
    split = run.split()
    if len(split) != cells.sizes["cell"]:
        raise DataError(
            f"{folder}/split/split.csv: expected {cells.sizes['cell']} cells as in store/grid.nc, got {len(split)}"
        )
    role = split[f"fold_{fold}"].values.astype(str)
    single = np.isin(role, ROLES if "site" in cells else ROLES[1:])

    frames = []
    for period, years in {WHOLE: None, **config.evaluation.periods}.items():
        for pair in series_pairs(run, predicted, years):
            rows = [*_series_rows(pair, area, role, scopes, single)]
            if not pair.anomalies:
                rows += _pattern_rows(*time_means(pair.prediction, pair.target), area, role)
            frames += [frame.assign(period=period, reference=pair.reference, variable=pair.variable) for frame in rows]
        for reference, variable, p, o in value_pairs(run, predicted, years):
            rows = _pattern_rows(p, o, area, role)
            frames += [frame.assign(period=period, reference=reference, variable=variable) for frame in rows]
    if config.source == "twin":
        frames.append(_constant_rows(run, predicted).assign(period=WHOLE))
    table = pd.concat(frames, ignore_index=True).assign(experiment=experiment, fold=fold)
    return table[list(COLUMNS)]


@dataclass(frozen=True)
class Pair:
    """A predicted variable beside what it is compared with, on common months.

    Attributes
    ----------
    reference, variable : str
        The constraint, or ``truth``, and the predicted variable.
    prediction, target : ndarray, shape (cell, month)
        NaN where either is missing; centred, or anomalies of each cell, where the target has no level.
    calendar_month : ndarray, shape (month,)
        1 to 12.
    timescales : tuple of str
        On which they are compared.
    anomalies : bool
        Whether both are anomalies.
    """

    reference: str
    variable: str
    prediction: np.ndarray
    target: np.ndarray
    calendar_month: np.ndarray
    timescales: tuple[str, ...]
    anomalies: bool

    def decompose(self, chosen: np.ndarray, area: np.ndarray | None = None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Both sides of some cells on each time scale; with `area` their mean over these cells, one series."""
        sides = self.prediction[chosen], self.target[chosen]
        if area is not None:
            sides = tuple(area_weighted_mean(side, area[chosen]) for side in sides)
        if self.anomalies:
            return {"anomaly": sides}
        parts = decompose(*sides, self.calendar_month)
        return {timescale: parts[timescale] for timescale in self.timescales}


def pair_of(
    reference: str, variable: str, prediction: xr.DataArray, target: xr.DataArray, timescales: tuple[str, ...]
) -> Pair:
    """Prediction and target as they are compared (see the head of this module).

    Raises
    ------
    DataError
        Where they are not of the same cells and months.
    """
    p, o = common(*aligned(prediction, target, reference))
    calendar_month = target["month"].dt.month.values
    anomalies = holds_anomalies(target)
    if anomalies:
        p, o, timescales = anomaly(p, calendar_month), anomaly(o, calendar_month), ("anomaly",)
    elif OUTPUTS[variable].centred:
        p, o = centred(p), centred(o)
    return Pair(reference, variable, p, o, calendar_month, timescales, anomalies)


def without_equations(predicted: xr.Dataset) -> bool:
    """Whether predictions are of a model without process equations, which gives what it was shown and no more."""
    return not MODELS[predicted.attrs.get("model", "h2cm")].equations


def series_pairs(run: Run, predicted: xr.Dataset, years: Years | None = None) -> Iterator[Pair]:
    """All series that are compared: constraints and, of the synthetic Earth, the truth; those with some month in `years`."""
    constraints = run.config.constraints
    targets = [
        (name, row.prediction, run.target(name, years), timescales)
        for name, row in constraints.items()
        if (timescales := COMPARISONS[row.compare].timescales)
    ]
    if run.config.source == "twin":
        names = [name for name, data in predicted.data_vars.items() if data.dims == ("cell", "month")]
        truth = run.truth(names)
        if "month" in truth.dims:
            truth = truth.isel(month=run.compared(truth["month"], None, years))
        targets += [("truth", name, truth[name], TIMESCALES) for name in names if name in truth]
    for reference, variable, target, timescales in targets:
        if target.sizes["month"] == 0:
            continue
        if variable not in predicted and without_equations(predicted):
            continue
        if variable not in predicted:
            raise DataError(
                f"monthly predictions: expected {variable!r}, which {reference!r} is compared with, found none"
            )
        yield pair_of(reference, variable, predicted[variable], target, timescales)


def value_pairs(
    run: Run, predicted: xr.Dataset, years: Years | None = None
) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    """Reference, variable, prediction and target (cell,) of what has one value a cell.

    Raises
    ------
    DataError
        Where a side of a ratio that a constraint compares is not among the predictions.
    """
    for name, row in run.config.constraints.items():
        if COMPARISONS[row.compare].of_ratio:
            ratio = RATIOS[row.prediction]
            missing = [side for side in (ratio.numerator, ratio.denominator) if side not in predicted]
            if missing and without_equations(predicted):
                continue
            for side in missing:
                raise DataError(f"monthly predictions: expected {side!r} for {name!r}, found none")
            chosen = run.compared(predicted["month"], name, years)
            if not chosen.any():
                continue
            found = ratio_of_means(predicted, ratio, chosen)
            yield name, row.prediction, np.where(np.isnan(found), ratio.neutral, found), run.target(name).values
    if run.config.source != "twin":
        return
    sides = {side for ratio in RATIOS.values() for side in (ratio.numerator, ratio.denominator)}
    truth = run.truth([*sides, *STATIC_PARAMETERS])
    for ratio in RATIOS.values():
        if all({ratio.numerator, ratio.denominator} <= set(data.data_vars) for data in (predicted, truth)):
            p, o = (
                ratio_of_means(data, ratio, run.compared(data["month"], None, years)) for data in (predicted, truth)
            )
            yield "truth", ratio.name, p, o
    for name in STATIC_PARAMETERS if years is None else ():
        if name in truth and name in predicted:
            yield "truth", name, predicted[name].values, truth[name].values


def ratio_of_means(data: xr.Dataset, ratio: Ratio, chosen: np.ndarray) -> np.ndarray:
    """A ratio of mean annual values of each cell in the `chosen` months; NaN where the denominator is below its floor."""
    data = data.isel(month=chosen)
    sides = (data[side].transpose("cell", "month").values for side in (ratio.numerator, ratio.denominator))
    return mean_ratio(*sides, data["month"].dt.days_in_month.values, ratio.floor)


def time_means(p: np.ndarray, o: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over time (cell,) of a pair on common months."""
    return mean(p, -1), mean(o, -1)


def _rows(metrics: dict[str, np.ndarray], n: np.ndarray, **columns) -> pd.DataFrame:
    """Rows of the table; `metrics` and `n` have shape (k,), `columns` one value or k of them."""
    k = n.size
    wide = {name: np.tile(value, len(METRICS)) if np.ndim(value) else value for name, value in columns.items()}
    return pd.DataFrame(
        wide
        | {
            "metric": np.repeat(METRICS, k),
            "value": np.concatenate([np.reshape(metrics[name], k) for name in METRICS]),
            "n": np.tile(n.reshape(k), len(METRICS)),
        }
    )


def _largest(pair: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return tuple(np.nan_to_num(np.abs(side)).max(-1, initial=0) for side in pair)


def _series_rows(pair: Pair, area, role, scopes, single) -> Iterator[pd.DataFrame]:
    """Metrics of the area-weighted mean of each kind of cells, and of single cells."""
    for name in (*ROLES, ALL):
        chosen = np.isin(role, ROLES) if name == ALL else role == name
        if not chosen.any():
            continue
        largest = _largest(
            tuple(area_weighted_mean(side[chosen], area[chosen]) for side in (pair.prediction, pair.target))
        )
        for timescale, (a, b) in pair.decompose(chosen, area).items():
            metrics, n = scores(a, b, magnitude=largest)
            yield _rows(metrics, n, cells=name, scope="area_weighted_mean", timescale=timescale)
    largest = _largest((pair.prediction[single], pair.target[single]))
    for timescale, (a, b) in pair.decompose(single).items():
        metrics, n = scores(a, b, magnitude=largest)
        yield _rows(metrics, n, cells=role[single], scope=scopes[single], timescale=timescale)


def _pattern_rows(p, o, area, role) -> Iterator[pd.DataFrame]:
    """Metrics across the cells of each kind, weighted by area."""
    for name in ROLES:
        chosen = role == name
        if chosen.any():
            metrics, n = scores(p[chosen], o[chosen], weights=area[chosen])
            yield _rows(metrics, n, cells=name, scope="spatial_pattern", timescale="mean")


def _constant_rows(run: Run, predicted: xr.Dataset) -> pd.DataFrame:
    true = run.true_constants()
    if without_equations(predicted):
        return pd.DataFrame()
    learned = reported({name: float(predicted[name]) for name in CONSTANTS})
    return pd.DataFrame(
        {
            "cells": "all",
            "scope": "global",
            "reference": "truth",
            "variable": name,
            "timescale": "constant",
            "metric": "bias",
            "value": learned[name] - value,
            "n": 1,
        }
        for name, value in true.items()
    )
