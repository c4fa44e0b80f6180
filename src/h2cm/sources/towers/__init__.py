"""Eddy-covariance towers as the cells of a store: `read` makes the whole store of them, `write` its files.

``docs/towers.md`` says what is taken from where and what is assumed.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from h2cm import store
from h2cm.config import Config, ConfigError
from h2cm.sources.products import mauna_loa
from h2cm.sources.towers import checks, daily, fluxes, oneflux, radiation, sites
from h2cm.store import DataError
from h2cm.vocabulary import FREEZING_POINT, VARIABLES

log = logging.getLogger(__name__)

FORCING = ("precipitation", "air_temperature", "vapour_pressure_deficit", "net_radiation")
"""Daily forcing that a tower's archive gives, what is computed last; CO2 is that of Mauna Loa everywhere."""
TOLD = 5  # towers that cannot be used, told in one message


@dataclass(frozen=True)
class _Cell:
    """What one tower gives to the store: its row of the table of sites, daily forcing, monthly fluxes."""

    tower: oneflux.Tower
    site: pd.DataFrame
    forcing: pd.DataFrame
    observed: pd.DataFrame


def folders(config: Config) -> tuple[Path, ...]:
    """Where the archives of the towers lie: the folders named, or that of the collection to be retrieved."""
    return config.towers.folders or (config.products.folder / config.towers.archive,)


def inputs(config: Config) -> list[Path]:
    """All files that the towers are read from; of a collection that is to be retrieved, the list of its files.

    Raises
    ------
    DataError
        As `h2cm.sources.towers.oneflux.find`, and for a selected site without an archive.
    """
    settings = config.towers
    if settings.folders:
        archives = [file for path in _chosen(config).values() for file in oneflux.files(path)]
    else:
        archives = [config.products.folder / "retrieved" / f"{settings.archive}_all.csv"]
    observed = daily.find(settings.daily_fluxes).values() if settings.daily_fluxes else ()
    return [path for path in (*archives, _table_path(config), settings.co2, settings.lai, *observed) if path]


def expected(config: Config) -> int:
    """Roughly how many towers a run has, before any is read."""
    settings = config.towers
    if settings.select:
        return len(settings.select)
    return len(_chosen(config)) if settings.folders else len(sites.read_table(_table_path(config)))


def outputs(config: Config) -> list[str]:
    """Variables that the towers add to those of every store."""
    return list(daily.VARIABLES) if config.towers.daily_fluxes else []


def read(config: Config) -> tuple[xr.Dataset, pd.DataFrame]:
    """The store of the towers that `config` chooses: forcing, static attributes and the constraints asked for.

    A tower that cannot be used is left out, the others go on; ``towers.min_towers`` says how few are too few.

    Returns
    -------
    dataset : Dataset
        Variables as in `h2cm.vocabulary.VARIABLES`; dimensions ``cell`` (a tower, in the order of their names), ``time``,
        ``month``, ``feature``; coordinates ``site``, ``igbp``, ``lat`` and ``lon`` (cell). ``area`` is 1 for every
        tower.
    report : DataFrame
        One row an archive: ``site``, ``file``, ``layout``, ``used``, ``months`` (with any constraint) and ``reason``
        where it is not used.

    Raises
    ------
    ConfigError
        For a constraint that towers do not have, or one whose input the configuration does not name.
    DataError
        For input common to all towers that cannot be used, and too few towers that can: absent, damaged, incomplete in
        the period, physically impossible, or at odds with itself (`h2cm.sources.towers.checks`).
    """
    _check_constraints(config)
    settings = config.towers
    archives = _chosen(config)
    table = sites.read_table(_table_path(config))
    days = pd.date_range(config.period.start, config.period.end, freq="D", name="time")
    months = days.to_period("M").unique().to_timestamp().rename("month")
    co2 = mauna_loa.daily(mauna_loa.read([settings.co2]), days).astype(np.float32)
    wanted = [name for name in fluxes.TARGETS if name in config.constraints]
    fapar = _fapar(settings.lai, list(archives), days) if "fapar" in wanted else None

    used: dict[str, _Cell] = {}
    rows = []
    for path, reason in oneflux.unusable(folders(config)).items():
        rows.append({"site": oneflux.ICOS_ARCHIVE_NAME.match(path.name)["site"], "file": path, "reason": reason})
    for name, path in archives.items():
        try:
            cell = _read_cell(config, name, path, table, days, months, fapar, wanted)
            if twin := _same_meteorology(cell, used):
                raise DataError(
                    f"{path}: its meteorology is that of {used[twin].tower.path}; one of them is another site's"
                )
        except DataError as error:
            rows.append({"site": name, "file": path, "reason": str(error)})
            continue
        used[name] = cell
        observed = int(cell.observed.notna().any(axis=1).sum())
        rows.append({"site": name, "file": path, "layout": cell.tower.layout, "months": observed, "reason": ""})
        if not observed:
            log.warning("%s: no month of good quality in the period: %s is predicted, not compared", path, name)
    report = pd.DataFrame(rows, columns=["site", "file", "layout", "months", "reason"])
    report.insert(3, "used", report["reason"] == "")
    _require_enough(used, report, len(archives), settings.min_towers)
    return _assemble(config, used, days, months, co2, wanted), report


