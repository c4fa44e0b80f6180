"""The training data: contiguous arrays in memory, made once from the store."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import Tensor

from h2cm.comparisons import COMPARISONS, Calendar
from h2cm.config import Config, Constraint, Experiment
from h2cm.model import FORCING
from h2cm.store import DataError
from h2cm.train.loss import observations

RESOLUTION = 1e-9
"""Variation smaller than this share of the largest value is rounding, not variation."""


@dataclass(frozen=True)
class Data:
    """All cells of a store as tensors.

    Attributes
    ----------
    forcing : Tensor, shape (cell, day, 5)
        In the order of `h2cm.model.FORCING` and the units of the store.
    static : Tensor, shape (cell, attribute)
    features : tuple of str
        Names of the static attributes.
    area : Tensor, shape (cell,)
        m2.
    targets : dict of str to Tensor
        Each constraint: (cell, month), or (cell,) where the store has one value a cell. NaN: not observed, or
        outside the years of the constraint.
    constraints : dict of str to Constraint
        How each target is compared.
    months : Tensor, shape (month, 2)
        Calendar year and month (1-12) of each month.
    days : Tensor, shape (day,)
        Index into `months` of each day.
    """

    forcing: Tensor
    static: Tensor
    features: tuple[str, ...]
    area: Tensor
    targets: dict[str, Tensor]
    constraints: dict[str, Constraint]
    months: Tensor
    days: Tensor

    def averaging(self) -> Tensor:
        """The matrix (day, month) that turns daily series into monthly means."""
        members = torch.nn.functional.one_hot(self.days, len(self.months)).to(self.forcing.dtype)
        return members / members.sum(0)

    def calendar(self) -> Calendar:
        """The months of the record."""
        cycle = torch.nn.functional.one_hot(self.months[:, 1] - 1, 12).to(self.forcing.dtype)
        return Calendar(cycle, torch.bincount(self.days, minlength=len(self.months)).to(self.forcing.dtype))

    def to(self, device: torch.device | str) -> Data:
        """The same data on another device."""
        moved = {name: getattr(self, name).to(device) for name in ("forcing", "static", "area", "months", "days")}
        return replace(self, targets={name: target.to(device) for name, target in self.targets.items()}, **moved)


def stack_forcing(dataset: xr.Dataset) -> np.ndarray:
    """The forcing of a store as one float32 array (cell, day, variable), checked to be complete.

    Raises
    ------
    DataError
        For a forcing variable that is absent, a day that is missing from the time axis, or a value that is.
    """
    absent = [name for name in FORCING if name not in dataset]
    if absent:
        raise DataError(f"store: expected the forcing variables {', '.join(FORCING)}; {', '.join(absent)} not there")
    time = pd.DatetimeIndex(dataset["time"].values)
    expected = pd.date_range(time[0], time[-1], freq="D")
    if len(time) != len(expected) or (time != expected).any():
        hole = (expected.difference(time).tolist() or time[time.duplicated()].tolist())[0]
        raise DataError(
            f"store: time: expected every day from {time[0]:%Y-%m-%d} to {time[-1]:%Y-%m-%d} once; see {hole:%Y-%m-%d}"
        )
    stacked = np.empty((dataset.sizes["cell"], len(time), len(FORCING)), dtype=np.float32)
    for k, name in enumerate(FORCING):
        stacked[..., k] = dataset[name].transpose("cell", "time").values
        wrong = ~np.isfinite(stacked[..., k])
        if wrong.any():
            cell, day = np.argwhere(wrong)[0]
            known = [name for name in ("lat", "lon") if name in dataset and dataset[name].dims == ("cell",)]
            place = ", ".join(f"{name} {float(dataset[name][cell]):g}" for name in known)
            where = f"cell {cell}" + (f" ({place})" if place else "")
            raise DataError(f"store: {name}: no value at {where} on {time[day]:%Y-%m-%d}; forcing must be complete")
    return stacked


def stack_static(dataset: xr.Dataset) -> np.ndarray:
    """The static attributes of a store as a float32 array (cell, attribute), checked to be complete."""
    if "static" not in dataset:
        raise DataError("store: static: expected static attributes (cell, feature), not there")
    static = dataset["static"].transpose("cell", "feature").values.astype(np.float32)
    if not np.isfinite(static).all():
        cell, feature = np.argwhere(~np.isfinite(static))[0]
        raise DataError(f"store: static: {dataset.feature.values[feature]}: no value at cell {cell}")
    return static


def month_index(dataset: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Year and month of each month of a store, (month, 2), and the index of each day's month, (day,)."""
    days = pd.DatetimeIndex(dataset["time"].values).to_period("M")
    months = days.unique()
    return np.stack([months.year, months.month], 1), months.get_indexer(days)


