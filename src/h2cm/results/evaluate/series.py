"""Monthly series and what is made of them: common months, mean seasonal cycle, anomaly, mean over space."""

from __future__ import annotations

import numpy as np
import xarray as xr

from h2cm.store import DataError


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


def common(prediction: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64, with NaN wherever either is missing."""
    present = np.isfinite(prediction) & np.isfinite(target)
    return np.where(present, prediction, np.nan).astype("f8"), np.where(present, target, np.nan).astype("f8")


def mean(values: np.ndarray, axis: int, weights: np.ndarray | None = None) -> np.ndarray:
    """Mean of the values that are there, NaN where there is none; `weights` broadcasts against `values`."""
    w = np.isfinite(values) * (1.0 if weights is None else weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (np.nan_to_num(values) * w).sum(axis) / w.sum(axis)


def centred(values: np.ndarray) -> np.ndarray:
    """The series (..., month) less its own mean."""
    return values - mean(values, -1)[..., None]


def area_weighted_mean(values: np.ndarray, area: np.ndarray) -> np.ndarray:
    """Mean over the cells, (cell, month) to (month,); each month over the cells that have a value in that month."""
    return mean(values, 0, np.asarray(area, "f8")[:, None])


def mean_seasonal_cycle(values: np.ndarray, calendar_month: np.ndarray) -> np.ndarray:
    """Mean over the years (Eq. 6 of the paper), from the months that are there.

    Parameters
    ----------
    values : ndarray, shape (..., month)
    calendar_month : ndarray of int, shape (month,)
        1 to 12.

    Returns
    -------
    ndarray, shape (..., 12)
        NaN for a month of the year that is never there.
    """
    belongs = _belongs(calendar_month)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (np.nan_to_num(values) @ belongs) / (np.isfinite(values) @ belongs)


def anomaly(values: np.ndarray, calendar_month: np.ndarray) -> np.ndarray:
    """Departure of each month from the series' own mean seasonal cycle (Eq. 7 of the paper).

    A month of the year that is there only once has no anomaly: it would be 0 on both sides whatever was predicted.
    """
    cycle = mean_seasonal_cycle(values, calendar_month)
    cycle = np.where(np.isfinite(values) @ _belongs(calendar_month) > 1, cycle, np.nan)
    return values - cycle[..., np.asarray(calendar_month) - 1]


def _belongs(calendar_month: np.ndarray) -> np.ndarray:
    """1 where a month of the record is a month of the year, else 0; shape (month, 12)."""
    return np.equal.outer(calendar_month, np.arange(1, 13)).astype("f8")


def decompose(
    prediction: np.ndarray, target: np.ndarray, calendar_month: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Prediction and target on each of `h2cm.comparisons.TIMESCALES`, from the months that both have."""
    pair = common(prediction, target)
    return {
        "monthly": pair,
        "msc": tuple(mean_seasonal_cycle(side, calendar_month) for side in pair),
        "anomaly": tuple(anomaly(side, calendar_month) for side in pair),
    }


def mean_ratio(numerator: np.ndarray, denominator: np.ndarray, days: np.ndarray, floor: float) -> np.ndarray:
    """Ratio of the mean annual values, NaN where the mean of `denominator` is below `floor`.

    Parameters
    ----------
    numerator, denominator : ndarray, shape (cell, month)
        Monthly means per day (NPP and GPP in gC m-2 day-1 for the carbon-use efficiency).
    days : ndarray, shape (month,)
        Lengths of the months.
    floor : float
        In the unit of the denominator (`h2cm.vocabulary.RATIOS`).
    """
    numerator, denominator = common(numerator, denominator)
    above, below = mean(numerator, -1, days), mean(denominator, -1, days)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(below >= floor, above / below, np.nan)


def monthly_means(daily: xr.DataArray) -> xr.DataArray:
    """Means (cell, month) of a daily variable (cell, time) whose days are complete and in order."""
    months = daily["time"].values.astype("datetime64[M]")
    starts = np.flatnonzero(np.r_[True, months[1:] != months[:-1]])
    lengths = np.diff(np.r_[starts, months.size])
    values = np.add.reduceat(daily.values.astype("f8"), starts, axis=-1) / lengths
    return xr.DataArray(
        values, dims=("cell", "month"), coords={"month": months[starts].astype("datetime64[ns]")}, name=daily.name
    )
