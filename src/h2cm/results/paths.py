"""What the folder of a run holds, ``results/<run>/``: each kind of file and its path, said only here."""

from __future__ import annotations

import re
from collections.abc import Iterable

from h2cm.config import Config, profiles, sweeps
from h2cm.models import kind_of
from h2cm.vocabulary import VARIABLES

RESULTS = "results"
"""The folder of all runs."""

FILES: dict[str, str] = {
    "configuration": "config.yaml",
    "grid": "store/grid.nc",
    "variable": "store/{variable}.nc",
    "store_summary": "store_summary.csv",
    "tower_report": "towers.csv",
    "truth": "twin/truth.nc",
    "pseudo_products": "twin/products",
    "split": "split/split.csv",
    "weights": "training/{experiment}/fold_{fold}/model.safetensors",
    "losses": "training/{experiment}/fold_{fold}/losses.csv",
    "checkpoint": "training/{experiment}/fold_{fold}/checkpoint_{member}.pt",
    "daily": "predictions/{experiment}/fold_{fold}/daily.nc",
    "monthly": "predictions/{experiment}/fold_{fold}/monthly.nc",
    "fold_metrics": "evaluation/{experiment}/fold_{fold}.csv",
    "metrics": "evaluation/metrics.csv",
    "metrics_summary": "evaluation/metrics_summary.csv",
    "prior_sweep": "evaluation/prior_sweep.csv",
    "profiles": "evaluation/profiles.csv",
    "comparison": "comparison/{competitor}.nc",
    "summary": "summaries/{experiment}/{summary}.nc",
    "figure": "figures/{figure}.png",
    "figure_pdf": "figures/{figure}.pdf",
    "figure_caption": "figures/{figure}.md",
    "figure_data": "figures/{figure}.nc",
    "table": "tables/{table}.csv",
    "table_markdown": "tables/{table}.md",
    "table_latex": "tables/{table}.tex",
    "dataset": "dataset",
    "dataset_file": "dataset/{step}/{variable}_{step}_{year}.nc",
    "dataset_grid": "dataset/grid.nc",
    "dataset_store": "dataset/{step}.zarr",
    "dataset_readme": "dataset/README.md",
    "dataset_zenodo": "dataset/.zenodo.json",
    "dataset_crate": "dataset/ro-crate-metadata.json",
    "workflow": "workflow.json",
    "report": "report.html",
    "report_archive": "report.zip",
    "log": "logs/{job}.log",
    "benchmark": "benchmarks/{job}.tsv",
}
"""Path of each kind of file below the folder of the run; names in braces are filled in."""

OF_A_FIGURE = ("figure", "figure_pdf", "figure_caption", "figure_data")
"""The files of a figure."""

OF_A_TABLE = ("table", "table_markdown", "table_latex")
"""The files of a table."""


def path(kind: str, **names) -> str:
    """Path of a file relative to the folder of the run; what is not in `names` stays in braces, as rules need it.

    >>> path("losses", experiment="cv", fold=3)
    'training/cv/fold_3/losses.csv'
    >>> path("table")
    'tables/{table}.csv'
    """
    return re.sub(r"\{(\w+)\}", lambda found: str(names.get(found[1], found[0])), FILES[kind])


def names_in(kind: str, path: str) -> dict[str, str]:
    """What stands in the braces of a file's path (which may begin with other folders).

    >>> names_in("losses", "results/a/training/cv/fold_3/losses.csv")
    {'experiment': 'cv', 'fold': '3'}
    """
    pattern = "".join(
        f"(?P<{piece}>[^/]+?)" if i % 2 else re.escape(piece)
        for i, piece in enumerate(re.split(r"\{(\w+)\}", FILES[kind]))
    )
    found = re.search(f"(?:^|/){pattern}$", str(path))
    if found is None:
        raise ValueError(f"{path}: expected a path like {FILES[kind]}")
    return found.groupdict()


def folds(config: Config, experiment: str) -> tuple[int, ...]:
    """The folds that an experiment trains."""
    chosen = config.experiments[experiment].folds
    return tuple(range(config.split.folds)) if chosen is None else chosen


def main_experiment(config: Config) -> str:
    """The experiment that figures show which show only one: the first."""
    return next(iter(config.experiments))


def evaluated(config: Config) -> list[str]:
    """The experiments that are predicted with and compared; those of a sweep or a profile end with the training."""
    return [name for name in config.experiments if name not in sweeps(config) | profiles(config)]


def contenders(config: Config) -> list[str]:
    """H2CM, the first experiment, and the other models on the same data; not what varies their training."""
    main = main_experiment(config)
    rows = {name: config.experiments[name] for name in evaluated(config)}
    return [
        name
        for name, row in rows.items()
        if name == main or (row.model != "h2cm" and not row.priors and not row.train_years)
    ]


def competitors(config: Config) -> list[str]:
    """The products that results are compared with beside the constraints."""
    return ["fluxcom", "trendy"] if config.source in ("twin", "products") else []


def every_fold(config: Config) -> list[tuple[str, int]]:
    """All experiments of a run with each of their folds."""
    return [(experiment, fold) for experiment in config.experiments for fold in folds(config, experiment)]


STEPS = ("daily", "monthly")
"""The lengths of step of the data set."""


def dataset_years(config: Config) -> list[str]:
    """The years of the data set, each of which is a file; of towers the whole record is one."""
    first, last = config.period.start.year, config.period.end.year
    if config.source == "towers":
        return [f"{first}-{last}"]
    return [str(year) for year in range(first, last + 1)]


def dataset_files(config: Config, steps: Iterable[str] = STEPS) -> list[str]:
    """Paths of the netCDF files of the data set, without that of the grid."""
    return [
        path("dataset_file", variable=name, step=step, year=year)
        for step in steps
        for name in getattr(config.prediction, step)
        for year in dataset_years(config)
    ]


def _has(config: Config, experiment: str, kind: str) -> bool:
    if kind in ("weights", "losses", "checkpoint"):
        return True
    return experiment in evaluated(config) and (kind != "daily" or kind_of(config, experiment).daily)


def files(kinds: Iterable[str], config: Config, experiment: str | None = None) -> list[str]:
    """Paths of all files of some kinds that a run has.

    Parameters
    ----------
    kinds : iterable of str
        Of `FILES`, or a variable of the store. What has an experiment and a fold stands for all that have it;
        ``targets`` are the constraints in the store, ``comparison`` all competitors, ``regions`` the map of regions,
        ``simulations`` those of the study.
    experiment : str, optional
        The only experiment whose files are wanted.
    """
    found = []
    for kind in kinds:
        if kind in VARIABLES:
            found.append(path("variable", variable=kind))
        elif kind == "targets":
            found += [path("variable", variable=name) for name in config.constraints]
        elif kind == "comparison":
            found += [path(kind, competitor=name) for name in competitors(config)]
        elif kind == "simulations":
            found.append(path("comparison", competitor="simulations"))
        elif kind == "regions":
            found += [path("comparison", competitor="transcom")] if competitors(config) else []
        elif kind == "truth" and config.source != "twin":
            continue
        elif "{fold}" in FILES[kind]:
            chosen = [(e, k) for e, k in every_fold(config) if experiment in (None, e) and _has(config, e, kind)]
            found += [path(kind, experiment=e, fold=k) for e, k in chosen]
        elif (kind == "prior_sweep" and not sweeps(config)) or (kind == "profiles" and not profiles(config)):
            continue
        else:
            found.append(path(kind))
    return found
