"""The study's own inputs and targets (doi:10.5281/zenodo.16575309), mapped to our store.

They are one Zarr store on the 1° grid with a group for each variable, each with an array ``data``: forcing and ``swe_bc``
daily, ``fapar`` each eight days, the other targets monthly, months without data as absent time steps; ``static``,
``cue``, ``grid_area`` and ``mask`` without time. ``nee_iav`` holds anomalies from the mean seasonal cycle already; the
loss does not feel it, as the seasonal cycle of an anomaly is zero, and the target says so in an attribute, so that it is
evaluated as an anomaly only.

The record does not say in which units the arrays are. A unit that an array states is converted; where there is none
the unit of our store is taken, and a value that is impossible in it is an error (`h2cm.store.check`).
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from h2cm import store
from h2cm.config import Config, ConfigError
from h2cm.store import DataError
from h2cm.units import conversion
from h2cm.vocabulary import DEPARTURE, MEAN_SEASONAL_CYCLE, VARIABLES

LOG = logging.getLogger(__name__)

GROUPS = {
    "net_radiation": "rn",
    "precipitation": "prec",
    "air_temperature": "tair",
    "vapour_pressure_deficit": "vpd",
    "co2": "co2",
    "static": "static",
    "tws": "tws",
    "et": "et_xbase",
    "runoff": "q_v2",
    "swe": "swe_bc",
    "fapar": "fapar",
    "gpp": "gpp",
    "nee_oco2": "nee",
    "nee_carboscope": "nee_iav",
    "cue": "cue",
}
"""Group of each variable of the store."""

ANOMALIES = ("nee_iav",)
"""Groups that hold anomalies from each cell's mean seasonal cycle."""


def find(folder: Path) -> Path:
    """The Zarr store in `folder` or below it.

    Raises
    ------
    DataError
        There is none, or more than one.
    """
    found = sorted({p.parent for p in [folder / "mask", *folder.rglob("mask")] if (p.parent / "rn").is_dir()})
    if len(found) != 1:
        raise DataError(f"{folder}: expected one Zarr store with the groups mask, rn, ..., found {len(found)}")
    return found[0]


def read(folder: Path, config: Config) -> xr.Dataset:
    """The store of a run, from the published data.

    Parameters
    ----------
    folder : Path
        Where the record was unpacked.
    config : Config
        The period, the grid (which must be the data's) and the constraints wanted.

    Returns
    -------
    Dataset
        ``area`` (cell) and the variables of `h2cm.vocabulary.VARIABLES` that the run needs, with the coordinates ``lat`` and
        ``lon`` (cell), sorted by latitude, then longitude; read when they are used.

    Raises
    ------
    DataError
        A group is missing, is on another grid, or does not cover the period.
    ConfigError
        The configuration asks for another resolution, or for a constraint that is not there.
    """
    path = find(Path(folder))
    unknown = set(config.constraints) - set(GROUPS)
    if unknown:
        raise ConfigError(
            f"constraints: {', '.join(sorted(unknown))} are not among the published data ({', '.join(GROUPS)})"
        )
    cells = _cells(path, config)
    roles = ("forcing", "static")
    names = [name for name in GROUPS if VARIABLES[name].role in roles or name in config.constraints]
    variables = {name: _variable(path, name, cells, config) for name in names}
    area = _pick(_open(path, "grid_area"), cells).astype("f8").assign_attrs(units="m2")
    return xr.Dataset({"area": area, **variables}).assign_coords(lat=cells["lat"], lon=cells["lon"])


def write(data: xr.Dataset, folder: Path, source: str) -> None:
    """Write the files of a store, one variable in memory at a time.

    Parameters
    ----------
    data : Dataset
        From `read`.
    folder : Path
    source : str
        Where the data come from, kept as an attribute of each file.
    """
    for name in data.data_vars:
        try:
            variable = data[name].compute()  # what is computed here is not kept in `data`
        except DataError:
            raise
        except Exception as error:  # zarr and its codecs raise many kinds for a damaged chunk
            raise DataError(
                f"{source}: {GROUPS.get(name, 'grid_area')}: expected values that can be read, a chunk is damaged ({error})"
            ) from None
        if name == "area":
            store.write(variable, folder / "grid.nc", source)
        else:
            store.write(variable.drop_vars(["lat", "lon"]), folder / f"{name}.nc", source)


