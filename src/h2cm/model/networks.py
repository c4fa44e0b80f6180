"""The guided networks: who learns what, from which inputs (Table 2 of the paper).

`GUIDANCE` is the only place where this is written down. The model is built from it, every backend packs its
weights by it, and Table 2 is printed from it. What a network learns is known to the equations (`h2cm.model.process`) by the
name of the output.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, softplus

from h2cm.model.process import CARRIED, FORCING
from h2cm.model.ranges import GLOBAL_VALUES

HIDDEN = 100  # units of each LSTM
WIDTHS = (150, 12)  # hidden layers of each fully connected network
STATIC_CODE = WIDTHS[1]  # length of the code z that the static network hands to the others


@dataclass(frozen=True)
class Network:
    """One guided network.

    Attributes
    ----------
    name : str
        Name of the network and of its module.
    kind : str
        A key of `KINDS`: ``fcnn``, fully connected (150 and 12 hidden units), or ``lstm``, an LSTM of 100 units with a
        linear layer on top.
    inputs : tuple of str
        Names of the inputs, in order. ``static`` stands for all static attributes, ``static_code`` for the 12
        numbers that the static network makes of them; all others, of `FORCING` and `CARRIED`, are one number each.
    outputs : dict of str to str
        Name of each output and its activation (a key of `ACTIVATIONS`), in order.
    role : str
        What the network controls, for Table 2.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: dict[str, str]
    role: str

    def input_size(self, n_static: int) -> int:
        """Number of input features for `n_static` static attributes."""
        sizes = {"static": n_static, "static_code": STATIC_CODE}
        return sum(sizes.get(name, 1) for name in self.inputs)

    def columns(self) -> tuple[dict[str, int], list[int]]:
        """Of the inputs of a daily network: the column of each daily one, and the columns of the static code."""
        daily, code, column = {}, [], 0
        for name in self.inputs:
            if name == "static_code":
                code = list(range(column, column + STATIC_CODE))
                column += STATIC_CODE
            else:
                daily[name] = column
                column += 1
        return daily, code


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "softplus": softplus,
    # a soil holds at least 1 mm and starts the training at 101 mm
    "capacity": lambda x: softplus(x + 100.0) + 1.0,
    # the same least, but the spread is of the size of the mean: a step of the optimiser is a share of the capacity
    "open_capacity": lambda x: 1.0 + 150.0 * torch.exp(x),
}


def inverse_softplus(value: Tensor) -> Tensor:
    """The number whose softplus is `value`, which is over 0."""
    return value + torch.log(-torch.expm1(-value))


INVERSES: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.logit,
    "softplus": inverse_softplus,
    "capacity": lambda value: inverse_softplus(value - 1.0) - 100.0,
    "open_capacity": lambda value: torch.log((value - 1.0) / 150.0),
}
"""The inverse of each of `ACTIVATIONS`."""


class Guidance:
    """A table of networks, and what follows from it.

    Parameters
    ----------
    *rows : Network
    starts : mapping of str to float
        Values at which the training starts, by output: the initial bias of an output of which the network's last layer
        without its weights gives that value. Other biases start at random, as PyTorch draws them.

    Attributes
    ----------
    rows : dict of str to Network
    static : Network
        The one that sees the static attributes; it learns what varies in space only, and gives the static code.
    daily : tuple of Network
        All others.
    lstms, fcnns : tuple of Network
        The daily networks of these kinds.
    static_parameters, parameters : tuple of str
        What the static network, and what the daily ones learn.

    Raises
    ------
    ValueError
        If a row has an unknown kind, input or activation, or a parameter is learned twice.
    """

    def __init__(self, *rows: Network, starts: Mapping[str, float] = MappingProxyType({})):
        self.rows = {row.name: row for row in rows}
        self.starts = starts
        static = [row for row in rows if row.inputs == ("static",)]
        if len(static) != 1 or static[0].kind != "fcnn":
            raise ValueError(f"networks: expected one fully connected one with the input static, found {len(static)}")
        self.static = static[0]
        self.daily = tuple(row for row in rows if row is not self.static)
        self.lstms = tuple(row for row in self.daily if row.kind == "lstm")
        self.fcnns = tuple(row for row in self.daily if row.kind == "fcnn")
        self.static_parameters = tuple(self.static.outputs)
        self.parameters = tuple(name for row in self.daily for name in row.outputs)
        for row in self.daily:
            for what, names, known in (
                ("kind", {row.kind}, KINDS),
                ("input", row.inputs, (*FORCING, *CARRIED, "static_code")),
                ("activation", row.outputs.values(), ACTIVATIONS),
            ):
                if unknown := [name for name in names if name not in known]:
                    raise ValueError(f"network {row.name}: {what} {unknown[0]}: expected one of {', '.join(known)}")
        learned = self.static_parameters + self.parameters
        if twice := [name for name in learned if learned.count(name) > 1]:
            raise ValueError(f"networks: {twice[0]} is learned twice")

    def __deepcopy__(self, memo) -> Guidance:
        """Itself: it never changes, and what a backend has built for it serves every copy of a model."""
        return self


