"""How a product lies in its files, as a table, and the reader and writer that work from it.

A standardised data set has the dimensions ``time`` (real calendar, the start of each step), ``lat`` (ascending) and
``lon`` (-180 to 180, ascending), the store's units and signs, the product's own grid and time step; its attribute
``step`` says how long a step is.
"""

from __future__ import annotations

import gzip
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from h2cm import units
from h2cm.products import checks
from h2cm.store import DataError, save_netcdf

log = logging.getLogger(__name__)

LATITUDES, LONGITUDES, TIMES = (
    ("lat", "latitude", "Y", "y"),
    ("lon", "longitude", "X", "x"),
    ("time", "valid_time", "T"),
)
STEPS = {"any": "h", "day": "D", "8 days": "D", "month": "M"}
"""Length of a time step, and the unit to which its time stamp is rounded down; `any`: as the time axis shows."""


@dataclass(frozen=True)
class Field:
    """A variable of a product.

    Attributes
    ----------
    name : str
        In the standardised data set.
    units : str
        In the standardised data set.
    file_names : tuple of str
        In the file: the documented name, then other spellings that are accepted.
    file_units : str
        Documented unit in the file.
    low, high : float
        Possible values, standardised.
    tolerance : float
        What a value may lie beyond them by rounding.
    sign : int
        -1 where the file counts the other way.
    dtype, fill, packing :
        Type in the file, its missing value and (scale_factor, add_offset).
    scale, offset : float
        From the file's unit to `units`; filled in by the reader.
    """

    name: str
    units: str
    file_names: tuple[str, ...]
    file_units: str
    low: float = -np.inf
    high: float = np.inf
    tolerance: float = 0.0
    sign: int = 1
    dtype: str = "f4"
    fill: float | None = None
    packing: tuple[float, float] | None = None
    attrs: dict = field(default_factory=dict, hash=False)
    scale: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class Layout:
    """The layout of a product's files.

    Attributes
    ----------
    product : str
    pattern : str
        Of the files' names, in the product's folder and those below.
    fields : tuple of Field
    step : str
        A key of `STEPS`.
    split : {"day", "month", "year", "all"}
        What one file holds.
    file_name : callable
        First and last day (Timestamps) of a file to its name.
    dims : tuple of str
        Names of time, latitude and longitude in the file.
    calendar, time_units : str
    stamp : {"start", "middle"}
        Which moment of a step the file's time stamp is.
    descending : bool
        Latitude from north to south.
    east : bool
        Longitudes 0 to 360.
    aligned : {"", "edges", "centres"}
        See `checks.check_axes`.
    """

    product: str
    pattern: str
    fields: tuple[Field, ...]
    step: str
    split: str
    file_name: Callable[[pd.Timestamp, pd.Timestamp], str]
    dims: tuple[str, str, str] = ("time", "lat", "lon")
    calendar: str = "standard"
    time_units: str = "days since 1900-01-01"
    stamp: str = "start"
    descending: bool = False
    east: bool = False
    aligned: str = ""
    attrs: dict = field(default_factory=dict, hash=False)

    def field(self, name: str) -> Field:
        return next(f for f in self.fields if f.name == name)


def open_file(path: Path, **options) -> xr.Dataset:
    """Open a netCDF or HDF5 file lazily, in pieces; close it when done.

    Raises
    ------
    DataError
        If it is no such file, or truncated.
    """
    if Path(path).suffix == ".gz":
        return _open_packed(path, **options)
    try:
        return xr.open_dataset(path, engine="netcdf4", chunks={}, **options)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path}: expected a netCDF file, which this is not, or it is damaged ({error})") from None


def _open_packed(path: Path, **options) -> xr.Dataset:
    """Open a gzipped file; its unpacked copy is deleted when it is closed."""
    folder = tempfile.TemporaryDirectory(prefix="h2cm-")
    copy = Path(folder.name) / Path(path).stem
    try:
        with gzip.open(path) as packed, open(copy, "wb") as file:
            shutil.copyfileobj(packed, file)
    except (OSError, EOFError) as error:
        folder.cleanup()
        raise DataError(f"{path}: expected a gzipped file, which this is not, or it is truncated ({error})") from None
    raw = open_file(copy, **options)

    def close(close_file=raw._close):
        if close_file is not None:
            close_file()
        folder.cleanup()

    raw.set_close(close)
    return raw


def _find(raw: xr.Dataset, names: Iterable[str], what: str, origin: str) -> str:
    for name in names:
        if name in raw.variables:
            return name
    raise DataError(f"{origin}: expected {what} named {' or '.join(names)}, found {', '.join(map(str, raw.variables))}")


