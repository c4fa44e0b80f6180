"""Eddy-covariance towers as the cells of a store: `read` makes the whole store of them, `write` its files.

``docs/towers.md`` says what is taken from where and what is assumed.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from h2cm import store
from h2cm.config import Config, ConfigError
from h2cm.sources.products import mauna_loa
from h2cm.sources.towers import fluxes, oneflux, radiation, sites
from h2cm.store import DataError
from h2cm.vocabulary import FREEZING_POINT

log = logging.getLogger(__name__)

FORCING = ("precipitation", "air_temperature", "vapour_pressure_deficit", "net_radiation")
"""Daily forcing that a tower's file gives, what is computed last; CO2 is that of Mauna Loa everywhere."""


def read(config: Config) -> xr.Dataset:
    """The store of the towers that `config` chooses: forcing, static attributes and the constraints asked for.

    Returns
    -------
    Dataset
        Variables as in `h2cm.vocabulary.VARIABLES`; dimensions ``cell`` (a tower, in the order of their names), ``time``,
        ``month``, ``feature``; coordinates ``site``, ``igbp``, ``lat`` and ``lon`` (cell). ``area`` is 1 for every
        tower.

    Raises
    ------
    ConfigError
        For a constraint that towers do not have, or one whose input the configuration does not name.
    DataError
        For input that is absent, damaged, incomplete in the period or physically impossible.
    """
    _check_constraints(config)
    settings = config.towers
    zips = _chosen(config)
    names = list(zips)
    table = sites.pick(sites.read_table(_table_path(config)), names, _table_path(config))

    days = pd.date_range(config.period.start, config.period.end, freq="D", name="time")
    months = days.to_period("M").unique().to_timestamp().rename("month")
    # A month that reaches beyond the period is predicted from other days than the tower's mean is made of.
    whole = np.bincount(months.get_indexer(days.to_period("M").to_timestamp())) == months.days_in_month
    wanted = [name for name in fluxes.TARGETS if name in config.constraints]
    daily = {name: np.empty((len(names), len(days)), np.float32) for name in FORCING}
    monthly = {name: np.full((len(names), len(months)), np.nan, np.float32) for name in wanted}
    fapar = fluxes.read_fapar(settings.lai) if "fapar" in wanted else None
    for cell, name in enumerate(names):
        forcing, observed = _read_tower(zips[name], table.at[name, "igbp"], days, settings.min_quality)
        observed = observed.reindex(months)
        if fapar is not None:
            observed["fapar"] = fapar.get(name, np.nan)
        observed = observed.loc[:, wanted]
        observed[~whole] = np.nan
        for variable in FORCING:
            daily[variable][cell] = forcing[variable]
        for variable in wanted:
            monthly[variable][cell] = observed[variable]
        if observed.isna().to_numpy().all():
            log.warning("%s: no month of good quality in the period: %s is predicted, not compared", zips[name], name)

    dataset = xr.Dataset(
        {name: (("cell", "time"), values) for name, values in daily.items()}
        | {name: (("cell", "month"), values) for name, values in monthly.items()},
        {
            "time": days,
            "month": months,
            "site": ("cell", np.array(names)),
            "igbp": ("cell", table["igbp"].to_numpy(str)),
            "lat": ("cell", table["lat"].to_numpy(float), {"units": "degrees_north", "standard_name": "latitude"}),
            "lon": ("cell", table["lon"].to_numpy(float), {"units": "degrees_east", "standard_name": "longitude"}),
        },
    )
    of_the_day = mauna_loa.daily(mauna_loa.read([settings.co2]), days).astype(np.float32)
    dataset["co2"] = (("cell", "time"), np.repeat(of_the_day[None], len(names), axis=0))
    attributes = sites.static_attributes(table)
    dataset["static"] = (("cell", "feature"), attributes.to_numpy(np.float32))
    dataset["feature"] = list(attributes.columns)
    dataset["area"] = ("cell", np.ones(len(names)))
    return _finish(dataset, wanted, {name: str(zips[name]) for name in names})


