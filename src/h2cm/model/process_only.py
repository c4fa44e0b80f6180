"""The competitor without networks: the process equations with one learned global value for each parameter."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from h2cm.model.h2cm import H2CM
from h2cm.model.networks import ACTIVATIONS, INVERSES
from h2cm.model.ranges import GLOBAL_VALUES, GlobalValue

GAIN = 10.0
"""A step of the optimiser changes every weight by about the learning rate. An output of a network of a hundred units
moves with all its weights at once; a single value needs this factor to move as far."""


class WithinRanges(nn.Module):
    """Raw numbers to the biases that an activation turns into values within their ranges."""

    def __init__(self, outputs: dict[str, str]):
        super().__init__()
        self.activations = list(outputs.values())
        rows = [GLOBAL_VALUES[name] for name in outputs]
        for field in GlobalValue._fields:
            column = torch.tensor([getattr(row, field) for row in rows], dtype=torch.get_default_dtype())
            self.register_buffer(field, column, persistent=False)

    def right_inverse(self, bias: Tensor) -> Tensor:
        """The raw numbers of the initial values, whatever `bias` is."""
        return torch.logit((self.initial - self.low) / (self.high - self.low)) / GAIN

    def forward(self, raw: Tensor) -> Tensor:
        values = self.low + (self.high - self.low) * torch.sigmoid(GAIN * raw)
        columns = zip(self.activations, values.unbind(), strict=True)
        return torch.stack([INVERSES[activation](value) for activation, value in columns])


class ProcessOnly(H2CM):
    """The equations of H2CM whose parameters are the same everywhere and always.

    The networks are reduced to one unit with weights of 0, which leaves the bias of the last layer: that is what is
    learned, within the ranges of `GLOBAL_VALUES`, beside the global constants. So every backend runs this model.
    """

    kind = "process_only"

    def __init__(self, n_static: int = 30, backend: str = "auto", precision: str = "float32"):
        super().__init__(n_static, backend, precision, units=1)
        self.networks.requires_grad_(False)
        for parameter in self.networks.parameters():
            parameter.zero_()
        for network in self.networks.values():
            layer = network.last
            parametrize.register_parametrization(layer, "bias", WithinRanges(network.network.outputs))
            layer.parametrizations.bias.original.requires_grad_(True)

    def global_values(self) -> dict[str, Tensor]:
        """The learned parameters, each a scalar."""
        found = {}
        for network in self.networks.values():
            for (name, activation), bias in zip(
                network.network.outputs.items(), network.last.bias.unbind(), strict=True
            ):
                found[name] = ACTIVATIONS[activation](bias)
        return found

    def undecayed(self) -> list[nn.Parameter]:
        """The constants and all global values."""
        values = [p for p in self.networks.parameters() if p.requires_grad]
        return values + super().undecayed()
