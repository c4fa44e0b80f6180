"""The configuration of a run: what may be said, in which units, and the defaults.

A configuration file is YAML; `load` checks it and fills in the defaults. Unknown keys and wrong types are refused
with the path of the key and what was expected. `config/README.md` explains every key.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, get_args, get_origin

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from h2cm.comparisons import COMPARISONS, mean_square


class ConfigError(ValueError):
    """A configuration that cannot be used; the message names the file, the key and what was expected."""


_NAME = re.compile(r"[A-Za-z0-9_]+")


class Section(BaseModel):
    """A part of the configuration: no unknown keys, no silent conversion of types, no number that is not finite."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


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


class GridSection(Section):
    resolution: PositiveFloat = Field(1.0, description="degrees; must divide 180, on the synthetic Earth 90")
    bounds: tuple[float, float, float, float] = Field(
        (-180.0, -60.0, 180.0, 85.0), strict=False, description="west, south, east, north (degrees)"
    )
    regridding: Literal["builtin", "xesmf"] = Field(
        "builtin", description="what regrids the products: the built-in engine, or ESMF by the package xESMF"
    )
    min_land_fraction: float = Field(0.5, ge=0, le=1, description="least share of land of a cell that is used")


class Twin(Section):
    """The synthetic Earth."""

    noise: float = Field(0.05, ge=0, description="noise of the pseudo-products, share of each one's standard deviation")
    models: PositiveInt = Field(4, description="members of the ensemble of process models")
    q10: PositiveFloat = Field(1.8, description="true temperature sensitivity of heterotrophic respiration")
    beta_co2: PositiveFloat = Field(22.0, description="true CO2 fertilisation, % per 100 ppm")
    nature: Literal["model", "other"] = Field(
        "model",
        description="whose equations the truth follows: the model's, or others that the model cannot represent: two layers of soil, "
        "stress with a memory, respiration that lags behind the temperature of the air and feeds on a slow pool too",
    )
    co2_trend: PositiveFloat = Field(
        1.0, description="the trend of CO2 over the period, as a multiple of the usual one"
    )


class Towers(Section):
    """Eddy-covariance towers."""

    folders: tuple[Annotated[Path, Field(strict=False)], ...] = Field(
        (), strict=False, description="folders that hold ONEFlux archives (zips, or folders of that name)"
    )
    archive: Literal["warm_winter"] | None = Field(
        None, description="collection in the catalogue that is retrieved if no folder is given"
    )
    sites: Path | None = Field(
        None, strict=False, description="table of sites; sites.csv of the first folder if not given"
    )
    lai: Path | None = Field(
        None, strict=False, description="table of monthly leaf area index; no fAPAR constraint if not given"
    )
    co2: Path | None = Field(None, strict=False, description="monthly CO2 of Mauna Loa in NOAA's layout")
    daily_fluxes: Path | None = Field(
        None, strict=False, description="folder of measured daily fluxes (CalLMIP), kept in the store to evaluate with"
    )
    select: tuple[str, ...] = Field((), strict=False, description="sites to use; all if empty")
    min_towers: PositiveInt = Field(1, description="least number of towers that can be used, or the run stops")
    min_quality: float = Field(0.5, ge=0, le=1, description="least share of good half-hours of a month")
    net_radiation: Literal["daily", "daytime"] = Field(
        "daily", description="of 24 hours, or without the long-wave loss of the night"
    )
    attributes: tuple[Literal["land_cover", "koeppen", "place", "climate"], ...] = Field(
        ("land_cover", "koeppen", "place"),
        strict=False,
        min_length=1,
        description="static attributes: IGBP class, Koeppen group, elevation and water-holding capacity and latitude, "
        "statistics of the forcing",
    )


class Products(Section):
    """Observational products (source `products` or `published`)."""

    folder: Path = Field(Path("data"), strict=False, description="where downloads are kept")
    local: dict[str, dict[Literal["folder", "pattern"], str]] = Field(
        {}, description="own files of a product: folder and file pattern, instead of its address"
    )
    min_members: PositiveInt = Field(
        2,
        description="members of an ensemble (OCO-2 MIP, TRENDY) that must be readable; the others are left out, with a report",
    )


