"""The catalogue of data products: one row each in ``config/products.yaml``.

Everything the workflow knows of a product before it opens a file stands there and nowhere else: where it comes from,
what the files are called, what is in them, in which unit, how that is known, and who is to be cited. Retrieval,
readers, writers, documentation (`known_table`) and Table 1 of the paper (`table`) all take it from there.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from fnmatch import translate
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Annotated, Literal

import pandas as pd
import yaml
from pydantic import BeforeValidator, Field, ValidationError, model_validator

from h2cm.config import Config, ConfigError, Section, Years
from h2cm.vocabulary import VARIABLES

PATH = Path(__file__).resolve().parents[3] / "config" / "products.yaml"

WHOLE = "all"
"""The part of a product whose files are not cut into years."""

ROLES = {
    "forcing": "Meteorological forcing",
    "static": "Static data",
    "constraint": "Data constraints",
    "fire": "Fire emissions",
    "comparison": "Comparison",
    "published": "The study's own inputs and targets",
    "simulations": "The study's own simulations",
    "towers": "Eddy-covariance towers",
}


Texts = Annotated[tuple[str, ...], Field(strict=False), BeforeValidator(lambda v: (v,) if isinstance(v, str) else v)]
"""One text or several."""


class Variable(Section):
    """How one variable stands in the files of a product."""

    name: Texts = Field(
        min_length=1, description="names in the files: the documented one, then others that are read too"
    )
    unit: Texts = Field(min_length=1, description="unit in the files, then other texts that stand for it there")
    store_unit: str = Field(description="unit after reading")
    sign: Literal[1, -1] = Field(1, description="-1 where the files count the other way than the store")
    range: tuple[float, float] | None = Field(
        None, strict=False, description="possible values, in `unit`, as they stand in the files"
    )
    rounding: float = Field(0.0, ge=0, description="what a value may lie beyond `range`, in `unit`")
    nodata: float | None = Field(None, description="what stands for a missing value")
    scale: float = Field(1.0, description="whole numbers of rasters: what one of them is, in `unit`")
    classes: tuple[int, ...] = Field((), strict=False, description="maps of classes: those that it is the share of")
    dtype: str = Field("f4", description="type in the files")
    packing: tuple[float, float] | None = Field(None, strict=False, description="scale_factor and add_offset")


class Derived(Section):
    """What a reader makes of several variables."""

    of: str = Field(description="how")
    store_unit: str


class Expected(Section):
    """How a variable of a product looks on all land, in the store's unit, whatever its version and period: wide ranges."""

    mean: tuple[float, float] = Field(strict=False, description="mean over the land and all months")
    spread: tuple[float, float] = Field(strict=False, description="standard deviation of the cells' means")
    variation: tuple[float, float] = Field(strict=False, description="mean over the cells of their deviation in time")
    warm_season: dict[Literal["north", "south"], Literal["more", "less"]] = Field(
        {},
        description="beyond 30 degrees: whether there is more or less of it in summer than in winter; with both, at every place",
    )
    source: str = Field(description="where the numbers come from")


class Layout(Section):
    """How the files of a product are laid out: what readers look for and writers follow."""

    text: str = Field(description="in words")
    axes: dict[Literal["time", "lat", "lon", "level"], Texts] = Field(
        {}, description="names of the axes: the documented one, then others that are read too"
    )
    step: Literal["any", "day", "8 days", "month"] = Field("any", description="time step; any: as the time axis shows")
    stamp: Literal["start", "middle"] = Field("start", description="the moment of a step that its time stamp is")
    calendar: str = "standard"
    time_unit: str = "days since 1900-01-01"
    split: Literal["day", "month", "year", "all"] = Field("all", description="what one file holds")
    file_name: str = Field("", description="with {first} and {last} day, and {name} of a variable, member or model")
    north_first: bool = Field(False, description="latitudes from north to south")
    east: bool = Field(False, description="longitudes 0 to 360")
    aligned: Literal["", "edges", "centres"] = Field(
        "", description="what of the cells lies at the multiples of their width; nothing if empty"
    )
    nodata: tuple[int, ...] = Field((), strict=False, description="maps of classes: what stands for no class")
    attrs: dict[str, str] = Field({}, description="attributes of the files")

    def axis(self, name: str) -> str:
        """The documented name of an axis."""
        return self.axes.get(name, (name,))[0]


