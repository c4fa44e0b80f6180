"""The store: everything that training sees, on the land cells of the target grid.

One netCDF file a variable, ``<store>/<name>.nc``, and ``grid.nc`` with the cells. Dimensions are ``cell``, ``time``
(days), ``month`` (the first day of each month, a complete calendar) and ``feature`` (static attributes).
`h2cm.vocabulary.VARIABLES` says what each variable is; nothing is written that does not fit its row.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from h2cm import netcdf
from h2cm.files import DataError, whole
from h2cm.vocabulary import DEPARTURE, MEAN_SEASONAL_CYCLE, VARIABLES, Variable


def describe(data: xr.DataArray, variable: Variable) -> xr.DataArray:
    """`data` with the CF attributes of its row."""
    return data.rename(variable.name).assign_attrs(variable.attributes)


def holds_anomalies(data: xr.DataArray) -> bool:
    """Whether a target says of itself that it holds anomalies from its own mean seasonal cycle."""
    return data.attrs.get(DEPARTURE) == MEAN_SEASONAL_CYCLE


def check(data: xr.DataArray, origin: str | Path) -> None:
    """Check a variable against its row of `VARIABLES`, before it is written and after it is read.

    Parameters
    ----------
    data : DataArray
        Named as in `VARIABLES`, with its unit in ``attrs["units"]``.
    origin : str or path
        The product or file it comes from, for the message.

    Raises
    ------
    DataError
        Where the dimensions, the axis of time, the unit or a value is not what the row says, or forcing, a static
        attribute or the area of a cell is missing somewhere.
    """
    row = VARIABLES[data.name]
    if tuple(data.dims) != row.dims:
        raise DataError(f"{origin}: {row.name}: expected dimensions {row.dims}, got {data.dims}")
    if data.attrs.get("units") != row.units:
        raise DataError(f"{origin}: {row.name}: expected unit {row.units!r}, got {data.attrs.get('units')!r}")
    if not data.size or data.dtype.kind not in "fiu":
        raise DataError(f"{origin}: {row.name}: expected numbers, found {data.size} values of the type {data.dtype}")
    for axis in set(data.dims) & {"time", "month"}:
        _check_axis(data, axis, origin)
    check_range(data, row, origin)
    values = data.values
    if row.role == "grid" and (values == 0).any():
        raise DataError(f"{origin}: {row.name}: expected more than 0, found 0 at {_place(data, values == 0)}")
    if row.role in ("forcing", "static", "grid") and np.isnan(values.min()):
        missing = np.isnan(values)
        raise DataError(
            f"{origin}: {row.name}: {missing.sum()} values are missing, none may be; the first is at {_place(data, missing)}"
        )


def check_range(data: xr.DataArray, row: Variable, origin: str | Path) -> None:
    """Refuse what the row of a variable calls impossible, and infinity; NaN passes.

    Raises
    ------
    DataError
        With the first such value and where it is.
    """
    values = data.values
    if not values.size:
        return
    low, high = (float(extreme.reduce(values, axis=None)) for extreme in (np.fmin, np.fmax))
    if low < row.low or high > row.high or np.isinf([low, high]).any():
        bad = (values < row.low) | (values > row.high) | np.isinf(values)
        raise DataError(
            f"{origin}: {row.name}: {bad.sum()} values outside the possible range {row.low} to {row.high} {row.units}; "
            f"the first is {values[tuple(np.argwhere(bad)[0])]:g} at {_place(data, bad)}"
        )


def _place(data: xr.DataArray, where: np.ndarray) -> str:
    """The first of the places that are marked, by its coordinates."""
    return ", ".join(f"{d} {data[d].values[i]}" for d, i in zip(data.dims, np.argwhere(where)[0], strict=True))


def _check_axis(data: xr.DataArray, axis: str, origin: str | Path) -> None:
    """Days at 00:00, or first days of months, in order, each once."""
    times, what = data[axis].values, {"time": "days", "month": "first days of months"}[axis]
    unit = {"time": "datetime64[D]", "month": "datetime64[M]"}[axis]
    if not np.issubdtype(times.dtype, np.datetime64) or np.isnat(times).any() or (times != times.astype(unit)).any():
        raise DataError(f"{origin}: {data.name}: {axis}: expected {what}, found {times[:1]!s} and others")
    if (np.diff(times) <= np.timedelta64(0)).any():
        late = times[1:][np.diff(times) <= np.timedelta64(0)][0]
        raise DataError(f"{origin}: {data.name}: {axis}: expected {what} in order, each once; see {str(late)[:10]}")


def save_netcdf(dataset: xr.Dataset | xr.DataArray, path: str | Path, **options) -> None:
    """Write a netCDF file whole or not at all, with its digests (`h2cm.netcdf`)."""
    with netcdf.written(path) as file:
        dataset.to_netcdf(file, **options)


def save_summary(dataset: xr.Dataset, path: str | Path) -> None:
    """Write a netCDF file, whole or not at all, with numbers as compressed float32: small, for figures and tables."""
    numbers = {name: data.astype("f4") for name, data in dataset.data_vars.items() if data.dtype.kind in "fiub"}
    packed = {name: {"zlib": True, "complevel": 4} for name, data in numbers.items() if data.ndim}
    save_netcdf(dataset.assign(numbers), path, encoding=packed)


def write(data: xr.DataArray, path: str | Path, origin: str) -> None:
    """Check `data`, give it the attributes of its row and write it as float32 (grid: float64)."""
    row = VARIABLES[data.name]
    data = data.astype("f8" if row.role == "grid" else "f4", keep_attrs=True)
    check(data, origin)
    data = describe(data, row)
    data.attrs["source"] = origin
    save_netcdf(data, path, encoding={data.name: {"zlib": True, "complevel": 1}})


def open_store(source: str | Path | Iterable[str | Path], own: bool = False) -> xr.Dataset:
    """All variables of a store, in memory, as one data set.

    Parameters
    ----------
    source : path or iterable of path
        The folder of the store, or those of its files to read.
    own : bool
        Whether other programs may have written the files: then nothing but what this one has written is checked.

    Raises
    ------
    DataError
        For a file that is damaged or holds what it should not, or files that are not of the same cells, days and months.
    """
    if isinstance(source, str | Path):
        files = [Path(source)] if Path(source).is_file() else sorted(Path(source).glob("*.nc"))
    else:
        files = list(source)
    if not files:
        raise DataError(f"{source}: expected the netCDF files of a store, found none")
    parts = [netcdf.load(file, own=True) if own else load(file) for file in files]
    try:
        return xr.merge(parts, join="exact", compat="equals", combine_attrs="drop_conflicts")
    except ValueError as error:
        raise DataError(f"store: expected the same cells, days and months in all files: {error}") from None


def load(path: str | Path) -> xr.Dataset:
    """One file of a store, in memory; its digests are checked, and its variables as they were before they were written.

    Raises
    ------
    DataError
        See `h2cm.netcdf.load` and `check`.
    """
    data = netcdf.load(path)
    for name in data.data_vars:
        if name in VARIABLES:
            check(data[name], path)
    for name, limit in (("lat", 90), ("lon", 180)):
        if name in data and not float(np.abs(data[name]).max()) <= limit:
            raise DataError(
                f"{path}: {name}: expected {-limit} to {limit} degrees, found {data[name].values.tolist()[:3]} ..."
            )
    return data


def summarise(dataset: xr.Dataset) -> pd.DataFrame:
    """Range, mean and missing share of each variable (areas weigh the mean); of an ensemble who is in it, who is not and why."""
    rows = []
    for name, data in dataset.data_vars.items():
        present = data.notnull()
        mean = data.weighted(dataset["area"]).mean() if "cell" in data.dims else data.mean()
        rows.append(
            {
                "variable": name,
                "units": data.attrs.get("units", ""),
                "minimum": float(data.min()),
                "maximum": float(data.max()),
                "mean": float(mean),
                "missing": float(1 - present.mean()),
                "source": data.attrs.get("source", ""),
                "members": data.attrs.get("members", ""),
                "left_out": data.attrs.get("left_out", ""),
            }
        )
    return pd.DataFrame(rows)


def read_csv(path: str | Path, **options) -> pd.DataFrame:
    """A table; `options` go to ``pandas.read_csv``.

    Raises
    ------
    DataError
        If the file is no table.
    """
    try:
        return pd.read_csv(path, **options)
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: expected a table of comma-separated values: {error}") from None


def save_csv(table: pd.DataFrame, path: str | Path, **options) -> None:
    """Write a table whole or not at all; `options` go to ``to_csv``."""
    with whole(path) as file:
        table.to_csv(file, index=False, **options)
