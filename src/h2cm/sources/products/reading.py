"""Reading files as their row of the catalogue says into standardised data sets, lazily.

===============================================  =========================================================
what is found                                    what is done
===============================================  =========================================================
variable, latitude, longitude or time missing    error
unit of another kind, or unknown                 error
unit of the same kind, but not the documented    converted, logged
unit missing                                     the documented one is taken, logged
latitude descending, longitude 0 to 360          reordered (no defect: many products are so)
latitude outside -90 to 90, not monotonic        error
grid shifted by a part of a cell                 error, where the product's grid is known (`aligned` of its row)
-9999 and its like, not declared as missing      set to missing, logged, where it cannot be a value in the file's unit
value impossible by no more than rounding        set to the limit (`rounding` of its row), logged
value impossible (negative precipitation)        error
infinite value                                   error
bounds of the time steps                         believed: a step is what they enclose
months stamped at start, middle or end           understood, if all are stamped alike; otherwise error
step twice in the time axis, with equal values   the second dropped, logged
step twice with different values                 error
steps not in order within a file                 error
steps of another date than the file's name has   error
calendar that the product does not have          error (days of 360, say, would be misdated)
time axis with a hole, year too short            kept as it is: forcing that lacks a day, and a constraint
                                                 without any value, are errors of `h2cm.sources.harmonise`
month or step without any value                  logged; an error of `h2cm.sources.harmonise` where it is forcing
map upside down although its latitudes are       error of `h2cm.sources.harmonise` where it shows: temperature and
right, time axis half a year off                 radiation in summer, products of all land in the cells they reach
===============================================  =========================================================

Which layout was found is logged, and is the attribute ``layout`` of what is read.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from h2cm.sources import catalogue
from h2cm.sources.catalogue import Product
from h2cm.sources.products import axes, times
from h2cm.sources.products.opening import open_file
from h2cm.sources.products.times import per_day
from h2cm.sources.products.values import take
from h2cm.store import DataError

__all__ = [
    "closing",
    "describe",
    "join",
    "like",
    "open_file",
    "per_day",
    "present",
    "read",
    "require",
    "stack",
    "standardise",
    "take",
]

log = logging.getLogger(__name__)


def describe(values: xr.DataArray) -> str:
    """How a variable stands in its file; ``found`` is its unit there, where a reader has changed it."""
    unit = values.attrs.get("found", values.attrs.get("units", "no unit"))
    return f"{values.name}({', '.join(map(str, values.dims))}) in {unit}"


def standardise(raw: xr.Dataset, row: Product, path: Path) -> xr.Dataset:
    """One opened file, standardised: the variables of the row that it holds (at least one).

    The attributes ``step`` and ``layout`` say how long its steps are, if it shows, and what was found.
    """
    origin = f"{row.id}: {Path(path).name}"
    raw = times.flatten_forecasts(raw, origin)
    stands = {name: next((n for n in v.name if n in raw.variables), None) for name, v in row.variables.items()}
    found = [name for name, n in stands.items() if n is not None]
    seen = [describe(raw[stands[n]]) for n in found]
    raw = times.decode(axes.rename(raw, row, origin), origin)
    axes.check(raw["lat"].values, raw["lon"].values, row.layout.aligned, origin)
    data = xr.Dataset({name: take(raw, name, row.variables[name], origin) for name in found or row.variables})
    data = data.drop_vars([c for c in data.coords if c not in ("time", "lat", "lon")])
    extra = {d: n for d, n in data.sizes.items() if d not in ("time", "lat", "lon")}
    if any(n > 1 for n in extra.values()):
        raise DataError(f"{origin}: expected the dimensions time, latitude and longitude, found also {extra}")
    starts, step, how = times.starts(raw, row.layout.step, origin)
    times.check_calendar(raw, row.layout, step, origin)
    times.check_dates(starts, catalogue.date_in(Path(path).name, row.files), origin)
    data = data.isel({d: 0 for d in extra}).assign_coords(time=("time", starts))
    data = axes.order(data).transpose(..., "time", "lat", "lon")
    return data.assign_attrs(step=step, layout=f"{', '.join(seen)}; {how}")


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
            differs = axes.same_grid(part, group[0])
            if differs:
                raise DataError(
                    f"{product}: {', '.join(names)}: expected the same grid in all files, the {differs} differ"
                )
        group = [part.assign_coords({a: group[0][a] for a in ("lat", "lon")}) for part in group]
        whole = (
            xr.concat(group, "time", data_vars="minimal", coords="minimal", compat="override", join="override")
            if len(group) > 1
            else group[0]
        )
        joined.append(times.drop_duplicates(whole, f"{product}: {', '.join(names)}"))
    return joined[0] if len(joined) == 1 else xr.merge(joined, join="inner", compat="override")


def read(files: Sequence[Path], row: Product, prepare: Callable[[xr.Dataset], xr.Dataset] | None = None) -> xr.Dataset:
    """Read files of a product lazily; closing the data set closes them.

    Parameters
    ----------
    files : sequence of Path
    row : Product
        Its row of the catalogue.
    prepare : callable, optional
        Applied to each opened file, its times not decoded, before it is standardised.
    """
    opened = []
    try:
        parts = []
        for path in files:
            raw = open_file(path)
            opened.append(raw)
            parts.append(standardise(raw if prepare is None else prepare(raw), row, path))
        return closing(finish(parts, row, files), opened)
    except BaseException:
        for raw in opened:
            raw.close()
        raise


def finish(parts: Sequence[xr.Dataset], row: Product, files: Sequence[Path]) -> xr.Dataset:
    """Standardised files as one data set, with what was found in them."""
    layouts = log_layouts(row.id, [part.attrs["layout"] for part in parts], files)
    steps = {part.attrs["step"] for part in parts}
    data = join(parts, row.id).assign_attrs(product=row.id)
    step = steps.pop() if len(steps) == 1 else "any"
    data, step = times.settle(data, step)
    return data.assign_attrs(step=step, layout=layouts)


def log_layouts(product: str, layouts: Sequence[str], files: Sequence[Path]) -> str:
    """Log each layout that was found once, with the number of files; all of them as one text."""
    different = list(dict.fromkeys(layouts))
    for layout in different:
        first = next(Path(f).name for f, found in zip(files, layouts) if found == layout)
        log.info("%s: found %s, in %d files, the first %s", product, layout, list(layouts).count(layout), first)
    return " | ".join(different)


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
    return raw[axes.find(raw, names, what, origin)]


def stack(parts: Sequence[xr.Dataset], dim: str, names: Sequence[str]) -> xr.Dataset:
    """Data sets of one grid side by side along a new dimension, on the time steps that all have."""
    product = parts[0].attrs["product"]
    for part, name in zip(parts, names):
        differs = axes.same_grid(part, parts[0])
        if differs:
            raise DataError(f"{product}: {name}: expected the grid of {names[0]}, the {differs} differ")
    aligned = [part.assign_coords({a: parts[0][a] for a in ("lat", "lon")}) for part in parts]
    data = xr.concat(aligned, pd.Index(list(names), name=dim), join="inner", combine_attrs="drop_conflicts")
    longest = np.unique(np.concatenate([part["time"].values for part in parts]))
    if longest.size > data.sizes["time"]:
        short = [n for n, part in zip(names, parts) if part.sizes["time"] < longest.size]
        log.warning(
            "%s: %d of %d time steps are not in all of the ensemble, and are left out; not in %s",
            product,
            longest.size - data.sizes["time"],
            longest.size,
            ", ".join(short),
        )
    return closing(data, parts)


class Members:
    """The members of an ensemble that can be read; those that cannot are left out, with the reason.

    Parameters
    ----------
    row : Product
    least : int
        Members that must be left.
    """

    def __init__(self, row: Product, least: int):
        self.product, self.documented, self.least = row.id, row.members, least
        self.found: dict[str, xr.Dataset] = {}
        self.left_out: dict[str, str] = {}

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is not None:
            for data in self.found.values():
                close = getattr(data, "close", None)
                if close is not None:
                    close()

    def add(self, name: str, read: Callable[[], object]) -> None:
        """Read a member; a `DataError` leaves it out."""
        try:
            self.found[name] = read()
        except DataError as error:
            self.left_out[name] = " ".join(str(error).split())
            log.warning("%s: %s is left out: %s", self.product, name, error)

    @property
    def names(self) -> list[str]:
        return list(self.found)

    @property
    def attrs(self) -> dict[str, str]:
        """Who is among the ensemble, and who is not and why."""
        missing = "; ".join(f"{name}: {why}" for name, why in self.left_out.items())
        return {"members": ", ".join(self.found), "left_out": missing or "none"}

    def checked(self) -> list:
        """What was read of each member.

        Raises
        ------
        DataError
            If too few are left; it says why the others are not.
        """
        if len(self.found) < self.least:
            reasons = "".join(f"\n  {name}: {why}" for name, why in self.left_out.items())
            raise DataError(
                f"{self.product}: expected at least {self.least} members that can be read (products.min_members), found "
                f"{len(self.found)}: {', '.join(self.found) or 'none'}. Left out:{reasons or ' none'}"
            )
        log.info(
            "%s: %d members, of %s documented: %s; left out: %s",
            self.product,
            len(self.found),
            self.documented,
            ", ".join(self.found),
            self.attrs["left_out"],
        )
        return list(self.found.values())
