"""What the rules of the workflow need to know of a run: its files, what each rule depends on, what it asks of the machine."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch

from h2cm.config import Config, sections_of
from h2cm.models import kind_of
from h2cm.results.figures.registry import figure_names
from h2cm.results.paths import (
    OF_A_FIGURE,
    OF_A_TABLE,
    RESULTS,
    STEPS,
    dataset_files,
    dataset_years,
    evaluated,
    every_fold,
    files,
    folds,
    main_experiment,
    path,
)
from h2cm.results.summaries.registry import summary_files
from h2cm.results.tables.registry import table_names
from h2cm.sources import catalogue, products, towers
from h2cm.sources.catalogue import condensed
from h2cm.sources.harmonise import products_of
from h2cm.sources.retrieve import parts
from h2cm.vocabulary import VARIABLES
from h2cm.workflow import resources

DRAWN = (
    "source",
    "period",
    "grid.resolution",
    "grid.bounds",
    "constraints.*.prediction",
    "constraints.*.compare",
    "constraints.*.years",
    "split.folds",
    "model.variant",
    "training.steps",
    "experiments",
    "evaluation",
)
DATASET = (
    "run",
    "source",
    "seed",
    "period",
    "grid",
    "constraints",
    "model",
    "training",
    "prediction",
    "dataset",
)
KEYS: dict[str, tuple[str, ...]] = {
    "grid": ("grid.resolution", "grid.bounds", "grid.min_land_fraction"),
    "twin": ("seed", "period", "grid.resolution", "grid.bounds", "grid.min_land_fraction", "twin"),
    "harmonise": ("source", "period", "grid.resolution", "grid.bounds", "grid.regridding"),
    "towers": ("source", "period", "towers", "products.folder", "constraints.*.prediction"),
    "published": ("source", "period", "grid.resolution", "grid.bounds", "products", "constraints.*.prediction"),
    "split": ("seed",),
    "train": ("seed", "constraints", "model", "training"),
    "predict": (
        "constraints.*.prediction",
        "constraints.*.compare",
        "model",
        "training.device",
        "prediction",
    ),
    "evaluate": (
        "source",
        "period",
        "constraints.*.prediction",
        "constraints.*.compare",
        "constraints.*.years",
        "evaluation",
    ),
    "dataset": DATASET,
    "dataset_grid": DATASET,
    "dataset_description": DATASET,
    "prior_sweep": ("constraints.*.weight", "split.folds", "experiments"),
    "profiles": ("training.steps", "split.folds", "experiments"),
    "summary": (*DRAWN, "prediction"),
    "intervals": (
        "source",
        "period",
        "constraints.*.prediction",
        "constraints.*.compare",
        "constraints.*.years",
        "prediction.monthly",
        "split.folds",
    ),
    "applicability": ("split.folds",),
    "figure": DRAWN,
    "table": DRAWN,
}
"""The keys of the configuration that decide the result of a rule (see `h2cm.config.sections_of`); of the other rules, none."""

SPLIT = {"towers": ("split.neighbour_degrees", "split.test_sites")}
"""Further keys of the split, by source; ``split.block_degrees`` of the others."""


@dataclass(frozen=True)
class Plan:
    """A run, as the rules see it: all paths are those of the workflow, or patterns of them with wildcards."""

    config: Config

    @property
    def folder(self) -> str:
        """The folder of the run."""
        return f"{RESULTS}/{self.config.run}"

    def at(self, kind: str, **names) -> str:
        """The path of a file of the run (see `h2cm.results.paths.path`)."""
        return f"{self.folder}/{path(kind, **names)}"

    def of_run(self, kinds: Iterable[str]) -> list[str]:
        """The paths of all files of some kinds (see `h2cm.results.paths.files`)."""
        return [f"{self.folder}/{one}" for one in files(kinds, self.config)]

    def keys(self, rule: str, experiment: str | None = None, products: Iterable[str] = ()) -> dict:
        """What a job gets to see of the configuration: the values of `KEYS`, of one experiment and some products."""
        chosen = KEYS.get(rule, ())
        if rule == "split" or rule.startswith("dataset"):
            chosen += ("split.folds", "split.test_fraction")
            chosen += SPLIT.get(self.config.source, ("split.block_degrees", "split.test_sites"))
        if rule.startswith("dataset") or rule == "intervals":
            chosen += (f"experiments.{main_experiment(self.config)}",)
        if rule == "harmonise":
            chosen += ("products.local",) if not products else tuple(f"products.local.{name}" for name in products)
            if any(catalogue.product(name).members for name in products):
                chosen += ("products.min_members",)
        return sections_of(self.config, *chosen, experiment=experiment)

    @property
    def products(self) -> str:
        """The folder of the products: the synthetic Earth's, or that of the archives' files."""
        return self.at("pseudo_products") if self.config.source == "twin" else str(self.config.products.folder)

    def predicting(self, days: bool) -> str:
        """The experiments that predict days, or months only, as a pattern of their names that fits no other."""
        names = [name for name in evaluated(self.config) if kind_of(self.config, name).daily == days]
        return "|".join(names) or "(?!)"

    @property
    def forcing(self) -> list[str]:
        """The files of the store that prediction reads."""
        names = [row.name for row in VARIABLES.values() if row.role == "forcing"]
        return [self.at("variable", variable=name) for name in ("grid", *names, "static")]

    @property
    def store(self) -> list[str]:
        """All files of the store."""
        return self.forcing + self.of_run(["targets"])

    def targets(self, experiment: str) -> list[str]:
        """The files of the constraints that an experiment uses."""
        used = self.config.experiments[experiment].constraints or self.config.constraints
        return [self.at("variable", variable=name) for name in used]

    def start(self, experiment: str, folds: Iterable[int | str]) -> list[str]:
        """The weights that an experiment goes on from."""
        begun = self.config.experiments[experiment].start
        return [self.at("weights", experiment=begun, fold=fold) for fold in folds] if begun else []

    def product_files(self, variable: str) -> list[str]:
        """The files of the products that a variable, or a competitor, is made of: the synthetic Earth's, lists of those
        retrieved, or means of their tiles."""
        if self.config.source == "twin":
            return [self.products]
        return [
            f"{self.products}/condensed/{name}_{part}.nc"
            if condensed(self.config, name)
            else f"{self.products}/retrieved/{name}_{part}.csv"
            for name, part in parts(self.config, variable)
        ]

    def layouts(self, products: Iterable[str] = catalogue.load()) -> dict[str, str]:
        """What the catalogue says of the files of some products, hashed: another unit makes anew what is read from them."""
        return {name: catalogue.row_hash(name) for name in products}

    def citations(self, table: str) -> dict[str, str]:
        """What the catalogue says that a table prints, hashed."""
        printed = catalogue.load() if table == "datasets" else ()
        return {name: catalogue.row_hash(name, catalogue.CITATION_FACTS) for name in printed}

    def readers(self, variable: str) -> list[str]:
        """The modules that read the products of a variable."""
        return [f"h2cm.sources.products.{product}" for product in products_of(variable)]

    def writers(self) -> list[str]:
        """What of the modules of the products the synthetic Earth uses: it writes their files."""
        return [f"h2cm.sources.products.{product}:write" for product in products.PRODUCTS]

    def tower_files(self) -> list[str]:
        """The archives and tables that the towers are read from; DataError where a folder is not there."""
        return [str(file) for file in towers.inputs(self.config)]

    @property
    def tower_variables(self) -> list[str]:
        """The files that the towers add to the store."""
        return [self.at("variable", variable=name) for name in towers.outputs(self.config)]

    def dataset_files(self, *steps: str) -> list[str]:
        """The netCDF files of the data set, of all lengths of step if none is given."""
        return [f"{self.folder}/{one}" for one in dataset_files(self.config, steps or STEPS)]

    def dataset_outputs(self) -> list[str]:
        """The pattern of the files that a job of the data set writes: one variable and length of step, all years."""
        return [self.at("dataset_file", year=year) for year in dataset_years(self.config)]

    def dataset_members(self, step: str) -> list[str]:
        """The predictions that the data set is made of: those of the folds of the first experiment."""
        main = main_experiment(self.config)
        return [self.at(step, experiment=main, fold=fold) for fold in folds(self.config, main)]

    def summary_keys(self, name: str) -> dict:
        """What a summary gets to see of the configuration: of those that the data set is made of no more than they need."""
        return self.keys(name if name in KEYS else "summary")

    def summaries(self, *names: str) -> list[str]:
        """Some summaries, of all for whom the run has them."""
        return [f"{self.folder}/{one}" for one in summary_files(names, self.config)]

    def dataset_intervals(self, step: str) -> list[str]:
        """The calibration that the data set's quantiles are made with: of monthly means only, as nothing is observed daily."""
        return self.summaries("intervals") if step == "monthly" else []

    @property
    def dataset_grid(self) -> list[str]:
        """The file of areas and land fractions; towers have none."""
        return [] if self.config.source == "towers" else [self.at("dataset_grid")]

    @property
    def dataset_stores(self) -> list[str]:
        """The Zarr stores of the data set."""
        steps = [step for step in STEPS if self.config.dataset.zarr and getattr(self.config.prediction, step)]
        return [self.at("dataset_store", step=step) for step in steps]

    @property
    def stacked(self) -> dict[str, tuple[str, list[int]]]:
        """Experiment and folds of each training job where a job trains several folds, by the name of its rule."""
        size = self.config.training.folds_per_job
        every = {experiment: folds(self.config, experiment) for experiment in self.config.experiments}
        jobs = [(name, list(every[name][i : i + size])) for name in every for i in range(0, len(every[name]), size)]
        return {f"train_{name}_folds_{'_'.join(map(str, group))}": (name, group) for name, group in jobs}

    def memory(self, copies: float) -> int:
        """MB of memory of a job that holds the forcing and `copies` arrays as large as it."""
        cells = towers.expected(self.config) if self.config.source == "towers" else None
        return resources.memory(self.config, copies, cells)

    def threads(self, cores: int | None) -> int:
        """Threads of a training job: all folds run side by side where there are cores enough."""
        return max(1, (cores or 1) // len(every_fold(self.config)))

    def promised(self) -> list[str]:
        """Every file that a finished run has."""
        fixed = (
            "configuration",
            "store_summary",
            "truth",
            "split",
            "metrics",
            "metrics_summary",
            "prior_sweep",
            "profiles",
        )
        of_towers = [self.at("tower_report"), *self.tower_variables] if self.config.source == "towers" else []
        each = ("weights", "losses", "daily", "monthly", "fold_metrics")
        return [
            *self.store,
            *of_towers,
            *self.of_run((*fixed, *each)),
            *self.of_run(["comparison"]),
            *(self.at(kind, figure=name) for name in figure_names(self.config) for kind in OF_A_FIGURE),
            *(self.at(kind, table=name) for name in table_names(self.config) for kind in OF_A_TABLE),
            *self.dataset_files(),
            *self.dataset_grid,
            *self.dataset_stores,
            *self.of_run(("dataset_readme", "dataset_zenodo", "dataset_crate", "report", "report_archive")),
        ]

    def where_results_are(self, made: Iterable[str]) -> str:
        """What is said at the end, of what is among the files `made`."""
        places = {
            "report": ("report", {}, ""),
            "figures": ("figure", {"figure": "*"}, ""),
            "tables": ("table", {"table": "*"}, ""),
            "metrics": ("metrics", {}, ""),
            "data set": ("dataset_file", {"step": "*", "variable": "*", "year": "*"}, ""),
            "predictions": ("monthly", {}, ", daily.nc"),
            "weights": ("weights", {}, ""),
            "model input": ("variable", {"variable": "*"}, f", summary in {self.at('store_summary')}"),
        }
        made, lines = list(made), ["", f"Done: run {self.config.run!r}."]
        for name, (kind, names, more) in places.items():
            if any(fnmatch(file, re.sub(r"\{\w+\}", "*", self.at(kind, **names))) for file in made):
                lines.append(f"  {name:<13}{self.at(kind, **names)}{more}")
        return "\n".join(lines)