class GuidedNetwork(nn.Module):
    """What both kinds of guided network share: their row of the table and the activation of their outputs."""

    def __init__(self, network: Network):
        super().__init__()
        self.network = network

    def activate(self, raw: Tensor) -> dict[str, Tensor]:
        """Activate raw outputs (cell, output); returns one tensor (cell,) per output name."""
        columns = raw.unbind(-1)
        return {
            name: ACTIVATIONS[activation](column)
            for column, (name, activation) in zip(columns, self.network.outputs.items(), strict=True)
        }

    @property
    def last(self) -> nn.Linear:
        """The layer that gives the raw outputs."""
        raise NotImplementedError

    @torch.no_grad()
    def start_at(self, values: Mapping[str, float]) -> None:
        """Set the biases of the outputs that `values` has."""
        for k, (name, activation) in enumerate(self.network.outputs.items()):
            if name in values:
                self.last.bias[k] = INVERSES[activation](torch.tensor(values[name], dtype=torch.float64))


class FullyConnected(GuidedNetwork):
    """Two hidden layers (150, or `units` where that is not 100, and 12 units; LeakyReLU with slope 0.01) and a linear output layer."""

    def __init__(self, network: Network, n_static: int, units: int):
        super().__init__(network)
        wide, narrow = WIDTHS if units == HIDDEN else (units, WIDTHS[1])
        self.fc1 = nn.Linear(network.input_size(n_static), wide)
        self.fc2 = nn.Linear(wide, narrow)
        self.fc3 = nn.Linear(narrow, len(network.outputs))

    @property
    def last(self) -> nn.Linear:
        """See `GuidedNetwork`."""
        return self.fc3

    def code(self, inputs: Tensor) -> Tensor:
        """The activated 12 units of the second hidden layer, (cell, 12)."""
        return leaky_relu(self.fc2(leaky_relu(self.fc1(inputs), 0.01)), 0.01)

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        return self.activate(self.fc3(self.code(inputs)))


class Recurrent(GuidedNetwork):
    """An LSTM cell and a linear layer on its new hidden state."""

    def __init__(self, network: Network, n_static: int, units: int):
        super().__init__(network)
        self.cell = nn.LSTMCell(network.input_size(n_static), units)
        self.head = nn.Linear(units, len(network.outputs))

    @property
    def last(self) -> nn.Linear:
        """See `GuidedNetwork`."""
        return self.head

    def forward(self, inputs: Tensor, h: Tensor, c: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        h, c = self.cell(inputs, (h, c))
        return self.activate(self.head(h)), h, c


KINDS: dict[str, type[GuidedNetwork]] = {"fcnn": FullyConnected, "lstm": Recurrent}


def build_network(network: Network, n_static: int, units: int = HIDDEN) -> GuidedNetwork:
    """The module of one row of the table; see `h2cm.model.H2CM` for `units`."""
    return KINDS[network.kind](network, n_static, units)


GUIDANCE = Guidance(
    Network(
        "static_parameters",
        "fcnn",
        ("static",),
        {"soil_moisture_capacity": "capacity", "alpha_interception": "softplus"},
        "Spatial parameters",
    ),
    Network(
        "hydrology",
        "lstm",
        ("net_radiation", "precipitation", "soil_moisture", "swe", "groundwater", "fapar", "static_code"),
        {
            "alpha_snow_melt": "softplus",
            "alpha_soil_recharge": "sigmoid",
            "alpha_groundwater_recharge": "sigmoid",
        },
        "Most hydrological behaviour",
    ),
    Network(
        "coupling",
        "fcnn",
        ("net_radiation", "vapour_pressure_deficit", "soil_moisture", "static_code"),
        {"alpha_wue": "softplus", "alpha_transpiration": "sigmoid"},
        "Water-carbon coupling",
    ),
    Network(
        "vegetation",
        "lstm",
        (
            "net_radiation",
            "air_temperature",
            "vapour_pressure_deficit",
            "co2",
            "soil_moisture",
            "fapar",
            "npp",
            "static_code",
        ),
        {"cue": "sigmoid", "fapar": "sigmoid"},
        "Vegetation and its respiration",
    ),
    Network(
        "surface",
        "lstm",
        ("net_radiation", "precipitation", "npp", "fapar", "static_code"),
        {"basal_respiration": "softplus", "alpha_soil_evaporation": "sigmoid"},
        "Upper soil sensitivity",
    ),
)
"""The networks of the paper."""

NETWORKS = GUIDANCE.rows
LSTMS: tuple[str, ...] = tuple(row.name for row in GUIDANCE.lstms)


def changed(guidance: Guidance, starts: Mapping[str, float], **rows: dict) -> Guidance:
    """A table with other fields in some of its rows."""
    return Guidance(*(replace(row, **rows.get(name, {})) for name, row in guidance.rows.items()), starts=starts)


def seeing(network: str, *names: str) -> tuple[str, ...]:
    """The inputs of a network of the paper, and others before the static code."""
    return (*GUIDANCE.rows[network].inputs[:-1], *names, "static_code")


GUIDANCES: dict[str, Guidance] = {
    "published": GUIDANCE,
    "open": changed(
        GUIDANCE,
        {name: row.initial for name, row in GLOBAL_VALUES.items()},
        static_parameters={"outputs": GUIDANCE.static.outputs | {"soil_moisture_capacity": "open_capacity"}},
        hydrology={"inputs": seeing("hydrology", "air_temperature")},
        coupling={"inputs": seeing("coupling", "air_temperature", "fapar", "npp")},
        surface={"inputs": seeing("surface", "air_temperature")},
    ),
}
"""The variants of the model, by the names that ``model.variant`` takes.

`published` is the paper's. In `open` the soil's capacity is free to move, the coupling of water and carbon sees temperature
and what the vegetation remembers, hydrology and surface see temperature, and every output starts at the initial value of
`h2cm.model.ranges.GLOBAL_VALUES`, so that fluxes start near those observed.
"""