def _known_comparison(name: str) -> str:
    if name not in COMPARISONS:
        raise ValueError(f"expected one of {', '.join(COMPARISONS)}")
    return name


class Constraint(Section):
    """One data constraint; its key is the name of the target in the store."""

    prediction: str = Field(description="the daily model output that is compared")
    compare: Annotated[str, AfterValidator(_known_comparison)] = Field(
        description="how: " + "; ".join(f"`{row.name}`: {row.description}" for row in COMPARISONS.values())
    )
    years: Years | None = Field(None, description="first and last year compared; the whole period if not given")
    weight: float = Field(1.0, ge=0, description="factor of this constraint in the loss")
    scale: Literal["all", "cell"] = Field(
        "all",
        description="what the differences are divided by: the standard deviation of what is compared over all training cells, or "
        "the cell's own and a tenth of that of all",
    )

    @model_validator(mode="after")
    def _cells_have_a_spread(self):
        row = COMPARISONS[self.compare]
        if self.scale == "cell" and (row.of_ratio or row.loss is not mean_square):
            raise ValueError(f"scale: cell: expected a comparison of the series of single cells, not {self.compare}")
        return self


class Model(Section):
    variant: Literal["published", "open"] = Field(
        "published",
        description="the networks of H2CM: those of the paper, or with a soil capacity that is free to move, temperature in all, "
        "and outputs that start at usual values",
    )
    backend: Literal["auto", "native", "fused", "eager"] = Field(
        "auto", description="how the days are stepped through; all give the same numbers, auto takes the fastest"
    )
    units: PositiveInt = Field(
        100,
        description="of each LSTM of H2CM and of the first hidden layer of its other networks; these have 150 with the paper's 100",
    )
    spin_up_passes: int = Field(1, ge=0, description="runs through the whole record before the one that counts")


class Split(Section):
    folds: int = Field(10, ge=2, description="number of folds")
    block_degrees: PositiveFloat = Field(5.0, description="blocks that are drawn as a whole; towers: not used")
    neighbour_degrees: float = Field(0.5, ge=0, description="towers closer than this are drawn together")
    test_fraction: float = Field(1 / 11, ge=0, lt=1, description="share of the blocks in the fixed test set")
    test_sites: tuple[str, ...] = Field((), strict=False, description="towers of the fixed test set, instead of a draw")


def _known_device(name: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", name):
        raise ValueError("expected auto, cpu, cuda, cuda:1 or mps")
    return name


class Training(Section):
    sampling: Literal["records", "years"] = Field(
        "records",
        description="what a batch holds: whole records of cells, or single years of them with the year before to warm up",
    )
    steps: PositiveInt | None = Field(
        None,
        description="of the optimiser, with a learning rate that falls to 0 as a cosine and without early stopping: instead of "
        "epochs, patience and decay",
    )
    warm_up_steps: int = Field(
        0, ge=0, description="of `steps`, those over which the learning rate rises to its full value"
    )
    members: PositiveInt = Field(1, description="models of a fold, from different seeds; the prediction is their mean")
    averaging: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of itself that the running mean of the weights, which is kept, retains at a step",
    )
    epochs: PositiveInt = Field(100, description="at most; early stopping may end before")
    patience: PositiveInt = Field(10, description="epochs without a better validation loss before stopping")
    batch_cells: PositiveInt = Field(128, description="cells of a batch, each over the whole record")
    learning_rate: PositiveFloat = Field(0.005, description="of AdamW, at the start")
    decay_factor: PositiveFloat = Field(0.7, description="of the learning rate, every `decay_epochs`")
    decay_epochs: PositiveInt = Field(30, description="epochs from one step of the learning rate to the next")
    clip: PositiveFloat = Field(0.5, description="gradients are clipped to plus or minus this value")
    clip_norm: PositiveFloat | None = Field(
        None, description="the norm of all gradients together is clipped to this, before"
    )
    weight_decay: float = Field(0.01, ge=0, description="of AdamW")
    decay_biases: bool = Field(True, description="let the weight decay pull biases too, not matrices only")
    decay_constants: bool = Field(False, description="let the weight decay pull the global constants too")
    device: Annotated[str, AfterValidator(_known_device)] = Field("auto", description="auto, cpu, cuda, cuda:1 or mps")
    precision: Literal["float32", "tf32", "bf16"] = Field(
        "float32",
        description="of the networks' matrix products, backend fused: tf32 rounds what is multiplied to 10 bits (GPU only), "
        "bf16 that and the result to 7",
    )
    folds_per_job: PositiveInt = Field(1, description="folds trained side by side by one job")


