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

from h2cm.files import whole
from h2cm.vocabulary import DEPARTURE, MEAN_SEASONAL_CYCLE, VARIABLES, Variable


class DataError(ValueError):
    """Data that cannot be used; the message names the file, the variable and what was expected."""


def describe(data: xr.DataArray, variable: Variable) -> xr.DataArray:
    """`data` with the CF attributes of its row."""
    return data.rename(variable.name).assign_attrs(variable.attributes)


def holds_anomalies(data: xr.DataArray) -> bool:
    """Whether a target says of itself that it holds anomalies from its own mean seasonal cycle."""
    return data.attrs.get(DEPARTURE) == MEAN_SEASONAL_CYCLE


def check(data: xr.DataArray, origin: str) -> None:
    """Check a variable against its row of `VARIABLES`.

    Parameters
    ----------
    data : DataArray
        Named as in `VARIABLES`, with its unit in ``attrs["units"]``.
    origin : str
        The product or file it comes from, for the message.

    Raises
    ------
    DataError
        Where the dimensions, the unit or a value is not what the row says, or forcing or a static attribute is
        missing somewhere.
    """
    row = VARIABLES[data.name]
    if tuple(data.dims) != row.dims:
        raise DataError(f"{origin}: {row.name}: expected dimensions {row.dims}, got {data.dims}")
    if data.attrs.get("units") != row.units:
        raise DataError(f"{origin}: {row.name}: expected unit {row.units!r}, got {data.attrs.get('units')!r}")
    check_range(data, row, origin)
    values = data.values
    if row.role in ("forcing", "static") and np.isnan(values).any():
        missing = np.isnan(values)
        first = ", ".join(f"{d} {data[d].values[i]}" for d, i in zip(data.dims, np.argwhere(missing)[0], strict=True))
        raise DataError(
            f"{origin}: {row.name}: {missing.sum()} values are missing, none may be; the first is at {first}"
        )


def check_range(data: xr.DataArray, row: Variable, origin: str) -> None:
    """Refuse what the row of a variable calls impossible, and infinity; NaN passes.

    Raises
    ------
    DataError
        With the first such value and where it is.
    """
    values = data.values
    bad = (values < row.low) | (values > row.high) | np.isinf(values)
    if bad.any():
        at = np.argwhere(bad)[0]
        first = ", ".join(f"{d} {data[d].values[i]}" for d, i in zip(data.dims, at, strict=True))
        raise DataError(
            f"{origin}: {row.name}: {bad.sum()} values outside the possible range {row.low} to {row.high} {row.units}; "
            f"the first is {values[tuple(at)]:g} at {first}"
        )


def save_netcdf(dataset: xr.Dataset | xr.DataArray, path: str | Path, **options) -> None:
    """Write a netCDF file whole or not at all."""
    with whole(path) as file:
        dataset.to_netcdf(file, **options)


def save_summary(dataset: xr.Dataset, path: str | Path) -> None:
    """Write a netCDF file, whole or not at all, with numbers as compressed float32: small, for figures and tables."""
    numbers = {name: data.astype("f4") for name, data in dataset.data_vars.items() if data.dtype.kind in "fiub"}
    packed = {name: {"zlib": True, "complevel": 4} for name, data in numbers.items() if data.ndim}
    save_netcdf(dataset.assign(numbers), path, encoding=packed)


def write(data: xr.DataArray, path: str | Path, origin: str) -> None:
    """Check `data`, give it the attributes of its row and write it as float32 (grid: float64)."""
    row = VARIABLES[data.name]
    check(data, origin)
    data = describe(data, row).astype("f8" if row.role == "grid" else "f4")
    data.attrs["source"] = origin
    save_netcdf(data, path, encoding={data.name: {"zlib": True, "complevel": 1}})


def open_store(source: str | Path | Iterable[str | Path]) -> xr.Dataset:
    """All variables of a store, in memory, as one data set.

    Parameters
    ----------
    source : path or iterable of path
        The folder of the store, or those of its files to read.

    Raises
    ------
    DataError
        For a file that cannot be read, or files that are not of the same cells, days and months.
    """
    if isinstance(source, str | Path):
        files = [Path(source)] if Path(source).is_file() else sorted(Path(source).glob("*.nc"))
    else:
        files = list(source)
    if not files:
        raise DataError(f"{source}: expected the netCDF files of a store, found none")
    parts = []
    for file in files:
        try:
            parts.append(xr.load_dataset(file))
        except (OSError, ValueError) as error:
            raise DataError(f"{file}: expected a netCDF file of a store: {error}") from None
    try:
        return xr.merge(parts, join="exact", compat="equals", combine_attrs="drop_conflicts")
    except ValueError as error:
        raise DataError(f"store: expected the same cells, days and months in all files: {error}") from None


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


def save_csv(table: pd.DataFrame, path: str | Path, **options) -> None:
    """Write a table whole or not at all; `options` go to ``to_csv``."""
    with whole(path) as file:
        table.to_csv(file, index=False, **options)
