"""Which summaries there are, of whom, and what they read. A summary is one module and one row here.

A summary condenses big files (predictions, store, truth, products compared with) to what figures and tables show, and
is written as compressed float32 to ``summaries/<experiment>/<name>.nc``. Beside the experiments there are summaries of
``OBSERVED``, ``TRUTH`` and of the products compared with, each under its own name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from h2cm.config import Config
from h2cm.models import kind_of
from h2cm.results.paths import competitors, contenders, evaluated, files, main_experiment, path
from h2cm.results.run import MEASURED_DAYS
from h2cm.vocabulary import VARIABLES

OBSERVED, TRUTH = "observed", "truth"
"""What stands in the place of an experiment where a summary is of what all are compared with."""

GRIDDED = ("twin", "products", "published")
ANY = (*GRIDDED, "towers")
FORCING = tuple(row.name for row in VARIABLES.values() if row.role == "forcing")


def with_constants(config: Config) -> list[str]:
    """The experiments that learn the global constants."""
    return [name for name in evaluated(config) if kind_of(config, name).equations]


def models(config: Config) -> list[str]:
    """H2CM and the other models on the same data."""
    return contenders(config)


def daily_models(config: Config) -> list[str]:
    """Those of `models` that predict days."""
    return [name for name in models(config) if kind_of(config, name).daily]


def main(config: Config) -> list[str]:
    """The first experiment."""
    return [main_experiment(config)]


def observed(config: Config) -> list[str]:
    """What is observed."""
    return [OBSERVED]


def truth(config: Config) -> list[str]:
    """The truth of the synthetic Earth."""
    return [TRUTH] if config.source == "twin" else []


def together(*parts: Callable[[Config], list[str]]) -> Callable[[Config], list[str]]:
    """Of whom several of these functions say together."""
    return lambda config: [name for part in parts for name in part(config)]


@dataclass(frozen=True)
class Summary:
    """One summary.

    Attributes
    ----------
    sources : tuple of str
        Sources of data of which it is made.
    of : callable
        ``of(config)``: for whom it is made: experiments, `OBSERVED`, `TRUTH`, products compared with.
    reads : tuple of str
        Kinds of files (see `h2cm.results.paths.files`); of those of experiments only the summarised one's.
    description : str
    always : tuple of str
        Kinds of files that are read for all, whosever they are.
    """

    sources: tuple[str, ...]
    of: Callable[[Config], list[str]]
    reads: tuple[str, ...]
    description: str
    always: tuple[str, ...] = ()


_ALL = together(models, truth, competitors)

SUMMARIES: dict[str, Summary] = {
    "constants": Summary(
        ANY, together(with_constants, truth), ("monthly", "truth"), "Global constants, learned and true."
    ),
    "series": Summary(
        GRIDDED,
        together(models, competitors),
        ("grid", "split", "targets", "monthly", "comparison"),
        "Area-weighted means over the test cells on each time scale.",
    ),
    "compared": Summary(
        GRIDDED,
        together(models, observed, competitors),
        ("grid", "targets", "monthly", "comparison"),
        "Means over time in the months of the constraints.",
    ),
    "means": Summary(
        GRIDDED,
        _ALL,
        ("grid", "precipitation", "net_radiation", "monthly", "truth", "comparison"),
        "Means over the whole period, and ratios of mean annual values.",
    ),
    "cycles": Summary(
        GRIDDED,
        together(models, observed, competitors),
        ("grid", "regions", "targets", "monthly", "comparison"),
        "Mean seasonal cycles of carbon fluxes, of all land and of regions.",
    ),
    "rain_response": Summary(
        GRIDDED,
        main,
        ("grid", "precipitation", "monthly", "daily"),
        "Daily fluxes of one cell in the rain season, and the change of NEE with it.",
    ),
    "rain_pulse": Summary(
        GRIDDED,
        together(daily_models, truth),
        ("grid", "precipitation", "net_radiation", "air_temperature", "daily", "truth"),
        "Daily fluxes around the first rain on dry soil, over all dry cells.",
    ),
    "water_balance": Summary(
        GRIDDED, main, ("grid", "precipitation", "daily"), "What is left of the water balance of each cell."
    ),
    "published_simulations": Summary(
        ("products", "published"),
        main,
        ("grid", "monthly", "simulations"),
        "Mean carbon fluxes beside those that the study's authors published.",
    ),
    "intervals": Summary(
        ANY,
        main,
        ("grid", "split", "static", "targets", "monthly"),
        "Calibrated intervals of what the first experiment predicts, and whether they hold at the test cells.",
        ("truth",),
    ),
    "applicability": Summary(
        ANY,
        observed,
        ("grid", "split", "static", *FORCING),
        "How far each cell is, in attributes and climate, from those trained on.",
    ),
    "towers": Summary(("towers",), main, ("targets", "monthly"), "Monthly fluxes at towers, observed and predicted."),
    "tower_days": Summary(
        ("towers",),
        daily_models,
        ("grid", "split", "precipitation", "air_temperature", *MEASURED_DAYS, "daily"),
        "Daily fluxes at towers, measured and predicted by models that did not see the tower.",
    ),
    "regions": Summary(GRIDDED, observed, ("grid", "regions"), "Number of the TransCom region of each cell."),
}


def of_whom(name: str, config: Config) -> list[str]:
    """For whom a run has a summary; none where its source of data does not allow it."""
    row = SUMMARIES[name]
    return row.of(config) if config.source in row.sources else []


def summary_inputs(name: str, experiment: str, config: Config) -> list[str]:
    """The files that a summary reads, relative to the folder of the run."""
    foreign = {"monthly", "daily", "comparison", "truth"} - _OWN[_kind(experiment, config)]
    kinds = [kind for kind in SUMMARIES[name].reads if kind not in foreign] + list(SUMMARIES[name].always)
    found = files([kind for kind in kinds if kind != "comparison"], config, experiment)
    return found + ([path("comparison", competitor=experiment)] if "comparison" in kinds else [])


_OWN = {
    "experiment": {"monthly", "daily"},
    "product": {"comparison"},
    TRUTH: {"truth"},
    OBSERVED: set(),
}
"""Which kinds of files are of whom, of those that are not read for all."""


def _kind(who: str, config: Config) -> str:
    """A key of `_OWN`."""
    if who in config.experiments:
        return "experiment"
    return "product" if who in competitors(config) else who


def summary_files(names: Iterable[str], config: Config) -> list[str]:
    """Paths of some summaries, for all for whom the run has them."""
    return [path("summary", experiment=who, summary=name) for name in names for who in of_whom(name, config)]


def every_summary(config: Config) -> list[str]:
    """Paths of all summaries of a run."""
    return summary_files(SUMMARIES, config)
