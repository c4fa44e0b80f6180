"""A second nature of the synthetic Earth, whose equations are not the model's, to see what a model makes of what it cannot represent.

What differs from `h2cm.sources.twin.truth.water_and_carbon`, that the model has too:

- The soil has two layers. Its surface feeds evaporation, fills first and drains into the deep soil; roots take from both what is
  there. The model has one store.
- Vegetation is stressed by the water of both layers in proportion (Feddes et al., 1978), from a wilting point to a point
  below which it is felt, and recovers slower than it suffers. The network that learns it sees one store and has no memory.
- Respiration follows the temperature of the soil, which lags behind that of the air, and feeds on a slow pool of carbon besides the
  litter of the season. The model knows the temperature of the air only.

Snow, groundwater, runoff, and GPP from transpiration and CO2 are the same, so that the global constants keep their meaning: ``q10`` is
the sensitivity to the temperature of the soil. All balances hold, and parameters that an equation of the model would need to give
the same flux are given in its place.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from h2cm.sources.twin.parameters import Ecology
from h2cm.sources.twin.truth import Fields, water_and_carbon
from h2cm.vocabulary import EVAPORATION_PER_RADIATION, FREEZING_POINT

TOP = 0.2  # share of the capacity that is the surface layer's
DRAINAGE = 0.06  # share of the surface's water that sinks in a day, into an empty deep soil
WILTING, UNSTRESSED = 0.10, 0.45  # relative water of the roots
RECOVERY = 12.0  # days that a plant takes to recover from stress
SOIL_LAG = 25.0  # days by which the temperature of the soil lags
SLOW_SHARE, SLOW_DAYS = 0.4, 3650.0  # of the respiration of the slow pool, and its memory


class OtherEcology(Ecology):
    """Parameters as `Ecology` has them, but stress of its own kind."""

    roots = None  # relative water of the roots, set by `OtherNature`
    stressed = None

    def stress(self, water: np.ndarray) -> np.ndarray:
        """Conductance left, (cell,), which falls with the water of the roots at once and rises again slowly."""
        water = water if self.roots is None else self.roots
        now = np.clip((water - WILTING) / (UNSTRESSED - WILTING), 0, 1)
        before = now if self.stressed is None else self.stressed
        self.stressed = np.where(now < before, now, before + (now - before) / RECOVERY)
        return self.stressed


class OtherNature:
    """One day after the other, in place of `water_and_carbon`; remembers what that does not know.

    Parameters
    ----------
    ecology : OtherEcology
        Is told the water of the roots.
    """

    def __init__(self, ecology: OtherEcology):
        self.ecology = ecology
        self.top = self.soil_temperature = self.slow = None

    def __call__(self, weather: Mapping, before: Mapping, p: Mapping, soil: Mapping, constants: Mapping) -> Fields:
        """See `h2cm.sources.twin.truth.water_and_carbon`."""
        degrees = weather["air_temperature"] - FREEZING_POINT
        moisture, capacity = before["soil_moisture"], soil["soil_moisture_capacity"]
        if self.top is None:
            self.top, self.soil_temperature = TOP * moisture, degrees
            self.slow = np.array(before["npp"], float)
        top = np.minimum(self.top, moisture)

        # evaporation from the surface only: the share of the model's store that gives the same
        supply = np.maximum(weather["net_radiation"] * EVAPORATION_PER_RADIATION, 0.0)
        rain = np.where(degrees > 0, weather["precipitation"], 0.0)
        supply = supply - np.minimum(np.minimum(rain, p["fapar"] * soil["alpha_interception"]), supply)
        most = np.minimum(supply, moisture)
        share = np.where(most > 0, np.minimum(supply, top) / np.where(most > 0, most, 1.0), 0.0)
        evaporation = p["alpha_soil_evaporation"] * share

        # respiration by the temperature of the soil, of the season's litter and a slow pool
        self.soil_temperature = self.soil_temperature + (degrees - self.soil_temperature) / SOIL_LAG
        self.slow = self.slow + (before["npp"] - self.slow) / SLOW_DAYS
        basal = (1 - SLOW_SHARE) * p["basal_respiration"] + SLOW_SHARE * self.ecology.decay * self.slow
        basal = basal * constants["q10"] ** ((self.soil_temperature - degrees) / 10)

        p = dict(p) | {"alpha_soil_evaporation": evaporation, "basal_respiration": basal}
        today = water_and_carbon(weather, before, p, soil, constants)
        self._sink(top, moisture, capacity, today)
        return today

    def _sink(self, top: np.ndarray, moisture: np.ndarray, capacity: np.ndarray, today: Fields) -> None:
        """The surface's water at the end of the day, and what the roots find tomorrow."""
        top = np.maximum(top - today["soil_evaporation"], 0.0)
        left = np.maximum(moisture - today["soil_evaporation"], 1e-12)
        top = top * (1 - np.minimum(today["transpiration"] / left, 1.0)) + today["soil_recharge"]
        deep = np.maximum(today["soil_moisture"] - top, 0.0)
        room = np.maximum((1 - TOP) * capacity - deep, 0.0)
        over = np.maximum(top - TOP * capacity, 0.0)  # what the surface cannot hold sinks whatever is below
        sinks = over + np.minimum(DRAINAGE * (top - over), np.maximum(room - over, 0.0))
        self.top = np.clip(top - sinks, 0.0, today["soil_moisture"])
        deep = today["soil_moisture"] - self.top
        self.ecology.roots = 0.5 * np.minimum(self.top / (TOP * capacity), 1.0) + 0.5 * deep / ((1 - TOP) * capacity)


NATURES = ("model", "other")
"""Whose equations the synthetic Earth follows: those that the model has, or these."""


def nature_of(name: str, static: Mapping[str, np.ndarray]) -> tuple[Ecology, object]:
    """The ecology of cells with some static attributes, and the equations of a day."""
    if name == "model":
        return Ecology(static), water_and_carbon
    ecology = OtherEcology(static)
    return ecology, OtherNature(ecology)