def _open(path: Path, group: str) -> xr.DataArray:
    """The array of a group, checked for its axes."""
    try:
        data = xr.open_zarr(path, group=group, consolidated=False)["data"]
    except ImportError:
        raise DataError("zarr is not installed, and the published data need it: pip install 'h2cm[retrieve]'") from None
    except (KeyError, OSError) as error:
        raise DataError(f"{path}: group {group}: expected an array `data` ({error})") from None
    if not {"lat", "lon"} <= set(data.dims):
        raise DataError(f"{path}: {group}: expected dimensions lat and lon, got {data.dims}")
    return data


def _cells(path: Path, config: Config) -> xr.Dataset:
    """Latitude, longitude and position in the arrays (``row``, ``column``) of the cells of the mask."""
    mask = _open(path, "mask").load()
    spacing = np.abs(np.diff(mask["lat"].values)).mean()
    if not np.isclose(spacing, config.grid.resolution, rtol=1e-3):
        raise ConfigError(
            f"grid.resolution: the published data are on {spacing:g} degrees, got {config.grid.resolution:g}"
        )
    rows, columns = np.nonzero(np.nan_to_num(mask.transpose("lat", "lon").values))
    lat = mask["lat"].values[rows]
    lon = (mask["lon"].values[columns] + 180) % 360 - 180
    west, south, east, north = config.grid.bounds
    inside = (lat > south) & (lat < north) & (lon > west) & (lon < east)
    order = np.lexsort((lon, lat))
    order = order[inside[order]]
    if not order.size:
        raise ConfigError(f"grid.bounds: no cell of the published data is within {list(config.grid.bounds)}")
    return xr.Dataset(
        {"row": ("cell", rows[order]), "column": ("cell", columns[order])},
        {
            "lat": ("cell", lat[order], {"units": "degrees_north", "standard_name": "latitude"}),
            "lon": ("cell", lon[order], {"units": "degrees_east", "standard_name": "longitude"}),
        },
    )


def _pick(data: xr.DataArray, cells: xr.Dataset) -> xr.DataArray:
    """Values at the cells, dimension ``cell`` first."""
    picked = data.isel(lat=cells["row"], lon=cells["column"]).drop_vars(["lat", "lon"])
    return picked.transpose("cell", ...)


def _variable(path: Path, name: str, cells: xr.Dataset, config: Config) -> xr.DataArray:
    """One variable on the cells, in the unit and on the time axis of the store."""
    row, group = VARIABLES[name], GROUPS[name]
    data = _open(path, group)
    origin = f"{path}: {group}"
    unit = str(data.attrs.get("units", "")).strip()
    data = _pick(data, cells)
    if name == "static":
        (feature,) = (d for d in data.dims if d != "cell")
        names = data[feature].values if feature in data.coords else np.arange(data.sizes[feature])
        data = data.rename({feature: "feature"}).assign_coords(feature=[str(n) for n in names])
    elif unit in ("", "-") and unit != row.units:
        LOG.info("%s states no unit: taken as %s", origin, row.units)
    elif unit != row.units:
        try:
            scale, offset = conversion(unit, row.units)
        except DataError as error:
            raise DataError(f"{origin}: {error}") from None
        data = data * scale + offset
    if "time" in data.dims:
        data = _days(data, origin, config) if row.role == "forcing" else _months(data, origin, config)
    data = data.rename(name).assign_attrs(units=row.units)
    return data.assign_attrs({DEPARTURE: MEAN_SEASONAL_CYCLE}) if group in ANOMALIES else data


def _days(data: xr.DataArray, origin: str, config: Config) -> xr.DataArray:
    """All days of the period."""
    data = data.assign_coords(time=data["time"].dt.floor("D"))
    days = pd.date_range(config.period.start, config.period.end)
    times = data.indexes["time"]
    if times.has_duplicates:
        raise DataError(f"{origin}: {times[times.duplicated()][0]:%Y-%m-%d} is there more than once")
    missing = days.difference(times)
    if len(missing):
        raise DataError(f"{origin}: {len(missing)} days of the period are missing, the first is {missing[0]:%Y-%m-%d}")
    return data.sel(time=days)


def _months(data: xr.DataArray, origin: str, config: Config) -> xr.DataArray:
    """Mean of the steps that start in each month of the period, missing where there is none."""
    months = pd.date_range(config.period.start.replace(day=1), config.period.end, freq="MS")
    inside = data.sortby("time").sel(time=slice(str(config.period.start), str(config.period.end)))
    if not inside.sizes["time"]:
        raise DataError(
            f"{origin}: expected some time step from {config.period.start} to {config.period.end}, got none"
        )
    start = inside["time"].values.astype("datetime64[M]").astype("datetime64[ns]")
    means = inside.groupby(xr.DataArray(start, dims="time", name="month")).mean(skipna=True)
    return means.reindex(month=months).transpose("cell", "month")