class Prior(Section):
    """What a global constant is drawn towards: the loss gets ((value - mean) / std) squared."""

    mean: float = Field(description="expected value")
    std: PositiveFloat = Field(description="standard deviation around it")


class Sweep(Section):
    """The same experiment with wider and narrower priors, to see when the data win over them."""

    multiples: tuple[PositiveFloat, ...] = Field(
        strict=False, description="of every prior's `std`; each is trained as an experiment of its own"
    )
    folds: tuple[int, ...] | None = Field(
        None, strict=False, description="folds trained; those of the experiment if not given"
    )


HELD_FIELDS = ("cue", "basal_respiration", "alpha_transpiration")
"""The parameters, learned in space and time, whose mean in each cell can be held at a multiple of what was trained."""

Held = Literal["beta_snow", "beta_baseflow", "q10", "beta_co2", "cue", "basal_respiration", "alpha_transpiration"]


class Profile(Section):
    """The trained model trained on with one quantity held at one value after the other, to see what the constraints say of it."""

    values: dict[Held, Annotated[tuple[PositiveFloat, ...], Field(strict=False)]] = Field(
        description="of each quantity, as in `fix`; each value is trained as an experiment of its own"
    )
    folds: tuple[int, ...] | None = Field(
        None, strict=False, description="folds trained; those of the experiment if not given"
    )


class Experiment(Section):
    """What an experiment does differently."""

    model: Literal["h2cm", "process_only", "gradient_boosting", "lstm"] = Field(
        "h2cm",
        description="what is trained: H2CM; its equations with one learned value for each parameter of the networks; "
        "regression trees on monthly means; an LSTM without equations",
    )
    folds: tuple[int, ...] | None = Field(None, strict=False, description="folds trained; all if not given")
    priors: dict[Literal["beta_snow", "beta_baseflow", "q10", "beta_co2"], Prior] = Field(
        {}, description="regularisation of a global constant; beta_co2 in % per 100 ppm, beta_baseflow per day"
    )
    sweep: Sweep | None = Field(None, description="trainings with other widths of the priors")
    start: str | None = Field(
        None, description="experiment from whose trained weights training goes on, fold by fold and member by member"
    )
    fix: dict[Held, PositiveFloat] = Field(
        {},
        description="what is held: a global constant at a value (beta_co2 in % per 100 ppm, beta_baseflow per day), or the mean over "
        "time of another parameter, in each cell, at a multiple of what the weights of `start` give there",
    )
    profile: Profile | None = Field(
        None, description="trainings that go on from this one with one quantity held at one value after the other"
    )
    train_years: Years | None = Field(None, description="years whose targets are trained and validated on")
    constraints: tuple[str, ...] | None = Field(None, strict=False, description="constraints used; all if not given")


class RainResponse(Section):
    """The cell and the year whose rain season is shown day by day."""

    lat: float = Field(-22.0, ge=-90, le=90, description="latitude; the nearest cell is taken")
    lon: float = Field(21.0, ge=-180, le=180, description="longitude")
    year: int | None = Field(None, description="the last year with its December if not given")