def _assemble(config, used, days, months, co2, wanted) -> xr.Dataset:
    """The store of the towers that can be used."""
    cells = list(used.values())
    table = pd.concat([cell.site for cell in cells])

    def stacked(values) -> np.ndarray:
        return np.stack([np.asarray(v, np.float32) for v in values])

    dataset = xr.Dataset(
        {name: (("cell", "time"), stacked(cell.forcing[name] for cell in cells)) for name in FORCING}
        | {name: (("cell", "month"), stacked(cell.observed[name] for cell in cells)) for name in wanted},
        {
            "time": days,
            "month": months,
            "site": ("cell", np.array(list(used))),
            "igbp": ("cell", table["igbp"].to_numpy(str)),
            "lat": ("cell", table["lat"].to_numpy(float), {"units": "degrees_north", "standard_name": "latitude"}),
            "lon": ("cell", table["lon"].to_numpy(float), {"units": "degrees_east", "standard_name": "longitude"}),
        },
    )
    dataset["co2"] = (("cell", "time"), np.repeat(co2[None], len(cells), axis=0))
    measured = [_daily_fluxes(cell, config.towers.daily_fluxes, days) for cell in cells if outputs(config)]
    for name in outputs(config):
        dataset[name] = (("cell", "time"), stacked(table[name] for table in measured))
    climate = {name: sites.climate(cell.forcing) for name, cell in used.items()}
    attributes = sites.static_attributes(table, config.towers.attributes, pd.DataFrame(climate).T)
    dataset["static"] = (("cell", "feature"), attributes.to_numpy(np.float32))
    dataset["feature"] = list(attributes.columns)
    dataset["area"] = ("cell", np.ones(len(cells)))
    for name in dataset.data_vars:
        dataset[name] = store.describe(dataset[name], VARIABLES[name])
    for name in [*wanted, *(n for n in outputs(config) if not n.endswith("uncertainty"))]:
        if not dataset[name].notnull().any():
            raise DataError(
                f"{name}: expected a value of good quality at some tower in the period {days[0]:%Y-%m-%d} to "
                f"{days[-1]:%Y-%m-%d}, found none at {len(cells)} towers"
            )
    return dataset


def _chosen(config: Config) -> dict[str, Path]:
    """The archive of each site that the configuration chooses, sorted by site."""
    select, where = config.towers.select, folders(config)
    archives = oneflux.find(where)
    absent = [name for name in select if name not in archives]
    if absent:
        raise DataError(
            f"towers.select: {', '.join(absent)}: no zip in {', '.join(map(str, where))}; "
            f"the sites there are {', '.join(archives)}"
        )
    return {name: path for name, path in archives.items() if name in select or not select}


def _table_path(config: Config) -> Path:
    return config.towers.sites or folders(config)[0] / "sites.csv"


def _check_constraints(config: Config) -> None:
    unknown = [name for name in config.constraints if name not in fluxes.TARGETS]
    if unknown:
        raise ConfigError(
            f"constraints.{unknown[0]}: towers do not observe it; expected some of {', '.join(fluxes.TARGETS)}"
        )
    if "fapar" in config.constraints and config.towers.lai is None:
        raise ConfigError("constraints.fapar: expected a table of leaf area index in towers.lai, got nothing")


def _fapar(path: Path, names: list[str], days: pd.DatetimeIndex) -> pd.DataFrame:
    """fAPAR (month, site) of a table that has something to say about these towers and days."""
    table = fluxes.read_fapar(path)
    known = table.reindex(columns=names).dropna(how="all")
    if known.empty:
        raise DataError(
            f"{path}: site: expected a row of some of the towers ({', '.join(names[:TOLD])} ...), found none"
        )
    if known.loc[days[0].replace(day=1) : days[-1]].empty:
        raise DataError(
            f"{path}: lai: the table of these towers covers {known.index[0]:%Y-%m} to {known.index[-1]:%Y-%m}, nothing of "
            f"the period {days[0]:%Y-%m-%d} to {days[-1]:%Y-%m-%d}: name another table in towers.lai, or leave "
            f"out the constraint fapar"
        )
    first, last, having = f"{known.index[0]:%Y-%m}", f"{known.index[-1]:%Y-%m}", known.notna().any().sum()
    log.info("%s: leaf area index of %d towers from %s to %s", path, having, first, last)
    return table


