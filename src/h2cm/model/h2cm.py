"""H2CM: guided networks and process equations, stepped through the days of a record."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from h2cm.model.networks import HIDDEN, LSTMS, NETWORKS, build_network
from h2cm.model.process import FREEZING_POINT, Carbon, Water, carbon_step, water_step

FORCING = ("net_radiation", "precipitation", "air_temperature", "vapour_pressure_deficit", "co2")
"""The forcing variables, in the order in which they are stacked: W m-2, mm day-1, K, hPa, ppm."""

PARAMETERS = tuple(name for n in NETWORKS.values() if n.name != "static_parameters" for name in n.outputs)
"""The nine daily parameters that the networks learn."""

OUTPUTS = PARAMETERS + Water._fields + Carbon._fields
"""All daily outputs of the model."""

STATE_SCALES = {"swe": 100.0, "groundwater": 200.0}
"""mm by which a storage is divided before a network sees it (soil moisture: its capacity)."""

INITIAL_NPP = 1.1738447874691162
"""gC m-2 day-1, the global median of TRENDY v11; all other states start at 0."""

CONSTANTS = {"beta_snow": 3.0, "beta_baseflow": -6.0, "q10": -3.0, "beta_co2": -6.5}
"""The trainable global constants and their initial raw values."""


class State(NamedTuple):
    """What is carried from one day to the next.

    ``swe``, ``soil_moisture``, ``groundwater`` (mm), ``fapar`` (-) and ``npp`` (gC m-2 day-1) have shape (cell,);
    ``h`` and ``c``, the states of the LSTMs in the order of `LSTMS`, have shape (lstm, cell, unit).
    """

    swe: Tensor
    soil_moisture: Tensor
    groundwater: Tensor
    fapar: Tensor
    npp: Tensor
    h: Tensor
    c: Tensor


def network_states(state: State, soil_moisture_capacity: Tensor) -> dict[str, Tensor]:
    """The states as the networks see them, by the name of the input."""
    return {
        "soil_moisture": state.soil_moisture / soil_moisture_capacity,
        "swe": state.swe / STATE_SCALES["swe"],
        "groundwater": state.groundwater / STATE_SCALES["groundwater"],
        "fapar": state.fapar,
        "npp": state.npp,
    }


def process_step(
    forcing: Tensor,
    state: State,
    parameters: dict[str, Tensor],
    static_parameters: dict[str, Tensor],
    constants: dict[str, Tensor],
) -> tuple[Water, Carbon]:
    """The process equations of one day, given what the networks learned of it.

    Parameters
    ----------
    forcing : Tensor, shape (..., 5)
        In physical units, in the order of `FORCING`.
    state : State
        At the end of the day before; its storages have shape (...).
    parameters, static_parameters : dict of Tensor, shape (...)
    constants : dict of Tensor
        Of a shape that goes with (...).
    """
    net_radiation, precipitation, air_temperature, _, co2 = forcing.unbind(-1)
    celsius = air_temperature - FREEZING_POINT
    p = parameters
    water = water_step(
        net_radiation,
        precipitation,
        celsius,
        state.swe,
        state.soil_moisture,
        state.groundwater,
        p["fapar"],
        static_parameters["soil_moisture_capacity"],
        static_parameters["alpha_interception"],
        p["alpha_snow_melt"],
        p["alpha_soil_evaporation"],
        p["alpha_transpiration"],
        p["alpha_soil_recharge"],
        p["alpha_groundwater_recharge"],
        constants["beta_snow"],
        constants["beta_baseflow"],
    )
    carbon = carbon_step(
        water.transpiration,
        celsius,
        co2,
        p["alpha_wue"],
        p["cue"],
        p["basal_respiration"],
        constants["beta_co2"],
        constants["q10"],
    )
    return water, carbon


class H2CM(nn.Module):
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

    Notes
    -----
    Inputs and outputs are in physical units. The mean and standard deviation by which the networks' inputs are
    standardised are buffers of the model (`set_normalisation`), so the weights carry them.
    """

    def __init__(self, n_static: int = 30, backend: str = "auto", precision: str = "float32"):
        super().__init__()
        self.n_static = n_static
        self.backend, self.precision = backend, precision
        self.networks = nn.ModuleDict({name: build_network(row, n_static) for name, row in NETWORKS.items()})
        self.raw = nn.ParameterDict(
            {
                name: nn.Parameter(torch.tensor(value, dtype=torch.get_default_dtype()))
                for name, value in CONSTANTS.items()
            }
        )
        self.register_buffer("forcing_mean", torch.zeros(len(FORCING)))
        self.register_buffer("forcing_std", torch.ones(len(FORCING)))
        self.register_buffer("static_mean", torch.zeros(n_static))
        self.register_buffer("static_std", torch.ones(n_static))

    def set_normalisation(self, forcing_mean, forcing_std, static_mean, static_std) -> None:
        """Set the statistics (of the training cells) by which the networks' inputs are standardised."""
        for name, value in {
            "forcing_mean": forcing_mean,
            "forcing_std": forcing_std,
            "static_mean": static_mean,
            "static_std": static_std,
        }.items():
            buffer = getattr(self, name)
            value = torch.as_tensor(value, dtype=buffer.dtype, device=buffer.device)
            if value.shape != buffer.shape:
                raise ValueError(f"{name}: expected shape {tuple(buffer.shape)}, got {tuple(value.shape)}")
            buffer.copy_(value)

    def constants(self) -> dict[str, Tensor]:
        """The global constants: ``beta_snow`` (-), ``beta_baseflow`` (day-1), ``q10`` (-), ``beta_co2`` (ppm-1)."""
        raw = self.raw
        return {
            "beta_snow": torch.sigmoid(raw["beta_snow"]),
            "beta_baseflow": torch.sigmoid(raw["beta_baseflow"]),
            "q10": 1 + 9 * torch.sigmoid(raw["q10"]),
            "beta_co2": softplus(raw["beta_co2"]),
        }

    def static_parameters(self, static: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Parameters that vary in space only, and the code of the static attributes.

        Parameters
        ----------
        static : Tensor, shape (cell, attribute)

        Returns
        -------
        dict
            ``soil_moisture_capacity`` and ``alpha_interception`` (mm), each of shape (cell,).
        Tensor
            The code z, shape (cell, 12).
        """
        network = self.networks["static_parameters"]
        code = network.code((static - self.static_mean) / self.static_std)
        return network.activate(network.fc3(code)), code

    def initial_state(self, n_cells: int) -> State:
        """The state from which a spin-up starts: all 0 but NPP."""
        zero = self.forcing_mean.new_zeros(n_cells)
        lstm = self.forcing_mean.new_zeros(len(LSTMS), n_cells, HIDDEN)
        return State(zero, zero, zero, zero, torch.full_like(zero, INITIAL_NPP), lstm, lstm)

    def step(
        self,
        forcing: Tensor,
        normalised: Tensor,
        state: State,
        static_parameters: dict[str, Tensor],
        code: Tensor,
        constants: dict[str, Tensor],
    ) -> tuple[dict[str, Tensor], Water, Carbon, State]:
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
        parameters : dict of Tensor
            The learned parameters of the day.
        water, carbon : Water, Carbon
        state : State
            At the end of the day.
        """
        seen = dict(zip(FORCING, normalised.unbind(1), strict=True))
        seen |= network_states(state, static_parameters["soil_moisture_capacity"])
        parameters, h, c = {}, [], []
        for name, row in NETWORKS.items():
            if name == "static_parameters":
                continue
            inputs = torch.cat([torch.stack([seen[i] for i in row.inputs if i != "static_code"], 1), code], 1)
            if row.kind == "lstm":
                k = len(h)
                learned, h_k, c_k = self.networks[name](inputs, state.h[k], state.c[k])
                h.append(h_k)
                c.append(c_k)
            else:
                learned = self.networks[name](inputs)
            parameters |= learned

        water, carbon = process_step(forcing, state, parameters, static_parameters, constants)
        state = State(
            water.swe,
            water.soil_moisture,
            water.groundwater,
            parameters["fapar"],
            carbon.npp,
            torch.stack(h),
            torch.stack(c),
        )
        return parameters, water, carbon, state

    def forward(
        self,
        forcing: Tensor,
        static: Tensor,
        state: State | None = None,
        outputs: tuple[str, ...] = OUTPUTS,
    ) -> tuple[dict[str, Tensor], State]:
        """Run the model through all days of `forcing`.

        Parameters
        ----------
        forcing : Tensor, shape (cell, day, 5)
            In physical units, in the order of `FORCING`.
        static : Tensor, shape (cell, attribute)
            In physical units.
        state : State, optional
            Where to start from; `initial_state` if not given.
        outputs : tuple of str
            The daily outputs wanted, of `OUTPUTS`.

        Returns
        -------
        dict of Tensor
            Each output, shape (cell, day).
        State
            At the end of the last day.
        """
        from h2cm.model.backends import simulate

        if state is None:
            state = self.initial_state(forcing.shape[0])
        return simulate(self, forcing, static, state, tuple(outputs))

    @torch.no_grad()
    def spin_up(self, forcing: Tensor, static: Tensor, passes: int = 1) -> State:
        """The state after `passes` runs through the whole record from `initial_state`, without gradient."""
        state = self.initial_state(forcing.shape[0])
        for _ in range(passes):
            _, state = self(forcing, static, state, outputs=())
        return state