class Evaluation(Section):
    """What is scored and shown; changes no training."""

    periods: dict[str, Years] = Field(
        {}, description="periods, by name, over which every experiment is evaluated beside the whole period of the run"
    )
    par_per_net_radiation: PositiveFloat = Field(
        0.83,
        description="photosynthetically active radiation for each W m-2 of net radiation, where that is positive: stands for "
        "0.45 of the incoming short wave, which the store does not hold; the default is the median of 58 towers, 0.72 to 1.00 at "
        "nine of ten (`benchmarks/photosynthetic_radiation.py`); decides the level of the light-use efficiency, nothing else",
    )
    rain_response: RainResponse = Field(RainResponse(), description="figure `rain_response`")


class Prediction(Section):
    daily: tuple[str, ...] = Field(
        ("gpp", "nee", "ter", "et"), strict=False, description="daily outputs written; none if empty"
    )
    monthly: tuple[str, ...] = Field(
        (
            "gpp",
            "npp",
            "nee",
            "ter",
            "et",
            "transpiration",
            "runoff",
            "tws",
            "swe",
            "fapar",
            "heterotrophic_respiration",
        ),
        strict=False,
        description="outputs whose monthly means are written; always with those that a constraint compares",
    )


class DataSet(Section):
    """The data set for users."""

    significant_digits: int = Field(
        4, ge=1, le=7, description="decimal digits that are kept; the bits behind them are rounded away"
    )
    chunks: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
        (31, 60, 120), strict=False, description="of the files: steps, rows, columns; towers: steps, towers"
    )
    zarr: bool = Field(False, description="also as Zarr, one store for daily and one for monthly fields")
    license: str = Field("CC-BY-4.0", description="of the data set, as SPDX names it")


class Config(Section):
    """A whole run."""

    run: str = Field(
        pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$", description="name of the run: outputs go to results/<run>"
    )
    source: Literal["twin", "towers", "products", "published"] = Field(
        description="where the data come from: the synthetic Earth, flux towers, the original products, or the inputs and "
        "targets that the study published"
    )
    seed: int = Field(0, ge=0, description="of the synthetic Earth, the split, initial weights and batches")
    period: Period = Field(Period(), description="days that are simulated")
    grid: GridSection = Field(GridSection(), description="target grid; towers: not used")
    twin: Twin = Field(Twin(), description="source `twin`")
    towers: Towers = Field(Towers(), description="source `towers`")
    products: Products = Field(Products(), description="sources `products` and `published`")
    constraints: dict[str, Constraint] = Field(description="data constraints, by their names in the store")
    model: Model = Field(Model(), description="how the model runs")
    split: Split = Field(Split(), description="test set and folds")
    training: Training = Field(Training(), description="optimisation")
    experiments: dict[str, Experiment] = Field(
        {"cv": Experiment()},
        description="by name: what each does differently; the first is the one that most figures show",
    )
    prediction: Prediction = Field(Prediction(), description="what is written")
    evaluation: Evaluation = Field(Evaluation(), description="what is scored")
    dataset: DataSet = Field(DataSet(), description="how the data set for users is written")
    figures: tuple[str, ...] = Field(
        (), strict=False, description="figures drawn, by name; all that the source allows if empty"
    )


def typed(value):
    """A value of Snakemake's option ``--config`` as YAML has it: in sections and lists, Snakemake leaves everything a text.

    >>> typed({"training": {"epochs": "3", "device": "cpu"}, "grid": {"bounds": ["0", "1.5"]}})
    {'training': {'epochs': 3, 'device': 'cpu'}, 'grid': {'bounds': [0, 1.5]}}
    """
    if isinstance(value, Mapping):
        return {key: typed(one) for key, one in value.items()}
    if isinstance(value, list):
        return [typed(one) for one in value]
    return yaml.safe_load(value) if isinstance(value, str) else value


_EXPECTED = {"tuple_type": "a list", "model_type": "keys and values", "dict_type": "keys and values"}
"""What types of pydantic's errors mean in a configuration file."""


