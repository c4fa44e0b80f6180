"""What a batch holds: whole records of cells, or single years of them, each after the year before as a warm-up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from h2cm.comparisons import Calendar
from h2cm.train.data import Data

DAYS = 366
"""Days of a sampled year. Of a year with 365 the last one is the first of the next, and in no mean."""


@dataclass(frozen=True)
class Batch:
    """A batch, made to be simulated and compared.

    Attributes
    ----------
    forcing : Tensor, shape (sample, day, 5)
    static : Tensor, shape (sample, attribute)
    warm_up : Tensor, shape (sample, day, 5)
        What the model runs through before, without gradient, `passes` times.
    passes : int
    averaging : Tensor, shape (day, month) or (sample, day, month)
        Turns daily series into monthly means.
    targets : dict of Tensor, shape (sample, month) or (sample,)
    area : Tensor, shape (sample,)
    calendar : Calendar
    cells : Tensor, shape (sample,)
    """

    forcing: Tensor
    static: Tensor
    warm_up: Tensor
    passes: int
    averaging: Tensor
    targets: dict[str, Tensor]
    area: Tensor
    calendar: Calendar
    cells: Tensor

    def means(self, series: Tensor) -> Tensor:
        """Monthly means (sample, month) of a daily series (sample, day)."""
        if self.averaging.ndim == 2:
            return series @ self.averaging
        return torch.bmm(series[:, None], self.averaging)[:, 0]


class Records:
    """Whole records: a sample is a cell."""

    def __init__(self, data: Data, passes: int):
        self.data, self.passes = data, passes
        self.averaging, self.calendar = data.averaging(), data.calendar()

    def samples(self, cells: Tensor) -> Tensor:
        """The samples of some cells: each once."""
        return cells

    def batch(self, cells: Tensor) -> Batch:
        """The records of some cells (cell,)."""
        data, forcing = self.data, self.data.forcing[cells]
        targets = {name: target[cells] for name, target in data.targets.items()}
        static, area = data.static[cells], data.area[cells]
        return Batch(forcing, static, forcing, self.passes, self.averaging, targets, area, self.calendar, cells)


class Years:
    """Calendar years: a sample is a cell and a year in which something was observed there.

    The first year of the record warms up with itself.

    Raises
    ------
    ValueError
        If the record has no whole calendar year.
    """

    def __init__(self, data: Data):
        self.data = data
        device = data.forcing.device
        calendar_year = data.months[data.days, 0].cpu().numpy()
        years, first, length = np.unique(calendar_year, return_index=True, return_counts=True)
        whole = length >= 365
        if not whole.any():
            raise ValueError("training.sampling: expected a whole calendar year in the record, found none")
        self.first = torch.as_tensor(first[whole], device=device)  # day on which each year begins
        self.of_year = torch.as_tensor(years[whole], device=device)
        self.month = torch.stack(
            [torch.nonzero(data.months[:, 0] == year)[:, 0] for year in self.of_year]
        )  # (year, 12)
        inside = torch.arange(DAYS, device=device) < torch.as_tensor(length[whole], device=device)[:, None]
        self.day = (self.first[:, None] + torch.arange(DAYS, device=device)).clamp(
            max=len(data.days) - 1
        )  # (year, day)
        self.before = torch.where(
            (self.first >= 365)[:, None],
            (self.first[:, None] - DAYS + torch.arange(DAYS, device=device)).clamp(min=0),
            self.day,
        )
        members = (data.days[self.day][..., None] == self.month[:, None]) & inside[..., None]
        members = members.to(data.forcing.dtype)
        self.averaging = members / members.sum(1, keepdim=True)  # (year, day, month)
        self.calendar = Calendar(torch.eye(12, dtype=data.forcing.dtype, device=device), members.sum(1).mean(0))
        seen = [torch.isfinite(t[:, self.month]).any(2) for t in data.targets.values() if t.ndim == 2]
        self.observed = torch.stack(seen).any(0)  # (cell, year)

    def samples(self, cells: Tensor) -> Tensor:
        """The samples (sample, 2) of some cells: cell and place of the year."""
        cell, year = torch.nonzero(self.observed[cells], as_tuple=True)
        return torch.stack([cells[cell], year], 1)

    def batch(self, samples: Tensor) -> Batch:
        """Some samples (sample, 2)."""
        data, (cell, year) = self.data, samples.unbind(1)
        targets = {name: target[cell[:, None], self.month[year]] for name, target in data.targets.items()}
        return Batch(
            data.forcing[cell[:, None], self.day[year]],
            data.static[cell],
            data.forcing[cell[:, None], self.before[year]],
            1,
            self.averaging[year],
            targets,
            data.area[cell],
            self.calendar,
            cell,
        )
