"""The process model of the synthetic Earth in NumPy, float64: the referee of the trained model.

The equations of `h2cm.model.process` once more, written from the paper (Eqs. 1-4; water: Eqs. A1-A24 of Baghirov et al.,
2025, GMD 18, 2921) and sharing no line of code with it, so that an error in one is seen in the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

CARBON, WATER, SHARE = "g m-2 day-1", "mm day-1", "1"

OUTPUTS: dict[str, tuple[str, str]] = {
    "alpha_snow_melt": ("mm day-1 K-1", "snow melt per degree above freezing"),
    "alpha_soil_recharge": (SHARE, "share of the water input that an empty soil takes up"),
    "alpha_groundwater_recharge": (SHARE, "share of what the soil leaves that reaches the groundwater"),
    "alpha_wue": ("g kg-1", "water-use efficiency without CO2 fertilisation, gC per kg water"),
    "alpha_transpiration": (SHARE, "conductance of the vegetation"),
    "cue": (SHARE, "carbon-use efficiency"),
    "fapar": (SHARE, "fraction of absorbed photosynthetically active radiation"),
    "basal_respiration": (CARBON, "heterotrophic respiration at 15 degC"),
    "alpha_soil_evaporation": (SHARE, "conductance of the soil surface"),
    "snowfall": (WATER, "snowfall, corrected"),
    "rainfall": (WATER, "rainfall"),
    "snow_melt": (WATER, "snow melt"),
    "interception": (WATER, "evaporation of intercepted rain"),
    "soil_evaporation": (WATER, "soil evaporation"),
    "transpiration": (WATER, "transpiration"),
    "et": (WATER, "evapotranspiration"),
    "water_input": (WATER, "rain and melt water that reach the ground"),
    "soil_recharge_fraction": (SHARE, "share of the water input that the soil takes up"),
    "soil_recharge": (WATER, "water that the soil takes up"),
    "groundwater_recharge_fraction": (SHARE, "share of the water input that reaches the groundwater"),
    "groundwater_recharge": (WATER, "water that reaches the groundwater"),
    "fast_runoff_fraction": (SHARE, "share of the water input that runs off at once"),
    "fast_runoff": (WATER, "fast runoff"),
    "slow_runoff": (WATER, "runoff from groundwater"),
    "runoff": (WATER, "runoff"),
    "corrected_precipitation": (WATER, "rainfall and corrected snowfall"),
    "swe": ("mm", "snow water equivalent"),
    "soil_moisture": ("mm", "soil moisture"),
    "relative_soil_moisture": (SHARE, "soil moisture over its capacity"),
    "groundwater": ("mm", "groundwater"),
    "tws": ("mm", "terrestrial water storage"),
    "gpp": (CARBON, "gross primary productivity"),
    "npp": (CARBON, "net primary productivity"),
    "autotrophic_respiration": (CARBON, "autotrophic respiration"),
    "heterotrophic_respiration": (CARBON, "heterotrophic respiration"),
    "ter": (CARBON, "terrestrial ecosystem respiration"),
    "nep": (CARBON, "net ecosystem productivity"),
    "nee": (CARBON, "net ecosystem exchange, negative: land sink"),
}
"""Unit and long name of every daily output; carbon fluxes are grams of carbon."""

PARAMETERS = tuple(OUTPUTS)[:9]
"""The daily parameters; in the trained model, networks learn them."""

STORAGES = ("swe", "soil_moisture", "groundwater")
CARRIED = (*STORAGES, "fapar", "npp")
"""What the equations hand from one day to the next."""

FIRST_NPP = 1.1738447874691162  # gC m-2 day-1, with which every run starts: global median of TRENDY v11

Fields = dict[str, np.ndarray]
Parameters = Callable[[int, Mapping[str, np.ndarray], Mapping[str, np.ndarray]], Fields]
"""The nine daily parameters from the number of the day, its forcing and the state of the day before."""


def initial_state(cells: int) -> Fields:
    """Where a spin-up starts: nothing stored, no leaves."""
    return {name: np.full(cells, FIRST_NPP if name == "npp" else 0.0) for name in CARRIED}


def water_and_carbon(weather: Mapping, before: Mapping, p: Mapping, soil: Mapping, constants: Mapping) -> Fields:
    """One day of the water and carbon cycle.

    Parameters
    ----------
    weather : mapping
        Forcing of the day, each (cell,): W m-2, mm day-1, K, ppm.
    before : mapping
        State at the end of the day before: `CARRIED`.
    p : mapping
        The nine daily parameters, each (cell,).
    soil : mapping
        ``soil_moisture_capacity`` (mm) and ``alpha_interception`` (mm), each (cell,).
    constants : mapping
        ``beta_snow``, ``beta_baseflow`` (day-1), ``q10``, ``beta_co2`` (ppm-1).

    Returns
    -------
    dict
        All of `OUTPUTS`, each (cell,).
    """
    degrees = weather["air_temperature"] - 273.15
    thaw = degrees > 0
    fapar = p["fapar"]

    rainfall = np.where(thaw, weather["precipitation"], 0.0)
    snowfall = np.where(thaw, 0.0, weather["precipitation"] * constants["beta_snow"])
    melt = np.minimum(before["swe"], np.where(thaw, degrees, 0.0) * p["alpha_snow_melt"])
    swe = np.maximum(before["swe"] + snowfall - melt, 0.0)

    # 1 W m-2 is 0.0864 MJ m-2 day-1; evaporating 1 mm takes 2.45 MJ m-2
    supply = np.maximum(weather["net_radiation"] * (0.0864 / 2.45), 0.0)
    interception = np.minimum(np.minimum(rainfall, fapar * soil["alpha_interception"]), supply)
    supply = supply - interception
    moisture = before["soil_moisture"]
    evaporation = (1 - fapar) * np.minimum(supply, moisture) * p["alpha_soil_evaporation"]
    supply, moisture = supply - evaporation, moisture - evaporation
    transpiration = fapar * np.minimum(supply, moisture) * p["alpha_transpiration"]
    moisture = moisture - transpiration

    ground = rainfall + melt - interception
    capacity = soil["soil_moisture_capacity"]
    to_soil = p["alpha_soil_recharge"] * np.minimum(1.0, (capacity - moisture) / np.maximum(ground, 1e-8))
    to_groundwater = (1 - to_soil) * p["alpha_groundwater_recharge"]
    at_once = (1 - to_soil) * (1 - p["alpha_groundwater_recharge"])
    moisture = moisture + to_soil * ground
    slow = before["groundwater"] * constants["beta_baseflow"]
    groundwater = before["groundwater"] + to_groundwater * ground - slow

    gpp = transpiration * p["alpha_wue"] * weather["co2"] * constants["beta_co2"]
    npp = gpp * p["cue"]
    heterotrophic = p["basal_respiration"] * constants["q10"] ** ((degrees - 15) / 10)
    ter = gpp - npp + heterotrophic
    return {name: p[name] for name in PARAMETERS} | {
        "snowfall": snowfall,
        "rainfall": rainfall,
        "snow_melt": melt,
        "interception": interception,
        "soil_evaporation": evaporation,
        "transpiration": transpiration,
        "et": interception + evaporation + transpiration,
        "water_input": ground,
        "soil_recharge_fraction": to_soil,
        "soil_recharge": to_soil * ground,
        "groundwater_recharge_fraction": to_groundwater,
        "groundwater_recharge": to_groundwater * ground,
        "fast_runoff_fraction": at_once,
        "fast_runoff": at_once * ground,
        "slow_runoff": slow,
        "runoff": at_once * ground + slow,
        "corrected_precipitation": rainfall + snowfall,
        "swe": swe,
        "soil_moisture": moisture,
        "relative_soil_moisture": moisture / capacity,
        "groundwater": groundwater,
        "tws": swe + moisture + groundwater,
        "gpp": gpp,
        "npp": npp,
        "autotrophic_respiration": gpp - npp,
        "heterotrophic_respiration": heterotrophic,
        "ter": ter,
        "nep": gpp - ter,
        "nee": ter - gpp,
    }


def prescribed(series: Mapping[str, np.ndarray]) -> Parameters:
    """Daily parameters that are given: each (cell, day)."""
    return lambda day, weather, before: {name: series[name][:, day] for name in PARAMETERS}


def simulate(
    forcing: Mapping[str, np.ndarray],
    parameters: Parameters,
    soil: Mapping[str, np.ndarray],
    constants: Mapping[str, float],
    state: Mapping[str, np.ndarray] | None = None,
    outputs: tuple[str, ...] = tuple(OUTPUTS),
    dtype=np.float64,
) -> tuple[Fields, Fields]:
    """Run the equations through all days of `forcing`.

    Parameters
    ----------
    forcing : mapping
        Named as in `h2cm.store.VARIABLES`, each (cell, day).
    parameters : callable
        What makes the nine parameters of a day, e.g. `prescribed` or `h2cm.sources.twin.parameters.Ecology`.
    soil, constants
        See `water_and_carbon`.
    state : mapping, optional
        `CARRIED`, each (cell,); `initial_state` if not given.
    outputs : tuple of str
        Which of `OUTPUTS` to return.
    dtype : dtype
        In which the outputs are kept; all computing is in float64.

    Returns
    -------
    dict
        Each of `outputs`, (cell, day).
    dict
        The state at the end.
    """
    by_day = {name: np.ascontiguousarray(values.T, float) for name, values in forcing.items()}
    days, cells = by_day["precipitation"].shape
    state = initial_state(cells) if state is None else dict(state)
    series = {name: np.empty((days, cells), dtype) for name in outputs}
    for day in range(days):
        weather = {name: values[day] for name, values in by_day.items()}
        today = water_and_carbon(weather, state, parameters(day, weather, state), soil, constants)
        for name in outputs:
            series[name][day] = today[name]
        state = {name: today[name] for name in CARRIED}
    return {name: np.ascontiguousarray(values.T) for name, values in series.items()}, state