def _chosen(config: Config) -> dict[str, Path]:
    """The zip of each site that the configuration chooses, sorted by site."""
    settings = config.towers
    zips = oneflux.find(settings.folders)
    absent = [name for name in settings.select if name not in zips]
    if absent:
        raise DataError(
            f"towers.select: {', '.join(absent)}: no zip in {', '.join(map(str, settings.folders))}; "
            f"the sites there are {', '.join(zips)}"
        )
    return {name: path for name, path in zips.items() if name in settings.select or not settings.select}


def _table_path(config: Config) -> Path:
    return config.towers.sites or config.towers.folders[0] / "sites.csv"


def _check_constraints(config: Config) -> None:
    unknown = [name for name in config.constraints if name not in fluxes.TARGETS]
    if unknown:
        raise ConfigError(
            f"constraints.{unknown[0]}: towers do not observe it; expected some of {', '.join(fluxes.TARGETS)}"
        )
    if "fapar" in config.constraints and config.towers.lai is None:
        raise ConfigError("constraints.fapar: expected a table of leaf area index in towers.lai, got nothing")


def _read_tower(path: Path, igbp: str, days: pd.DatetimeIndex, min_quality: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Forcing of `days` (units of the store) and monthly fluxes of one tower."""
    met, monthly = oneflux.read(path)
    albedo = radiation.monthly_albedo(monthly, met, igbp)
    forcing = pd.DataFrame(
        {
            "net_radiation": radiation.net_radiation(met, albedo),
            "precipitation": met["P_ERA"],
            "air_temperature": met["TA_ERA"] + FREEZING_POINT,
            "vapour_pressure_deficit": met["VPD_ERA"],
        }
    )
    r, rmse, n = radiation.agreement(forcing["net_radiation"], monthly)
    compared = f"r {r:.3f}, RMSE {rmse:.1f} W m-2 in {n} months" if n >= radiation.MIN_COMPARED else "not measured"
    log.info(
        "%s: %s; latent heat by %s; net radiation against the tower's own: %s",
        path.name,
        fluxes.partitioning(monthly),
        fluxes.water_quality(monthly),
        compared,
    )
    _check_coverage(met, days, path)
    return forcing.reindex(days), fluxes.tower_fluxes(monthly, min_quality)


def _check_coverage(met: pd.DataFrame, days: pd.DatetimeIndex, path: Path) -> None:
    """Refuse a period in which a day of meteorology is missing."""
    asked = met.reindex(days)
    for column in oneflux.DAILY_COLUMNS:
        missing = asked.index[asked[column].isna()]
        if len(missing) == 0:
            continue
        there = met.index[met[column].notna()]
        held = (
            f"the file has it from {there[0]:%Y-%m-%d} to {there[-1]:%Y-%m-%d}" if len(there) else "the file has none"
        )
        raise DataError(
            f"{path}: {column}: expected a value on every day of the period {days[0]:%Y-%m-%d} to {days[-1]:%Y-%m-%d}, "
            f"{len(missing)} are missing, from {missing[0]:%Y-%m-%d} to {missing[-1]:%Y-%m-%d}; {held}"
        )


def _finish(dataset: xr.Dataset, wanted: list[str], origins: dict[str, str]) -> xr.Dataset:
    """Give the variables their attributes and check each tower by itself, so that a message names its file."""
    for name in dataset.data_vars:
        dataset[name] = store.describe(dataset[name], store.VARIABLES[name])
        for cell, origin in enumerate(origins.values()):
            if name not in ("area", "co2", "static"):
                store.check(dataset[name].isel(cell=[cell]).assign_coords(cell=[list(origins)[cell]]), origin)
    for name in wanted:
        if not dataset[name].notnull().any():
            raise DataError(
                f"{name}: expected a month of good quality at some tower in the period {str(dataset.time.values[0])[:10]} "
                f"to {str(dataset.time.values[-1])[:10]}, found none in {len(origins)} files"
            )
    return dataset


def write(dataset: xr.Dataset, folder: Path, source: str) -> None:
    """Write the files of a store: ``grid.nc`` with all coordinates of the cells, and one file a variable.

    Parameters
    ----------
    dataset : Dataset
        From `read`.
    folder : Path
    source : str
        Where the data come from, kept as an attribute of each file.
    """
    cells = ["site", "igbp", "lat", "lon"]
    for name, data in dataset.data_vars.items():
        if name == "area":
            store.write(data, folder / "grid.nc", source)
        else:
            store.write(data.drop_vars(cells), folder / f"{name}.nc", source)
