"""Before anything runs: what a configuration names must exist (constraints, outputs of the model, figures, the grid, xESMF).

Apart from `h2cm.config`, which everything depends on and which itself depends on nothing.
"""

from __future__ import annotations

from h2cm.comparisons import COMPARISONS
from h2cm.config import Config, ConfigError, meant
from h2cm.models import contradictions
from h2cm.results.figures.registry import figure_names
from h2cm.sources import catalogue, towers
from h2cm.space.grid import TOLERANCE, Grid, land_cells
from h2cm.space.regrid import check_engine
from h2cm.vocabulary import CONSTANTS, OUTPUTS, RATIOS, VARIABLES


def check(config: Config, name: str = "configuration") -> None:
    """Refuse a configuration that names what does not exist.

    Raises
    ------
    ConfigError
        One line for each key that cannot be used: its path, what was expected and what was found.
    """
    lines = []

    def one_of(path: str, value: str, known) -> None:
        if value not in known:
            lines.append(f"{path}: {value!r} is not known; {meant(value, known)}")

    targets = [row.name for row in VARIABLES.values() if row.role == "constraint"]
    for key, constraint in config.constraints.items():
        one_of(f"constraints.{key}", key, targets)
        ratio = COMPARISONS[constraint.compare].of_ratio
        comparable = [row.name for row in RATIOS.values() if row.of_model] if ratio else list(OUTPUTS)
        one_of(f"constraints.{key}.prediction", constraint.prediction, comparable)
        if key in VARIABLES and ("month" in VARIABLES[key].dims) == ratio:
            lines.append(
                f"constraints.{key}.compare: expected a comparison of {'months' if ratio else 'one value a cell'}, as "
                f"the target has it (found {constraint.compare!r})"
            )
        observes = VARIABLES[key].observes if key in VARIABLES else ""
        if observes and constraint.prediction in comparable and constraint.prediction != observes:
            lines.append(
                f"constraints.{key}.prediction: expected {observes}, which the target observes (found {constraint.prediction!r})"
            )
    for product in config.products.local:
        one_of(f"products.local.{product}", product, list(catalogue.load()))
    for key in ("daily", "monthly"):
        for output in getattr(config.prediction, key):
            one_of(f"prediction.{key}", output, OUTPUTS)
    for experiment, row in config.experiments.items():
        for held, value in row.fix.items():
            if (
                held in CONSTANTS
                and not CONSTANTS[held].low < value / CONSTANTS[held].reported_scale < CONSTANTS[held].high
            ):
                low, high = (
                    CONSTANTS[held].reported_scale * edge for edge in (CONSTANTS[held].low, CONSTANTS[held].high)
                )
                lines.append(
                    f"experiments.{experiment}.fix.{held}: expected a value between {low:g} and {high:g} (found {value:g})"
                )
    lines += contradictions(config)
    attempts = (
        lambda: figure_names(config),
        lambda: Grid(config.grid.resolution, config.grid.bounds),
        lambda: check_engine(config.grid.regridding),
    )
    for attempt in attempts:
        try:
            attempt()
        except ConfigError as error:
            lines.append(str(error))
    rows = 90 / config.grid.resolution
    if config.source == "twin" and rows < 1e6 and abs(rows - round(rows)) > TOLERANCE:
        lines.append(
            "grid.resolution: expected a divisor of 90 degrees, as the files of the synthetic Earth have rows that meet at the "
            f"equator, like those of the products (found {config.grid.resolution:g})"
        )
    if lines:
        raise ConfigError("\n".join(f"{name}: {line}" for line in lines))


FEW = 8
"""Blocks, land or sea, for each fold that are enough without counting those of land."""


def check_folds(config: Config, name: str = "configuration") -> None:
    """Refuse more folds than there are blocks of land or towers to draw them from.

    Raises
    ------
    ConfigError
        Where a fold would have no cells.
    """
    if config.source == "towers":
        if (found := towers.expected(config)) <= config.split.folds:
            raise ConfigError(
                f"{name}: split.folds: expected fewer than there are towers, {found} (found {config.split.folds})"
            )
        return
    west, south, east, north = config.grid.bounds
    width = max(config.split.block_degrees, config.grid.resolution)
    if (east - west) * (north - south) / width**2 >= FEW * config.split.folds:
        return  # reading the land mask and importing PyTorch take seconds
    from h2cm.train.split import split

    try:
        split(land_cells(config), config)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None


def check_device(config: Config) -> None:
    """Refuse a GPU that PyTorch does not find on this machine.

    Raises
    ------
    ConfigError
    """
    if config.training.device in ("auto", "cpu"):
        return
    from h2cm.train import choose_device  # PyTorch takes seconds

    choose_device(config.training.device)
