"""The loss: each data constraint beside the model, and their sum (Sect. 2.3.2 of the paper).

Monthly means of the prediction and the target of the same cells give one number a constraint, the mean of squared
differences in units of the standard deviation of what is compared (`h2cm.comparisons`). Missing targets weigh nothing:
a month counts where the target was observed, on both sides; a cell counts if it has such a month; a constraint without
any counts 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from h2cm.comparisons import COMPARISONS, Calendar
from h2cm.config import Constraint, Prior
from h2cm.vocabulary import RATIOS, Ratio, reported


def ratio_of_means(numerator: Tensor, denominator: Tensor, calendar: Calendar, ratio: Ratio) -> Tensor:
    """Ratio of the means over the whole record, (cell,); neutral where the denominator's is below the ratio's floor.

    The gradient of a cell below is 0, not NaN.
    """
    top = numerator @ calendar.days / calendar.days.sum()
    bottom = denominator @ calendar.days / calendar.days.sum()
    enough = bottom >= ratio.floor
    quotient = top / torch.where(enough, bottom, torch.ones_like(bottom))
    return torch.where(enough, quotient, torch.full_like(quotient, ratio.neutral))


def required_outputs(constraints: Mapping[str, Constraint]) -> tuple[str, ...]:
    """The daily outputs that the constraints compare."""
    names = []
    for constraint in constraints.values():
        if COMPARISONS[constraint.compare].of_ratio:
            ratio = RATIOS[constraint.prediction]
            names += [ratio.numerator, ratio.denominator]
        else:
            names.append(constraint.prediction)
    return tuple(dict.fromkeys(names))


def observations(target: Tensor) -> tuple[Tensor, Tensor]:
    """Where a target was observed (1 or 0), and the target with 0 where not; (cell, month), of a ratio (cell, 1)."""
    target = target[:, None] if target.ndim == 1 else target
    observed = torch.isfinite(target)
    return observed.to(target.dtype), torch.where(observed, target, torch.zeros_like(target))


def constraint_losses(
    predictions: Mapping[str, Tensor],
    targets: Mapping[str, Tensor],
    area: Tensor,
    calendar: Calendar,
    constraints: Mapping[str, Constraint],
    scales: Mapping[str, float | Tensor],
) -> dict[str, Tensor]:
    """The loss of each constraint, before its weight.

    Parameters
    ----------
    predictions : dict of Tensor, shape (cell, month)
        Monthly means of the outputs named by `required_outputs`.
    targets : dict of Tensor, shape (cell, month) or (cell,)
        By constraint; NaN where not observed.
    area : Tensor, shape (cell,)
    scales : dict of float, or Tensor of shape (cell,)
        By what differences are divided: the standard deviation of what is compared of each target, over the training cells,
        or a value of each cell (``scale`` of the constraint). Its mean cancels on the two sides of every comparison.
    """
    losses = {}
    for name, target in targets.items():
        constraint = constraints[name]
        comparison = COMPARISONS[constraint.compare]
        if comparison.of_ratio:
            ratio = RATIOS[constraint.prediction]
            pair = predictions[ratio.numerator], predictions[ratio.denominator]
            prediction = ratio_of_means(*pair, calendar, ratio)
        else:
            prediction = predictions[constraint.prediction]
        observed, filled = observations(target)
        if prediction.ndim == 1:
            prediction = prediction[:, None]
        scale = scales[name]
        scale = scale[:, None] if isinstance(scale, Tensor) else scale
        error, observed = comparison.compared((prediction - filled) / scale, observed, calendar)
        losses[name] = comparison.loss(error, observed, area)
    return losses


def prior_losses(constants: Mapping[str, Tensor], priors: Mapping[str, Prior]) -> dict[str, Tensor]:
    """Regularisation of the global constants (Appendix E): ((mean - value) / std)^2, in the units that are reported."""
    values = reported({name: constants[name] for name in priors})
    return {f"prior_{name}": ((prior.mean - values[name]) / prior.std) ** 2 for name, prior in priors.items()}
