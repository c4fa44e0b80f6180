"""Before anything runs: what a configuration names must exist (constraints, outputs of the model, figures, the grid, xESMF).

Apart from `h2cm.config`, which everything depends on and which itself depends on nothing.
"""

from __future__ import annotations

from h2cm.comparisons import COMPARISONS
from h2cm.config import Config, ConfigError
from h2cm.models import contradictions
from h2cm.results.figures.registry import figure_names
from h2cm.space.grid import Grid
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
            lines.append(f"{path}: expected one of {', '.join(known)} (found {value!r})")

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
    if lines:
        raise ConfigError("\n".join(f"{name}: {line}" for line in lines))
