"""Net radiation of a tower from ERA radiation, which does not hold it, and the albedo of the tower."""

from __future__ import annotations

import numpy as np
import pandas as pd

from h2cm.sources.towers.solar import day_length
from h2cm.vocabulary import FREEZING_POINT

STEFAN_BOLTZMANN = 5.670374419e-8  # W m-2 K-4
EMISSIVITY = 0.98

SNOW_FREE_ALBEDO = {
    "ENF": 0.12,
    "EBF": 0.12,
    "DNF": 0.14,
    "DBF": 0.16,
    "MF": 0.17,
    "CSH": 0.25,
    "OSH": 0.22,
    "WSA": 0.25,
    "SAV": 0.20,
    "GRA": 0.19,
    "WET": 0.14,
    "CRO": 0.17,
    "URB": 0.15,
    "CVM": 0.18,
    "SNO": 0.55,
    "BSV": 0.38,
    "WAT": 0.08,
}
"""Albedo of each IGBP class: the lower bound that the Noah land-surface model has for it (table
``MODIFIED_IGBP_MODIS_NOAH`` of ``run/VEGPARM.TBL``, https://github.com/wrf-model/WRF). A table from the literature, not
from the towers, so that no tower of the test set has a part in the input of another."""

SNOW_ALBEDO = {"ENF": 0.13, "EBF": 0.13, "DNF": 0.21, "DBF": 0.21, "MF": 0.17}
SNOW_ALBEDO_OF_SHORT_VEGETATION = 0.75
"""Albedo with snow on the ground: conifers 0.13, aspen 0.21 (a mixed forest between them), grass 0.75 (Betts and Ball,
1997, https://doi.org/10.1029/96JD03876)."""
SNOW_COMPLETE = -5.0  # degC: a month as cold as this counts as snow-covered, one above 0 as snow-free, linear between

MIN_QUALITY = 0.9  # of both fluxes: reflected radiation is not gap-filled, the mean of half a month is biased
MIN_SHORTWAVE = 10.0  # W m-2: below, the ratio of two small means says nothing
POSSIBLE_ALBEDO = (0.02, 0.95)
MIN_COMPARED = 3  # months, for a correlation


def class_albedo(igbp: str, temperature: np.ndarray) -> np.ndarray:
    """Albedo of a land-cover class in months of mean air temperature `temperature` (degC)."""
    bare = SNOW_FREE_ALBEDO[igbp]
    snow = max(SNOW_ALBEDO.get(igbp, SNOW_ALBEDO_OF_SHORT_VEGETATION), bare)
    return bare + (snow - bare) * np.clip(np.asarray(temperature) / SNOW_COMPLETE, 0, 1)


def monthly_albedo(monthly: pd.DataFrame, daily: pd.DataFrame, igbp: str) -> pd.Series:
    """Albedo of a tower in each calendar month, index 1 to 12.

    The median over the years of reflected over incoming short-wave radiation where the tower measured both; the
    value of its land-cover class elsewhere.

    Parameters
    ----------
    monthly, daily : DataFrame
        Of an `h2cm.sources.towers.oneflux.Tower`.
    igbp : str
        Land-cover class.
    """
    temperature = daily["TA_ERA"].groupby(daily.index.month).mean().reindex(range(1, 13))
    default = pd.Series(class_albedo(igbp, temperature.fillna(temperature.mean())), temperature.index)
    if not {"SW_OUT", "SW_OUT_QC"} <= set(monthly.columns):
        return default
    usable = (
        (monthly["SW_OUT_QC"] >= MIN_QUALITY)
        & (monthly["SW_IN_F_QC"] >= MIN_QUALITY)
        & (monthly["SW_IN_F"] >= MIN_SHORTWAVE)
    )
    ratio = (monthly["SW_OUT"] / monthly["SW_IN_F"]).where(usable)
    ratio = ratio.where(ratio.between(*POSSIBLE_ALBEDO))
    return ratio.groupby(ratio.index.month).median().reindex(range(1, 13)).fillna(default)


def net_radiation(daily: pd.DataFrame, albedo: pd.Series) -> pd.Series:
    """Net radiation of each day, W m-2: ``(1 - albedo) SW_IN + 0.98 (LW_IN - sigma T^4)``.

    Parameters
    ----------
    daily : DataFrame
        ``SW_IN_ERA`` and ``LW_IN_ERA`` (W m-2) and ``TA_ERA`` (degC), indexed by day.
    albedo : Series
        Of each calendar month, index 1 to 12.
    """
    return _net_shortwave(daily, albedo) + _net_longwave(daily)


def daytime_net_radiation(daily: pd.DataFrame, albedo: pd.Series, latitude: float) -> pd.Series:
    """Net radiation received while the sun is up, as a mean over the 24 hours, W m-2: SWnet + LWnet day length / 24.

    All short-wave radiation falls by day, long-wave loss goes on at night, when stomata are closed: this is the energy
    that the surface has while plants can transpire. Long-wave radiation is taken as constant over the day.

    Parameters
    ----------
    daily, albedo
        As for `net_radiation`.
    latitude : float
        Degrees north.
    """
    share = day_length(latitude, daily.index) / 24
    return _net_shortwave(daily, albedo) + share * _net_longwave(daily)


def _net_shortwave(daily: pd.DataFrame, albedo: pd.Series) -> pd.Series:
    return (1 - daily.index.month.map(albedo)) * daily["SW_IN_ERA"]


def _net_longwave(daily: pd.DataFrame) -> pd.Series:
    return EMISSIVITY * (daily["LW_IN_ERA"] - STEFAN_BOLTZMANN * (daily["TA_ERA"] + FREEZING_POINT) ** 4)


def agreement(daily: pd.Series, monthly: pd.DataFrame) -> tuple[float, float, int]:
    """Pearson's r and RMSE (W m-2) of monthly means of `daily` net radiation against the tower's own, and their number.

    Months of which the tower measured less than `MIN_QUALITY` are left out; NaN with fewer than `MIN_COMPARED` of them.
    """
    if not {"NETRAD", "NETRAD_QC"} <= set(monthly.columns):
        return np.nan, np.nan, 0
    measured = monthly["NETRAD"].where(monthly["NETRAD_QC"] >= MIN_QUALITY)
    both = pd.DataFrame({"ours": daily.resample("MS").mean(), "measured": measured}).dropna()
    if len(both) < MIN_COMPARED:
        return np.nan, np.nan, len(both)
    rmse = np.sqrt(((both["ours"] - both["measured"]) ** 2).mean())
    return float(both["ours"].corr(both["measured"])), float(rmse), len(both)
