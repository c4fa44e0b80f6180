"""What counts as recovered on the synthetic Earth, whose truth is known, and what the data can say about it.

A constant: the share of the way from its initial value to the truth that training has gone. A variable: the
Nash-Sutcliffe efficiency against the truth. Both are 1 where all is found and may be negative; the median of the folds
counts.
"""

from __future__ import annotations

WELL, PARTLY = 0.75, 0.25
"""From here on recovered, and recovered in part."""

SAME = 0.02
"""An initial value as near the truth as this (relative) shows nothing."""

VERDICTS = ("recovered", "recovered in part", "not recovered", "shows nothing")

RULE = (
    f"Recovered: at least {WELL:g}, in part: at least {PARTLY:g}, of a constant's way from its initial value to the truth, "
    "or of the Nash-Sutcliffe efficiency against the truth (median of the folds)."
)

REASONS: dict[str, str] = {
    "q10": "NEE shows respiration, of which basal respiration is learned beside it and may follow the seasons too",
    "beta_co2": "GPP shows only its product with the water-use efficiency, which is learned beside it",
    "beta_snow": "SWE shows the snow that falls",
    "beta_baseflow": "runoff and TWS show how groundwater runs off",
    "npp": "GPP and CUE show it",
    "autotrophic_respiration": "GPP and CUE show it",
    "ter": "NEE and GPP show it: it is their sum",
    "heterotrophic_respiration": "NEE, GPP and CUE show it: it is the sum of NEE and NPP",
    "transpiration": "ET shows only its sum with interception and soil evaporation",
    "wue": "GPP is observed, transpiration is not",
    "soil_moisture": "TWS shows only its sum with snow and groundwater",
    "groundwater": "TWS shows only its sum with snow and soil moisture, and runoff what leaves it",
    "soil_moisture_capacity": "TWS shows only changes of storage, and these with snow and groundwater",
    "alpha_interception": "ET shows only the sum of interception, soil evaporation and transpiration",
}
"""What the constraints of the paper, and the equations, say about what none of them shows."""


def verdict(share: float) -> str:
    """`VERDICTS` of a share of the way, or an efficiency."""
    return VERDICTS[0] if share >= WELL else VERDICTS[1] if share >= PARTLY else VERDICTS[2]


def constant_verdict(learned: float, truth: float, initial: float) -> str:
    """`VERDICTS` of a learned constant."""
    if abs(initial - truth) <= SAME * abs(truth):
        return VERDICTS[3]
    return verdict(1 - abs(learned - truth) / abs(initial - truth))


def reason(variable: str, observed: bool) -> str:
    """What the data say about a variable or constant, in words."""
    return "a constraint shows it" if observed else REASONS.get(variable, "no constraint shows it")
