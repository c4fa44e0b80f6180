"""The metrics of one fold of one experiment, as rows of the tidy table.

What is compared, and how:

- Only months that both sides have, in the years of the constraint and of the experiment, count on either side; the
  mean seasonal cycle and the anomaly are made of these months.
- ``area_weighted_mean`` is one series: in each month the mean over the cells that have both values then, weighted by
  area (towers weigh the same).
- A single cell or tower is a scope of its own. Training cells of a grid are left out: how well they are fitted one by
  one says nothing about skill, and they are nine tenths of the table.
- ``spatial_pattern``, time scale ``mean``: the cells' means over time against each other, weighted by area. Ratios
  (carbon-use efficiency) and, for the truth, static parameters appear here only.
- Storages without an absolute level in the observations (`CENTRED`) are centred on both sides, each cell on its mean.
- ``global``, time scale ``constant``: the learned constants of the synthetic Earth, predicted less true (beta_co2 in
  % per 100 ppm).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from h2cm.config import Config
from h2cm.results.evaluate.metrics import METRICS, scores
from h2cm.results.evaluate.series import area_weighted_mean, centred, common, decompose, mean, mean_ratio
from h2cm.results.run import CONSTANTS, Run, reported
from h2cm.store import DataError

COLUMNS = ("experiment", "fold", "cells", "scope", "reference", "variable", "timescale", "metric", "value", "n")
CENTRED = ("tws", "soil_moisture", "groundwater")
ROLES = ("train", "validation", "test")


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
    for reference, variable, p, o, calendar_month in series_pairs(run, predicted, experiment):
        frames += [
            frame.assign(reference=reference, variable=variable)
            for frame in _series_rows(p, o, calendar_month, area, role, scopes, single)
        ]
        frames += [
            frame.assign(reference=reference, variable=variable)
            for frame in _pattern_rows(*time_means(p, o), area, role)
        ]
    for reference, variable, p, o in value_pairs(run, predicted, experiment):
        frames += [frame.assign(reference=reference, variable=variable) for frame in _pattern_rows(p, o, area, role)]
    if config.source == "twin":
        frames.append(_constant_rows(run, predicted))
    table = pd.concat(frames, ignore_index=True).assign(experiment=experiment, fold=fold)
    return table[list(COLUMNS)]


def series_pairs(
    run: Run, predicted: xr.Dataset, experiment: str
) -> Iterator[tuple[str, str, np.ndarray, np.ndarray, np.ndarray]]:
    """Reference, variable, prediction and target (cell, month) on common months, and the months' numbers 1 to 12."""
    targets = [
        (name, row.prediction, run.target(name, experiment))
        for name, row in run.config.constraints.items()
        if row.compare != "mean_ratio"
    ]
    if run.config.source == "twin":
        names = [name for name, data in predicted.data_vars.items() if data.dims == ("cell", "month")]
        truth = run.truth(names)
        if "month" in truth.dims:
            truth = truth.isel(month=run.evaluated(truth["month"], None, experiment))
        targets += [("truth", name, truth[name]) for name in names if name in truth]
    for reference, variable, target in targets:
        if variable not in predicted:
            raise DataError(
                f"predictions of {experiment}: expected {variable!r}, which {reference!r} is compared with, found none"
            )
        p, o = common(*aligned(predicted[variable], target, reference))
        if variable in CENTRED:
            p, o = centred(p), centred(o)
        yield reference, variable, p, o, target["month"].dt.month.values


def value_pairs(run: Run, predicted: xr.Dataset, experiment: str) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    """Reference, variable, prediction and target (cell,) of what has one value a cell."""
    have_ratio = {"npp", "gpp"} <= set(predicted.data_vars)
    for name, row in run.config.constraints.items():
        if row.compare == "mean_ratio" and have_ratio:
            chosen = run.evaluated(predicted["month"], name, experiment)
            yield name, row.prediction, carbon_use_efficiency(predicted, chosen, 0.5), run.target(name).values
    if run.config.source != "twin":
        return
    truth = run.truth(["npp", "gpp", "soil_moisture_capacity", "alpha_interception"])
    if have_ratio and {"npp", "gpp"} <= set(truth.data_vars):
        p, o = (
            carbon_use_efficiency(data, run.evaluated(data["month"], None, experiment)) for data in (predicted, truth)
        )
        yield "truth", "cue", p, o
    for name in ("soil_moisture_capacity", "alpha_interception"):
        if name in truth and name in predicted:
            yield "truth", name, predicted[name].values, truth[name].values


def carbon_use_efficiency(data: xr.Dataset, chosen: np.ndarray, unproductive: float = np.nan) -> np.ndarray:
    """Mean NPP over mean GPP of each cell in the `chosen` months; `unproductive` where mean GPP < 0.1 gC m-2 day-1."""
    data = data.isel(month=chosen)
    ratio = mean_ratio(data["npp"].values, data["gpp"].values, data["month"].dt.days_in_month.values)
    return np.where(np.isnan(ratio), unproductive, ratio)


def aligned(prediction: xr.DataArray, target: xr.DataArray, reference: str) -> tuple[np.ndarray, np.ndarray]:
    """Values of both on the months of the target.

    Raises
    ------
    DataError
        Where the cells differ in number, or the prediction lacks a month.
    """
    if prediction.sizes["cell"] != target.sizes["cell"]:
        raise DataError(
            f"{reference}: {prediction.name}: expected predictions for {target.sizes['cell']} cells, got {prediction.sizes['cell']}"
        )
    missing = np.setdiff1d(target["month"].values, prediction["month"].values)
    if missing.size:
        raise DataError(f"{reference}: {prediction.name}: expected predictions for {str(missing[0])[:7]}, found none")
    return prediction.sel(month=target["month"]).transpose("cell", "month").values, target.transpose(
        "cell", "month"
    ).values


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


def _series_rows(p, o, calendar_month, area, role, scopes, single) -> Iterator[pd.DataFrame]:
    """Metrics of the area-weighted mean of each kind of cells, and of single cells."""
    for name in ROLES:
        chosen = role == name
        if not chosen.any():
            continue
        pair = tuple(area_weighted_mean(side[chosen], area[chosen]) for side in (p, o))
        largest = _largest(pair)
        for timescale, (a, b) in decompose(*pair, calendar_month).items():
            metrics, n = scores(a, b, magnitude=largest)
            yield _rows(metrics, n, cells=name, scope="area_weighted_mean", timescale=timescale)
    largest = _largest((p[single], o[single]))
    for timescale, (a, b) in decompose(p[single], o[single], calendar_month).items():
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