def rename_axes(raw: xr.Dataset, layout: Layout, origin: str, time: bool = True) -> xr.Dataset:
    """`raw` with dimensions and coordinates ``time``, ``lat`` and ``lon``, as they lie in the file."""
    wanted = {
        "lat": _find(raw, (layout.dims[1], *LATITUDES), "latitudes", origin),
        "lon": _find(raw, (layout.dims[2], *LONGITUDES), "longitudes", origin),
    }
    if time:
        wanted["time"] = _find(raw, (layout.dims[0], *TIMES), "a time axis", origin)
    renaming = {old: new for new, old in wanted.items() if old != new}
    taken = [new for new in renaming.values() if new in raw.variables or new in raw.dims]
    raw = raw.drop_vars([t for t in taken if t in raw.variables]).rename(renaming)
    for new in wanted:
        if raw[new].ndim == 0:
            raw = raw.expand_dims(new)
        elif raw[new].ndim == 1 and raw[new].dims != (new,):
            raw = raw.swap_dims({raw[new].dims[0]: new})
    return raw


def order_axes(data: xr.Dataset) -> xr.Dataset:
    """Latitude ascending, longitude -180 to 180 ascending (one-dimensional axes)."""
    lon = (np.asarray(data["lon"].values, "f8") + 180) % 360 - 180
    data = data.assign_coords(
        lon=("lon", lon, {"units": "degrees_east"}),
        lat=("lat", np.asarray(data["lat"].values, "f8"), {"units": "degrees_north"}),
    )
    if (np.diff(lon) < 0).any():
        data = data.isel(lon=np.argsort(lon, kind="stable"))
    return data.isel(lat=slice(None, None, -1)) if data["lat"].values[0] > data["lat"].values[-1] else data


def real_times(times: xr.DataArray, step: str, origin: str) -> np.ndarray:
    """Starts of the steps as datetime64, from decoded time stamps of any calendar."""
    values = times.values
    if values.dtype == object:  # cftime: noleap and 360-day calendars
        try:
            values = np.array(
                [np.datetime64(f"{t.year:04d}-{t.month:02d}-{t.day:02d}T{t.hour:02d}:{t.minute:02d}") for t in values]
            )
        except (AttributeError, ValueError) as error:
            raise DataError(f"{origin}: time: {error}") from None
    if not np.issubdtype(values.dtype, np.datetime64):
        raise DataError(
            f"{origin}: time: expected time stamps with a unit such as 'days since 2001-01-01', got {times.attrs.get('units')!r}"
        )
    return values.astype(f"datetime64[{STEPS[step]}]").astype("datetime64[ns]")


def take(raw: xr.Dataset, wanted: Field, origin: str) -> xr.DataArray:
    """A variable of a file, standardised in unit and sign, lazily.

    Raises
    ------
    DataError
        If it is not there, or its unit cannot be turned into the wanted one; when it is computed: if a value is
        impossible.
    """
    name = _find(raw, wanted.file_names, f"the variable {wanted.name}", origin)
    found = raw[name].attrs.get("units")
    if found is None:
        log.info("%s: %s: no unit given, taken as %s", origin, name, wanted.file_units)
    try:
        scale, offset = units.conversion((found or wanted.file_units).strip(), wanted.units)
    except DataError as error:
        raise DataError(f"{origin}: {name}: expected the unit {wanted.file_units!r}: {error}") from None
    if found is not None and (scale, offset) != units.conversion(wanted.file_units, wanted.units):
        log.warning("%s: %s: the unit is %r where %r is documented: converted", origin, name, found, wanted.file_units)
    ready = replace(wanted, scale=scale * wanted.sign, offset=offset * wanted.sign)
    values = raw[name]
    return (
        xr.apply_ufunc(
            checks.clean,
            values,
            kwargs={"field": ready, "origin": f"{origin}: {name}"},
            dask="parallelized",
            output_dtypes=["f8"],
            keep_attrs=False,
        )
        .assign_attrs(units=wanted.units)
        .rename(wanted.name)
    )


def standardise(raw: xr.Dataset, layout: Layout, path: Path, fields: Sequence[Field] | None = None) -> xr.Dataset:
    """One opened file, standardised: the fields of it that there are (at least one)."""
    origin = f"{layout.product}: {Path(path).name}"
    raw = rename_axes(raw, layout, origin)
    checks.check_axes(raw["lat"].values, raw["lon"].values, layout.aligned, origin)
    fields = layout.fields if fields is None else fields
    present = [f for f in fields if any(n in raw.variables for n in f.file_names)]
    data = xr.Dataset({f.name: take(raw, f, origin) for f in present or fields})
    data = data.drop_vars([c for c in data.coords if c not in ("time", "lat", "lon")])
    data = data.assign_coords(time=("time", real_times(raw["time"], layout.step, origin)))
    return order_axes(data).transpose(..., "time", "lat", "lon")