def meant(word: str, known: Collection[str]) -> str:
    """What follows a name that is not known: the one that was probably meant, else all that there are."""
    close = get_close_matches(word, known, 1)
    return f"did you mean {close[0]}?" if close else f"expected one of {', '.join(known)}"


def _mistake(kind: str, place: Sequence[str | int], text: str, found) -> str:
    """A line about a key that cannot be used, from what pydantic says of it."""
    path, shown = ".".join(map(str, place)) or "(top level)", "" if isinstance(found, dict) else f" (found {found!r})"
    if kind == "missing":
        return f"{path}: {text}"
    if kind == "extra_forbidden" and "." in str(place[-1]):
        first, _, rest = str(place[-1]).partition(".")
        return f"{path}: no such key; one in a section is written as --config '{first}={{{rest}: {found}}}'"
    if kind == "extra_forbidden":
        return f"{path}: no such key; {meant(str(place[-1]), _keys_beside(place))}"
    if kind in _EXPECTED:
        example = f", as [{found}]" if kind == "tuple_type" and isinstance(found, str) else ""
        return f"{path}: expected {_EXPECTED[kind]}{example}{shown}"
    return f"{path}: {text.removeprefix('Value error, ')}{shown}"


def _keys_beside(place: Sequence[str | int]) -> list[str]:
    """The keys of the section that a place in a configuration is in."""
    section = Config
    for part in place[:-1]:
        if part in section.model_fields:
            section = next(filter(_is_section, _within(section.model_fields[part].annotation)), section)
    return list(section.model_fields)


def _within(annotation) -> list:
    """A type and all types that it is made of."""
    return [annotation, *(inner for one in get_args(annotation) for inner in _within(one))]


def parse(values: dict, name: str = "configuration") -> Config:
    """Check `values` and fill in the defaults.

    Raises
    ------
    ConfigError
        One line for each key that cannot be used: its path, what was expected and what was found.
    """
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        lines = [f"{name}: {_mistake(e['type'], e['loc'], e['msg'], e['input'])}" for e in error.errors()]
        raise ConfigError("\n".join(lines)) from None
    if lines := [f"{name}: {line}" for line in _contradictions(config)]:
        raise ConfigError("\n".join(lines))
    return config.model_copy(update={"experiments": config.experiments | _swept(config) | _profiled(config)})


def sweeps(config: Config) -> dict[str, tuple[str, float]]:
    """The experiments that are made of the `sweep` of another: by name, that other one and the multiple."""
    return {
        f"{name}_std_times_{multiple:g}".replace(".", "_"): (name, multiple)
        for name, row in config.experiments.items()
        if row.sweep
        for multiple in row.sweep.multiples
    }


def _swept(config: Config) -> dict[str, Experiment]:
    """The rows of `sweeps`."""
    rows = {}
    for name, (base, multiple) in sweeps(config).items():
        row = config.experiments[base]
        priors = {key: Prior(mean=p.mean, std=p.std * multiple) for key, p in row.priors.items()}
        rows[name] = row.model_copy(update={"priors": priors, "folds": row.sweep.folds or row.folds, "sweep": None})
    return rows


def profiles(config: Config) -> dict[str, tuple[str, str | None, float | None]]:
    """The experiments that are made of the `profile` of another: by name, that other one, what is held and its value; first
    the one that goes on with nothing held, with which the others are compared."""
    found = {}
    for name, row in config.experiments.items():
        if row.profile:
            found[f"{name}_released"] = (name, None, None)
            for held, values in row.profile.values.items():
                found |= {f"{name}_{held}_{value:g}".replace(".", "_"): (name, held, value) for value in values}
    return found


def _profiled(config: Config) -> dict[str, Experiment]:
    """The rows of `profiles`."""
    rows = {}
    for name, (base, held, value) in profiles(config).items():
        row = config.experiments[base]
        fix = row.fix | ({held: value} if held else {})
        changed = {"start": base, "fix": fix, "folds": row.profile.folds or row.folds, "profile": None, "sweep": None}
        rows[name] = row.model_copy(update=changed)
    return rows