def _read_cell(config, name, path, table, days, months, fapar, wanted) -> _Cell:
    """One tower, checked; forcing on `days`, observations of `months`."""
    settings = config.towers
    site = sites.pick(table, [name], _table_path(config))
    latitude = site.at[name, "lat"]
    tower = oneflux.read(path)
    _check_coverage(tower.daily, days, path)
    checks.check(tower, latitude, site.at[name, "elevation_m"])
    forcing = _forcing(tower, site.at[name, "igbp"], latitude, settings.net_radiation).reindex(days)
    observed = fluxes.tower_fluxes(tower.monthly, settings.min_quality).reindex(months)
    if fapar is not None:
        observed["fapar"] = fapar.get(name, np.nan)
    observed = observed.loc[:, wanted]
    # A month that reaches beyond the period is predicted from other days than the tower's mean is made of.
    observed[np.bincount(months.get_indexer(days.to_period("M").to_timestamp())) != months.days_in_month] = np.nan
    for frame, dim in ((forcing, "time"), (observed, "month")):
        for variable in frame:
            values = frame[variable].to_numpy(np.float32)[None]
            data = xr.DataArray(values, {"cell": [name], dim: frame.index.values}, ("cell", dim))
            store.check(store.describe(data, VARIABLES[variable]), str(path))
    return _Cell(tower, site, forcing, observed)


def _daily_fluxes(cell: _Cell, folder: Path, days: pd.DatetimeIndex) -> pd.DataFrame:
    """Fluxes that one tower measured on `days`, missing everywhere where there is no file of it."""
    tower, site = cell.tower, cell.site
    path = daily.find(folder).get(tower.site)
    if path is None:
        return pd.DataFrame(np.nan, days, daily.VARIABLES)
    place = site.at[tower.site, "lat"], site.at[tower.site, "lon"]
    return daily.read(path, tower.site, *place, tower.monthly["NEE_REF"]).reindex(days)


def _forcing(tower: oneflux.Tower, igbp: str, latitude: float, kind: str) -> pd.DataFrame:
    """Daily forcing in the units of the store, on all days of the archive."""
    met, monthly = tower.daily, tower.monthly
    albedo = radiation.monthly_albedo(monthly, met, igbp)
    whole_day = radiation.net_radiation(met, albedo)
    r, rmse, n = radiation.agreement(whole_day, monthly)
    compared = f"r {r:.3f}, RMSE {rmse:.1f} W m-2 in {n} months" if n >= radiation.MIN_COMPARED else "not measured"
    log.info(
        "%s: %s; %s; latent heat by %s; net radiation against the tower's own: %s",
        tower.path.name,
        tower.layout,
        fluxes.partitioning(monthly),
        fluxes.water_quality(monthly),
        compared,
    )
    return pd.DataFrame(
        {
            "net_radiation": whole_day if kind == "daily" else radiation.daytime_net_radiation(met, albedo, latitude),
            "precipitation": met["P_ERA"],
            "air_temperature": met["TA_ERA"] + FREEZING_POINT,
            "vapour_pressure_deficit": met["VPD_ERA"],
        }
    )


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


def _same_meteorology(cell: _Cell, used: dict[str, _Cell]) -> str | None:
    """The tower that has the same weather on every day: no two places do."""
    return next((name for name, other in used.items() if other.forcing.equals(cell.forcing)), None)


def _require_enough(used: dict, report: pd.DataFrame, archives: int, least: int) -> None:
    """Say which archives are left out, and refuse to go on with too few towers."""
    left_out = report[~report["used"]]
    for row in left_out.itertuples():
        log.warning("%s is left out: %s", row.site, row.reason)
    log.info("%d of %d towers are used", len(used), archives)
    if len(used) < least:
        reasons = [
            reason if str(file) in reason else f"{file}: {reason}"
            for file, reason in zip(left_out["file"], left_out["reason"], strict=True)
        ]
        more = f"; and {len(reasons) - TOLD} more, see the log" if len(reasons) > TOLD else ""
        raise DataError(
            f"towers.min_towers: expected at least {least} towers that can be used, found {len(used)} of {archives}: "
            + "; ".join(reasons[:TOLD])
            + more
        )


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
