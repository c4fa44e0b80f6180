"""Going on from trained weights with something held: a global constant at a value, a parameter at a multiple of what it was.

A constant is not trained. A parameter that networks give in space and time cannot be taken out of training without them, and
networks would make good a factor on what they give; so its mean over time is held, cell by cell, by a loss that is 1 where it is
off by `TOLERANCE`. What it has become is recorded (``held:<name>`` among the losses), as it is not exactly what was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from scipy.optimize import brentq
from torch import Tensor

from h2cm.comparisons import Calendar
from h2cm.config import HELD_FIELDS, ConfigError
from h2cm.model import DailyModel
from h2cm.model.process import CONSTANTS
from h2cm.vocabulary import CONSTANTS as REPORTED

TOLERANCE = 0.02
"""Of what is asked for: a deviation by it costs as much as one standard deviation of a constraint in every value."""

LEAST = 0.1
"""Of the mean over all cells: where there is less of a parameter, a deviation counts as a share of this."""

WIDEST = 40.0
"""Raw values of the constants are looked for within plus and minus this."""


def raw_value(name: str, value: float) -> float:
    """The raw number that a constant is trained as, from its value in the unit in which it is reported.

    Raises
    ------
    ConfigError
        If the constant cannot have this value.
    """
    wanted = value / REPORTED[name].reported_scale
    transform = CONSTANTS[name].transform

    def over(raw: float) -> float:
        return float(transform(torch.tensor(raw, dtype=torch.float64))) - wanted

    if over(-WIDEST) >= 0 or over(WIDEST) <= 0:
        raise ConfigError(f"fix.{name}: expected a value that {name} can have (found {value:g})")
    return brentq(over, -WIDEST, WIDEST, xtol=1e-12)


@torch.no_grad()
def begin(model: DailyModel, start: DailyModel | None, fix: Mapping[str, float]) -> None:
    """Give a model the weights of another, and its constants the values at which they are held."""
    if start is not None:
        model.load_state_dict(start.state_dict())
    for name in set(fix) - set(HELD_FIELDS):
        model.raw[name].fill_(raw_value(name, fix[name]))
        model.raw[name].requires_grad_(False)


def mean_over_time(monthly: Tensor, calendar: Calendar) -> Tensor:
    """Mean of monthly means (cell, month) over the record, (cell,)."""
    return monthly @ calendar.days / calendar.days.sum()


def held_losses(
    predictions: Mapping[str, Tensor], held: Mapping[str, Tensor], cells: Tensor, calendar: Calendar
) -> dict[str, Tensor]:
    """The loss of each parameter that is held.

    Parameters
    ----------
    predictions : dict of Tensor, shape (sample, month)
    held : dict of Tensor, shape (cell,)
        At what each is held, in all cells of the data.
    cells : Tensor, shape (sample,)
    """
    losses = {}
    for name, wanted in held.items():
        error = mean_over_time(predictions[name], calendar) - wanted[cells]
        losses[f"held_{name}"] = (
            (error / (TOLERANCE * wanted[cells].clamp(min=LEAST * float(wanted.mean())))) ** 2
        ).mean()
    return losses


def achieved(
    predictions: Mapping[str, Tensor],
    held: Mapping[str, Tensor],
    fix: Mapping[str, float],
    cells: Tensor,
    calendar: Calendar,
) -> dict[str, float]:
    """The multiple of what was trained at which each parameter really is, of the mean over some cells."""
    return {
        f"held:{name}": fix[name] * float(mean_over_time(predictions[name], calendar).sum() / wanted[cells].sum())
        for name, wanted in held.items()
    }