class Known(Section):
    """How the layout is known: a real file was seen, public code reads such files, or only documentation."""

    seen: Texts = Field((), description="names of real files that the reader has read")
    read_by_others: Texts = Field((), description="public code that reads the real files")
    documented: Texts = Field((), description="where it is described")
    open: str = Field("", description="what could not be confirmed: the reader must check")

    @model_validator(mode="after")
    def _somehow(self):
        if not (self.seen or self.read_by_others or self.documented):
            raise ValueError("expected `seen`, `read_by_others` or `documented`")
        return self

    @property
    def best(self) -> str:
        """The strongest of the three."""
        return "seen" if self.seen else "read by others" if self.read_by_others else "documented"


class Product(Section):
    """A row of the catalogue."""

    id: str = Field(description="its key in the catalogue")
    label: str = Field(description="what is measured, as in Table 1")
    name: str
    version: str
    role: Literal["forcing", "static", "constraint", "fire", "comparison", "published", "simulations", "towers"]
    feeds: Texts = Field((), description="variables of the store that need this product")
    access: Literal["https", "doi", "earthdata", "cds", "ads", "icos", "by hand"] = Field(description="how to get it")
    address: Texts = Field(
        description="https: address with {year}, {month} and the names in `choices`, * where the archive's list must be "
        "read; doi: DOI of a Zenodo or figshare record; earthdata: short name; cds, ads: data set; icos: collections (address or DOI); "
        "by hand: page where the files are ordered",
    )
    choices: dict[str, Texts] = Field({}, description="values of further names in the address")
    months: tuple[int, ...] = Field(tuple(range(1, 13)), strict=False, description="months the archive has files of")
    request: dict = Field(
        {}, description="cds, ads: the request, {year}, {month}, {last} are filled in; earthdata: more to search by"
    )
    revision: str | None = Field(
        None, description="files whose names agree up to this text are revisions of one file; only the last is taken"
    )
    files: Texts = Field(
        min_length=1,
        description="patterns of the file names, with {year} where there are files for each year: first the one that is "
        "retrieved, then others that are read too",
    )
    skip: Texts = Field((), description="patterns of the names of files beside them that are not read")
    checksums: dict[str, str] = Field({}, description="algorithm:digest of a file, where the archive or others give it")
    format: Literal["netcdf", "hdf5", "hdf4", "geotiff", "zarr", "raw", "zip"] = Field(
        description="of the files; zip: archives that are read as they are"
    )
    layout: Layout
    known: Known
    variables: dict[str, Variable]
    derived: dict[str, Derived] = Field({}, description="what the reader makes of several variables")
    expected: dict[str, Expected] = Field({}, description="what its variables look like on the land of the Earth")
    members: int | None = Field(None, description="of the ensemble, where the product is one")
    space: str = Field(description="native grid")
    time: str = Field(description="native time step; - if there is none")
    condensed: bool = Field(
        False, description="whether its many tiles are averaged to one file for each part before it is harmonised"
    )
    to_grid: str = Field("area-weighted mean", description="how it gets to the target grid")
    to_step: str = Field("-", description="how it gets to days or months")
    period: Years | None = Field(None, description="years that the archive has; none for static fields")
    studied: Years | None = Field(None, description="years that the study used")
    gigabytes: float | None = Field(None, gt=0, description="to be retrieved for the study's years, roughly")
    citation: str
    doi: str
    licence: str
    source: Texts = Field(min_length=1, description="where the facts of this row were read")
    instructions: str = Field("", description="by hand: what a person does to get the files")
    note: str = ""

    @model_validator(mode="after")
    def _consistent(self):
        names = {name for text in self.address for _, name, _, _ in Formatter().parse(text) if name}
        unknown = names - {"year", "month"} - set(self.choices)
        if unknown:
            raise ValueError(f"the address names {sorted(unknown)}, which `choices` does not give")
        if self.access == "by hand" and not self.instructions:
            raise ValueError("a product that is fetched by hand needs `instructions`")
        if self.access in ("cds", "ads") and not self.request:
            raise ValueError(f"access {self.access} needs a `request`")
        if self.yearly and self.period is None:
            raise ValueError("a product with files for each year needs a `period`")
        unknown = set(self.expected) - set(self.holds)
        if unknown:
            raise ValueError(f"expects something of {sorted(unknown)}, which its reader does not make")
        unknown = set(self.feeds) - set(VARIABLES)
        if unknown:
            raise ValueError(f"feeds {sorted(unknown)}, which the store does not have")
        return self

    @property
    def yearly(self) -> bool:
        """Whether the archive cuts the product into years."""
        return "{year}" in self.files[0]

    @property
    def holds(self) -> tuple[str, ...]:
        """Names of what its reader makes: variables and what is derived of them."""
        return (*self.variables, *self.derived)

    def parts(self, first: int, last: int) -> list[str]:
        """The parts of the product that cover the years `first` to `last`: years, or `WHOLE`."""
        if not self.yearly:
            return [WHOLE]
        return [str(year) for year in range(max(first, self.period[0]), min(last, self.period[1]) + 1)]

    def patterns(self, part: str) -> list[str]:
        """Patterns of the names of the files of a part: first that of the archive."""
        return [text.replace("{year}", part if part != WHOLE else "*") for text in self.files]

    def pattern(self, part: str) -> str:
        """Pattern of the names of the files of a part in the archive."""
        return self.patterns(part)[0]


