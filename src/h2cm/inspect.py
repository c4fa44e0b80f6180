"""What is this file? ``h2cm inspect FILE``, or ``python -m h2cm.inspect FILE``.

For a file that nobody here has seen: which product it looks like, what that product's reader makes of it (dimensions,
unit, period, range, a map of the mean), and what it misses. It prints plain text, to be read or sent with a report.
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from h2cm.sources import catalogue, products
from h2cm.sources.catalogue import Product
from h2cm.sources.retrieve.formats import MAGIC
from h2cm.store import DataError

MOST_VALUES = 50_000_000  # that are looked at; of more only some time steps are
MOST_TRIED = 4  # products whose readers are tried
VAGUE = ("*.nc", "*", "*.tif", "*.[tT][iI][fF]*")
"""Patterns of names that say nothing of the product."""


ALONE = {"soilgrids": {"complete": False}}
"""Options of readers that otherwise want all files of a product."""


@dataclass
class Report:
    """What was found, line by line."""

    lines: list[str] = field(default_factory=list)
    read_as: str | None = None
    """The product whose reader takes the file."""

    def add(self, text: str = "", indent: int = 0) -> None:
        self.lines.append("  " * indent + text)

    def __str__(self) -> str:
        return "\n".join(self.lines)


def kind_of(path: Path) -> str:
    """The format that the first bytes of a file tell: a key of `MAGIC`, or ``text`` or ``unknown``."""
    with open(path, "rb") as file:
        first = file.read(512)
    for name, starts in MAGIC.items():
        if first.startswith(starts):
            return name
    return "text" if first and all(byte >= 32 or byte in b"\t\r\n" for byte in first) else "unknown"


def inspect(path: Path, picture: Path | None = None) -> Report:
    """Describe a file, and what the readers make of it; never raises for what a file holds.

    Parameters
    ----------
    path : Path
    picture : Path, optional
        Where the map of the mean goes; none is drawn without.

    Raises
    ------
    DataError
        If there is no such file.
    """
    if not path.is_file():
        raise DataError(f"{path}: expected a file, there is none")
    report = Report()
    kind = kind_of(path)
    report.add(f"File      {path.name}, {path.stat().st_size:,} bytes, {kind}")
    names: set[str] = set()
    guard(report, "its content cannot be listed", lambda: names.update(contents(path, kind, report)))
    candidates = ranked(path, names)
    report.add()
    report.add("Looks like")
    if report.read_as == "towers":
        report.add("a tower of FLUXNET", 1)
    elif not candidates:
        report.add("no product of the catalogue: neither its name nor its variables fit one", 1)
    for row, why in candidates:
        report.add(f"{row.id}: {row.label}, {row.name} {row.version} ({why})", 1)
    for row, _ in candidates[:MOST_TRIED] if report.read_as is None else []:
        report.add()
        if guard(
            report,
            "It is not read, for a reason that the reader does not foresee",
            lambda row=row: try_reader(row, path, report, picture),
        ):
            report.read_as = row.id
            break
    if candidates and report.read_as is None:
        report.add()
        report.add("No reader takes the file. If it is one of these products, send this text with a report.")
    return report


def guard(report: Report, what: str, function: Callable) -> object:
    """The result of `function`; an error becomes a line of the report."""
    try:
        return function()
    except DataError as error:
        report.add(f"{what}: {error}")
    except Exception as error:  # whatever a library raises for a file that nobody has seen
        report.add(f"{what}: {type(error).__name__}: {error}")
    return None


def contents(path: Path, kind: str, report: Report) -> set[str]:
    """List what is in a file; the names of its variables."""
    if kind == "zip":
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
        report.add(f"Members   {len(members)}: {', '.join(members[:8])}{' ...' if len(members) > 8 else ''}")
        if any(mark in name.upper() for name in [path.name, *members] for mark in ("FLUX", "FLX_", "AMF_", "ICOSETC_")):
            report.add("It looks like the archive of a tower: name its folder in `towers.folders` (docs/towers.md).")
            guard(report, "  its reader does not take it", lambda: _tower(path, report))
        else:
            report.add("Unpack it, and inspect what is in it.")
        return set()
    if kind == "hdf4":
        return _hdf4(path, report)
    if kind in ("netcdf", "hdf5", "gzip"):
        return _netcdf(path, report)
    if kind == "geotiff" or path.suffix.lower() in (".dem", ".bil"):
        return _raster(path, report)
    if kind == "text":
        with open(path, errors="replace") as file:
            lines = [line.rstrip() for line, _ in zip(file, range(200))]
        table = [line for line in lines if not line.startswith("#")]
        report.add(f"Text      {table[0][:110] if table else '(comments only)'}")
        return set(table[0].replace('"', "").split(",")) if table else set()
    return set()


def _tower(path: Path, report: Report) -> None:
    from h2cm.sources.towers import oneflux

    if reason := oneflux.unusable([path.parent]).get(path):
        raise DataError(reason)
    tower = oneflux.read(path)
    report.add(f"site {tower.site}: {tower.layout}", 1)
    for table in (tower.daily, tower.monthly):
        share = "; ".join(f"{name} {there:.0%} present" for name, there in table.notna().mean().items())
        report.add(f"{table.index[0]:%Y-%m-%d} to {table.index[-1]:%Y-%m-%d}: {share}", 1)
    report.read_as = "towers"


def _netcdf(path: Path, report: Report) -> set[str]:
    from h2cm.sources.products.opening import open_file

    with open_file(path) as raw:
        report.add("Sizes     " + ", ".join(f"{name} {size}" for name, size in raw.sizes.items()))
        report.add("Variables")
        for name, values in list(raw.variables.items())[:40]:
            stored = values.encoding.get("dtype", values.dtype)
            unit = values.attrs.get("units", "no unit")
            report.add(f"{name}({', '.join(map(str, values.dims))}) {stored}, {unit}{_packing(values)}", 1)
        told = [k for k in ("title", "institution", "source", "product_version", "Conventions") if k in raw.attrs]
        for key in told:
            report.add(f"{key}: {str(raw.attrs[key])[:110]}", 1)
        names = set(map(str, raw.variables))
    return names | _groups(path, report)


def _packing(values: xr.Variable) -> str:
    found = {k: values.encoding[k] for k in ("_FillValue", "scale_factor", "add_offset") if k in values.encoding}
    return "".join(f", {k} {v:g}" for k, v in found.items() if isinstance(v, int | float | np.number))


def _groups(path: Path, report: Report) -> set[str]:
    """Groups of an HDF5 file, as `emissions` of GFED."""
    if path.suffix == ".gz":
        return set()
    import netCDF4

    with netCDF4.Dataset(path) as file:
        groups = [f"{name}/{inner}" for name, group in file.groups.items() for inner in group.groups] or list(
            file.groups
        )
        inside = {n for g in file.groups.values() for inner in g.groups.values() for n in inner.variables}
    if groups:
        report.add(f"Groups    {', '.join(groups[:6])}{' ...' if len(groups) > 6 else ''}")
    return inside


def _hdf4(path: Path, report: Report) -> set[str]:
    from pyhdf.error import HDF4Error
    from pyhdf.SD import SD, SDC

    try:
        file = SD(str(path), SDC.READ)
    except HDF4Error as error:
        raise DataError(f"{path.name}: HDF4, but damaged ({error})") from None
    report.add("Data sets")
    for name, (dims, shape, *_) in file.datasets().items():
        report.add(f"{name}({', '.join(dims)}) {'x'.join(map(str, shape))}", 1)
    names = set(file.datasets())
    file.end()
    return names


def _raster(path: Path, report: Report) -> set[str]:
    from h2cm.sources.products.raster import open_raster

    raster = open_raster(path)
    report.add(
        f"Raster    {raster.shape[0]} x {raster.shape[1]} pixels of {raster.width:g}, upper left {raster.west:g}, "
        f"{raster.north:g}, missing {raster.missing}, {raster.projection.name if raster.projection else 'degrees'}"
    )
    middle = raster.rows(raster.shape[0] // 2, min(raster.shape[0] // 2 + 8, raster.shape[0]), 1)
    report.add(f"Values    {np.unique(middle)[:20].tolist()} in the middle rows, {middle.dtype}")
    return set()


def ranked(path: Path, names: set[str]) -> list[tuple[Product, str]]:
    """Products that a file may be of, the likeliest first, and why."""
    found = []
    for row in catalogue.load().values():
        if row.id not in products.PRODUCTS:
            continue
        fits = [p for p in row.files if fnmatchcase(path.name, p.replace("{year}", "*")) and p not in VAGUE]
        skipped = any(fnmatchcase(path.name, p) for p in row.skip)
        wanted = {name: set(v.name) for name, v in row.variables.items() if not v.classes}
        held = [name for name, spellings in wanted.items() if spellings & names]
        score = 2.0 * bool(fits) + len(held) / max(len(wanted), 1)
        why = [f"its name fits {fits[0]}"] if fits else []
        why += [f"it has {', '.join(sorted(set.union(*(wanted[n] for n in held)) & names))}"] if held else []
        if skipped:
            why.append("a file that is not read: see `skip` in the catalogue")
        if (
            path.suffix.lower() in (".tif", ".tiff")
            and row.format in ("geotiff", "raw")
            and row.role == "static"
            and not score
        ):
            score, why = 0.1, ["a raster"]
        if score:
            found.append((score, row, "; ".join(why)))
    found.sort(key=lambda item: -item[0])
    return [(row, why) for _, row, why in found]


@contextmanager
def _notes() -> Iterator[list[str]]:
    """What the readers log meanwhile."""
    notes: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            notes.append(record.getMessage())

    logger, handler = logging.getLogger("h2cm"), Handler(logging.INFO)
    level, spread = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield notes
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = spread


def try_reader(row: Product, path: Path, report: Report, picture: Path | None) -> bool:
    """Read the file as one product and describe the result; whether it could be read."""
    report.add(f"Read as   {row.id}")
    with _notes() as notes:
        try:
            with products.read(row.id, [path], **ALONE.get(row.id, {})) as data:
                described = describe(row, data, report)
                lacking = missing(row, data)
                if picture is not None and described is not None:
                    draw(described, f"{path.name}: {described.name} read as {row.id}", picture)
                    report.add(f"map of the mean: {picture}", 1)
        except DataError as error:
            report.add(f"it is not: {error}", 1)
            return False
        finally:
            for note in dict.fromkeys(notes):
                report.add(f"note: {note}", 1)
    for line in lacking or ["nothing that can be told from one file"]:
        report.add(f"misses: {line}", 1)
    return True


def describe(row: Product, data: xr.Dataset, report: Report) -> xr.DataArray | None:
    """Describe what a reader made of a file; the mean of its first variable as a map."""
    report.add(f"step: {data.attrs.get('step', 'none')}", 1)
    if "time" in data.dims:
        times = pd.DatetimeIndex(data["time"].values)
        report.add(f"period: {times[0]} to {times[-1]}, {times.size} steps", 1)
    for axis in ("lat", "lon"):
        if axis in data.coords:
            values = data[axis].values
            report.add(f"{axis}: {np.nanmin(values):g} to {np.nanmax(values):g}, shape {values.shape}", 1)
    first = None
    for name, values in data.data_vars.items():
        sizes = ", ".join(f"{d} {n}" for d, n in values.sizes.items())
        some = _some_steps(values)
        loaded = some.load()
        valid = np.isfinite(loaded.values)
        extent = (
            f"{float(loaded.min()):.6g} to {float(loaded.max()):.6g}, mean {float(loaded.mean()):.6g}"
            if valid.any()
            else "no value"
        )
        variable = row.variables.get(str(name))
        sign = "" if variable is None else ", sign as in the file" if variable.sign > 0 else ", sign turned"
        part = "" if some.sizes == values.sizes else f", of {some.sizes['time']} of its steps"
        report.add(
            f"{name}({sizes}): {values.attrs.get('units', '1')}{sign}; {extent}, {1 - valid.mean():.0%} missing{part}",
            1,
        )
        if first is None and {"lat", "lon"} <= set(values.coords):
            first = loaded.mean([d for d in loaded.dims if d not in ("lat", "lon", "y", "x")], keep_attrs=True)
            first = first.rename(name)
    return first


def _some_steps(values: xr.DataArray) -> xr.DataArray:
    """All of a variable, or evenly chosen time steps of a large one."""
    if values.size <= MOST_VALUES or "time" not in values.dims:
        return values
    number = max(1, MOST_VALUES // (values.size // values.sizes["time"]))
    return values.isel(time=np.unique(np.linspace(0, values.sizes["time"] - 1, number).astype(int)))


def missing(row: Product, data: xr.Dataset) -> list[str]:
    """What a run would need beyond this file."""
    lines = []
    lacking = [name for name in row.holds if name not in data and not (name in row.variables and row.derived)]
    if lacking:
        lines.append(f"{', '.join(lacking)}: in other files, or not at all")
    if "time" in data.dims and row.studied:
        years = pd.DatetimeIndex(data["time"].values).year
        if years.min() > row.studied[0] or years.max() < row.studied[1]:
            lines.append(
                f"years: the study uses {row.studied[0]} to {row.studied[1]}, this file holds {years.min()} to {years.max()}"
            )
    if "lon" in data.coords and row.id not in ("globsnow", "transcom"):
        spans = {axis: float(np.nanmax(data[axis]) - np.nanmin(data[axis])) for axis in ("lat", "lon")}
        if spans["lat"] < 140 or spans["lon"] < 340:
            lines.append(f"land beyond its {spans['lat']:g} degrees of latitude and {spans['lon']:g} of longitude")
    return lines


def draw(field: xr.DataArray, title: str, path: Path) -> None:
    """A small map of a field (lat, lon) or (y, x)."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3.2), dpi=100, layout="constrained")
    if field["lat"].ndim == 1:
        drawn = axes.pcolormesh(field["lon"], field["lat"], field.transpose("lat", "lon"), shading="nearest")
    else:
        known = np.isfinite(field["lat"].values) & np.isfinite(field.values)
        points = (field["lon"].values[known], field["lat"].values[known])
        drawn = axes.scatter(*points, c=field.values[known], s=1, marker="s")
    figure.colorbar(drawn, label=field.attrs.get("units", ""))
    axes.set(title=title, xlabel="longitude (degrees)", ylabel="latitude (degrees)")
    axes.title.set_fontsize(7)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def main(arguments: list[str] | None = None) -> int:
    """The command line: 0 if a reader takes the file, 1 if none does, 2 if there is no such file."""
    parser = argparse.ArgumentParser(prog="h2cm inspect", description="What is this file, and what is made of it?")
    parser.add_argument("file", type=Path)
    parser.add_argument("--map", type=Path, help="where the map goes; FILE.png in the current folder if not given")
    parser.add_argument("--no-map", action="store_true", help="draw none")
    given = parser.parse_args(arguments)
    picture = None if given.no_map else given.map or Path(f"{given.file.name}.png")
    try:
        report = inspect(given.file, picture)
    except (DataError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(report)
    return 0 if report.read_as else 1


if __name__ == "__main__":
    sys.exit(main())
