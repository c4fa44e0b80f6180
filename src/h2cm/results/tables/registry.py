"""Which tables there are, of which source of data, and what they read. A table is one module and one row here."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

from h2cm.config import Config, profiles
from h2cm.results.evaluate.recovered import RULE
from h2cm.results.paths import files
from h2cm.results.run import measured_days, series_constraints, shown
from h2cm.results.summaries.registry import ANY, GRIDDED, summary_files


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes
    ----------
    sources : tuple of str
        Sources of data of which it can be made.
    reads : tuple of str
        Kinds of files (see `h2cm.results.paths.files`).
    caption : str
    needs : callable, optional
        What it shows of the constraints of a run; a run of which that is nothing does not have the table.
    summaries : tuple of str
        Of `h2cm.results.summaries.registry`: read for all for whom a run has them.
    """

    sources: tuple[str, ...]
    reads: tuple[str, ...]
    caption: str
    needs: Callable[[Config], Collection[str]] | None = None
    summaries: tuple[str, ...] = ()

    def fits(self, config: Config) -> bool:
        """Whether it can be made of a run."""
        return config.source in self.sources and (self.needs is None or bool(self.needs(config)))


TABLES: dict[str, Table] = {
    "datasets": Table(
        GRIDDED, (), "Data of this run: resolution, years used and, of real products, resampling and reference."
    ),
    "networks": Table(ANY, (), "The guided networks: what each learns, from which inputs."),
    "ratios": Table(GRIDDED, (), "Emerging patterns: efficiencies, each a ratio of mean annual values."),
    "performance_carbon": Table(
        GRIDDED,
        ("metrics",),
        "RMSE and bias of the carbon fluxes against the constraints, of the area-weighted mean over all cells: median "
        "[minimum, maximum] of the folds. The paper's numbers are those of the real Earth, ten folds, 1°, 2001-2019.",
        partial(shown, groups=("carbon",)),
    ),
    "skill": Table(
        GRIDDED,
        ("split",),
        "Skill of H2CM, of the other models on the same data and of products, of the area-weighted mean over the test cells: "
        "median [minimum, maximum] of folds or members.",
        series_constraints,
        ("series",),
    ),
    "coverage": Table(
        ANY,
        (),
        "Whether calibrated intervals hold at the test cells: share of monthly values, by area, within the central intervals of 50, 80 and "
        "90 %, beside that of the quantiles of the folds as they are; continuous ranked probability score (CRPS) of both, mean width of "
        "the interval of 90 %, and the land covers with less than 0.8 within it.",
        series_constraints,
        ("intervals",),
    ),
    "constants": Table(
        ANY,
        (),
        "Learned global constants of each experiment: median and range of the folds, with priors and true or published values.",
        summaries=("constants",),
    ),
    "recovery": Table(
        ("twin",),
        ("metrics",),
        "How well the truth of the synthetic Earth is found again at the test cells. " + RULE,
        summaries=("constants",),
    ),
    "identified": Table(
        ANY,
        ("profiles",),
        "What the constraints identify, by their loss where a quantity is held at other values: identified where the values within two spreads "
        "of the loss over seeds end on both sides within the range tried, weakly on one, not on none.",
        profiles,
    ),
    "skill_per_tower": Table(
        ("towers",),
        ("grid", "metrics"),
        "Skill for monthly fluxes at each tower, by models that did not see it in training.",
        partial(shown, fluxes=True),
    ),
    "skill_of_days": Table(
        ("towers",),
        ("grid", "split"),
        "Skill for daily fluxes at towers where days were measured, by models that did not see the tower in training.",
        measured_days,
        ("tower_days",),
    ),
    "skill_summary": Table(
        ("towers",),
        ("grid", "metrics"),
        "Skill for monthly fluxes, median and quartiles of the left-out towers.",
        partial(shown, fluxes=True),
    ),
}


def table_names(config: Config) -> list[str]:
    """The tables of a run: all that can be made of its source of data and its constraints."""
    return [name for name, row in TABLES.items() if row.fits(config)]


def table_inputs(name: str, config: Config) -> list[str]:
    """The files that a table reads, relative to the folder of the run."""
    row = TABLES[name]
    return files(row.reads, config) + summary_files(row.summaries, config)
