"""The rain season of a dry cell, day by day, and where net ecosystem exchange rises with it."""

from __future__ import annotations

import numpy as np
import xarray as xr

from h2cm.config import Config
from h2cm.results.evaluate.series import mean_seasonal_cycle
from h2cm.results.paths import folds
from h2cm.results.run import Run
from h2cm.results.summaries.members import members, stacked
from h2cm.vocabulary import CARBON_FLUX, OUTPUTS

FLUXES = ("nee", "npp", "heterotrophic_respiration")
ONSET, PEAK = 8, 12
"""The months whose difference is mapped: August, before the rain, and December."""

FIRST, LAST = 9, 12
"""Months of the daily series."""


def has_days(config: Config) -> tuple[str, ...]:
    """The daily outputs that are needed, if the run writes them all; else none."""
    return FLUXES if set(FLUXES) <= set(config.prediction.daily) else ()


def year_of(config: Config) -> int:
    """The year shown: that of the configuration, else the last whose December is in the period."""
    given, end = config.evaluation.rain_response.year, config.period.end
    return given if given is not None else end.year if (end.month, end.day) == (12, 31) else end.year - 1


def make(run: Run, experiment: str) -> xr.Dataset:
    """Map and series.

    Returns
    -------
    Dataset
        ``nee_difference`` (member, cell), NEE of December less that of August, means of all years; each of `FLUXES`
        (member, time) and ``precipitation`` (time) of the cell nearest to the configured place, whose number, latitude and
        longitude are ``cell_number``, ``cell_lat``, ``cell_lon``.
    """
    cells, place = run.cells(), run.config.evaluation.rain_response
    number = nearest(cells["lat"].values, cells["lon"].values, place.lat, place.lon)
    year = year_of(run.config)
    days = slice(f"{year}-{FIRST:02d}-01", f"{year}-{LAST:02d}-31")
    found = []
    for (member, data), fold in zip(members(run, experiment, ["nee"]), folds(run.config, experiment), strict=True):
        nee = data["nee"].transpose("cell", "month")
        cycle = mean_seasonal_cycle(nee.values, nee["month"].dt.month.values)
        parts = {"nee_difference": ("cell", cycle[:, PEAK - 1] - cycle[:, ONSET - 1], {"units": CARBON_FLUX})}
        daily = run.daily(experiment, fold, FLUXES).isel(cell=number).sel(time=days)
        parts |= {name: ("time", daily[name].values, {"units": OUTPUTS[name].units}) for name in FLUXES}
        found.append((member, xr.Dataset(parts, {"time": daily["time"]})))
    data = stacked(found)
    rain = run.stored("precipitation").isel(cell=number).sel(time=days)
    return data.assign(
        precipitation=("time", rain.values, {"units": "mm day-1"}),
        cell_number=float(number),
        cell_lat=cells["lat"].values[number],
        cell_lon=cells["lon"].values[number],
    ).assign_attrs(year=year)


def nearest(lat: np.ndarray, lon: np.ndarray, lat0: float, lon0: float) -> int:
    """The number of the cell closest to a place on the sphere."""
    lat, lon, lat0, lon0 = map(np.radians, (lat, lon, lat0, lon0))
    return int(np.argmax(np.sin(lat) * np.sin(lat0) + np.cos(lat) * np.cos(lat0) * np.cos(lon - lon0)))
