"""How a data constraint is compared with the model: one row each in `COMPARISONS` (Sect. 2.3.2 of the paper).

A row says what is compared (`Comparison.compared`, a linear map of a monthly series, so that prediction and target may
be subtracted before), how the squares of the differences become one number (`Comparison.loss`), on which time scales it
is evaluated, and what the reference of the configuration says of it. Each constraint is divided by the standard
deviation of *what is compared* over the training cells: a target and its own anomaly give one loss where anomalies are
compared.

The functions take tensors, use their methods only, and import nothing that takes time, as every configuration is
checked against this table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

TIMESCALES = ("monthly", "msc", "anomaly")
"""The monthly series, its mean seasonal cycle, and the monthly anomaly from that cycle."""


class Calendar(NamedTuple):
    """The months of a record.

    ``cycle`` (month, 12) is 1 where a month is that calendar month; ``days`` (month,) is the number of days.
    """

    cycle: Tensor
    days: Tensor


@dataclass(frozen=True)
class Comparison:
    """One way of comparing.

    Attributes
    ----------
    name, description : str
    compared : callable
        ``compared(values, observed, calendar)`` gives what is compared and where it was observed (1 or 0). `values`
        and `observed` have shape (cell, month), of a ratio (cell, 1); `values` count where `observed` is 1.
    loss : callable
        ``loss(error, observed, area)`` makes one number of the differences of what is compared.
    timescales : tuple of str
        On which of `TIMESCALES` it is evaluated; empty for what has one value a cell.
    level : bool
        Whether the mean over time is compared too, so that a map of it says something.
    of_ratio : bool
        Whether the prediction is one of `h2cm.vocabulary.RATIOS`: one value a cell, not a series.
    """

    name: str
    description: str
    compared: Callable[[Tensor, Tensor, Calendar], tuple[Tensor, Tensor]]
    loss: Callable[[Tensor, Tensor, Tensor], Tensor]
    timescales: tuple[str, ...] = TIMESCALES
    level: bool = True
    of_ratio: bool = False


def mean_where(values: Tensor, observed: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Mean along `dim` where `observed` is 1 (0 where nothing is), and whether anything is."""
    count = observed.sum(dim)
    return (values * observed).sum(dim) / count.clamp(min=1), (count > 0).to(values.dtype)


def mean_seasonal_cycle(values: Tensor, observed: Tensor, calendar: Calendar) -> tuple[Tensor, Tensor]:
    """Mean over the years of each calendar month, over the observed months only (Eq. 6).

    Returns
    -------
    Tensor, shape (cell, 12)
        The cycle, 0 where nothing was observed.
    Tensor, shape (cell, 12)
        1 where the month was observed in any year.
    """
    count = observed @ calendar.cycle
    return (values * observed) @ calendar.cycle / count.clamp(min=1), (count > 0).to(values.dtype)


def itself(values, observed, calendar):
    """The values as they are."""
    return values, observed


def departure_from_mean(values, observed, calendar):
    """Less the mean over the observed months of the cell."""
    return values - mean_where(values, observed, 1)[0][:, None], observed


def anomaly(values, observed, calendar):
    """Less the cell's own mean seasonal cycle (Eq. 7)."""
    return values - mean_seasonal_cycle(values, observed, calendar)[0] @ calendar.cycle.T, observed


def mean_square(error: Tensor, observed: Tensor, area: Tensor) -> Tensor:
    """Mean over time in each cell, then over the cells that have an observation."""
    per_cell, has = mean_where(error**2, observed, 1)
    return mean_where(per_cell, has, 0)[0]


def square_of_spatial_mean(error: Tensor, observed: Tensor, area: Tensor) -> Tensor:
    """Mean over the cells by area, one series; of its squares the mean over time.

    The weights of a month are those of the cells observed in it, and sum to 1.
    """
    weight = observed * area[:, None]
    total = weight.sum(0)
    has = (total > 0).to(error.dtype)
    series = (error * weight).sum(0) / (total + (1 - has))
    return mean_where(series**2, has, 0)[0]


COMPARISONS: dict[str, Comparison] = {
    row.name: row
    for row in (
        Comparison("monthly", "month by month", itself, mean_square),
        Comparison(
            "monthly_centred",
            "month by month, each side less its mean over the observed months of the cell",
            departure_from_mean,
            mean_square,
            level=False,
        ),
        Comparison(
            "mean_seasonal_cycle",
            "the mean seasonal cycles, 12 values a cell, both sides over the same months",
            mean_seasonal_cycle,
            mean_square,
        ),
        Comparison(
            "spatial_mean_anomaly",
            "the anomaly from the cell's own mean seasonal cycle, averaged over the cells by area: one series",
            anomaly,
            square_of_spatial_mean,
            level=False,
        ),
        Comparison(
            "mean_ratio",
            "one value a cell: the ratio of two means over time",
            itself,
            mean_square,
            timescales=(),
            of_ratio=True,
        ),
    )
}
"""Where several constraints show one variable, the one whose comparison comes first here says most about it."""
