"""Measures of agreement, for many pairs of series at once."""

from __future__ import annotations

import numpy as np

METRICS = ("rmse", "r", "r2", "nse", "sdr", "bias")
"""Root mean square error, Pearson's r, its square, Nash-Sutcliffe efficiency, ratio of standard deviations, bias."""

MINIMUM_N = 3
"""Below this number of pairs every metric is undefined."""

RESOLUTION = 1e-7
"""Relative resolution of float32, in which predictions and targets are stored; a variation below it is rounding."""


def scores(
    prediction: np.ndarray,
    target: np.ndarray,
    weights: np.ndarray | None = None,
    magnitude: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """All metrics along the last axis; pairs of which either side is missing count on neither.

    Parameters
    ----------
    prediction, target : ndarray, shape (..., k)
        Missing values are NaN.
    weights : ndarray, shape (k,), optional
        Of the pairs, for example cell areas; equal if not given.
    magnitude : (ndarray, ndarray), shape (...), optional
        Largest absolute value of the series that `prediction` and `target` were derived from. Variation smaller
        than the resolution of float32 at that value is taken for none. Their own largest value if not given.

    Returns
    -------
    metrics : dict of ndarray, shape (...)
        The keys are `METRICS`. With SSres = Σ w·(p − o)² and SStot = Σ w·(o − ō)²: NSE = 1 − SSres/SStot, SDR =
        s(p)/s(o), bias = p̄ − ō; r2 is the square of Pearson's r. NaN where undefined: fewer than `MINIMUM_N` pairs,
        or, for those that divide by it, no variation.
    n : ndarray of int, shape (...)
        Number of pairs.
    """
    prediction, target = np.asarray(prediction, "f8"), np.asarray(target, "f8")
    paired = np.isfinite(prediction) & np.isfinite(target)
    n = paired.sum(-1)
    p, o = np.where(paired, prediction, 0.0), np.where(paired, target, 0.0)
    w = paired * (1.0 if weights is None else np.asarray(weights, "f8"))
    largest_p, largest_o = (
        (np.abs(p).max(-1, initial=0), np.abs(o).max(-1, initial=0)) if magnitude is None else magnitude
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        w = w / w.sum(-1, keepdims=True)
        mean_p, mean_o = (w * p).sum(-1), (w * o).sum(-1)
        dp, do = p - mean_p[..., None], o - mean_o[..., None]
        std_p, std_o = np.sqrt((w * dp**2).sum(-1)), np.sqrt((w * do**2).sum(-1))
        std_p = np.where(std_p <= RESOLUTION * largest_p, 0.0, std_p)
        std_o = np.where(std_o <= RESOLUTION * largest_o, 0.0, std_o)
        squared_error = (w * (p - o) ** 2).sum(-1)
        r = np.clip((w * dp * do).sum(-1) / np.where(std_p * std_o > 0, std_p * std_o, np.nan), -1, 1)
        varied = np.where(std_o > 0, std_o, np.nan)
        metrics = {
            "rmse": np.sqrt(squared_error),
            "r": r,
            "r2": r**2,
            "nse": 1 - squared_error / varied**2,
            "sdr": std_p / varied,
            "bias": mean_p - mean_o,
        }
    return {name: np.where(n >= MINIMUM_N, metrics[name], np.nan) for name in METRICS}, n
