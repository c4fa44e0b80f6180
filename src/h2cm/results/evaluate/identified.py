"""Whether the constraints identify a quantity: a rule on its profile.

The profile of a quantity is the loss of the constraints at the validation cells, after training on with the quantity held at one
value after the other until it has converged again, less that of training on with nothing held (same fold, same member). Losses
of trainings that differ in their seed only differ too, so a difference says something only from some size on:

- A value is *compatible* where the median of the differences over folds and members is at most `SPREADS` standard deviations over the
  members of a fold, of the loss or of the difference itself (`h2cm.results.evaluate.profiles.spread_over_seeds`). What was learned with nothing held is compatible by definition.
- The interval are the values around what was learned that are compatible, its ends interpolated on a straight line.
- *Identified*: the interval ends on both sides within what was tried. *Weakly*: on one side only. *Not*: on none; the constraints
  say nothing against the least nor the largest value tried.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SPREADS = 2.0
"""Standard deviations of the loss over seeds that a difference must have."""

VERDICTS = ("identified", "weakly", "not")


@dataclass(frozen=True)
class Identified:
    """What a profile says.

    Attributes
    ----------
    verdict : str
        One of `VERDICTS`.
    low, high : float
        Ends of the interval; infinite where it does not end within what was tried.
    """

    verdict: str
    low: float
    high: float


def identified(learned: float, values: np.ndarray, differences: np.ndarray, spread: float) -> Identified:
    """The rule (see the head of this module).

    Parameters
    ----------
    learned : float
        With nothing held.
    values : ndarray, shape (value,)
        At which the quantity was held.
    differences : ndarray, shape (value,)
        Of the loss, medians over folds and members.
    spread : float
        Standard deviation of the loss over seeds.

    Raises
    ------
    ValueError
        Where something is not finite.
    """
    values, differences = np.asarray(values, "f8"), np.asarray(differences, "f8")
    if not (np.isfinite([learned, spread]).all() and np.isfinite(values).all() and np.isfinite(differences).all()):
        raise ValueError("expected finite values, losses and spread")
    limit = SPREADS * spread

    def end(side: int) -> float:
        there = values * side > learned * side
        order = np.argsort(values[there] * side)
        place, height = learned, min(0.0, limit)
        for value, difference in zip(values[there][order], differences[there][order], strict=True):
            if difference > limit:
                return float(place + (value - place) * (limit - height) / (difference - height))
            place, height = value, difference
        return side * np.inf

    low, high = end(-1), end(1)
    return Identified(VERDICTS[2 - int(np.isfinite(low)) - int(np.isfinite(high))], low, high)
