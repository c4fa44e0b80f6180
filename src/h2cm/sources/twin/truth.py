"""The process model of the synthetic Earth in NumPy, float64: the referee of the trained model.

The equations of `h2cm.model.process` once more, written from the paper (Eqs. 1-4; water: Eqs. A1-A24 of Baghirov et al.,
2025, GMD 18, 2921) and sharing no line of code with it, so that an error in one is seen in the other: its physical constants are its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

PARAMETERS = (
    "alpha_snow_melt",
    "alpha_soil_recharge",
    "alpha_groundwater_recharge",
    "alpha_wue",
    "alpha_transpiration",
    "cue",
    "fapar",
    "basal_respiration",
    "alpha_soil_evaporation",
)
"""The daily parameters; in the trained model, networks learn them."""

# fmt: off
OUTPUTS = (
    *PARAMETERS,
    "snowfall", "rainfall", "snow_melt", "interception", "soil_evaporation", "transpiration", "et", "water_input",
    "soil_recharge_fraction", "soil_recharge", "groundwater_recharge_fraction", "groundwater_recharge",
    "fast_runoff_fraction", "fast_runoff", "slow_runoff", "runoff", "corrected_precipitation", "swe", "soil_moisture",
    "relative_soil_moisture", "groundwater", "tws", "gpp", "npp", "autotrophic_respiration",
    "heterotrophic_respiration", "ter", "nep", "nee",
)
# fmt: on
"""What is computed each day; units and names are those of `h2cm.vocabulary`, numbers are not shared."""

SOIL = ("soil_moisture_capacity", "alpha_interception")
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
    outputs: tuple[str, ...] = OUTPUTS,
    dtype=np.float64,
    step: Callable[..., Fields] = water_and_carbon,
) -> tuple[Fields, Fields]:
    """Run the equations through all days of `forcing`.

    Parameters
    ----------
    forcing : mapping
        Named as in `h2cm.vocabulary.VARIABLES`, each (cell, day).
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
    step : callable
        The equations of a day, in place of `water_and_carbon`.

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
        today = step(weather, state, parameters(day, weather, state), soil, constants)
        for name in outputs:
            series[name][day] = today[name]
        state = {name: today[name] for name in CARRIED}
    return {name: np.ascontiguousarray(values.T) for name, values in series.items()}, state
