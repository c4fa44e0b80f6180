"""The day of a land cell: forcing, what is carried from day to day, global constants, and the equations.

This module and `h2cm.model.networks` are the only statement of the model: `h2cm.model.h2cm` runs them as they stand, and the
backends make their code of them. Every quantity has one name everywhere: as forcing, state, learned parameter, constant
and output. What an equation assigns to ``day`` is an output of the model; other intermediate results are plain variables.

Water is in mm and mm day-1, carbon in gC m-2 day-1, temperatures in degrees Celsius. `minimum` and `maximum` share the
gradient half and half at exact ties.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from h2cm.vocabulary import EVAPORATION_PER_RADIATION, FREEZING_POINT

FORCING = ("net_radiation", "precipitation", "air_temperature", "vapour_pressure_deficit", "co2")
"""The forcing variables, in the order in which they are stacked: W m-2, mm day-1, K, hPa, ppm."""


@dataclass(frozen=True)
class Carried:
    """A quantity that is carried from one day to the next: an output or a learned parameter of the day before.

    Attributes
    ----------
    initial : float
        Its value when a spin-up starts.
    scale : float or str
        What it is divided by before a network sees it; a name stands for a learned parameter that varies in space only.
    """

    initial: float = 0.0
    scale: float | str = 1.0


CARRIED: dict[str, Carried] = {
    "swe": Carried(scale=100.0),  # mm
    "soil_moisture": Carried(scale="soil_moisture_capacity"),  # mm
    "groundwater": Carried(scale=200.0),  # mm
    "fapar": Carried(),
    "npp": Carried(initial=1.1738447874691162),  # gC m-2 day-1: the global median of TRENDY v11
}
"""What is carried from day to day besides the states of the networks."""

State = namedtuple("State", (*CARRIED, "h", "c"))
State.__doc__ = """What is carried from one day to the next.

