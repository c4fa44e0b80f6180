"""Which tables there are, of which source of data, and what they read. A table is one module and one row here."""

from __future__ import annotations

from dataclasses import dataclass

from h2cm.config import Config
from h2cm.results.run import files

GRIDDED = ("twin", "products", "published")
ANY = (*GRIDDED, "towers")
FLUXES = ("gpp", "nee", "et")


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes
    ----------
    sources : tuple of str
        Sources of data of which it can be made.
    reads : tuple of str
        Kinds of files (see `h2cm.results.run.files`).
    caption : str
    constraints : tuple of str
        A run that has none of these does not have the table. If empty, it needs none.
    """

    sources: tuple[str, ...]
    reads: tuple[str, ...]
    caption: str
    constraints: tuple[str, ...] = ()

    def fits(self, config: Config) -> bool:
        """Whether it can be made of a run."""
        shown = not self.constraints or any(name in config.constraints for name in self.constraints)
        return config.source in self.sources and shown


TABLES: dict[str, Table] = {
    "datasets": Table(GRIDDED, (), "Data products: resolution, period, resampling and reference of each."),
    "networks": Table(ANY, (), "The guided networks: what each learns, from which inputs."),
    "constants": Table(
        ANY, ("monthly", "truth"), "Learned global constants of each fold, with their priors and true values."
    ),
    "metrics_summary": Table(
        ANY,
        ("metrics",),
        "Metrics of the area-weighted mean and of the spatial pattern: mean, median and range of the folds.",
    ),
    "recovery": Table(
        ("twin",),
        ("monthly", "metrics", "truth"),
        "How well the truth of the synthetic Earth is found again at the test cells.",
    ),
    "skill_per_tower": Table(
        ("towers",),
        ("grid", "metrics"),
        "Skill for monthly fluxes at each tower, by models that did not see it in training.",
        FLUXES,
    ),
    "skill_summary": Table(
        ("towers",),
        ("grid", "metrics"),
        "Skill for monthly fluxes, median and quartiles of the left-out towers.",
        FLUXES,
    ),
}


def table_names(config: Config) -> list[str]:
    """The tables of a run: all that can be made of its source of data and its constraints."""
    return [name for name, row in TABLES.items() if row.fits(config)]


def table_inputs(name: str, config: Config) -> list[str]:
    """The files that a table reads, relative to the folder of the run."""
    return files(TABLES[name].reads, config)