def join(parts: Sequence[xr.Dataset], product: str) -> xr.Dataset:
    """The files of a product as one data set along time; files of different variables side by side.

    Raises
    ------
    DataError
        If their grids differ.
    """
    groups: dict[tuple, list[xr.Dataset]] = {}
    for part in parts:
        groups.setdefault(tuple(part.data_vars), []).append(part)
    joined = []
    for names, group in groups.items():
        for part in group[1:]:
            for axis in ("lat", "lon"):
                if part[axis].shape != group[0][axis].shape or not np.allclose(part[axis], group[0][axis], atol=1e-6):
                    raise DataError(
                        f"{product}: {', '.join(names)}: expected the same grid in all files, the {axis} differ"
                    )
        group = [part.assign_coords({a: group[0][a] for a in ("lat", "lon")}) for part in group]
        whole = (
            xr.concat(group, "time", data_vars="minimal", coords="minimal", compat="override", join="override")
            if len(group) > 1
            else group[0]
        )
        joined.append(checks.drop_duplicates(whole, f"{product}: {', '.join(names)}"))
    return joined[0] if len(joined) == 1 else xr.merge(joined, join="inner", compat="override")


def read(
    files: Sequence[Path],
    layout: Layout,
    step: str | None = None,
    prepare: Callable[[xr.Dataset], xr.Dataset] | None = None,
    decode_times: bool = True,
) -> xr.Dataset:
    """Read files of a layout lazily; closing the data set closes them.

    Parameters
    ----------
    files : sequence of Path
    layout : Layout
    step : str, optional
        Where it is not the layout's.
    prepare : callable, optional
        Applied to each opened file before it is standardised.
    decode_times : bool
        False leaves time axes that only `prepare` understands, and decodes the others after it.
    """
    opened = []
    try:
        parts = []
        for path in files:
            raw = open_file(path, decode_times=decode_times)
            opened.append(raw)
            ready = raw if prepare is None else prepare(raw)
            if not decode_times:
                ready = xr.decode_cf(ready, mask_and_scale=False)
            parts.append(standardise(ready, layout, path))
        data = join(parts, layout.product)
        data, step = settle_step(data, step or layout.step)
    except BaseException:
        for raw in opened:
            raw.close()
        raise
    return closing(data.assign_attrs(product=layout.product, step=step), opened)


def settle_step(data: xr.Dataset, step: str) -> tuple[xr.Dataset, str]:
    """The length of the time step where a layout leaves it open: ``month``, ``day`` or a number of hours.

    Stamps anywhere in a step are moved to its start, a multiple of the step since midnight.
    """
    if step != "any":
        return data, step
    times = data["time"].values
    hours = float(np.median(np.diff(times)) / np.timedelta64(1, "h")) if times.size > 1 else 24.0
    if hours > 27 * 24:
        return data.assign_coords(time=times.astype("datetime64[M]").astype("datetime64[ns]")), "month"
    if hours >= 24:
        return data.assign_coords(time=times.astype("datetime64[D]").astype("datetime64[ns]")), "day"
    since_midnight = (times - times.astype("datetime64[D]")) % np.timedelta64(round(hours * 3600), "s")
    return data.assign_coords(time=times - since_midnight), f"{hours:g} hours"


def closing(data: xr.Dataset, opened: Sequence[xr.Dataset]) -> xr.Dataset:
    """`data`, which closes all of `opened` when it is closed."""

    def close():
        for raw in opened:
            raw.close()

    data.set_close(close)
    return data


def like(data: xr.Dataset, **variables: xr.DataArray) -> xr.Dataset:
    """A data set of `variables` that keeps the attributes of `data` and closes its files."""
    made = xr.Dataset(variables, attrs=data.attrs)
    made.set_close(data._close)
    return made


def present(data: xr.Dataset, name: str) -> xr.DataArray:
    """A variable that must be among those found in the files."""
    if name not in data:
        raise DataError(f"{data.attrs['product']}: expected {name}, the files hold only {', '.join(data.data_vars)}")
    return data[name]


def require(raw: xr.Dataset, names: Iterable[str], what: str, origin: str) -> xr.DataArray:
    """A variable of an opened file, under the first of `names` that it has."""
    return raw[_find(raw, names, what, origin)]


def stack(parts: Sequence[xr.Dataset], dim: str, names: Sequence[str]) -> xr.Dataset:
    """Data sets of one grid side by side along a new dimension, on the time steps that all have."""
    for part, name in zip(parts, names):
        for axis in ("lat", "lon"):
            if part[axis].shape != parts[0][axis].shape or not np.allclose(part[axis], parts[0][axis], atol=1e-6):
                raise DataError(
                    f"{parts[0].attrs['product']}: {name}: expected the grid of {names[0]}, the {axis} differ"
                )
    aligned = [part.assign_coords({a: parts[0][a] for a in ("lat", "lon")}) for part in parts]
    data = xr.concat(aligned, pd.Index(list(names), name=dim), join="inner", combine_attrs="drop_conflicts")
    return closing(data, parts)


