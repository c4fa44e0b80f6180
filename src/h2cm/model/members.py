"""Several models of one fold, trained from different seeds, as one: what it predicts is their mean."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from h2cm.model.interface import DailyModel


def mean_of(values: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of each entry."""
    return {name: torch.stack([one[name] for one in values]).mean(0) for name in values[0]}


class Members(DailyModel):
    """The mean of models of one kind that have the same outputs; balances that hold in each hold in the mean.

    Parameters
    ----------
    models : sequence of DailyModel
        Trained on the same cells, and so with the same normalisation.
    """

    def __init__(self, models: Sequence[DailyModel]):
        first = models[0]
        super().__init__(first.n_static)
        self.members = nn.ModuleList(models)
        self.kind, self.outputs, self.static_outputs = first.kind, first.outputs, first.static_outputs
        self.set_normalisation(first.forcing_mean, first.forcing_std, first.static_mean, first.static_std)

    def constants(self) -> dict[str, Tensor]:
        """The mean of each global constant."""
        return mean_of([member.constants() for member in self.members])

    def static_parameters(self, static: Tensor) -> tuple[dict[str, Tensor], None]:
        """The means of the parameters that vary in space only."""
        return mean_of([member.static_parameters(static)[0] for member in self.members]), None

    def initial_state(self, n_cells: int) -> list:
        """The state of each member."""
        return [member.initial_state(n_cells) for member in self.members]

    def forward(self, forcing: Tensor, static: Tensor, state=None, outputs: tuple[str, ...] | None = None):
        """See `DailyModel.forward`: the mean of all members; the state is a list of theirs."""
        state = self.initial_state(forcing.shape[0]) if state is None else state
        outputs = self.outputs if outputs is None else outputs
        n = len(self.members)
        found = self.members[0].simulate_many(list(self.members), [forcing] * n, [static] * n, state, outputs)
        return mean_of([series for series, _ in found]), [end for _, end in found]

    def backend_for(self, forcing: Tensor) -> str:
        """See `DailyModel`."""
        return self.members[0].backend_for(forcing)
