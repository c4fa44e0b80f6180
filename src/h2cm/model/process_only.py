"""The competitor without networks: the process equations with one learned global value for each parameter."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from h2cm.model.h2cm import H2CM
from h2cm.model.networks import ACTIVATIONS

GAIN = 10.0
"""A step of the optimiser changes every weight by about the learning rate. An output of a network of a hundred units
moves with all its weights at once; a single value needs this factor to move as far."""


class GlobalValue(NamedTuple):
    """Where a parameter starts and the range that it stays in; it is low + (high - low) sigmoid(raw)."""

    initial: float
    low: float
    high: float


GLOBAL_VALUES: dict[str, GlobalValue] = {
    "soil_moisture_capacity": GlobalValue(150.0, 10.0, 1000.0),  # mm
    "alpha_interception": GlobalValue(1.0, 0.01, 5.0),  # mm
    "alpha_snow_melt": GlobalValue(3.0, 0.1, 10.0),  # mm day-1 K-1
    "alpha_soil_recharge": GlobalValue(0.5, 0.01, 0.99),
    "alpha_groundwater_recharge": GlobalValue(0.5, 0.01, 0.99),
    "alpha_wue": GlobalValue(5.0, 0.1, 30.0),  # gC kg-1, times CO2 and beta_co2
    "alpha_transpiration": GlobalValue(0.5, 0.01, 0.99),
    "cue": GlobalValue(0.5, 0.1, 0.9),
    "fapar": GlobalValue(0.4, 0.01, 0.95),
    "basal_respiration": GlobalValue(1.5, 0.01, 10.0),  # gC m-2 day-1
    "alpha_soil_evaporation": GlobalValue(0.5, 0.01, 0.99),
}
"""Each parameter that a network gives in H2CM. Degree-day factors and capacities are as usual in global hydrological
models; the range is wide enough that no truth or estimate known to us lies outside."""


def inverse_softplus(value: Tensor) -> Tensor:
    """The number whose softplus is `value`, which is over 0."""
    return value + torch.log(-torch.expm1(-value))


INVERSES = {
    "sigmoid": torch.logit,
    "softplus": inverse_softplus,
    "capacity": lambda value: inverse_softplus(value - 1.0) - 100.0,
}
"""The inverse of each of `ACTIVATIONS`."""


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
            layer = network.fc3 if network.network.kind == "fcnn" else network.head
            parametrize.register_parametrization(layer, "bias", WithinRanges(network.network.outputs))
            layer.parametrizations.bias.original.requires_grad_(True)

    def global_values(self) -> dict[str, Tensor]:
        """The learned parameters, each a scalar."""
        found = {}
        for network in self.networks.values():
            layer = network.fc3 if network.network.kind == "fcnn" else network.head
            for (name, activation), bias in zip(network.network.outputs.items(), layer.bias.unbind(), strict=True):
                found[name] = ACTIVATIONS[activation](bias)
        return found

    def undecayed(self) -> list[nn.Parameter]:
        """The constants and all global values."""
        values = [p for p in self.networks.parameters() if p.requires_grad]
        return values + super().undecayed()
