"""The synthetic Earth: a world whose truth is known, and what would be observed of it.

`generate` makes the weather (`h2cm.sources.twin.weather`), lets the truth live in it (`h2cm.sources.twin.truth` with the ecology of
`h2cm.sources.twin.parameters`, or the other nature of `h2cm.sources.twin.nature`) and writes the pseudo-products
(`h2cm.sources.twin.products`). Everything follows from the configuration; the same seed gives the same Earth.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import xarray as xr

from h2cm.config import Config
from h2cm.netcdf import written
from h2cm.sources.twin.attributes import static_attributes
from h2cm.sources.twin.geography import Geography, survey
from h2cm.sources.twin.nature import nature_of
from h2cm.sources.twin.parameters import Ecology, draw_ensemble, fire_emissions
from h2cm.sources.twin.products import Bureau, Harvest
from h2cm.sources.twin.truth import OUTPUTS, SOIL, simulate
from h2cm.sources.twin.weather import Weather
from h2cm.space.grid import land_cells
from h2cm.vocabulary import PERCENT_PER_100_PPM, attributes

log = logging.getLogger(__name__)

BLOCK = 512  # cells simulated at once: bounds the memory
SPIN_UP_YEARS = 10  # groundwater has forgotten its start after 15 times 1 / beta_baseflow
BETA_SNOW, BETA_BASEFLOW = 0.9, 0.004
ENSEMBLE_OUTPUTS = ("gpp", "npp", "nee", "heterotrophic_respiration")
MONTHLY = ("tws", "swe", "runoff", "et", "gpp", "npp", "nee", "ter", "relative_soil_moisture")


def true_constants(config: Config) -> dict[str, float]:
    """The global constants of the synthetic Earth, in the units of the model (``beta_co2``: ppm-1)."""
    return {
        "beta_snow": BETA_SNOW,
        "beta_baseflow": BETA_BASEFLOW,
        "q10": config.twin.q10,
        "beta_co2": config.twin.beta_co2 / PERCENT_PER_100_PPM,
    }


def generate(config: Config, folder: str | Path) -> None:
    """Make the synthetic Earth of a run.

    Parameters
    ----------
    config : Config
        Its grid, period, seed and section ``twin``.
    folder : path
        Gets ``truth.nc`` and ``products/<product>/``; what was there before is replaced.
    """
    folder = Path(folder)
    products = folder / "products"
    if products.exists():
        shutil.rmtree(products)
    products.mkdir(parents=True)

    days = pd.date_range(config.period.start, config.period.end)
    cells = land_cells(config)
    place = survey(cells.lat.values, cells.lon.values)
    static = static_attributes(place, config.seed)
    log.info("synthetic Earth: %d land cells, %d days, seed %d", cells.sizes["cell"], len(days), config.seed)

    harvest = _live(config, cells, days, place, static, folder / "truth.nc")
    Bureau(harvest, config, products).write_all()
    log.info("synthetic Earth: products written to %s", products)


def _live(
    config: Config, cells: xr.Dataset, days: pd.DatetimeIndex, place: Geography, static: dict, path: Path
) -> Harvest:
    """Run the truth and the other models block by block; write the truth, keep what the products need."""
    weather = Weather(days, config.seed, config.twin.co2_trend)
    constants = true_constants(config)
    models = draw_ensemble(config.twin.models, config.seed)
    months, month_starts = np.unique(days.values.astype("datetime64[M]"), return_index=True)
    composites, composite_starts = _composites(days)
    passes = max(2, int(np.ceil(SPIN_UP_YEARS * 365 / len(days))))
    number = cells.sizes["cell"]

    # the other models know one global value of each attribute but the soil carbon, which goes with the climate
    weights = cells.area.values / cells.area.values.sum()
    average = {name: np.full(number, (values * weights).sum()) for name, values in static.items()}
    average["organic_carbon_stock"] = static["organic_carbon_stock"]

    forcing: dict[str, np.ndarray] = {}
    monthly = {name: np.empty((number, len(months)), np.float32) for name in MONTHLY}
    monthly["fire"] = np.empty((number, len(months)), np.float32)
    ensemble = {name: np.empty((number, len(models), len(months)), np.float32) for name in ENSEMBLE_OUTPUTS}
    fapar = np.empty((number, len(composites)), np.float32)

    with written(path) as unfinished, _create_truth(unfinished, cells, days, constants) as file:
        for block, start in enumerate(range(0, number, BLOCK)):
            part = slice(start, min(start + BLOCK, number))
            here = replace(place, **{f: getattr(place, f)[part] for f in place.__dataclass_fields__})
            local = {name: values[part] for name, values in static.items()}
            drivers = {name: values.T.astype(np.float32) for name, values in weather.at(here, block).items()}
            for name, values in drivers.items():
                forcing.setdefault(name, np.empty((number, len(days)), np.float32))[part] = values

            (ecology, step), state = nature_of(config.twin.nature, local), None
            for _ in range(passes):
                _, state = simulate(drivers, ecology, ecology.soil, constants, state, outputs=(), step=step)
            series, _ = simulate(drivers, ecology, ecology.soil, constants, state, dtype=np.float32, step=step)
            for name, values in (series | ecology.soil).items():
                file[name][part] = values
            for name in MONTHLY:
                monthly[name][part] = _means(series[name], month_starts)
            fapar[part] = _means(series["fapar"], composite_starts)
            monthly["fire"][part] = fire_emissions(
                local,
                monthly["npp"][part],
                monthly["relative_soil_moisture"][part],
                _means(drivers["air_temperature"], month_starts),
            )

            for k, coefficients in enumerate(models):
                other = Ecology({name: values[part] for name, values in average.items()}, coefficients)
                _, state = simulate(drivers, other, other.soil, constants, outputs=())
                series, _ = simulate(drivers, other, other.soil, constants, state, ENSEMBLE_OUTPUTS, np.float32)
                for name in ENSEMBLE_OUTPUTS:
                    ensemble[name][part, k] = _means(series[name], month_starts)
            log.info("synthetic Earth: %d of %d cells have lived", part.stop, number)
    months = pd.DatetimeIndex(months.astype("datetime64[ns]"))
    return Harvest(cells, days, months, forcing, static, monthly, composites, fapar, ensemble)


def _means(series: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Means of `series` (cell, day) over the stretches that begin at `starts`."""
    lengths = np.diff(np.append(starts, series.shape[1]))
    return np.add.reduceat(series, starts, axis=1, dtype=np.float64) / lengths


