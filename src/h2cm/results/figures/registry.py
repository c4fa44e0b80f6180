"""Which figures there are, of which source of data, and what they read. A figure is one module and one row here."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

from h2cm.config import Config, ConfigError
from h2cm.results.paths import files
from h2cm.results.run import series_constraints, shown

GRIDDED = ("twin", "products", "published")
ANY = (*GRIDDED, "towers")


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes
    ----------
    sources : tuple of str
        Sources of data of which it can be drawn.
    reads : tuple of str
        Kinds of files (see `h2cm.results.run.files`).
    caption : str
    needs : callable, optional
        What it shows of the constraints of a run; a run of which that is nothing does not have the figure.
    """

    sources: tuple[str, ...]
    reads: tuple[str, ...]
    caption: str
    needs: Callable[[Config], Collection[str]] | None = None

    def fits(self, config: Config) -> bool:
        """Whether it can be drawn of a run."""
        return config.source in self.sources and (self.needs is None or bool(self.needs(config)))


FIGURES: dict[str, Figure] = {
    "split_map": Figure(
        GRIDDED,
        ("grid", "split"),
        "Validation cells of each fold and the fixed test set, which is the same for all folds.",
    ),
    "training_curves": Figure(
        ANY,
        ("losses",),
        "Training and validation loss of each fold, in total and by constraint; circles mark the epoch whose weights are used.",
    ),
    "metrics_carbon": Figure(
        GRIDDED,
        ("metrics",),
        "Performance for carbon fluxes, area-weighted mean over the test cells. Bars span the folds, lines are their mean.",
        partial(shown, groups=("carbon",)),
    ),
    "metrics_water": Figure(
        GRIDDED,
        ("metrics",),
        "Performance for vegetation, water storages and fluxes, area-weighted mean over the test cells. Bars span the folds, "
        "lines are their mean.",
        partial(shown, groups=("water", "vegetation")),
    ),
    "series": Figure(
        GRIDDED,
        ("grid", "split", "targets", "monthly_main"),
        "Area-weighted mean over the test cells: monthly series, mean seasonal cycle and monthly anomaly. Shading spans the folds.",
        series_constraints,
    ),
    "maps": Figure(
        GRIDDED,
        ("grid", "targets", "monthly_main"),
        "Mean of the target, of the prediction (median of the folds) and their difference, over the same months.",
        partial(shown, level=True),
    ),
    "constants": Figure(ANY, ("monthly", "truth"), "Learned global constants; each point is a fold."),
    "recovery": Figure(
        ("twin",),
        ("grid", "split", "truth", "monthly_main"),
        "What is not observed, against the truth of the synthetic Earth: maps (median of the folds) and test cells.",
    ),
    "tower_map": Figure(("towers",), ("grid", "split"), "The towers, their land-cover class (IGBP) and their role."),
    "tower_series": Figure(
        ("towers",),
        ("grid", "split", "targets", "monthly_main"),
        "Monthly fluxes at towers that the model did not see in training, one of each land-cover class.",
        partial(shown, fluxes=True),
    ),
    "tower_cycles_carbon": Figure(
        ("towers",),
        ("grid", "split", "targets", "monthly_main"),
        "Mean seasonal cycles of carbon fluxes at all towers, predicted by models that did not see the tower in training.",
        partial(shown, groups=("carbon",), fluxes=True),
    ),
    "tower_cycles_water": Figure(
        ("towers",),
        ("grid", "split", "targets", "monthly_main"),
        "Mean seasonal cycles of water fluxes at all towers, predicted by models that did not see the tower in training.",
        partial(shown, groups=("water",), fluxes=True),
    ),
    "skill_by_land_cover": Figure(
        ("towers",),
        ("grid", "metrics"),
        "Skill for monthly fluxes at left-out towers by land-cover class; lines are medians.",
        partial(shown, fluxes=True),
    ),
}


def figure_names(config: Config) -> list[str]:
    """The figures of a run: those it lists, or all that can be drawn of its source of data and its constraints.

    Raises
    ------
    ConfigError
        Where a listed figure does not exist or cannot be drawn of this run.
    """
    for name in config.figures:
        if name not in FIGURES:
            raise ConfigError(f"figures: {name!r} is none of {', '.join(FIGURES)}")
        row = FIGURES[name]
        if config.source not in row.sources:
            raise ConfigError(f"figures: {name!r} is made of {' or '.join(row.sources)}, not of {config.source}")
        if not row.fits(config):
            raise ConfigError(f"figures: {name!r} shows none of the constraints {', '.join(config.constraints)}")
    return list(config.figures) or [name for name, row in FIGURES.items() if row.fits(config)]


def figure_inputs(name: str, config: Config) -> list[str]:
    """The files that a figure reads, relative to the folder of the run."""
    return files(FIGURES[name].reads, config)
