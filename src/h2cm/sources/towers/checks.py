"""Does what a tower's archive says agree with itself, with the sun and with physics? No other data are needed.

Each check is a `Statement`: a number made of the data and the range in which it may lie. The ranges are wide: none is
meant to tell good data from better, but data from those of another place, season, unit or sign. ``docs/towers.md`` has
what the real towers give.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, isfinite

import numpy as np
import pandas as pd

from h2cm.sources.towers import fluxes, radiation, solar
from h2cm.sources.towers.oneflux import DAILY_COLUMNS, Tower
from h2cm.store import DataError
from h2cm.vocabulary import FREEZING_POINT

MIN_MONTHS = 6
"""Fewer months say nothing about a correlation or a mean."""
SEASONAL = (
    100.0  # W m-2 between the brightest and the darkest month: below, in the tropics, there is no season to compare
)
LIGHT = 20.0  # W m-2 of potential radiation: below, its ratio says nothing
GOOD_CARBON = 0.5  # share of good half-hours
MEASURED = radiation.MIN_QUALITY


@dataclass(frozen=True)
class Statement:
    """One number that the data give, and where it may lie.

    Attributes
    ----------
    name : str
        The variables and what is made of them.
    value : float
        NaN where the archive does not allow it: the statement then holds.
    low, high : float
    unit : str
    suspicion : str
        What it may mean if it is out of this range.
    """

    name: str
    value: float
    low: float
    high: float
    unit: str
    suspicion: str

    @property
    def holds(self) -> bool:
        return not isfinite(self.value) or self.low <= self.value <= self.high


def check(tower: Tower, latitude: float, elevation: float) -> None:
    """Refuse a tower of which a statement does not hold.

    Raises
    ------
    DataError
        One line that names the archive and every such statement.
    """
    failed = [s for s in statements(tower, latitude, elevation) if not s.holds]
    if failed:
        told = "; ".join(
            f"{s.name}: expected {s.low:g} to {s.high:g}{s.unit and ' '}{s.unit}, found {s.value:.4g} ({s.suspicion})"
            for s in failed
        )
        raise DataError(f"{tower.path}: {told}")


def statements(tower: Tower, latitude: float, elevation: float) -> Iterator[Statement]:
    """All statements about a tower at a place (degrees north, m above the sea)."""
    yield from _place(tower, latitude, elevation)
    yield from _meteorology(tower, latitude)
    yield from _members(tower)
    yield from _own_meteorology(tower)
    yield from _fluxes(tower)


def _place(tower: Tower, latitude: float, elevation: float) -> Iterator[Statement]:
    if "SW_IN_POT" in tower.monthly:
        season = _season(tower.monthly["SW_IN_POT"])
        found = solar.latitude_of(season) if np.isfinite(season).all() and season.sum() > 0 else np.nan
        yield Statement(
            "SW_IN_POT: its latitude less that of the site", found - latitude, -0.5, 0.5, "degrees", "another site?"
        )
    if "PA_ERA" in tower.daily:
        kelvin = tower.daily["TA_ERA"].mean() + FREEZING_POINT + 0.00325 * elevation  # of the air below
        height = 29.27 * kelvin * np.log(101.325 / tower.daily["PA_ERA"].mean())  # hypsometric equation, m
        yield Statement(
            "PA_ERA: its elevation less that of the site", height - elevation, -250, 250, "m", "another site?"
        )


def _meteorology(tower: Tower, latitude: float) -> Iterator[Statement]:
    daily = tower.daily
    potential = pd.Series(solar.potential_radiation(latitude, daily.index.day_of_year.to_numpy()), daily.index)
    shortwave, season = _season(daily["SW_IN_ERA"]), _season(potential)
    clearness = (daily["SW_IN_ERA"] / potential)[potential > LIGHT]
    yield Statement("SW_IN_ERA: least", daily["SW_IN_ERA"].min(), -0.5, inf, "W m-2", "sign?")
    yield Statement("LW_IN_ERA: least", daily["LW_IN_ERA"].min(), 40, inf, "W m-2", "sign?")
    yield Statement("SW_IN_F: least", tower.monthly["SW_IN_F"].min(), -5, inf, "W m-2", "sign?")
    yield Statement(
        "SW_IN_ERA over potential radiation: 99.9th percentile",
        clearness.quantile(0.999),
        0.4,
        1.0,
        "",
        "latitude, season or long-wave radiation?",
    )
    yield Statement(
        "SW_IN_ERA over potential radiation: mean",
        daily["SW_IN_ERA"].sum() / potential[daily["SW_IN_ERA"].notna()].sum(),
        0.2,
        0.8,
        "",
        "latitude, unit or long-wave radiation?",
    )
    if season.max() - season.min() > SEASONAL:
        for name, least in (("SW_IN_ERA", 0.9), ("TA_ERA", 0.4)):
            of_year = shortwave if name == "SW_IN_ERA" else _season(daily[name])
            yield Statement(f"{name}: r of its season with the sun's", _r(of_year, season), least, 1, "", "season?")
    black = radiation.STEFAN_BOLTZMANN * (daily["TA_ERA"] + FREEZING_POINT) ** 4
    sky = daily["LW_IN_ERA"] / black
    yield Statement("LW_IN_ERA over sigma TA_ERA^4: mean", sky.mean(), 0.65, 1.05, "", "unit or short-wave radiation?")
    yield Statement("LW_IN_ERA over sigma TA_ERA^4: least", sky.min(), 0.4, inf, "", "unit or short-wave radiation?")
    saturated = 6.1078 * np.exp(17.27 * daily["TA_ERA"] / (daily["TA_ERA"] + 237.3))  # hPa, Tetens
    dryness = daily["VPD_ERA"].sum() / saturated[daily["VPD_ERA"].notna()].sum()
    yield Statement("VPD_ERA over saturation at TA_ERA: mean", dryness, 0.08, 0.8, "", "kPa or Pa instead of hPa?")
    yield Statement("P_ERA: mean", 365.25 * daily["P_ERA"].mean(), 20, 12000, "mm a year", "m instead of mm?")


def _members(tower: Tower) -> Iterator[Statement]:
    """The monthly member repeats the means of the daily one, rounded to 0.001."""
    complete = tower.daily.resample("MS").count().eq(tower.daily.resample("MS").size(), axis=0)
    whole = tower.daily.resample("MS").size() == tower.daily.resample("MS").size().index.days_in_month
    means = tower.daily.resample("MS").mean()
    for name in DAILY_COLUMNS:
        if name in tower.monthly:
            difference = (means[name].where(complete[name] & whole) - tower.monthly[name]).abs().max()
            yield Statement(
                f"{name}: mean of days against that of the month, largest difference",
                difference,
                0,
                0.02,
                "",
                "members of two sites, releases, units or periods?",
            )


def _own_meteorology(tower: Tower) -> Iterator[Statement]:
    """ERA was downscaled to what the tower measured, so that the two must agree month by month."""
    means = tower.daily.resample("MS").mean()
    for own, era, least, bias, unit in (
        ("TA_F_MDS", "TA_ERA", 0.7, 3, "K"),
        ("SW_IN_F_MDS", "SW_IN_ERA", 0.6, 30, "W m-2"),
        ("VPD_F_MDS", "VPD_ERA", 0.5, 3, "hPa"),
    ):
        if {own, own + "_QC"} <= set(tower.monthly.columns):
            measured = tower.monthly[own].where(tower.monthly[own + "_QC"] >= MEASURED)
            both = pd.DataFrame({"era": means[era], "own": measured}).dropna()
            if len(both) >= MIN_MONTHS:
                yield Statement(f"{era}: r with the tower's own {own}", _r(both.era, both.own), least, 1, "", "season?")
                less = both.era.mean() - both.own.mean()
                yield Statement(f"{era} less the tower's own {own}", less, -bias, bias, unit, "another site, or unit?")


def _fluxes(tower: Tower) -> Iterator[Statement]:
    monthly = tower.monthly
    good = monthly[monthly["NEE_REF_QC"] >= GOOD_CARBON]
    gpp = fluxes.partitioning(monthly)
    pair = good[["NEE_REF", gpp]].dropna()
    if len(pair) >= MIN_MONTHS:
        yield Statement("NEE_REF: r with GPP", _r(pair["NEE_REF"], pair[gpp]), -1, 0.3, "", "sign of NEE?")
        yield Statement(f"{gpp}: mean", pair[gpp].mean(), -0.2, 40, "gC m-2 day-1", "sign or unit of GPP?")
    respiration = gpp.replace("GPP", "RECO")
    if respiration in monthly:
        balance = good[["NEE_REF", gpp, respiration]].dropna()
        net = balance[respiration] - balance[gpp]
        turned = _rms(balance["NEE_REF"] + net)
        ratio = _rms(balance["NEE_REF"] - net) / turned if len(balance) and turned > 0 else np.nan
        yield Statement(
            "NEE_REF against RECO - GPP, over the same with its sign turned", ratio, 0, 1, "", "sign of NEE?"
        )
    heat = monthly["LE_F_MDS"]
    if heat.count() >= MIN_MONTHS:
        yield Statement("LE_F_MDS: mean", heat.mean(), 5, 250, "W m-2", "sign or unit of the latent heat?")
    if {"NETRAD", "NETRAD_QC", "H_F_MDS"} <= set(monthly.columns):
        energy = monthly[["LE_F_MDS", "H_F_MDS"]].assign(net=monthly["NETRAD"].where(monthly["NETRAD_QC"] >= MEASURED))
        energy = energy.dropna()
        if len(energy) >= MIN_MONTHS and energy["net"].sum() > 0:
            closure = (energy["LE_F_MDS"] + energy["H_F_MDS"]).sum() / energy["net"].sum()
            yield Statement("(LE_F_MDS + H_F_MDS) / NETRAD", closure, 0.15, 1.6, "", "sign of a heat flux?")


def _season(series: pd.Series) -> np.ndarray:
    """Means of the calendar months, January to December, NaN where there is none."""
    return series.groupby(series.index.month).mean().reindex(range(1, 13)).to_numpy()


def _r(a, b) -> float:
    """Pearson's r, NaN where one of the two does not vary."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    both = np.isfinite(a) & np.isfinite(b)
    a, b = a[both], b[both]
    if len(a) < MIN_MONTHS or np.ptp(a) < 1e-9 or np.ptp(b) < 1e-9:
        return np.nan
    return float(np.corrcoef(a, b)[0, 1])


def _rms(values: pd.Series) -> float:
    return float(np.sqrt((values**2).mean()))
