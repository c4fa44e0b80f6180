"""Which figures there are, of which source of data, and what they read. A figure is one module and one row here."""

from __future__ import annotations

from dataclasses import dataclass

from h2cm.config import Config, ConfigError
from h2cm.results.run import files

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
    constraints : tuple of str
        It shows these, as far as a run has them; a run that has none of them does not have the figure. If empty, it
        needs none.
    """

    sources: tuple[str, ...]
    reads: tuple[str, ...]
    caption: str
    constraints: tuple[str, ...] = ()

    def fits(self, config: Config) -> bool:
        """Whether it can be drawn of a run."""
        shown = not self.constraints or any(name in config.constraints for name in self.constraints)
        return config.source in self.sources and shown


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
        ("gpp", "nee_oco2", "nee_carboscope"),
    ),
    "metrics_water": Figure(
        GRIDDED,
        ("metrics",),
        "Performance for vegetation, water storages and fluxes, area-weighted mean over the test cells. Bars span the folds, "
        "lines are their mean.",
        ("fapar", "tws", "swe", "et", "runoff"),
    ),
    "series": Figure(
        GRIDDED,
        ("grid", "split", "targets", "monthly_main"),
        "Area-weighted mean over the test cells: monthly series, mean seasonal cycle and monthly anomaly. Shading spans the folds.",
    ),
    "maps": Figure(
        GRIDDED,
        ("grid", "targets", "monthly_main"),
        "Mean of the target, of the prediction (median of the folds) and their difference, over the same months.",
        ("gpp", "nee_oco2", "et"),
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
        ("gpp", "nee", "et"),
    ),
    "tower_cycles_carbon": Figure(
        ("towers",),
        ("grid", "split", "targets", "monthly_main"),
        "Mean seasonal cycle of GPP and NEE at all towers, predicted by models that did not see the tower in training.",
        ("gpp", "nee"),
    ),
    "tower_cycles_water": Figure(
        ("towers",),
        ("grid", "split", "targets", "monthly_main"),
        "Mean seasonal cycle of ET at all towers, predicted by models that did not see the tower in training.",
        ("et",),
    ),
    "skill_by_land_cover": Figure(
        ("towers",),
        ("grid", "metrics"),
        "Skill for monthly fluxes at left-out towers by land-cover class; lines are medians.",
        ("gpp", "nee", "et"),
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
            raise ConfigError(
                f"figures: {name!r} needs one of the constraints {', '.join(row.constraints)}, found none"
            )
    return list(config.figures) or [name for name, row in FIGURES.items() if row.fits(config)]


def figure_inputs(name: str, config: Config) -> list[str]:
    """The files that a figure reads, relative to the folder of the run."""
    return files(FIGURES[name].reads, config)
