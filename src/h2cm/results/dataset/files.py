"""The files of the data set: netCDF-4, time first, on the map, or as time series of stations (CF 1.11)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import netCDF4
import numpy as np
import pandas as pd
import xarray as xr

from h2cm.config import Config
from h2cm.netcdf import written
from h2cm.results.dataset.attributes import QUANTILES, global_attributes, precision, variable_attributes
from h2cm.results.dataset.spread import More, combined
from h2cm.results.evaluate.intervals import LEVELS, Calibration
from h2cm.results.paths import dataset_years, path
from h2cm.space.grid import GLOBE, Grid, land_fraction
from h2cm.store import DataError
from h2cm.vocabulary import COORDINATES, OUTPUTS

FILL = np.float32(1e20)
DISTANCE = "Meyer and Pebesma (2021), doi:10.1111/2041-210X.13650, over the mean distance of cells trained on."
EPOCH = "days since 1970-01-01"
TIME_ATTRS = {
    "standard_name": "time",
    "long_name": "middle of the day or month",
    "units": EPOCH,
    "calendar": "standard",
    "axis": "T",
    "bounds": "time_bnds",
    "units_metadata": "leap_seconds: none",
}


def map_grid(config: Config) -> Grid:
    """The grid of the files: from pole to pole where the run goes all around the globe, else that of the run."""
    west, _, east, _ = config.grid.bounds
    return Grid(config.grid.resolution, GLOBE if (west, east) == (GLOBE[0], GLOBE[2]) else config.grid.bounds)


def time_axis(config: Config, step: str) -> tuple[np.ndarray, np.ndarray]:
    """Middle and bounds of each step, days since 1970: shapes (step,) and (step, 2)."""
    start, end = pd.Timestamp(config.period.start), pd.Timestamp(config.period.end)
    edges = pd.date_range(start, end + pd.Timedelta(days=1))
    if step == "monthly":
        edges = edges[(edges.day == 1) | (edges == edges[0]) | (edges == edges[-1])]
    days = (edges - pd.Timestamp("1970-01-01")) / pd.Timedelta(days=1)
    bounds = np.stack([days[:-1], days[1:]], axis=1)
    return bounds.mean(1), bounds


@dataclass(frozen=True)
class OnTheMap:
    """Cells on their grid: dimensions (lat, lon)."""

    grid: Grid
    cells: xr.Dataset
    dims: ClassVar = ("lat", "lon")
    attributes: ClassVar = {}
    variable_attributes: ClassVar = {"cell_measures": "area: cell_area"}
    external: ClassVar = {"external_variables": "cell_area"}

    @property
    def shape(self) -> tuple[int, int]:
        return self.grid.lat.size, self.grid.lon.size

    def write_coordinates(self, file: netCDF4.Dataset) -> None:
        """Latitude and longitude with their bounds."""
        for axis, letter in (("lat", "Y"), ("lon", "X")):
            centres, edges = getattr(self.grid, axis), getattr(self.grid, f"{axis}_edges")
            variable = file.createVariable(axis, "f8", (axis,))
            variable.setncatts(COORDINATES[axis].attributes | {"axis": letter, "bounds": f"{axis}_bnds"})
            variable[:] = centres
            file.createVariable(f"{axis}_bnds", "f8", (axis, "bnds"))[:] = np.stack([edges[:-1], edges[1:]], 1)

    def place(self, values: np.ndarray) -> np.ndarray:
        """Values (time, cell) on the map (time, lat, lon), `FILL` elsewhere."""
        rows, columns = (
            np.round((self.cells[axis].values - getattr(self.grid, axis)[0]) / self.grid.resolution).astype(int)
            for axis in ("lat", "lon")
        )
        field = np.full((values.shape[0], *self.shape), FILL, "f4")
        field[:, rows, columns] = values
        return field


@dataclass(frozen=True)
class AtStations:
    """Towers: a discrete sampling geometry, time series that share their times."""

    cells: xr.Dataset
    dims: ClassVar = ("station",)
    attributes: ClassVar = {"featureType": "timeSeries"}
    variable_attributes: ClassVar = {"coordinates": "lat lon station_name"}
    external: ClassVar = {}

    @property
    def shape(self) -> tuple[int]:
        return (self.cells.sizes["cell"],)

    def write_coordinates(self, file: netCDF4.Dataset) -> None:
        """Latitude, longitude and name of each station, and its land cover."""
        for axis in ("lat", "lon"):
            variable = file.createVariable(axis, "f8", self.dims)
            variable.setncatts(COORDINATES[axis].attributes)
            variable[:] = self.cells[axis].values
        names = self.cells["site"].values.astype("S")
        file.createDimension("name_length", names.dtype.itemsize)
        variable = file.createVariable("station_name", "S1", (*self.dims, "name_length"))
        variable.setncatts({"long_name": "name of the tower", "cf_role": "timeseries_id"})
        variable[:] = names.view("S1").reshape(len(names), -1)
        classes, number = np.unique(self.cells["igbp"].values.astype(str), return_inverse=True)
        variable = file.createVariable("land_cover", "i1", self.dims)
        flags = {"flag_values": np.arange(len(classes), dtype="i1"), "flag_meanings": " ".join(classes)}
        variable.setncatts({"long_name": "land-cover class (IGBP)"} | flags | self.variable_attributes)
        variable[:] = number

    def place(self, values: np.ndarray) -> np.ndarray:
        """Values (time, cell) as (time, station)."""
        return values


def write_variable(
    config: Config,
    name: str,
    step: str,
    members: Sequence[str | Path],
    cells: xr.Dataset,
    folder: Path,
    code: str,
    calibration: Calibration | None = None,
) -> None:
    """Write the files of one variable: median, minimum and maximum over the folds, a year a file.

    Parameters
    ----------
    config : Config
    name : str
        An output of the model.
    step : {"daily", "monthly"}
    members : sequence of path
        Predictions of the folds.
    cells : Dataset
        ``store/grid.nc``.
    folder : Path
        Of the run.
    code : str
        Hash of the code, for the attributes.
    calibration : Calibration, optional
        Of monthly means: with it calibrated quantiles are written too, of the variables that it has.

    Raises
    ------
    DataError
        Where the predictions are not complete, or are not of the period and the cells of the run.
    """
    place = AtStations(cells) if "site" in cells else OnTheMap(map_grid(config), cells)
    middles, bounds = time_axis(config, step)
    attributes = global_attributes(config, list(members), code) | place.attributes
    first = folder / path("dataset_file", variable=name, step=step, year=dataset_years(config)[0])
    first.parent.mkdir(parents=True, exist_ok=True)
    more = quantiles(calibration, name, middles) if calibration is not None and name in calibration else {}
    with combined(members, name, first.parent, more) as statistics, ExitStack() as unfinished:
        if (shape := statistics[""].shape) != (middles.size, cells.sizes["cell"]):
            expected = f"{middles.size} steps of {cells.sizes['cell']} cells"
            raise DataError(f"{members[0]}: {name}: expected {expected} as the run has, got {shape[0]} of {shape[1]}")
        year_of = pd.to_datetime(middles, unit="D").year
        for year in dataset_years(config):
            chosen = np.flatnonzero((year_of >= int(year[:4])) & (year_of <= int(year[-4:])))
            steps = slice(chosen[0], chosen[-1] + 1)
            target = folder / path("dataset_file", variable=name, step=step, year=year)
            # all years appear together, when the last is written
            with netCDF4.Dataset(unfinished.enter_context(written(target)), "w") as file:
                _write_frame(file, place, step, middles[steps], bounds[steps], attributes)
                transferred = bool(more) and calibration.transferred(name)
                for suffix, values in statistics.items():
                    _write_values(file, config, place, name, suffix, values[steps], tuple(statistics), transferred)


def quantiles(calibration: Calibration, name: str, middles: np.ndarray) -> dict[str, More]:
    """The calibrated quantiles of monthly means as further statistics of the folds, within what is physically possible."""
    calendar_month = pd.to_datetime(middles, unit="D").month.values
    row = OUTPUTS[name]

    def of(level: float) -> More:
        at = LEVELS.index(level)

        def statistic(values: np.ndarray, cells: slice) -> np.ndarray:
            around = calibration.around(name, values, calendar_month, cells)[at]
            return np.clip(np.median(values, axis=0) + around, row.low, row.high)

        return statistic

    return {suffix: of(level) for suffix, level in QUANTILES.items()}


def _write_frame(file, place, step, middles, bounds, attributes) -> None:
    frequency = {"daily": "day", "monthly": "mon"}[step]
    file.setncatts(attributes | place.external | {"frequency": frequency})
    for dim, size in (("time", None), ("bnds", 2), *zip(place.dims, place.shape, strict=True)):
        file.createDimension(dim, size)
    time = file.createVariable("time", "f8", ("time",), chunksizes=(max(1, middles.size),))
    time.setncatts(TIME_ATTRS)
    time[:] = middles
    file.createVariable("time_bnds", "f8", ("time", "bnds"), chunksizes=(max(1, middles.size), 2))[:] = bounds
    place.write_coordinates(file)


def _write_values(
    file, config: Config, place, name: str, suffix: str, values: np.ndarray, suffixes: Sequence[str], transferred: bool
) -> None:
    """One statistic of some, as many steps at a time as a chunk has."""
    bits, words = precision(config.dataset.significant_digits)
    chunks = tuple(min(c, n) for c, n in zip(config.dataset.chunks, (len(values), *place.shape), strict=False))
    variable = file.createVariable(
        name + suffix,
        "f4",
        ("time", *place.dims),
        chunksizes=chunks,
        zlib=True,
        complevel=4,
        shuffle=True,
        fill_value=FILL,
        quantize_mode="BitRound",
        significant_digits=bits,
    )
    ancillary = {} if suffix else {"ancillary_variables": " ".join(name + s for s in suffixes if s)}
    variable.setncatts(
        variable_attributes(name, suffix, transferred) | place.variable_attributes | ancillary | {"precision": words}
    )
    for start in range(0, len(values), chunks[0]):
        steps = slice(start, min(start + chunks[0], len(values)))
        variable[steps] = np.nan_to_num(place.place(values[steps]), nan=FILL)


def write_grid(
    config: Config, cells: xr.Dataset, target: Path, attributes: dict[str, str], applicability: xr.Dataset | None = None
) -> None:
    """Area and land fraction of each cell, which cells have values and, with the summary ``applicability``, how unlike they are
    to those trained on."""
    place = OnTheMap(map_grid(config), cells)
    modelled = place.place(np.ones((1, cells.sizes["cell"]), "f4"))[0] == 1
    fields = {
        "cell_area": (
            "f8",
            np.repeat(place.grid.cell_area()[:, None], place.shape[1], 1),
            {"units": "m2", "standard_name": "cell_area", "long_name": "area of the cell, sea included"},
        ),
        "land_fraction": (
            "f4",
            land_fraction(place.grid).values,
            {"units": "1", "standard_name": "land_area_fraction", "long_name": "share of land"},
        ),
        "modelled": (
            "i1",
            modelled,
            {
                "long_name": "whether the cell has values",
                "flag_values": np.array([0, 1], "i1"),
                "flag_meanings": "no_values values",
            },
        ),
    }
    if applicability is not None:
        index, limit = applicability["dissimilarity"].values, float(applicability["threshold"])
        fields["dissimilarity"] = (
            "f4",
            place.place(index[None])[0],
            {
                "units": "1",
                "long_name": "distance to the nearest cell trained on, in attributes and climate",
                "comment": DISTANCE,
            },
        )
        fields["inside_area_of_applicability"] = (
            "i1",
            place.place((index <= limit)[None].astype("f4"))[0] == 1,
            {
                "long_name": f"whether the dissimilarity is at most {limit:.3g}",
                "flag_values": np.array([0, 1], "i1"),
                "flag_meanings": "outside_or_no_value inside",
            },
        )
    with written(target) as unfinished, netCDF4.Dataset(unfinished, "w") as file:
        file.setncatts(attributes)
        for dim, size in (("bnds", 2), *zip(place.dims, place.shape, strict=True)):
            file.createDimension(dim, size)
        place.write_coordinates(file)
        for name, (kind, values, attrs) in fields.items():
            fill = FILL if name == "dissimilarity" else None
            variable = file.createVariable(name, kind, place.dims, zlib=True, fill_value=fill)
            variable.setncatts(attrs | ({} if name == "cell_area" else place.variable_attributes))
            variable[:] = values