RESERVED = ("observed", "truth", "fluxcom", "trendy")
"""Names that experiments cannot have, as what they are compared with has them."""


def _contradictions(config: Config) -> list[str]:
    """What no key says alone: names that other keys must define, years outside the period, what a source needs."""
    lines = []
    first, last = config.period.start.year, config.period.end.year

    def within_period(path: str, years: Years | None) -> None:
        if years and not (first <= years[0] and years[1] <= last):
            lines.append(f"{path}: expected years within the period {first}-{last} (found {list(years)})")

    for path, section in (("constraints", config.constraints), ("experiments", config.experiments)):
        if not section:
            lines.append(f"{path}: expected at least one entry, found none")
    for name, constraint in config.constraints.items():
        within_period(f"constraints.{name}.years", constraint.years)
    for name, experiment in config.experiments.items():
        path = f"experiments.{name}"
        if not _NAME.fullmatch(name) or name in RESERVED:
            lines.append(f"{path}: expected a name of letters, digits and underscores, none of {', '.join(RESERVED)}")
        within_period(f"{path}.train_years", experiment.train_years)
        for constraint in experiment.constraints or ():
            if constraint not in config.constraints:
                lines.append(
                    f"{path}.constraints: expected some of {', '.join(config.constraints)} (found {constraint!r})"
                )
        if experiment.constraints == ():
            lines.append(f"{path}.constraints: expected at least one constraint, found none")
        sweep = experiment.sweep
        profile = experiment.profile
        lines += _of_start(config, name, experiment)
        for key, folds in (
            (f"{path}.folds", experiment.folds),
            (f"{path}.sweep.folds", sweep and sweep.folds),
            (f"{path}.profile.folds", profile and profile.folds),
        ):
            if folds is None:
                continue
            wrong = [fold for fold in folds if not 0 <= fold < config.split.folds]
            if wrong or not folds or len(set(folds)) < len(folds):
                expected = f"different folds from 0 to {config.split.folds - 1}, at least one"
                lines.append(f"{key}: expected {expected} (found {list(folds)})")
        if sweep and not experiment.priors:
            lines.append(f"{path}.sweep: expected priors, whose widths it changes, found none")
        if sweep and (not sweep.multiples or 1.0 in sweep.multiples):
            found = list(sweep.multiples)
            lines.append(
                f"{path}.sweep.multiples: expected some, none of them 1, the experiment itself (found {found})"
            )
    for name, row in (_swept(config) | _profiled(config)).items():
        if config.experiments.get(name, row) != row:
            lines.append(
                f"experiments.{name}: expected another name, as the sweep or profile of an experiment has this one"
            )
    if config.training.sampling == "years":
        for name, constraint in config.constraints.items():
            if constraint.compare != "monthly":
                lines.append(
                    f"constraints.{name}.compare: expected monthly, as batches of single years (training.sampling) hold no "
                    f"mean over years (found {constraint.compare!r})"
                )
    if config.training.warm_up_steps and config.training.warm_up_steps >= (config.training.steps or 0):
        lines.append("training.warm_up_steps: expected fewer than training.steps")
    for name, years in config.evaluation.periods.items():
        within_period(f"evaluation.periods.{name}", years)
        if not _NAME.fullmatch(name) or name == "whole":
            lines.append(
                f"evaluation.periods: expected names of letters, digits and underscores, not whole (found {name!r})"
            )
    lines += _places(config)
    shown = config.evaluation.rain_response.year
    within_period("evaluation.rain_response.year", shown and (shown, shown))
    if config.source == "towers":
        if not config.towers.folders and config.towers.archive is None:
            lines.append("towers.folders: expected at least one folder of ONEFlux zips, found none")
        if not config.towers.folders and config.towers.archive and config.towers.sites is None:
            lines.append("towers.sites: expected the table of sites of the collection that is retrieved, found none")
        if config.towers.co2 is None:
            lines.append("towers.co2: expected the file of monthly CO2 of Mauna Loa, found none")
    elif config.split.test_sites:
        lines.append(f"split.test_sites: expected none, as the source is {config.source}, not towers")
    return lines