Each of `CARRIED` has shape (cell,); ``h`` and ``c``, the states of the LSTMs in the order of their table, have shape
(lstm, cell, unit).
"""


@dataclass(frozen=True)
class Constant:
    """A trainable global constant: its raw value before training, and what makes its value of the raw one."""

    initial: float
    transform: Callable[[Tensor], Tensor]


CONSTANTS: dict[str, Constant] = {
    "beta_snow": Constant(3.0, torch.sigmoid),  # snowfall correction
    "beta_baseflow": Constant(-6.0, torch.sigmoid),  # slow runoff per stored groundwater, day-1
    "q10": Constant(-3.0, lambda raw: 1 + 9 * torch.sigmoid(raw)),  # of heterotrophic respiration
    "beta_co2": Constant(-6.5, softplus),  # CO2 fertilisation, ppm-1
}

REFERENCE_TEMPERATURE = 15.0  # degC, at which the respiration of the soil is its basal rate


class Day:
    """What is known of a day: its forcing, learned parameters and constants, then the result of each equation.

    Each name is assigned once: to say one again is an error.
    """

    def __init__(self, known: Mapping[str, Tensor]):
        self.__dict__.update(known)

    def __setattr__(self, name: str, value: Tensor) -> None:
        if name in self.__dict__:
            raise ValueError(f"the equations assign {name} to the day, which has it already")
        self.__dict__[name] = value


def water(day: Day, before: State) -> None:
    """One day of the water cycle (Eq. 1 of the paper; Eqs. A1-A24 of Baghirov et al., 2025, GMD 18, 2921).

    Each day and cell, ``corrected_precipitation - et - runoff`` equals the change of ``tws``.
    """
    zero, one = torch.zeros_like(day.precipitation), torch.ones_like(day.precipitation)
    celsius = day.air_temperature - FREEZING_POINT
    frozen = celsius <= 0

    day.snowfall = torch.where(frozen, day.precipitation * day.beta_snow, zero)
    day.rainfall = torch.where(frozen, zero, day.precipitation)
    day.snow_melt = torch.minimum(before.swe, torch.maximum(celsius, zero) * day.alpha_snow_melt)

    energy = torch.maximum(day.net_radiation * EVAPORATION_PER_RADIATION, zero)
    day.interception = torch.minimum(torch.minimum(day.rainfall, day.fapar * day.alpha_interception), energy)
    energy = energy - day.interception
    day.soil_evaporation = (1 - day.fapar) * torch.minimum(energy, before.soil_moisture) * day.alpha_soil_evaporation
    energy = energy - day.soil_evaporation
    soil_moisture = before.soil_moisture - day.soil_evaporation
    day.transpiration = day.fapar * torch.minimum(energy, soil_moisture) * day.alpha_transpiration
    soil_moisture = soil_moisture - day.transpiration
    day.et = day.interception + day.soil_evaporation + day.transpiration

    day.water_input = day.rainfall + day.snow_melt - day.interception
    room = (day.soil_moisture_capacity - soil_moisture) / torch.maximum(day.water_input, 1e-8 * one)
    day.soil_recharge_fraction = torch.minimum(one, room) * day.alpha_soil_recharge
    day.soil_recharge = day.soil_recharge_fraction * day.water_input
    day.groundwater_recharge_fraction = (1 - day.soil_recharge_fraction) * day.alpha_groundwater_recharge
    day.groundwater_recharge = day.groundwater_recharge_fraction * day.water_input
    day.fast_runoff_fraction = (1 - day.soil_recharge_fraction) * (1 - day.alpha_groundwater_recharge)
    day.fast_runoff = day.fast_runoff_fraction * day.water_input
    day.slow_runoff = before.groundwater * day.beta_baseflow
    day.runoff = day.fast_runoff + day.slow_runoff
    day.corrected_precipitation = day.rainfall + day.snowfall

    day.swe = torch.maximum(before.swe + day.snowfall - day.snow_melt, zero)
    day.soil_moisture = soil_moisture + day.soil_recharge
    day.relative_soil_moisture = day.soil_moisture / day.soil_moisture_capacity
    day.groundwater = before.groundwater + day.groundwater_recharge - day.slow_runoff
    day.tws = day.swe + day.soil_moisture + day.groundwater


def carbon(day: Day, before: State) -> None:
    """One day of the carbon cycle (Eqs. 2-4 of the paper); NEE is negative where the land takes up carbon."""
    celsius = day.air_temperature - FREEZING_POINT

    day.gpp = day.transpiration * day.alpha_wue * day.co2 * day.beta_co2
    day.npp = day.gpp * day.cue
    day.autotrophic_respiration = day.gpp - day.npp
    day.heterotrophic_respiration = day.basal_respiration * day.q10 ** ((celsius - REFERENCE_TEMPERATURE) / 10)
    day.ter = day.autotrophic_respiration + day.heterotrophic_respiration
    day.nep = day.gpp - day.ter
    day.nee = -day.nep


EQUATIONS = (water, carbon)
"""The parts of a day, in order. Each takes the day so far and the `State` at the end of the day before."""


def process_step(forcing: Tensor, before: State, known: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The equations of one day, given what the networks learned of it.

    Parameters
    ----------
    forcing : Tensor, shape (..., 5)
        In physical units, in the order of `FORCING`.
    before : State
        At the end of the day before; its storages have shape (...).
    known : mapping of Tensor
        By name, the learned parameters, of shape (...), and the constants.

    Returns
    -------
    dict
        What the equations gave, by name, in their order, each of shape (...).
    """
    known = dict(zip(FORCING, forcing.unbind(-1), strict=True)) | dict(known)
    day = Day(known)
    for part in EQUATIONS:
        part(day, before)
    return {name: value for name, value in day.__dict__.items() if name not in known}


def seen_states(before: State, known: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The carried quantities as the networks see them; `known` holds the parameters that vary in space only."""
    seen = {}
    for name, row in CARRIED.items():
        value = getattr(before, name)
        scale = known[row.scale] if isinstance(row.scale, str) else row.scale
        seen[name] = value if row.scale == 1.0 else value / scale
    return seen
