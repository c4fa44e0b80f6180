"""What the rules have in common: the checked configuration, the files of a run, what a job depends on."""

import sys

from snakemake.exceptions import WorkflowError

ROOT = Path(workflow.basedir)
SOURCE = ROOT / "src"
SCRIPTS = ROOT / "workflow" / "scripts"

# the package as it stands here, in this process and in the scripts, installed or not
sys.path.insert(0, str(SOURCE))

from h2cm.workflow import resources
from h2cm.sources.catalogue import condensed
from h2cm.workflow.checks import check
from h2cm.config import ConfigError, parse as parse_configuration, part
from h2cm.workflow.dependencies import code_hash
from h2cm.results.run import folds
from h2cm.results.figures.registry import FIGURES, figure_inputs, figure_names
from h2cm.sources.harmonise import products_of
from h2cm.sources.retrieve import parts
from h2cm.store import VARIABLES, DataError
from h2cm.results.tables.registry import TABLES, table_inputs, table_names
from h2cm.sources.towers.oneflux import find


def checked_configuration():
    """The configuration, checked; what cannot be used ends the run with a plain message."""
    given = ", ".join(str(file) for file in workflow.configfiles) or "configuration"
    try:
        checked = parse_configuration(config, given)
        check(checked, given)
    except ConfigError as error:
        raise WorkflowError(f"The configuration cannot be used.\n{error}") from None
    return checked


resources.use_source(SOURCE)
CONFIG = checked_configuration()
RUN = f"results/{CONFIG.run}"
FORCING = [row.name for row in VARIABLES.values() if row.role == "forcing"]
STORE_INPUTS = ["grid", *FORCING, "static"]
EXPERIMENTS = list(CONFIG.experiments)
COMPETITORS = ["fluxcom", "trendy"] if CONFIG.source in ("twin", "products") else []
TRUTH = [f"{RUN}/twin/truth.nc"] if CONFIG.source == "twin" else []
PRODUCTS = f"{RUN}/twin/products" if CONFIG.source == "twin" else str(CONFIG.products.folder)
TRAINING = "train" if CONFIG.training.folds_per_job == 1 else "train_together"
DRAWN = ["source", "period", "grid", "constraints", "split", "experiments"]  # what figures and tables depend on


wildcard_constraints:
    experiment="|".join(EXPERIMENTS),
    fold=r"\d+",
    variable=r"\w+",
    competitor=r"\w+",
    product=r"\w+?",
    part=r"\d{4}|all",
    figure=r"\w+",
    table=r"\w+",


def sections(*names, experiment=None):
    """The sections of the configuration that a rule depends on; of the experiments, only that of the job.

    ``constraint_names`` are the constraints without what matters only to training and evaluation.
    """

    def values(wildcards):
        chosen = part(CONFIG, *names, experiment=experiment or wildcards.get("experiment"))
        if "constraint_names" in names:
            unused = {"weight", "years"}
            rows = part(CONFIG, "constraints")["constraints"]
            chosen["constraints"] = {
                name: {k: v for k, v in row.items() if k not in unused} for name, row in rows.items()
            }
        return chosen

    return values


def code(script, *chosen):
    """Hash of the code that a script runs; `chosen` modules are those that it imports by name at run time."""
    return code_hash(SCRIPTS / script, SOURCE, chosen)


def product_files(variable):
    """The files of the products that a variable, or a competitor, is made of: the synthetic Earth's, lists of those
    retrieved, or means of their tiles."""
    if CONFIG.source == "twin":
        return [PRODUCTS]
    return [
        (
            f"{PRODUCTS}/condensed/{name}_{part}.nc"
            if condensed(CONFIG, name)
            else f"{PRODUCTS}/retrieved/{name}_{part}.csv"
        )
        for name, part in parts(CONFIG, variable)
    ]


def readers(variable):
    """The modules that read the products of a variable."""
    return [f"h2cm.sources.products.{product}" for product in products_of(variable)]


def trained():
    """All experiments and folds of the run."""
    return [(experiment, fold) for experiment in EXPERIMENTS for fold in folds(CONFIG, experiment)]


def fold_groups():
    """Experiment and folds of each training job where a job trains several folds."""
    size = CONFIG.training.folds_per_job
    every = {experiment: folds(CONFIG, experiment) for experiment in EXPERIMENTS}
    return [
        (name, list(numbers[i : i + size])) for name, numbers in every.items() for i in range(0, len(numbers), size)
    ]


def in_run(paths):
    """Paths relative to the folder of the run, as paths of the workflow."""
    return [f"{RUN}/{path}" for path in paths]


def store_files(names=None):
    """Files of the store: all that training reads if `names` is not given."""
    names = [*STORE_INPUTS, *CONFIG.constraints] if names is None else names
    return in_run(f"store/{name}.nc" for name in names)


def tower_files():
    """The zips and tables that the towers are read from."""
    towers = CONFIG.towers
    try:
        zips = find(towers.folders)
    except DataError as error:
        raise WorkflowError(str(error)) from None
    chosen = [path for site, path in zips.items() if not towers.select or site in towers.select]
    tables = [towers.sites or towers.folders[0] / "sites.csv", towers.co2, towers.lai]
    return [str(path) for path in (*chosen, *tables) if path]


def memory(copies):
    """MB of memory for a job that holds the forcing and `copies` arrays as large as it."""
    return resources.memory(CONFIG, copies, len(tower_files()) if CONFIG.source == "towers" else None)


def growing(megabytes):
    """Memory that grows with every attempt at a job (``retries`` of a profile)."""
    return lambda wildcards, attempt: attempt * megabytes


def training_threads():
    """Threads of a training job: all folds run side by side where there are cores enough; on a cluster, see slurm/."""
    return max(1, (workflow.resource_settings.cores or 1) // len(trained()))


def final_outputs():
    """All that ``snakemake all`` makes."""
    return in_run(
        [
            "config.yaml",
            "store_summary.csv",
            "evaluation/metrics.csv",
            *(f"training/{experiment}/fold_{fold}/losses.csv" for experiment, fold in trained()),
            *(f"predictions/{experiment}/fold_{fold}/daily.nc" for experiment, fold in trained()),
            *(f"comparison/{name}.nc" for name in COMPETITORS),
            *(f"figures/{name}.png" for name in figure_names(CONFIG)),
            *(f"tables/{name}.csv" for name in table_names(CONFIG)),
        ]
    )


def where_results_are():
    return "\n".join(
        [
            "",
            f"Done: run {CONFIG.run!r}.",
            f"  figures      {RUN}/figures/",
            f"  tables       {RUN}/tables/, {RUN}/evaluation/metrics.csv",
            f"  data set     {RUN}/predictions/<experiment>/fold_<k>/",
            f"  weights      {RUN}/training/<experiment>/fold_<k>/model.safetensors",
            f"  model input  {RUN}/store/, summary in {RUN}/store_summary.csv",
        ]
    )
