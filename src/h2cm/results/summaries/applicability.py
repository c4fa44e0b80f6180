"""How far each cell is, in attributes and climate, from those trained on."""

from __future__ import annotations

import numpy as np
import xarray as xr

from h2cm.results.evaluate.applicability import dissimilarity, threshold
from h2cm.results.run import Run
from h2cm.results.summaries.registry import FORCING


def make(run: Run, experiment: str) -> xr.Dataset:
    """``dissimilarity`` (cell), ``threshold`` and ``predictors``, their number (`h2cm.results.evaluate.applicability`).

    The predictors are the static attributes, and mean and standard deviation over the days of each variable of the forcing.
    """
    split = run.split()
    columns = [f"fold_{fold}" for fold in range(run.config.split.folds)]
    validated = (split[columns] == "validation").values
    fold = np.where(validated.any(1), validated.argmax(1), -1)
    predictors = [run.stored("static").transpose("cell", "feature").values]
    for name in FORCING:
        values = run.stored(name).transpose("cell", "time").values
        predictors += [values.mean(1, dtype="f8")[:, None], values.std(1, dtype="f8")[:, None]]
    table = np.concatenate(predictors, axis=1)
    index = dissimilarity(table, fold)
    return xr.Dataset(
        {
            "dissimilarity": ("cell", index, {"units": "1"}),
            "threshold": threshold(index, fold),
            "predictors": table.shape[1],
        }
    )
