"""The loss: how each data constraint is compared with the model, and their sum (Sect. 2.3.2 of the paper).

Each comparison takes monthly means of the prediction and the target of the same cells and gives one number, the
mean of squared differences in units of the target's standard deviation. Missing targets weigh nothing: a month
counts where the target was observed, on both sides; a cell counts if it has such a month; a constraint without
any counts 0. `COMPARISONS` is the only list of them: a further one is one function and one row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from h2cm.config import Constraint, Prior
from h2cm.outputs import RATIOS

SMALLEST_GPP = 0.1
"""gC m-2 day-1; below this mean GPP a cell's CUE means nothing and is taken as 0.5."""

PER_100_PPM = 1e4
"""From beta_co2 in ppm-1 to % per 100 ppm."""


class Calendar(NamedTuple):
    """The months of a record.

    ``cycle`` (month, 12) is 1 where a month is that calendar month; ``days`` (month,) is the number of days.
    """

    cycle: Tensor
    days: Tensor


def _mean_where(values: Tensor, observed: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Mean along `dim` where `observed` is 1 (0 where nothing is), and whether anything is."""
    count = observed.sum(dim)
    return (values * observed).sum(dim) / count.clamp(min=1), (count > 0).to(values.dtype)


def _mean_square(error: Tensor, observed: Tensor) -> Tensor:
    """Mean over time in each cell, then over the cells that have an observation."""
    per_cell, has = _mean_where(error**2, observed, 1)
    return _mean_where(per_cell, has, 0)[0]


def mean_seasonal_cycle(monthly: Tensor, observed: Tensor, calendar: Calendar) -> tuple[Tensor, Tensor]:
    """Mean over the years of each calendar month, over the observed months only (Eq. 6).

    Parameters
    ----------
    monthly, observed : Tensor, shape (cell, month)
        `observed` is 1 or 0; values count where it is 1.

    Returns
    -------
    Tensor, shape (cell, 12)
        The cycle, 0 where nothing was observed.
    Tensor, shape (cell, 12)
        In how many years the month was observed.
    """
    count = observed @ calendar.cycle
    return (monthly * observed) @ calendar.cycle / count.clamp(min=1), count


def monthly(prediction, target, observed, area, calendar):
    """Month by month."""
    return _mean_square(prediction - target, observed)


def monthly_centred(prediction, target, observed, area, calendar):
    """Month by month, each side less its own mean over the observed months of the cell."""
    error = prediction - target
    return _mean_square(error - _mean_where(error, observed, 1)[0][:, None], observed)


def seasonal_cycle(prediction, target, observed, area, calendar):
    """The mean seasonal cycles, 12 values a cell, both over the same months."""
    error, count = mean_seasonal_cycle(prediction - target, observed, calendar)
    return _mean_square(error, (count > 0).to(error.dtype))


def spatial_mean_anomaly(prediction, target, observed, area, calendar):
    """Anomalies from the cell's own seasonal cycle, averaged over the cells by area: one series.

    The weights of a month are those of the cells observed in it, and sum to 1.
    """
    error = prediction - target
    cycle, _ = mean_seasonal_cycle(error, observed, calendar)
    anomaly = (error - cycle @ calendar.cycle.T) * observed
    weight = observed * area[:, None]
    total = weight.sum(0)
    has = (total > 0).to(error.dtype)
    series = (anomaly * weight).sum(0) / torch.where(total > 0, total, torch.ones_like(total))
    return _mean_where(series**2, has, 0)[0]


def mean_ratio(prediction, target, observed, area, calendar):
    """One value a cell."""
    return _mean_where((prediction - target) ** 2, observed, 0)[0]


COMPARISONS: dict[str, Callable] = {
    "monthly": monthly,
    "monthly_centred": monthly_centred,
    "mean_seasonal_cycle": seasonal_cycle,
    "spatial_mean_anomaly": spatial_mean_anomaly,
    "mean_ratio": mean_ratio,
}


def ratio_of_means(numerator: Tensor, denominator: Tensor, calendar: Calendar) -> Tensor:
    """Ratio of the means over the whole record, (cell,); 0.5 where the denominator's is below `SMALLEST_GPP`.

    The gradient of a cell below is 0, not NaN.
    """
    top = numerator @ calendar.days / calendar.days.sum()
    bottom = denominator @ calendar.days / calendar.days.sum()
    enough = bottom >= SMALLEST_GPP
    ratio = top / torch.where(enough, bottom, torch.ones_like(bottom))
    return torch.where(enough, ratio, torch.full_like(ratio, 0.5))


def required_outputs(constraints: Mapping[str, Constraint]) -> tuple[str, ...]:
    """The daily outputs that the constraints compare."""
    names = [name for c in constraints.values() for name in RATIOS.get(c.prediction, (c.prediction,))]
    return tuple(dict.fromkeys(names))


def constraint_losses(
    predictions: Mapping[str, Tensor],
    targets: Mapping[str, Tensor],
    area: Tensor,
    calendar: Calendar,
    constraints: Mapping[str, Constraint],
    statistics: Mapping[str, tuple[float, float]],
) -> dict[str, Tensor]:
    """The loss of each constraint, before its weight.

    Parameters
    ----------
    predictions : dict of Tensor, shape (cell, month)
        Monthly means of the outputs named by `required_outputs`.
    targets : dict of Tensor, shape (cell, month) or (cell,)
        By constraint; NaN where not observed.
    area : Tensor, shape (cell,)
    statistics : dict of (float, float)
        Mean and standard deviation of each target over the training cells. The mean cancels on the two sides of
        every comparison.
    """
    losses = {}
    for name, target in targets.items():
        constraint = constraints[name]
        if constraint.compare == "mean_ratio":
            top, bottom = RATIOS[constraint.prediction]
            prediction = ratio_of_means(predictions[top], predictions[bottom], calendar)
        else:
            prediction = predictions[constraint.prediction]
        observed = torch.isfinite(target)
        filled = torch.where(observed, target, torch.zeros_like(target))
        std = statistics[name][1]
        compare = COMPARISONS[constraint.compare]
        losses[name] = compare(prediction / std, filled / std, observed.to(prediction.dtype), area, calendar)
    return losses


def prior_losses(constants: Mapping[str, Tensor], priors: Mapping[str, Prior]) -> dict[str, Tensor]:
    """Regularisation of the global constants (Appendix E): ((mean - value) / std)^2; beta_co2 in % per 100 ppm."""
    scale = {"beta_co2": PER_100_PPM}
    return {
        f"prior_{name}": ((prior.mean - constants[name] * scale.get(name, 1.0)) / prior.std) ** 2
        for name, prior in priors.items()
    }