def _of_start(config: Config, name: str, row: Experiment) -> list[str]:
    """What an experiment that goes on from another, or whose profile is asked for, cannot say."""
    lines, path = [], f"experiments.{name}"
    fields = [held for held in row.fix if held in HELD_FIELDS]
    if fields and row.start is None:
        lines.append(f"{path}.fix.{fields[0]}: expected a start, as it is a multiple of what was trained, found none")
    if (fields or row.profile) and config.training.sampling == "years":
        lines.append(
            f"{path}: expected training.sampling: records, as means over single years are not those of the record"
        )
    if row.start is not None:
        start = config.experiments.get(row.start)
        every = tuple(range(config.split.folds))
        if start is None or row.start == name or start.start is not None:
            lines.append(f"{path}.start: expected another experiment that starts anew (found {row.start!r})")
        elif start.model != row.model:
            lines.append(f"{path}.start: expected an experiment of the model {row.model} (found {start.model})")
        elif missing := set(row.folds or every) - set(start.folds or every):
            lines.append(
                f"{path}.start: expected one that trains the folds {sorted(missing)} too (found {row.start!r})"
            )
    if row.profile:
        if row.start is not None:
            lines.append(f"{path}.profile: expected an experiment that starts anew (found start: {row.start})")
        if config.training.members < 2:
            lines.append(
                f"{path}.profile: expected training.members of at least 2, whose spread says what a difference is worth"
            )
        if missing := set(row.profile.folds or ()) - set(row.folds or range(config.split.folds)):
            lines.append(f"{path}.profile.folds: expected folds of the experiment (found {sorted(missing)})")
        for held, values in row.profile.values.items():
            if held in row.fix:
                lines.append(
                    f"{path}.profile.values.{held}: expected something that is not held already (experiments.*.fix)"
                )
            if len(set(values)) < max(2, len(values)):
                lines.append(
                    f"{path}.profile.values.{held}: expected at least two different values (found {list(values)})"
                )
    return lines


def _places(config: Config) -> list[str]:
    """Folders and patterns that cannot be used: Snakemake takes braces for wildcards."""
    given = {"products.folder": config.products.folder}
    given |= {f"towers.folders.{i}": folder for i, folder in enumerate(config.towers.folders)}
    given |= {f"towers.{key}": getattr(config.towers, key) or "" for key in ("sites", "lai", "co2", "daily_fluxes")}
    lines = []
    for name, own in config.products.local.items():
        lacking = [key for key in ("folder", "pattern") if key not in own]
        if lacking:
            lines.append(f"products.local.{name}: expected folder and pattern, {' and '.join(lacking)} not there")
        given[f"products.local.{name}.folder"] = own.get("folder", "")
        given[f"products.local.{name}.pattern"] = own.get("pattern", "").replace("{year}", "")
    braces = {path: value for path, value in given.items() if set(str(value)) & set("{}")}
    return lines + [
        f"{path}: expected a name without braces{' but {year}' if path.endswith('pattern') else ''} (found {str(value)!r})"
        for path, value in braces.items()
    ]