def spans(times: np.ndarray, split: str) -> list[tuple[pd.Timestamp, pd.Timestamp, np.ndarray]]:
    """First day, last day and positions of the steps of each file."""
    index = pd.DatetimeIndex(times)
    keys = {"day": index.to_period("D"), "month": index.to_period("M"), "year": index.to_period("Y")}
    if split == "all":
        return [(index[0], index[-1], np.arange(index.size))]
    groups = pd.Series(np.arange(index.size)).groupby(keys[split]).agg(list)
    return [(period.start_time, period.end_time.normalize(), np.array(at)) for period, at in groups.items()]


def encode(data: xr.DataArray, row: Field) -> tuple[xr.DataArray, dict]:
    """A standardised field in the file's unit, sign and packing, with the encoding that writes it so."""
    scale, offset = units.conversion(row.file_units, row.units)
    values = (data.astype("f8") * row.sign - offset) / scale
    encoding: dict = {"dtype": row.dtype, "zlib": True, "complevel": 1}
    if row.fill is not None:
        encoding["_FillValue"] = np.dtype(row.dtype).type(row.fill)
    elif np.issubdtype(np.dtype(row.dtype), np.floating):
        encoding["_FillValue"] = None if not bool(data.isnull().any()) else np.dtype(row.dtype).type(np.nan)
    if row.packing is not None:
        encoding["scale_factor"], encoding["add_offset"] = row.packing
    return values.rename(row.file_names[0]).assign_attrs({"units": row.file_units} | row.attrs), encoding


def lay_out(data: xr.Dataset, layout: Layout) -> xr.Dataset:
    """A standardised data set with the axes in the order and convention of the files."""
    checks.check_axes(data["lat"].values, data["lon"].values, layout.aligned, f"{layout.product} (to be written)")
    if layout.east:
        data = data.assign_coords(lon=("lon", data["lon"].values % 360))
        data = data.isel(lon=np.argsort(data["lon"].values, kind="stable"))
    if layout.descending:
        data = data.isel(lat=slice(None, None, -1))
    data["lat"].attrs |= {"units": "degrees_north", "standard_name": "latitude"}
    data["lon"].attrs |= {"units": "degrees_east", "standard_name": "longitude"}
    return data


def stamps(times: np.ndarray, layout: Layout) -> np.ndarray:
    """Time stamps of the steps that start at `times`, as the files give them."""
    times = times.astype("datetime64[ns]")
    if layout.stamp == "start":
        return times
    if layout.step == "month":
        start = times.astype("datetime64[M]")
        return (
            start.astype("datetime64[ns]") + ((start + 1).astype("datetime64[ns]") - start.astype("datetime64[ns]")) / 2
        )
    return times + np.timedelta64(12, "h")


def write(data: xr.Dataset, folder: Path, layout: Layout) -> list[Path]:
    """Write a standardised data set in a layout; only the fields that it holds.

    Returns
    -------
    list of Path
        The files.
    """
    unknown = [str(name) for name in data.data_vars if name not in [f.name for f in layout.fields]]
    if unknown:
        raise DataError(f"{layout.product}: holds {', '.join(f.name for f in layout.fields)}, not {', '.join(unknown)}")
    data = lay_out(data.transpose(..., "time", "lat", "lon"), layout)
    if layout.calendar == "noleap":
        times = pd.DatetimeIndex(data["time"].values)
        data = data.isel(time=np.flatnonzero(~((times.month == 2) & (times.day == 29))))
    written = []
    for first, last, at in spans(data["time"].values, layout.split):
        part = data.isel(time=at)
        part = part.assign_coords(time=("time", stamps(part["time"].values, layout), {"standard_name": "time"}))
        variables, encoding = {}, {}
        for row in layout.fields:
            if row.name in part:
                values, how = encode(part[row.name], row)
                variables[values.name], encoding[values.name] = values, how
        names = dict(zip(("time", "lat", "lon"), layout.dims))
        encoding |= {names["lat"]: {"_FillValue": None}, names["lon"]: {"_FillValue": None}}
        encoding[names["time"]] = {
            "units": layout.time_units,
            "calendar": layout.calendar,
            "dtype": "f8",
            "_FillValue": None,
        }
        out = xr.Dataset(variables, attrs=layout.attrs).rename({k: v for k, v in names.items() if k != v})
        path = Path(folder) / layout.file_name(first, last)
        save_netcdf(out, path, encoding=encoding)
        written.append(path)
    return written


def per_day(data: xr.DataArray) -> xr.DataArray:
    """Monthly sums as means per day: divided by the days of each month."""
    return data / data["time"].dt.days_in_month
