"""The configuration of a run: what may be said, in which units, and the defaults.

A configuration file is YAML; `load` checks it and fills in the defaults. Unknown keys and wrong types are refused
with the path of the key and what was expected. `config/README.md` explains every key.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError, model_validator


class ConfigError(ValueError):
    """A configuration that cannot be used; the message names the file, the key and what was expected."""


class Section(BaseModel):
    """A part of the configuration: no unknown keys, no silent conversion of types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _ordered(years: tuple[int, int]) -> tuple[int, int]:
    if years[0] > years[1]:
        raise ValueError(f"expected [first, last], got {list(years)}")
    return years


Years = Annotated[tuple[int, int], Field(strict=False), AfterValidator(_ordered)]
"""First and last calendar year, both included."""


class Period(Section):
    start: date = Field(date(2001, 1, 1), strict=False, description="first day")
    end: date = Field(date(2019, 12, 31), strict=False, description="last day")

    @model_validator(mode="after")
    def _not_empty(self):
        if self.start > self.end:
            raise ValueError(f"the period is empty: it starts {self.start} and ends {self.end}")
        return self


class Grid(Section):
    resolution: PositiveFloat = Field(1.0, description="degrees; must divide 180")
    bounds: tuple[float, float, float, float] = Field(
        (-180.0, -60.0, 180.0, 85.0), strict=False, description="west, south, east, north (degrees)"
    )
    min_land_fraction: float = Field(0.5, ge=0, le=1, description="least share of land of a cell that is used")


class Twin(Section):
    """The synthetic Earth."""

    noise: float = Field(0.05, ge=0, description="noise of the pseudo-products, share of each one's standard deviation")
    models: PositiveInt = Field(4, description="members of the ensemble of process models")
    q10: PositiveFloat = Field(1.5, description="true temperature sensitivity of heterotrophic respiration")
    beta_co2: PositiveFloat = Field(15.0, description="true CO2 fertilisation, % per 100 ppm")


class Towers(Section):
    """Eddy-covariance towers."""

    folders: tuple[Annotated[Path, Field(strict=False)], ...] = Field((), strict=False, description="folders that hold ONEFlux zips")
    sites: Path | None = Field(None, strict=False, description="table of sites; sites.csv of the first folder if not given")
    lai: Path | None = Field(None, strict=False, description="table of monthly leaf area index; no fAPAR constraint if not given")
    co2: Path | None = Field(None, strict=False, description="monthly CO2 of Mauna Loa in NOAA's layout")
    select: tuple[str, ...] = Field((), strict=False, description="sites to use; all if empty")
    min_quality: float = Field(0.5, ge=0, le=1, description="least share of good half-hours of a month")


class Products(Section):
    """Observational products (source `products` or `published`)."""

    folder: Path = Field(Path("data"), strict=False, description="where downloads are kept")
    local: dict[str, dict[Literal["folder", "pattern"], str]] = Field(
        {}, description="own files of a product: folder and file pattern, instead of its address"
    )


class Constraint(Section):
    """One data constraint; its key is the name of the target in the store."""

    prediction: str = Field(description="the daily model output that is compared")
    compare: Literal["monthly", "monthly_centred", "mean_seasonal_cycle", "spatial_mean_anomaly", "mean_ratio"]
    years: Years | None = Field(None, description="first and last year compared; the whole period if not given")
    weight: float = Field(1.0, ge=0)


class Model(Section):
    backend: Literal["auto", "native", "fused", "eager"] = "auto"
    spin_up_passes: int = Field(1, ge=0, description="runs through the whole record before the one that counts")


class Split(Section):
    folds: int = Field(10, ge=2)
    block_degrees: PositiveFloat = Field(5.0, description="blocks that are drawn as a whole; towers: not used")
    neighbour_degrees: float = Field(0.5, ge=0, description="towers closer than this are drawn together")
    test_fraction: float = Field(1 / 11, ge=0, lt=1, description="share of the blocks in the fixed test set")
    test_sites: tuple[str, ...] = Field((), strict=False, description="towers of the fixed test set, instead of a draw")


class Training(Section):
    epochs: PositiveInt = 100
    patience: PositiveInt = Field(10, description="epochs without a better validation loss before stopping")
    batch_cells: PositiveInt = 128
    learning_rate: PositiveFloat = 0.005
    decay_factor: PositiveFloat = Field(0.7, description="of the learning rate, every `decay_epochs`")
    decay_epochs: PositiveInt = 30
    clip: PositiveFloat = Field(0.5, description="gradients are clipped to plus or minus this value")
    weight_decay: float = Field(0.01, ge=0)
    decay_constants: bool = Field(False, description="let the weight decay pull the global constants too")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, ...")
    folds_per_job: PositiveInt = Field(1, description="folds trained side by side by one job")


class Prior(Section):
    mean: float
    std: PositiveFloat


class Experiment(Section):
    """What an experiment does differently."""

    folds: tuple[int, ...] | None = Field(None, strict=False, description="folds trained; all if not given")
    priors: dict[Literal["beta_co2", "q10"], Prior] = Field(
        {}, description="regularisation of a global constant; beta_co2 in % per 100 ppm"
    )
    train_years: Years | None = Field(None, description="years whose targets are trained and validated on")
    evaluate_years: Years | None = Field(None, description="years evaluated")
    constraints: tuple[str, ...] | None = Field(None, strict=False, description="constraints used; all if not given")


class Prediction(Section):
    daily: tuple[str, ...] = Field((), strict=False, description="daily outputs written; none if empty")
    monthly: tuple[str, ...] = Field(
        ("gpp", "npp", "nee", "ter", "et", "transpiration", "runoff", "tws", "swe", "fapar", "heterotrophic_respiration"),
        strict=False,
        description="outputs whose monthly means are written; always with those that a constraint compares",
    )


class Config(Section):
    """A whole run."""

    run: str = Field(pattern=r"^[A-Za-z0-9_.-]+$", description="outputs go to results/<run>")
    source: Literal["twin", "towers", "products", "published"]
    seed: int = Field(0, ge=0)
    period: Period = Period()
    grid: Grid = Grid()
    twin: Twin = Twin()
    towers: Towers = Towers()
    products: Products = Products()
    constraints: dict[str, Constraint]
    model: Model = Model()
    split: Split = Split()
    training: Training = Training()
    experiments: dict[str, Experiment] = {"cv": Experiment()}
    prediction: Prediction = Prediction()
    figures: tuple[str, ...] = Field((), strict=False, description="figures drawn, by name")


def parse(values: dict, name: str = "configuration") -> Config:
    """Check `values` and fill in the defaults.

    Raises
    ------
    ConfigError
        One line for each key that cannot be used: its path, what was expected and what was found.
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        lines = []
        for e in error.errors():
            path = ".".join(str(part) for part in e["loc"]) or "(top level)"
            found = "" if e["type"] == "missing" else f" (found {e['input']!r})"
            lines.append(f"{name}: {path}: {e['msg']}{found}")
        raise ConfigError("\n".join(lines)) from None


def load(path: str | Path) -> Config:
    """Read and check a configuration file (YAML)."""
    with open(path) as file:
        return parse(yaml.safe_load(file) or {}, str(path))
