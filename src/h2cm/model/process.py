"""The process equations of one day: water, then carbon, in the order of the paper.

All quantities are tensors of one shape, (cell,), or numbers. Water is in mm and mm day-1, carbon in
gC m-2 day-1, temperatures in degrees Celsius, net radiation in W m-2. `minimum` and `maximum` share the gradient
half and half at exact ties.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from h2cm.vocabulary import EVAPORATION_PER_RADIATION
from h2cm.vocabulary import FREEZING_POINT as FREEZING_POINT

REFERENCE_TEMPERATURE = 15.0  # degC, at which the respiration of the soil is its basal rate


class Water(NamedTuple):
    """Water fluxes (mm day-1) and the storages at the end of the day (mm)."""

    snowfall: Tensor
    rainfall: Tensor
    snow_melt: Tensor
    interception: Tensor
    soil_evaporation: Tensor
    transpiration: Tensor
    et: Tensor
    water_input: Tensor
    soil_recharge_fraction: Tensor
    soil_recharge: Tensor
    groundwater_recharge_fraction: Tensor
    groundwater_recharge: Tensor
    fast_runoff_fraction: Tensor
    fast_runoff: Tensor
    slow_runoff: Tensor
    runoff: Tensor
    corrected_precipitation: Tensor
    swe: Tensor
    soil_moisture: Tensor
    relative_soil_moisture: Tensor
    groundwater: Tensor
    tws: Tensor


class Carbon(NamedTuple):
    """Carbon fluxes (gC m-2 day-1); NEE is negative where the land takes up carbon."""

    gpp: Tensor
    npp: Tensor
    autotrophic_respiration: Tensor
    heterotrophic_respiration: Tensor
    ter: Tensor
    nep: Tensor
    nee: Tensor


def water_step(
    net_radiation: Tensor,
    precipitation: Tensor,
    air_temperature: Tensor,
    swe: Tensor,
    soil_moisture: Tensor,
    groundwater: Tensor,
    fapar: Tensor,
    soil_moisture_capacity: Tensor,
    alpha_interception: Tensor,
    alpha_snow_melt: Tensor,
    alpha_soil_evaporation: Tensor,
    alpha_transpiration: Tensor,
    alpha_soil_recharge: Tensor,
    alpha_groundwater_recharge: Tensor,
    beta_snow: Tensor,
    beta_baseflow: Tensor,
) -> Water:
    """One day of the water cycle (Eq. 1 of the paper; Eqs. A1-A24 of Baghirov et al., 2025, GMD 18, 2921).

    Parameters
    ----------
    net_radiation, precipitation, air_temperature : Tensor, shape (cell,)
        Forcing of the day: W m-2, mm day-1, degC.
    swe, soil_moisture, groundwater : Tensor, shape (cell,)
        Storages at the end of the day before, mm.
    fapar : Tensor, shape (cell,)
        Fraction of absorbed photosynthetically active radiation of the same day.
    soil_moisture_capacity, alpha_* : Tensor, shape (cell,)
        Parameters from the networks: mm, mm (interception), mm day-1 K-1 (snow melt), the others in 0-1.
    beta_snow, beta_baseflow : Tensor, scalar
        Snowfall correction (-) and slow runoff per stored groundwater (day-1).

    Returns
    -------
    Water
        All fluxes and the new storages. Each day and cell,
        ``corrected_precipitation - et - runoff`` equals the change of ``tws``.
    """
    zero = torch.zeros_like(precipitation)
    one = torch.ones_like(precipitation)
    frozen = air_temperature <= 0

    snowfall = torch.where(frozen, precipitation * beta_snow, zero)
    rainfall = torch.where(frozen, zero, precipitation)
    snow_melt = torch.minimum(swe, torch.maximum(air_temperature, zero) * alpha_snow_melt)
    swe = torch.maximum(swe + snowfall - snow_melt, zero)

    energy = torch.maximum(net_radiation * EVAPORATION_PER_RADIATION, zero)
    interception = torch.minimum(torch.minimum(rainfall, fapar * alpha_interception), energy)
    energy = energy - interception
    soil_evaporation = (1 - fapar) * torch.minimum(energy, soil_moisture) * alpha_soil_evaporation
    energy = energy - soil_evaporation
    soil_moisture = soil_moisture - soil_evaporation
    transpiration = fapar * torch.minimum(energy, soil_moisture) * alpha_transpiration
    soil_moisture = soil_moisture - transpiration
    et = interception + soil_evaporation + transpiration

    water_input = rainfall + snow_melt - interception
    room = (soil_moisture_capacity - soil_moisture) / torch.maximum(water_input, 1e-8 * one)
    soil_recharge_fraction = torch.minimum(one, room) * alpha_soil_recharge
    soil_recharge = soil_recharge_fraction * water_input
    soil_moisture = soil_moisture + soil_recharge
    groundwater_recharge_fraction = (1 - soil_recharge_fraction) * alpha_groundwater_recharge
    groundwater_recharge = groundwater_recharge_fraction * water_input
    fast_runoff_fraction = (1 - soil_recharge_fraction) * (1 - alpha_groundwater_recharge)
    fast_runoff = fast_runoff_fraction * water_input
    slow_runoff = groundwater * beta_baseflow
    groundwater = groundwater + groundwater_recharge - slow_runoff

    return Water(
        snowfall=snowfall,
        rainfall=rainfall,
        snow_melt=snow_melt,
        interception=interception,
        soil_evaporation=soil_evaporation,
        transpiration=transpiration,
        et=et,
        water_input=water_input,
        soil_recharge_fraction=soil_recharge_fraction,
        soil_recharge=soil_recharge,
        groundwater_recharge_fraction=groundwater_recharge_fraction,
        groundwater_recharge=groundwater_recharge,
        fast_runoff_fraction=fast_runoff_fraction,
        fast_runoff=fast_runoff,
        slow_runoff=slow_runoff,
        runoff=fast_runoff + slow_runoff,
        corrected_precipitation=rainfall + snowfall,
        swe=swe,
        soil_moisture=soil_moisture,
        relative_soil_moisture=soil_moisture / soil_moisture_capacity,
        groundwater=groundwater,
        tws=swe + soil_moisture + groundwater,
    )


def carbon_step(
    transpiration: Tensor,
    air_temperature: Tensor,
    co2: Tensor,
    alpha_wue: Tensor,
    cue: Tensor,
    basal_respiration: Tensor,
    beta_co2: Tensor,
    q10: Tensor,
) -> Carbon:
    """One day of the carbon cycle (Eqs. 2-4 of the paper).

    Parameters
    ----------
    transpiration, air_temperature, co2 : Tensor, shape (cell,)
        mm day-1, degC, ppm.
    alpha_wue, cue, basal_respiration : Tensor, shape (cell,)
        Water-use efficiency without CO2 fertilisation (gC kg-1 H2O), carbon-use efficiency (-) and
        heterotrophic respiration at 15 degC (gC m-2 day-1), from the networks.
    beta_co2, q10 : Tensor, scalar
        CO2 fertilisation (ppm-1) and temperature sensitivity of heterotrophic respiration (-).

    Returns
    -------
    Carbon
        Fluxes in gC m-2 day-1.
    """
    gpp = transpiration * alpha_wue * co2 * beta_co2
    npp = gpp * cue
    autotrophic = gpp - npp
    heterotrophic = basal_respiration * q10 ** ((air_temperature - REFERENCE_TEMPERATURE) / 10)
    ter = autotrophic + heterotrophic
    nep = gpp - ter
    return Carbon(gpp, npp, autotrophic, heterotrophic, ter, nep, -nep)
