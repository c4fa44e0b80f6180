"""What may be wrong with a tower's archive: each function takes a `Tower` and gives a damaged copy of it.

``both`` damages the monthly member in the same way, so that the two members agree.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from h2cm.sources.towers.oneflux import Tower


def _copy(tower: Tower) -> Tower:
    return replace(tower, daily=tower.daily.copy(), monthly=tower.monthly.copy())


def _tables(tower: Tower, column: str, both: bool):
    return [tower.daily, *([tower.monthly] if both and column in tower.monthly else [])]


def _scaled(column, factor):
    def act(tower, both, rng):
        tower = _copy(tower)
        for table in _tables(tower, column, both):
            table[column] *= factor
        return tower

    return act


def swapped_radiation(tower, both, rng):
    """Short-wave and long-wave radiation exchanged."""
    tower = _copy(tower)
    for table in _tables(tower, "SW_IN_ERA", both):
        table[["SW_IN_ERA", "LW_IN_ERA"]] = table[["LW_IN_ERA", "SW_IN_ERA"]].to_numpy()
    return tower


def half_a_year_off(tower, both, rng):
    """Each day has the meteorology of half a year later; the tower's own measurements stay."""
    tower = _copy(tower)
    names = [name for name in tower.daily if name.endswith("_ERA")]
    tower.daily[names] = np.roll(tower.daily[names].to_numpy(), 182, axis=0)
    if both:
        means = tower.daily.resample("MS").mean().reindex(tower.monthly.index)
        for name in set(names) & set(tower.monthly.columns):
            tower.monthly[name] = means[name]
    return tower


def _turned(column):
    def act(tower, both, rng):
        tower = _copy(tower)
        tower.monthly[column] *= -1
        return tower

    return act


def negative_radiation(tower, both, rng):
    """One day of short-wave radiation has its sign turned."""
    tower = _copy(tower)
    bright = np.flatnonzero(tower.daily["SW_IN_ERA"] > 10)
    tower.daily.iloc[rng.choice(bright), tower.daily.columns.get_loc("SW_IN_ERA")] *= -1
    return tower


DAMAGES = {
    "VPD in kPa": _scaled("VPD_ERA", 0.1),
    "VPD in Pa": _scaled("VPD_ERA", 100),
    "P in m": _scaled("P_ERA", 0.001),
    "SW and LW swapped": swapped_radiation,
    "meteorology half a year off": half_a_year_off,
    "a negative day of radiation": negative_radiation,
    "sign of all radiation": _scaled("SW_IN_ERA", -1),
    "sign of NEE": _turned("NEE_REF"),
    "sign of LE": _turned("LE_F_MDS"),
}
