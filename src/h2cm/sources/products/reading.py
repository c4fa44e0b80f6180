"""Reading files of a layout into standardised data sets (see `h2cm.sources.products.layout`), lazily."""

from __future__ import annotations

import gzip
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from h2cm import units
from h2cm.sources.products import checks
from h2cm.sources.products.layout import LATITUDES, LONGITUDES, STEPS, TIMES, Field, Layout
from h2cm.space import regrid
from h2cm.store import DataError

log = logging.getLogger(__name__)


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
        raw = xr.open_dataset(path, engine="netcdf4", chunks={}, **options)
        smaller = _smaller_chunks(raw)
        if smaller:
            raw.close()
            raw = xr.open_dataset(path, engine="netcdf4", chunks=smaller, **options)
        return raw
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path}: expected a netCDF file, which this is not, or it is damaged ({error})") from None


def _smaller_chunks(raw: xr.Dataset) -> dict[str, int]:
    """Chunks of bands of rows for variables whose chunks are larger than a piece, as all that is stored contiguously."""
    smaller = {}
    for values in raw.data_vars.values():
        if values.ndim < 2 or not values.chunks or 8 * np.prod([max(c) for c in values.chunks]) <= regrid.PIECE:
            continue
        *steps, rows, _ = values.dims
        stored = values.encoding.get("chunksizes") or (1,) * values.ndim
        height = max(regrid.PIECE // (8 * values.shape[-1] * int(np.prod(stored[:-2]))), 1)
        height = -(-height // stored[-2]) * stored[-2]  # no chunk of the file is read twice
        smaller |= {d: min(smaller.get(d, n), n) for d, n in [*zip(steps, stored, strict=False), (rows, height)]}
    return smaller


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
    extra = {d: n for d, n in data.sizes.items() if d not in ("time", "lat", "lon")}
    if any(n > 1 for n in extra.values()):
        raise DataError(f"{origin}: expected the dimensions time, latitude and longitude, found also {extra}")
    data = data.isel({d: 0 for d in extra}).assign_coords(time=("time", real_times(raw["time"], layout.step, origin)))
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


def per_day(data: xr.DataArray) -> xr.DataArray:
    """Monthly sums as means per day: divided by the days of each month."""
    return data / data["time"].dt.days_in_month
