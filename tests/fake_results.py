"""The folder of a run with made-up but plausible content, for tests of what reads it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
import yaml

from h2cm.config import Config, parse
from h2cm.results.paths import evaluated, path
from h2cm.results.run import Run
from h2cm.results.summaries.registry import SUMMARIES, of_whom
from h2cm.sources import catalogue
from h2cm.store import save_netcdf, save_summary, write
from h2cm.vocabulary import VARIABLES

GRIDDED = {
    "tws": ("tws", "monthly_centred"),
    "swe": ("swe", "monthly"),
    "fapar": ("fapar", "monthly"),
    "et": ("et", "mean_seasonal_cycle"),
    "runoff": ("runoff", "mean_seasonal_cycle"),
    "gpp": ("gpp", "mean_seasonal_cycle"),
    "nee_oco2": ("nee", "monthly"),
    "nee_carboscope": ("nee", "spatial_mean_anomaly"),
    "cue": ("cue", "mean_ratio"),
}
TOWERS = {name: (name, "monthly") for name in ("gpp", "nee", "et", "fapar")}
MEAN = {"gpp": 4.0, "et": 1.5, "nee": -0.5, "fapar": 0.4, "tws": 400, "swe": 30, "runoff": 0.7, "ter": 3.5, "npp": 2.0}
MEAN |= {"transpiration": 0.9, "heterotrophic_respiration": 1.5, "corrected_precipitation": 2.2}
AMPLITUDE = {"nee": -1.2, "tws": 80, "swe": -28}
CARBON = ("gpp", "nee", "ter")
DAYS = ("nee", "npp", "heterotrophic_respiration", "corrected_precipitation", "et", "runoff", "tws")
CONSTANTS = {"beta_snow": 0.8, "beta_baseflow": 0.003, "q10": 1.5, "beta_co2": 0.0015}
AREA = {"units": "m2"}
IGBP = ("ENF", "DBF", "GRA", "CRO", "MF", "WET")


def fake_config(source: str = "twin", folds: int = 3, years: int = 3, late: bool = False) -> Config:
    """A configuration of a short run; `late`: with an experiment that is not trained on the last two years."""
    rows = TOWERS if source == "towers" else GRIDDED
    last = 2009 + years
    constraints = {name: {"prediction": p, "compare": c} for name, (p, c) in rows.items()}
    if source != "towers":
        constraints["nee_oco2"]["years"] = [last - 1, last]
    return parse(
        {
            "run": "fake",
            "source": source,
            "towers": {"folders": ["nowhere"], "co2": "nowhere.csv", "daily_fluxes": "nowhere"},
            "period": {"start": "2010-01-01", "end": f"{last}-12-31"},
            "grid": {"resolution": 10.0},
            "constraints": constraints,
            "split": {"folds": folds},
            "prediction": {"daily": ["nee", "et"] if source == "towers" else list(DAYS)},
            "experiments": {
                "cv": {},
                "prior": {"priors": {"q10": {"mean": 1.5, "std": 0.3}, "beta_co2": {"mean": 15.0, "std": 5.0}}},
            }
            | ({"spatiotemporal": {"train_years": [2010, last - 2]}} if late else {}),
            "evaluation": {"periods": {"late": [last - 1, last]} if late else {}},
        }
    )


def fake_results(
    folder: Path, config: Config, cells: xr.Dataset | None = None, seed: int = 0, n_cells: int = 40
) -> Path:
    """Write store, split, truth, losses and predictions of `config` in `folder`; returns `folder`."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json")))
    towers = config.source == "towers"
    cells = _cells(rng, n_cells, towers) if cells is None else cells
    n = cells.sizes["cell"]
    save_netcdf(cells, folder / "store/grid.nc")

    days = pd.date_range(config.period.start, config.period.end)
    month_of_day = pd.factorize(days.to_period("M"))[0]
    months = pd.date_range(config.period.start, config.period.end, freq="MS")
    truth = {name: _field(rng, name, cells, months) for name in MEAN}
    truth["npp"] = 0.5 * truth["gpp"]
    for name, row in config.constraints.items():
        if name == "cue":
            data = xr.DataArray(rng.uniform(0.4, 0.6, n), dims="cell")
        else:
            noisy = truth[row.prediction] + rng.normal(0, 0.1 * abs(MEAN[row.prediction]), (n, months.size))
            noisy[rng.random(noisy.shape) < 0.1] = np.nan
            noisy = noisy - 400 if name == "tws" else noisy
            noisy = np.clip(noisy, VARIABLES[name].low, VARIABLES[name].high)
            data = xr.DataArray(noisy, {"month": months}, ("cell", "month"))
        write(data.assign_attrs(units=VARIABLES[name].units).rename(name), folder / f"store/{name}.nc", "fake")

    other = np.random.default_rng(seed + 1)
    drivers = {"precipitation": (2.0, 0, "mm day-1"), "net_radiation": (80.0, -50, "W m-2")}
    for name, (level, low, units) in drivers.items():
        values = np.clip(other.gamma(0.5, 2 * level, (n, days.size)), low, 400)
        if towers and name == "precipitation":
            values[:, np.arange(days.size) % 20 < 10] = 0  # dry spells
        data = xr.DataArray(values, {"time": days}, ("cell", "time"), name, {"units": units})
        write(data, folder / f"store/{name}.nc", "fake")
    warmth = xr.DataArray(rng.normal(295, 5, (n, days.size)), {"time": days}, ("cell", "time"), "air_temperature")
    write(warmth.assign_attrs(units="K"), folder / "store/air_temperature.nc", "fake")
    third = np.random.default_rng(seed + 2)
    for name, level, units in (("vapour_pressure_deficit", 8.0, "hPa"), ("co2", 400.0, "ppm")):
        values = level * third.uniform(0.9, 1.1, (n, 1)) + third.normal(0, 0.1, (n, days.size))
        data = xr.DataArray(values, {"time": days}, ("cell", "time"), name, {"units": units})
        write(data, folder / f"store/{name}.nc", "fake")
    features = [*catalogue.product("globeland30").holds, "clay"]
    data = third.uniform(0, 1, (n, len(features)))
    data = xr.DataArray(data, {"feature": features}, ("cell", "feature"), "static", {"units": "1"})
    write(data, folder / "store/static.nc", "fake")
    if towers:
        for flux in ("nee", "et"):
            measured = truth[flux][:, month_of_day] + other.normal(0, 0.3, (n, days.size))
            measured[4:] = np.nan  # days are measured at four towers
            for name, values in ((flux, measured), (f"{flux}_uncertainty", np.where(measured < 9e9, 0.3, np.nan))):
                stored = name.replace(flux, f"{flux}_daily")
                data = xr.DataArray(values, {"time": days}, ("cell", "time"), stored)
                write(data.assign_attrs(units=VARIABLES[stored].units), folder / f"store/{stored}.nc", "fake")
    if not towers:
        for name, models in (("fluxcom", None), ("trendy", 3)):
            fluxes = {
                flux: np.stack([truth[flux] * other.normal(1, 0.2) for _ in range(models or 1)]) for flux in CARBON
            }
            data = xr.Dataset({f: (("model", "cell", "month"), v) for f, v in fluxes.items()}, {"month": months})
            data = (
                data.isel(model=0)
                if models is None
                else data.assign_coords(model=[f"model {i}" for i in range(models)])
            )
            save_netcdf(data, folder / f"comparison/{name}.nc")
        region = xr.Dataset({"region": ("cell", np.arange(n) % 12)}, attrs={"source": "fake"})
        save_netcdf(region, folder / "comparison/transcom.nc")

    split = pd.DataFrame({"cell": np.arange(n), "lat": cells.lat, "lon": cells.lon, "block": np.arange(n) // 2})
    if towers:
        split.insert(1, "site", cells["site"].values)
    groups = rng.integers(0, config.split.folds + 1, n // 2 + 1)[split["block"]]
    groups[: config.split.folds + 1] = np.arange(config.split.folds + 1)  # none is empty
    for fold in range(config.split.folds):
        split[f"fold_{fold}"] = np.where(
            groups == config.split.folds, "test", np.where(groups == fold, "validation", "train")
        )
    (folder / "split").mkdir(exist_ok=True)
    split.to_csv(folder / "split/split.csv", index=False)

    if config.source == "twin":
        daily = {name: (("cell", "time"), values[:, month_of_day].astype("f4")) for name, values in truth.items()}
        static = {name: ("cell", rng.uniform(50, 300, n)) for name in ("soil_moisture_capacity", "alpha_interception")}
        save_netcdf(xr.Dataset(daily | static | CONSTANTS, {"time": days}), folder / "twin/truth.nc")
    for experiment in config.experiments:
        for fold in range(config.split.folds):
            if experiment not in evaluated(config):
                _made(folder / f"training/{experiment}/fold_{fold}")
                continue
            names = list(dict.fromkeys((*config.prediction.monthly, *config.prediction.daily)))
            predicted = {
                name: (
                    ("cell", "month"),
                    (
                        truth[name] * rng.normal(1.05, 0.05) + rng.normal(0, 0.1 * abs(MEAN[name]), truth[name].shape)
                    ).astype("f4"),
                )
                for name in names
            }
            static = {
                name: ("cell", rng.uniform(50, 300, n)) for name in ("soil_moisture_capacity", "alpha_interception")
            }
            constants = {name: value * rng.normal(1.2, 0.05) for name, value in CONSTANTS.items()}
            coords = {"month": months, "lat": cells.lat, "lon": cells.lon}
            save_netcdf(
                xr.Dataset(predicted | static | constants, coords),
                folder / f"predictions/{experiment}/fold_{fold}/monthly.nc",
            )
            daily = {name: (("cell", "time"), predicted[name][1][:, month_of_day]) for name in config.prediction.daily}
            if daily:
                save_netcdf(
                    xr.Dataset(daily, {"time": days}), folder / f"predictions/{experiment}/fold_{fold}/daily.nc"
                )
            _losses(rng, config).to_csv(
                _made(folder / f"training/{experiment}/fold_{fold}") / "losses.csv", index=False
            )
    return folder


def summarise(folder: Path, config: Config) -> None:
    """Write all summaries of a run."""
    for name in SUMMARIES:
        for who in of_whom(name, config):
            made = import_module(f"h2cm.results.summaries.{name}").make(Run(folder, config), who)
            save_summary(made, folder / path("summary", experiment=who, summary=name))


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _cells(rng, n: int, towers: bool) -> xr.Dataset:
    if towers:
        lat, lon = rng.uniform(38, 68, n), rng.uniform(-8, 30, n)
        sites = [f"AA-{i:03d}" for i in range(n)]
        extra = {"site": ("cell", sites), "igbp": ("cell", [IGBP[i % len(IGBP)] for i in range(n)])}
        return xr.Dataset({"area": ("cell", np.ones(n), AREA)} | extra, {"lat": ("cell", lat), "lon": ("cell", lon)})
    lat, lon = np.meshgrid(np.arange(-45.0, 80, 10), np.arange(-175.0, 180, 10), indexing="ij")
    chosen = np.sort(rng.permutation(lat.size)[:n])
    lat, lon = lat.ravel()[chosen], lon.ravel()[chosen]
    area = ("cell", 1e12 * np.cos(np.radians(lat)), AREA)
    return xr.Dataset({"area": area}, {"lat": ("cell", lat), "lon": ("cell", lon)})


def _field(rng, name: str, cells: xr.Dataset, months: pd.DatetimeIndex) -> np.ndarray:
    """A seasonal cycle that follows latitude, a pattern in space and variation from month to month."""
    lat, lon = cells["lat"].values[:, None], cells["lon"].values[:, None]
    season = np.sin(2 * np.pi * (months.month.values - 4) / 12) * np.sin(np.radians(lat))
    pattern = 1 + 0.5 * np.cos(np.radians(3 * lat)) + 0.2 * np.sin(np.radians(2 * lon))
    amplitude = AMPLITUDE.get(name, 0.5 * MEAN[name])
    return MEAN[name] * pattern + amplitude * season + rng.normal(0, 0.1 * abs(MEAN[name]), months.size)


def _losses(rng, config: Config) -> pd.DataFrame:
    epochs = np.arange(1, 31)
    rows = []
    for cells, level in (("train", 0.1), ("validation", 0.15)):
        total = np.zeros(epochs.size)
        for constraint in config.constraints:
            loss = level + np.exp(-epochs / rng.uniform(3, 8)) * rng.uniform(0.9, 1.1, epochs.size)
            total += loss
            rows.append(pd.DataFrame({"epoch": epochs, "cells": cells, "constraint": constraint, "loss": loss}))
        rows.append(pd.DataFrame({"epoch": epochs, "cells": cells, "constraint": "total", "loss": total}))
    for name, value in CONSTANTS.items():
        path = value * (1.2 - 0.2 * np.exp(-epochs / 5))
        rows.append(pd.DataFrame({"epoch": epochs, "cells": "train", "constraint": f"constant:{name}", "loss": path}))
    return pd.concat(rows)
