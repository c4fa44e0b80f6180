"""Usual values and ranges of what the networks learn."""

from __future__ import annotations

from typing import NamedTuple


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
