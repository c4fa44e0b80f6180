"""The ecology of the synthetic Earth: how its parameters follow weather, state and place.

Every function uses only what the guided network of its parameter may see (`h2cm.model.networks.NETWORKS`, Table 2 of the
paper), at most remembered for weeks as an LSTM can, so that the truth can be found by a model that looks well enough.
The forms are the usual ones (degree-day melt, stress functions of soil moisture and vapour pressure deficit, phenology
driven by warmth and water, respiration of a substrate pool with a pulse after rain on dry soil); the numbers are round
and chosen for realistic global means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np


@dataclass(frozen=True)
class Coefficients:
    """The numbers in the ecological functions, the same everywhere.

    Attributes
    ----------
    melt : float
        Snow melt without radiation, mm day-1 K-1.
    melt_radiation : float
        Increase of the melt with net radiation, mm day-1 K-1 per 100 W m-2.
    infiltration, percolation : float
        Log-odds of the recharge of an empty soil and of groundwater.
    evaporation : float
        Conductance of a wet soil surface.
    conductance : float
        Conductance of unstressed vegetation.
    wilting, stress_width : float
        Relative soil moisture at which vegetation is half stressed, and the width of the change.
    dry_air : float
        Vapour pressure deficit that halves the conductance, hPa.
    efficiency : float
        Water-use efficiency in humid air, gC kg-1.
    efficiency_dry_air : float
        Vapour pressure deficit that halves it, hPa.
    cue, cue_warmth : float
        Log-odds of the carbon-use efficiency at 15 degC and their fall per degree.
    leaf_warmth, leaf_water : float
        Temperature (degC) and relative soil moisture at which half of the leaves are out.
    leaf_rate : float
        Share of the missing leaves that come out in a day.
    respiration : float
        Basal respiration per remembered NPP.
    pulse : float
        Strength of the respiration pulse after rain on dry soil.
    """

    melt: float = 2.0
    melt_radiation: float = 1.5
    infiltration: float = 2.6
    percolation: float = 0.3
    evaporation: float = 0.75
    conductance: float = 1.1
    wilting: float = 0.25
    stress_width: float = 0.07
    dry_air: float = 50.0
    efficiency: float = 10.2
    efficiency_dry_air: float = 8.0
    cue: float = 0.12
    cue_warmth: float = 0.03
    leaf_warmth: float = 5.0
    leaf_water: float = 0.25
    leaf_rate: float = 0.06
    respiration: float = 0.85
    pulse: float = 1.5


def draw_ensemble(members: int, seed: int, spread: float = 0.25) -> list[Coefficients]:
    """Coefficients of other models of the same Earth: each number scattered around the true one by up to `spread`.

    A Latin hypercube, so that every part of each range is drawn once and the median of the ensemble is near the centre.
    """
    rng = np.random.default_rng([seed, 300])
    truth = Coefficients()
    values = {}
    for field in fields(truth):
        places = (rng.permutation(members) + rng.uniform(size=members)) / members
        values[field.name] = getattr(truth, field.name) * (1 + spread * (2 * places - 1))
    return [replace(truth, **{name: float(v[k]) for name, v in values.items()}) for k in range(members)]


def logistic(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))


class Ecology:
    """Makes the nine daily parameters of cells; remembers what it needs from day to day.

    Parameters
    ----------
    static : mapping
        The static attributes (`h2cm.sources.twin.attributes`), each (cell,).
    coefficients : Coefficients, optional
        Those of the truth if not given.

    Attributes
    ----------
    soil : dict
        ``soil_moisture_capacity`` and ``alpha_interception``, mm, each (cell,).
    """

    def __init__(self, static: Mapping[str, np.ndarray], coefficients: Coefficients = Coefficients()):
        self.c = coefficients or Coefficients()
        trees, herbs = static["forest"], static["grassland"] + static["cultivated_land"]
        barren = (
            static["bare_land"]
            + static["permanent_snow_and_ice"]
            + static["water_bodies"]
            + static["artificial_surfaces"]
        )
        slope = 1 - np.exp(-static["elevation_std"] / 200)
        roots = (0.5 + 0.9 * trees + 0.3 * herbs) * np.minimum(1, 0.4 + 0.35 * static["depth_to_bedrock"])  # m
        self.soil = {
            "soil_moisture_capacity": 20 + 1000 * roots * static["available_water_capacity"],
            "alpha_interception": 0.4 + 2.2 * trees + 0.6 * static["shrubland"] + 0.5 * herbs,
        }
        self.full_leaf = 0.92 * (1 - barren) * (1 - 0.35 * static["tundra"] - 0.15 * static["shrubland"] - 0.1 * herbs)
        self.needles = 0.45 * trees
        self.infiltration = self.c.infiltration - 1.2 * slope - 1.5 * static["wetlands"] + 0.01 * (static["sand"] - 35)
        self.percolation = self.c.percolation - 1.5 * slope + 0.02 * (static["sand"] - 35) - 1.5 * static["wetlands"]
        self.melt = self.c.melt * (1 - 0.4 * trees)
        self.efficiency = self.c.efficiency * (0.8 + 0.25 * trees + 0.2 * static["cultivated_land"])
        self.cue = self.c.cue - 0.15 * trees + 0.1 * herbs
        self.decay = self.c.respiration * static["organic_carbon_stock"] / 5.5
        self.memory = None

    def stress(self, water: np.ndarray) -> np.ndarray:
        """The share of the conductance that the vegetation keeps, (cell,), from relative soil moisture."""
        return logistic((water - self.c.wilting) / self.c.stress_width)

    def __call__(self, day: int, weather: Mapping, before: Mapping) -> dict[str, np.ndarray]:
        """The parameters of one day, each (cell,); see `h2cm.sources.twin.truth.Parameters`."""
        c = self.c
        radiation, rain, deficit = (weather[k] for k in ("net_radiation", "precipitation", "vapour_pressure_deficit"))
        degrees = weather["air_temperature"] - 273.15
        water = before["soil_moisture"] / self.soil["soil_moisture_capacity"]
        if self.memory is None:
            self.memory = {"warmth": degrees, "water": water, "rain": rain, "surface": rain, "litter": before["npp"]}
        m = self.memory
        surface_before = m["surface"]
        m = {
            "warmth": m["warmth"] + (degrees - m["warmth"]) / 15,
            "water": m["water"] + (water - m["water"]) / 15,
            "rain": m["rain"] + (rain - m["rain"]) / 25,
            "surface": m["surface"] + (rain - m["surface"]) / 5,
            "litter": m["litter"] + (before["npp"] - m["litter"]) / 80,
        }
        self.memory = m

        warm = self.needles + (1 - self.needles) * logistic((m["warmth"] - c.leaf_warmth) / 2.0)
        moist = logistic((m["water"] - c.leaf_water) / 0.07)
        leaves = self.full_leaf * warm * moist
        stress = self.stress(water)
        humid = 1 / (1 + deficit / c.efficiency_dry_air)
        shaded = 1 / (1 + np.maximum(radiation, 0) / 600)
        wet_soil = m["rain"] / (m["rain"] + 0.6)
        pulse = c.pulse * rain / (rain + 5) * np.exp(-surface_before / 1.0)
        sunny = np.maximum(radiation, 0) / 100
        return {
            "alpha_snow_melt": self.melt + c.melt_radiation * sunny,
            "alpha_soil_recharge": logistic(self.infiltration - 3.0 * water**3 - 0.015 * rain),
            "alpha_groundwater_recharge": logistic(self.percolation - 0.02 * rain),
            "alpha_wue": self.efficiency * humid * shaded,
            "alpha_transpiration": c.conductance * stress * deficit / (deficit + 1.5) / (1 + deficit / c.dry_air),
            "cue": logistic(self.cue - c.cue_warmth * (m["warmth"] - 15)),
            "fapar": before["fapar"] + c.leaf_rate * (leaves - before["fapar"]),
            "basal_respiration": self.decay * m["litter"] * (0.25 + 0.75 * wet_soil) * (1 + pulse),
            "alpha_soil_evaporation": c.evaporation
            * (0.1 + 0.9 * m["surface"] / (m["surface"] + 1.5))
            * (1 - 0.1 * np.tanh(sunny)),
        }


def fire_emissions(static: Mapping, productivity: np.ndarray, water: np.ndarray, kelvin: np.ndarray) -> np.ndarray:
    """Monthly fire emissions, gC m-2 day-1, (cell, month): where there is fuel, and when it is warm and dry.

    Parameters
    ----------
    static : mapping
        The static attributes, each (cell,).
    productivity, water, kelvin : ndarray, shape (cell, month)
        Monthly means of NPP (gC m-2 day-1), relative soil moisture and air temperature (K).
    """
    fuel = productivity.mean(1, keepdims=True)
    flammable = static["grassland"] + static["shrubland"] + 0.5 * static["forest"] + 0.1 * static["cultivated_land"]
    dry = logistic((0.22 - water) / 0.05)
    warm = logistic((kelvin - 288.15) / 2.5)
    return 0.9 * fuel * flammable[:, None] * dry * warm
