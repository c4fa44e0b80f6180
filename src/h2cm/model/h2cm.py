"""H2CM: guided networks and process equations, stepped through the days of a record."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from h2cm.model.interface import DailyModel
from h2cm.model.networks import GUIDANCE, GUIDANCES, HIDDEN, Guidance, build_network
from h2cm.model.process import CARRIED, CONSTANTS, FORCING, State, process_step, seen_states


def outputs_of(guidance: Guidance) -> tuple[str, ...]:
    """Names of all daily outputs of a model with these networks: what is learned, then what the equations give.

    Raises
    ------
    ValueError
        If the equations ask for something that is neither learned nor known, or give something a second time.
    """
    one = torch.ones(())
    known = dict.fromkeys((*guidance.static_parameters, *guidance.parameters, *CONSTANTS), one)
    try:
        given = process_step(torch.ones(len(FORCING)), State(*[one] * len(State._fields)), known)
    except AttributeError as error:
        raise ValueError(f"the equations ask for something that no network learns: {error}") from None
    if lost := [name for name in CARRIED if name not in given and name not in guidance.parameters]:
        raise ValueError(f"{lost[0]}: it is carried from day to day, but neither learned nor given by an equation")
    return (*guidance.parameters, *given)


PARAMETERS = GUIDANCE.parameters
"""The nine daily parameters that the networks learn."""

OUTPUTS = outputs_of(GUIDANCE)
"""All daily outputs of the model."""


class H2CM(DailyModel):
    """The hybrid hydrological-carbon cycle model (Baghirov et al., GMD, in review).

    Parameters
    ----------
    n_static : int
        Number of static attributes of a cell.
    backend : str
        How the days are stepped through: ``auto``, or a name in `h2cm.model.backends.BACKENDS`. All
        give the same numbers.
    precision : {"float32", "tf32", "bf16"}
        Of the matrix products of the networks, where the backend is ``fused``.
    guidance : Guidance
        The networks: who learns what, from which inputs.
    units : int
        Of each LSTM; if not 100, of the first hidden layer of the fully connected networks too.
    """

    kind = "h2cm"

    def __init__(
        self,
        n_static: int = 30,
        backend: str = "auto",
        precision: str = "float32",
        guidance: Guidance = GUIDANCE,
        units: int = HIDDEN,
    ):
        super().__init__(n_static)
        self.backend, self.precision, self.units = backend, precision, units
        self.guidance, self.outputs = guidance, outputs_of(guidance)
        self.static_outputs = guidance.static_parameters
        self.networks = nn.ModuleDict(
            {name: build_network(row, n_static, units) for name, row in guidance.rows.items()}
        )
        for network in self.networks.values():
            network.start_at(guidance.starts)
        self.raw = nn.ParameterDict(
            {
                name: nn.Parameter(torch.tensor(row.initial, dtype=torch.get_default_dtype()))
                for name, row in CONSTANTS.items()
            }
        )

    def constants(self) -> dict[str, Tensor]:
        """The global constants by name, in the order of `CONSTANTS`."""
        return {name: row.transform(self.raw[name]) for name, row in CONSTANTS.items()}

    @property
    def variant(self) -> str | None:
        """The name of the model's networks among `h2cm.model.networks.GUIDANCES`."""
        return next((name for name, guidance in GUIDANCES.items() if guidance is self.guidance), None)

    def static_parameters(self, static: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Parameters that vary in space only, and the code of the static attributes.

        Parameters
        ----------
        static : Tensor, shape (cell, attribute)

        Returns
        -------
        dict
            What the static network learns, by name, each of shape (cell,).
        Tensor
            The code z, shape (cell, 12).
        """
        network = self.networks[self.guidance.static.name]
        code = network.code((static - self.static_mean) / self.static_std)
        return network.activate(network.fc3(code)), code

    def initial_state(self, n_cells: int) -> State:
        """The state from which a spin-up starts."""
        start = [self.forcing_mean.new_full((n_cells,), row.initial) for row in CARRIED.values()]
        lstm = self.forcing_mean.new_zeros(len(self.guidance.lstms), n_cells, self.units)
        return State(*start, lstm, lstm)

    def step(
        self,
        forcing: Tensor,
        normalised: Tensor,
        state: State,
        static_parameters: dict[str, Tensor],
        code: Tensor,
        constants: dict[str, Tensor],
    ) -> tuple[dict[str, Tensor], State]:
        """One day.

        Parameters
        ----------
        forcing, normalised : Tensor, shape (cell, 5)
            The forcing of the day in physical units and standardised, in the order of `FORCING`.
        state : State
            At the end of the day before.
        static_parameters, code, constants
            From `static_parameters` and `constants`.

        Returns
        -------
        outputs : dict of Tensor
            What was learned of the day, and what the equations give.
        state : State
            At the end of the day.
        """
        seen = {name: values.unsqueeze(1) for name, values in zip(FORCING, normalised.unbind(1), strict=True)}
        seen |= {name: values.unsqueeze(1) for name, values in seen_states(state, static_parameters).items()}
        seen["static_code"] = code
        parameters, h, c = {}, [], []
        for row in self.guidance.daily:
            inputs = torch.cat([seen[name] for name in row.inputs], 1)
            if row.kind == "lstm":
                learned, h_k, c_k = self.networks[row.name](inputs, state.h[len(h)], state.c[len(h)])
                h.append(h_k)
                c.append(c_k)
            else:
                learned = self.networks[row.name](inputs)
            parameters |= learned

        outputs = parameters | process_step(forcing, state, parameters | static_parameters | constants)
        end = State(*(outputs[name] for name in CARRIED), *(torch.stack(x) if x else state.h for x in (h, c)))
        return outputs, end

    def undecayed(self) -> list[nn.Parameter]:
        """The raw values of the global constants."""
        return list(self.raw.values())

    def forward(
        self,
        forcing: Tensor,
        static: Tensor,
        state: State | None = None,
        outputs: tuple[str, ...] | None = None,
    ) -> tuple[dict[str, Tensor], State]:
        """See `DailyModel.forward`."""
        from h2cm.model.backends import simulate

        if state is None:
            state = self.initial_state(forcing.shape[0])
        return simulate(self, forcing, static, state, self.outputs if outputs is None else tuple(outputs))

    @staticmethod
    def simulate_many(models, forcing, static, states, outputs: tuple[str, ...]) -> list:
        """See `DailyModel.simulate_many`."""
        from h2cm.model.backends import simulate_many

        return simulate_many(models, forcing, static, states, outputs)

    def backend_for(self, forcing: Tensor) -> str:
        """Name of the backend that runs the model on `forcing`."""
        from h2cm.model.backends import choose

        return choose(self, forcing).__name__.rpartition(".")[2]