def _composites(days: pd.DatetimeIndex) -> tuple[pd.DatetimeIndex, np.ndarray]:
    """First days of the eight-day composites, which begin anew every 1 January, and their positions in `days`."""
    first = days - pd.to_timedelta((days.day_of_year - 1) % 8, unit="D")
    starts = np.unique(first.values, return_index=True)
    return pd.DatetimeIndex(starts[0]), starts[1]


def _create_truth(path: Path, cells: xr.Dataset, days: pd.DatetimeIndex, constants: dict) -> netCDF4.Dataset:
    """An empty file for the truth, CF-1.11, to be filled block by block."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = netCDF4.Dataset(path, "w")
    number = cells.sizes["cell"]
    file.createDimension("cell", number)
    file.createDimension("time", len(days))
    file.setncatts({"Conventions": "CF-1.11", "title": "Truth of the synthetic Earth", "source": "h2cm.sources.twin"})

    time = file.createVariable("time", "i4", ("time",))
    time.setncatts(
        {"units": f"days since {days[0]:%Y-%m-%d}", "calendar": "standard", "standard_name": "time", "axis": "T"}
    )
    time[:] = np.arange(len(days))
    for name, axis in (("lat", "north"), ("lon", "east")):
        variable = file.createVariable(name, "f8", ("cell",))
        variable.setncatts(cells[name].attrs | {"units": f"degrees_{axis}"})
        variable[:] = cells[name].values
    for name in SOIL:
        variable = file.createVariable(name, "f8", ("cell",))
        variable.setncatts(attributes(name) | {"coordinates": "lat lon"})
    for name, value in constants.items():
        variable = file.createVariable(name, "f8", ())
        variable.setncatts(attributes(name))
        variable[...] = value
    for name in OUTPUTS:
        variable = file.createVariable(
            name,
            "f4",
            ("cell", "time"),
            compression="zlib",
            complevel=1,
            chunksizes=(min(number, 128), min(len(days), 731)),
        )
        variable.setncatts(attributes(name) | {"coordinates": "lat lon"})
    return file
