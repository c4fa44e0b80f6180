"""The catalogue of data products: one row each in ``config/products.yaml``.

Everything the workflow knows of a product before it opens a file stands there: where it comes from, what the files
are called, what is in them, in which unit, and who is to be cited. Retrieval, readers, documentation and Table 1 of
the paper (`table`) all take it from there.
"""

from __future__ import annotations

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
    "towers": "Eddy-covariance towers",
}


Texts = Annotated[tuple[str, ...], Field(strict=False), BeforeValidator(lambda v: (v,) if isinstance(v, str) else v)]
"""One text or several."""


class Layout(Section):
    """How one variable stands in the files of a product."""

    name: str = Field(description="name in the file, or how it is made of several")
    unit: str = Field(description="unit in the file")
    store_unit: str = Field(description="unit after reading")
    sign: Literal[1, -1] = Field(1, description="-1 where the file counts the other way than the store")


class Product(Section):
    """A row of the catalogue."""

    label: str = Field(description="what is measured, as in Table 1")
    name: str
    version: str
    role: Literal["forcing", "static", "constraint", "fire", "comparison", "published", "towers"]
    feeds: Texts = Field((), description="variables of the store that need this product")
    door: Literal["https", "doi", "earthdata", "cds", "ads", "icos", "local"]
    address: Texts = Field(
        description="https: address with {year}, {month} and the names in `choices`, * where the archive's list must be "
        "read; doi: DOI of a Zenodo or figshare record; earthdata: short name; cds, ads: data set; icos: collections (address or DOI); "
        "local: page where the files are ordered",
    )
    choices: dict[str, Texts] = Field({}, description="values of further names in the address")
    months: tuple[int, ...] = Field(tuple(range(1, 13)), strict=False, description="months the archive has files of")
    request: dict = Field(
        {}, description="cds, ads: the request, {year}, {month}, {last} are filled in; earthdata: more to search by"
    )
    revision: str | None = Field(
        None, description="files whose names agree up to this text are revisions of one file; only the last is taken"
    )
    files: str = Field(description="pattern of the file names, with {year} where there are files for each year")
    checksums: dict[str, str] = Field({}, description="algorithm:digest of a file, where the archive or others give it")
    format: Literal["netcdf", "hdf5", "hdf4", "geotiff", "zarr", "raw", "zip"] = Field(
        description="of the files; zip: archives that are read as they are"
    )
    layout: str
    variables: dict[str, Layout]
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
    unconfirmed: bool = Field(
        False, description="some fact of the layout could not be confirmed: the reader must check"
    )
    instructions: str = Field("", description="local: what a person does to get the files")
    note: str = ""

    @model_validator(mode="after")
    def _consistent(self):
        names = {name for text in self.address for _, name, _, _ in Formatter().parse(text) if name}
        unknown = names - {"year", "month"} - set(self.choices)
        if unknown:
            raise ValueError(f"the address names {sorted(unknown)}, which `choices` does not give")
        if self.door == "local" and not self.instructions:
            raise ValueError("a product that is fetched by hand needs `instructions`")
        if self.door in ("cds", "ads") and not self.request:
            raise ValueError(f"door {self.door} needs a `request`")
        if self.yearly and self.period is None:
            raise ValueError("a product with files for each year needs a `period`")
        unknown = set(self.feeds) - set(VARIABLES)
        if unknown:
            raise ValueError(f"feeds {sorted(unknown)}, which the store does not have")
        return self

    @property
    def yearly(self) -> bool:
        """Whether the archive cuts the product into years."""
        return "{year}" in self.files

    def parts(self, first: int, last: int) -> list[str]:
        """The parts of the product that cover the years `first` to `last`: years, or `WHOLE`."""
        if not self.yearly:
            return [WHOLE]
        return [str(year) for year in range(max(first, self.period[0]), min(last, self.period[1]) + 1)]

    def pattern(self, part: str) -> str:
        """Pattern of the names of the files of a part."""
        return self.files.replace("{year}", part if part != WHOLE else "*")


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
            products[key] = Product.model_validate(row)
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


def needed(config: Config) -> list[str]:
    """Ids of the products that a run takes its data from.

    For source ``products`` these are the products behind the forcing, the static attributes and the constraints of
    the run, and those of comparison; for ``published`` the study's own data; for ``towers`` the collection of archives
    if no folder is given; otherwise none.
    """
    rows = load()
    if config.source == "published":
        return [name for name, row in rows.items() if row.role == "published"]
    if config.source == "towers":
        return [] if config.towers.folders else [config.towers.archive]
    if config.source != "products":
        return []
    wanted = {v.name for v in VARIABLES.values() if v.role in ("forcing", "static")} | set(config.constraints)
    rows = {name: row for name, row in rows.items() if row.role != "published"}
    return [name for name, row in rows.items() if row.role == "comparison" or wanted & set(row.feeds)]


def condensed(config: Config, name: str) -> bool:
    """Whether the tiles of a product are averaged before they are harmonised; the user's own netCDF files are not."""
    own = config.products.local.get(name, {"pattern": ""})
    return config.source == "products" and product(name).condensed and not own["pattern"].endswith(".nc")


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
            if row.role != "towers"
        ]
    )