def parse(values: dict, name: str = "catalogue") -> dict[str, Product]:
    """Check the rows of a catalogue.

    Raises
    ------
    ConfigError
        One line for each key that cannot be used: product, key, what was expected and what was found.
    """
    products, lines = {}, []
    for key, row in values.items():
        try:
            products[key] = Product.model_validate({"id": key, **row})
        except ValidationError as error:
            for e in error.errors():
                where = ".".join([key, *(str(part) for part in e["loc"])])
                found = "" if e["type"] == "missing" or not e["loc"] else f" (found {e['input']!r})"
                lines.append(f"{name}: {where}: {e['msg']}{found}")
    if lines:
        raise ConfigError("\n".join(lines))
    return products


@cache
def load(path: Path = PATH) -> dict[str, Product]:
    """All rows of the catalogue by id, in its order."""
    with open(path) as file:
        return parse(yaml.safe_load(file), str(path))


def product(name: str) -> Product:
    """One row of the catalogue.

    Raises
    ------
    ConfigError
        If there is no such product; the message lists those there are.
    """
    rows = load()
    if name not in rows:
        raise ConfigError(f"{PATH.name}: no product {name!r}; there are {', '.join(rows)}")
    return rows[name]


LAYOUT_FACTS = ("files", "skip", "format", "layout", "variables", "derived", "period", "condensed")
"""Keys of a row that change what is read."""

CITATION_FACTS = (
    *(
        "label",
        "name",
        "version",
        "role",
        "space",
        "time",
        "studied",
        "to_grid",
        "to_step",
        "citation",
        "doi",
        "licence",
    ),
)
"""Keys of a row that Table 1 prints."""


