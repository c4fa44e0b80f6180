"""Conversion of units, by pint.

Units are written as the products write them: UDUNITS (``kg m-2 s-1``), with slashes (``mm/day``) or with the name of
the substance (``gC m-2 d-1``, ``g C / m^2``). A mass of water per area and its depth are one (1000 kg m-3), and so are
an amount of CO2 and its mass of carbon.
"""

from __future__ import annotations

import re
from functools import lru_cache

import pint

from h2cm.store import DataError
from h2cm.vocabulary import CARBON_MOLAR_MASS, WATER_DENSITY

_SUBSTANCE = re.compile(r"\b(k|P|T|M|m|u)?g\s?\(?C\b\)?")  # gC, kg C, PgC: mass of carbon
_POWER = re.compile(r"(?<=[A-Za-z])(-?\d)")  # m-2, s-1, m2
_EQUIVALENT = re.compile(r"\b(H2O|CO2|water|carbon|w\.e\.|air)\b|\(|\)")


def _spell(text: str) -> str:
    """What pint understands of a unit as it stands in a file."""
    text = _SUBSTANCE.sub(lambda m: f"{m.group(1) or ''}g", text)
    text = _EQUIVALENT.sub(" ", text).replace("^", "**").replace("%", "percent").replace("μ", "u")
    if "**" not in text:
        text = _POWER.sub(r"**\1", text)
    return " * ".join(re.split(r"\s+(?![*/])(?<![*/]\s)", text.strip())) or "1"


@lru_cache(1)
def _registry() -> pint.UnitRegistry:
    registry = pint.UnitRegistry(cache_folder=None)
    for spelling in ("ppmv = ppm", "Watts = watt", "kelvins = kelvin"):
        registry.define(spelling)
    land = pint.Context("land")
    density, molar_mass = WATER_DENSITY * registry("kg/m**3"), CARBON_MOLAR_MASS * registry("g/mol")
    for suffix in ("", " / [time]"):
        mass, depth, amount = (
            f"{kind}{suffix}" for kind in ("[mass] / [length]**2", "[length]", "[substance] / [length]**2")
        )
        land.add_transformation(mass, depth, lambda _, x: x / density)
        land.add_transformation(depth, mass, lambda _, x: x * density)
        land.add_transformation(amount, mass, lambda _, x: x * molar_mass)
    registry.add_context(land)
    return registry


@lru_cache(256)
def conversion(source: str, target: str) -> tuple[float, float]:
    """Scale and offset that turn a value in `source` into `target`: ``value * scale + offset``.

    Raises
    ------
    DataError
        If a unit is unknown, the two are of different kinds, or `source` is per month, whose length varies
        (see `h2cm.sources.products.times.per_day`).
    """
    if re.search(r"mon(th)?s?\b", source):
        raise DataError(f"unit {source!r}: months have different lengths, so no factor turns it into {target!r}")
    registry = _registry()
    try:
        unit, wanted = (registry.parse_units(_spell(text), as_delta=False) for text in (source, target))
        zero, one = (registry.Quantity(value, unit).to(wanted, "land").magnitude for value in (0.0, 1.0))
    except Exception as error:  # pint's own errors, and whatever its parser meets in a text that is no unit
        raise DataError(f"unit {source!r} cannot be turned into {target!r}: {error}") from None
    return one - zero, zero