class _Unique(yaml.SafeLoader):
    """YAML of which no key comes twice: of two, the first would be lost without a word."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        twice = next((key for i, key in enumerate(keys) if key in keys[:i]), None)
        if twice is not None:
            at = [key.start_mark.line + 1 for key, _ in node.value if getattr(key, "value", None) == str(twice)]
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {twice!r} is there twice, in lines {' and '.join(map(str, at))}", node.start_mark
            )
        return super().construct_mapping(node, deep)


def read_yaml(path: str | Path) -> dict:
    """The keys and values of a YAML file.

    Raises
    ------
    ConfigError
        If the file is not there, is not YAML, holds something else, or has a key twice.
    """
    try:
        values = yaml.load(Path(path).read_text(), Loader=_Unique)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected a configuration file: {error}") from None
    except (yaml.YAMLError, TypeError, RecursionError) as error:
        raise ConfigError(f"{path}: expected YAML: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected keys and values, found {type(values).__name__}")
    return values


def load(path: str | Path) -> Config:
    """Read and check a configuration file (YAML).

    Raises
    ------
    ConfigError
        If the file is not there, is not YAML, or says something that cannot be used.
    """
    return parse(read_yaml(path), str(path))


HOW: dict[str, tuple[str, ...]] = {"model": ("backend",), "training": ("device", "folds_per_job")}
"""Keys that decide how a result is computed, not which one: another value of theirs runs nothing again."""


def sections_of(config: Config, *keys: str, experiment: str | None = None) -> dict:
    """Some keys of a configuration as plain values: all that decides the result of one step of the workflow.

    Parameters
    ----------
    config : Config
    *keys : str
        Sections (``grid``) or what is in them (``split.folds``); ``*`` stands for every entry (``constraints.*.years``),
        a name that an entry does not have for nothing. The values of `HOW` are left out. Constraints come in the order
        of their names, as the order in the file does not matter.
    experiment : str, optional
        The only experiment that the step is about; adds its row without ``folds``, ``sweep`` and ``profile``, and leaves out the constraints that
        it does not use.
    """
    dumped, chosen = config.model_dump(mode="json"), {}
    dumped["constraints"] = dict(sorted(dumped["constraints"].items()))
    if experiment is not None:
        row = dumped["experiments"][experiment]
        used = row["constraints"] or list(config.constraints)
        dumped["constraints"] = {name: row for name, row in dumped["constraints"].items() if name in used}
        row["constraints"] = sorted(used)
        chosen["experiments"] = {
            experiment: {key: value for key, value in row.items() if key not in ("folds", "sweep", "profile")}
        }
    for key in keys:
        _copy(dumped, chosen, key.split("."))
    for section, how in HOW.items():
        if section in chosen:
            chosen[section] = {key: value for key, value in chosen[section].items() if key not in how}
    return chosen


def _copy(source: dict, target: dict, names: list[str]) -> None:
    first, *rest = names
    for name in source if first == "*" else [first]:
        if name in source and rest:
            _copy(source[name], target.setdefault(name, {}), rest)
        elif name in source:
            target[name] = source[name]


def from_sections(values: dict, how: Config | None = None) -> Config:
    """A configuration that has what is in `values` (see `sections_of`) and nothing else.

    Reading a key that it does not have is an AttributeError: a step cannot silently depend on what it was not given.

    Parameters
    ----------
    values : dict
    how : Config, optional
        Where the values of `HOW` are taken from, for the sections that `values` has; the defaults if not given.
    """
    made = _partial(Config, values)
    for section, keys in HOW.items():
        if section in values:
            given = getattr(how, section) if how else Config.model_fields[section].default
            vars(made)[section] = getattr(made, section).model_copy(update={key: getattr(given, key) for key in keys})
    return made


def _partial(model: type[Section], values: dict) -> Section:
    """A section with some of its keys only."""
    fields = {}
    for name, value in values.items():
        field = model.model_fields[name]
        inner = [one for one in (field.annotation, *get_args(field.annotation)) if _is_section(one)]
        if value is not None and inner and get_origin(field.annotation) is not dict:
            fields[name] = _partial(inner[0], value)
        elif value is not None and inner:
            fields[name] = {key: _partial(inner[0], row) for key, row in value.items()}
        else:
            fields[name] = TypeAdapter(field.rebuild_annotation()).validate_python(value)
    section = model.model_construct(**fields)
    for name in model.model_fields.keys() - fields.keys():
        vars(section).pop(name, None)
    return section


def _is_section(annotation) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)