def load(dataset: xr.Dataset, config: Config, experiment: Experiment) -> Data:
    """Training data of an experiment.

    Parameters
    ----------
    dataset : Dataset
        A store (`h2cm.store.open_store`).
    config, experiment
        Say which constraints and years are used. An experiment's ``train_years`` cut the forcing too.

    Raises
    ------
    DataError
        Where the store lacks a constraint, has gaps in the forcing or no day in the years asked for.
    """
    if experiment.train_years:
        first, last = experiment.train_years
        dataset = dataset.sel(time=slice(str(first), str(last)), month=slice(str(first), str(last)))
        if dataset.sizes["time"] == 0:
            raise DataError(f"store: no day in the training years {first}-{last}")
    months, days = month_index(dataset)
    targets = {}
    for name in experiment.constraints or config.constraints:
        if name not in dataset:
            raise DataError(f"store: {name}: the configuration has this constraint, the store does not")
        target = dataset[name].values.astype(np.float32)
        years = config.constraints[name].years
        if target.ndim == 2:
            index = pd.PeriodIndex.from_fields(year=months[:, 0], month=months[:, 1], freq="M").to_timestamp()
            target = dataset[name].transpose("cell", "month").reindex(month=index).values.astype(np.float32)
            if years:
                target[:, (months[:, 0] < years[0]) | (months[:, 0] > years[1])] = np.nan
        targets[name] = torch.from_numpy(target)
    return Data(
        forcing=torch.from_numpy(stack_forcing(dataset)),
        static=torch.from_numpy(stack_static(dataset)),
        features=tuple(str(f) for f in dataset["feature"].values),
        area=torch.from_numpy(dataset["area"].values.astype(np.float32)),
        targets=targets,
        constraints={name: config.constraints[name] for name in targets},
        months=torch.from_numpy(months),
        days=torch.from_numpy(days),
    )


@dataclass(frozen=True)
class Statistics:
    """Means and standard deviations over the training cells, the only ones that training ever uses.

    ``targets`` holds of each constraint the standard deviation of what is compared: of the values, of their departures
    from the cell's mean, of the mean seasonal cycles, or of the anomalies from these. So a target and its own anomaly
    weigh the same where anomalies are compared.
    """

    forcing_mean: np.ndarray
    forcing_std: np.ndarray
    static_mean: np.ndarray
    static_std: np.ndarray
    targets: dict[str, float]


SHARE_OF_ALL = 0.1
"""Of the spread of all training cells that is added to a cell's own: a loss in units of the cell alone would be ruled by cells
that hardly vary (Kratzert et al., 2019, doi:10.5194/hess-23-5089-2019, add a constant to that end)."""

KNOWN = 12
"""Values of a cell below which its own spread is not known, and that of all stands for it."""


def own_spread(data: Data, name: str, of_all: float) -> Tensor:
    """By what the differences of each cell are divided, (cell,), where a constraint has ``scale: cell``.

    Parameters
    ----------
    name : str
        Of the constraint.
    of_all : float
        Standard deviation of what is compared over all training cells.
    """
    observed, filled = observations(data.targets[name])
    compared, there = COMPARISONS[data.constraints[name].compare].compared(filled, observed, data.calendar())
    count = there.sum(1)
    mean = (compared * there).sum(1) / count.clamp(min=1)
    variance = ((compared - mean[:, None]) ** 2 * there).sum(1) / count.clamp(min=1)
    return torch.where(count >= KNOWN, variance.sqrt(), torch.full_like(variance, of_all)) + SHARE_OF_ALL * of_all


def statistics(data: Data, training_cells: Tensor) -> Statistics:
    """Statistics of the training cells.

    A static attribute that is the same in all training cells says nothing; its standard deviation is set to
    infinity, so that the networks see 0 for it everywhere.

    Raises
    ------
    DataError
        For a constraint of which what is compared does not vary in the training cells.
    """
    forcing = [data.forcing[training_cells, :, k].numpy() for k in range(data.forcing.shape[2])]
    static = data.static[training_cells].numpy().astype(np.float64)
    static_std = static.std(0)
    calendar = Calendar(*(matrix.double() for matrix in data.calendar()))
    targets = {}
    for name, target in data.targets.items():
        observed, filled = observations(target[training_cells].double())
        comparison = COMPARISONS[data.constraints[name].compare]
        compared, there = comparison.compared(filled, observed, calendar)
        values = compared[there > 0].numpy()
        largest = float(filled.abs().max()) if filled.numel() else 0.0
        if values.size == 0 or values.std() <= RESOLUTION * largest:
            raise DataError(
                f"store: {name}: expected observations of different value in the training cells for the comparison "
                f"{comparison.name}, found {int(observed.sum())} values"
            )
        targets[name] = float(values.std())
    forcing_std = np.array([f.std(dtype=np.float64) for f in forcing])
    return Statistics(
        forcing_mean=np.array([f.mean(dtype=np.float64) for f in forcing]),
        forcing_std=np.where(forcing_std > 0, forcing_std, np.inf),
        static_mean=static.mean(0),
        static_std=np.where(static_std > 1e-6 * np.abs(static).max(0), static_std, np.inf),
        targets=targets,
    )