def row_hash(name: str, facts: tuple[str, ...] = LAYOUT_FACTS) -> str:
    """Hash of some keys of a row, for the rules that read the product or print it: 16 hexadecimal digits.

    Explanations in words do not count.
    """
    values = product(name).model_dump(mode="json", include=set(facts))
    values.get("layout", {}).pop("text", None)
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def needed(config: Config) -> list[str]:
    """Ids of the products that a run takes its data from.

    For source ``products`` these are the products behind the forcing, the static attributes and the constraints of
    the run, and those of comparison; for ``published`` the study's own data; for ``towers`` the collection of archives
    if no folder is given; otherwise none. The study's simulations are needed where ``products.local`` has them.
    """
    rows = load()
    given = simulations(config)
    if config.source == "published":
        return [name for name, row in rows.items() if row.role == "published"] + given
    if config.source == "towers":
        return [] if config.towers.folders else [config.towers.archive]
    if config.source != "products":
        return []
    wanted = {v.name for v in VARIABLES.values() if v.role in ("forcing", "static")} | set(config.constraints)
    rows = {name: row for name, row in rows.items() if row.role != "published"}
    return [name for name, row in rows.items() if row.role == "comparison" or wanted & set(row.feeds)] + given


def simulations(config: Config) -> list[str]:
    """Ids of the products that hold the study's own simulations, where a gridded run of real data is given them."""
    if config.source not in ("products", "published"):
        return []
    return [name for name, row in load().items() if row.role == "simulations" and name in config.products.local]


def condensed(config: Config, name: str) -> bool:
    """Whether the tiles of a product are averaged before they are harmonised; the user's own netCDF files are not."""
    own = config.products.local.get(name, {"pattern": ""})
    return config.source == "products" and product(name).condensed and not own["pattern"].endswith(".nc")


def expected_table() -> str:
    """What is expected of the products, as a table in Markdown."""
    lines = [
        "| id | variable | mean | spread | variation | summer | source |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, row in load().items():
        for variable, one in row.expected.items():
            ranges = [f"{low:g} to {high:g}" for low, high in (one.mean, one.spread, one.variation)]
            summer = ", ".join(f"{part}: {compared}" for part, compared in one.warm_season.items()) or "-"
            unit = {**row.variables, **row.derived}[variable].store_unit
            lines.append(f"| `{name}` | `{variable}` ({unit}) | {' | '.join(ranges)} | {summer} | {one.source} |")
    return "\n".join(lines)


def date_in(name: str, patterns: Iterable[str]) -> str | None:
    """The digits of the date in a file's name, from the first pattern with a {year} that it fits.

    Four digits of the year, and those of month and day where two or four ``?`` follow it.

    >>> date_in("era5_200301.nc", ["era5_{year}??.nc"])
    '200301'
    """
    for pattern in patterns:
        if "{year}" in pattern:
            before, after = pattern.split("{year}", 1)
            more = {2: r"\d{2}", 4: r"\d{4}"}.get(len(after) - len(after.lstrip("?")), "")
            before, after = (translate(text)[:-2] for text in (before, after.lstrip("?") if more else after))
            match = re.match(before + rf"(\d{{4}}{more})" + after + r"\Z", name)
            if match:
                return match[1]
    return None


def table() -> pd.DataFrame:
    """Table 1 of the paper: the gridded data products, one row each, in the order of the catalogue."""
    return pd.DataFrame(
        [
            {
                "role": ROLES[row.role],
                "variable": row.label,
                "product": f"{row.name} {row.version}",
                "spatial resolution": row.space,
                "temporal resolution": row.time,
                "period studied": "-" if row.studied is None else f"{row.studied[0]}-{row.studied[1]}",
                "to the grid": row.to_grid,
                "to the time step": row.to_step,
                "reference": row.citation,
                "doi": row.doi,
                "licence": row.licence,
            }
            for row in load().values()
            if row.role not in ("towers", "simulations")
        ]
    )


def known_table() -> str:
    """How the layout of each product is known, as a table in Markdown."""
    lines = ["| id | known | how | open |", "| --- | --- | --- | --- |"]
    for name, row in load().items():
        known = row.known
        how = "; ".join(known.seen or known.read_by_others or known.documented)
        lines.append(f"| `{name}` | {known.best} | {how} | {known.open or '-'} |")
    return "\n".join(lines)
