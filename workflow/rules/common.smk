"""What the rules have in common: the checked configuration, the files of a run, what a job depends on."""

import os
import sys

from snakemake.exceptions import WorkflowError

ROOT = Path(workflow.basedir)
SOURCE = ROOT / "src"
SCRIPTS = ROOT / "workflow" / "scripts"

# the package as it stands here, in this process and in the scripts, installed or not
sys.path.insert(0, str(SOURCE))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(SOURCE), os.environ.get("PYTHONPATH")]))

from h2cm.config import ConfigError, parse, part
from h2cm.dependencies import code_hash
from h2cm.figures.registry import FIGURES, figure_inputs, figure_names


def checked_configuration():
    """The configuration, checked; what cannot be used ends the run with a plain message."""
    given = ", ".join(str(file) for file in workflow.configfiles) or "configuration"
    try:
        checked = parse(config, given)
        if workflow.is_main_process:
            from h2cm.checks import check

            check(checked, given)
    except ConfigError as error:
        raise WorkflowError(f"The configuration cannot be used.\n{error}") from None
    return checked


CONFIG = checked_configuration()
RUN = f"results/{CONFIG.run}"
FORCING = ["net_radiation", "precipitation", "air_temperature", "vapour_pressure_deficit", "co2"]
STORE_INPUTS = ["grid", *FORCING, "static"]
EXPERIMENTS = list(CONFIG.experiments)


wildcard_constraints:
    experiment="|".join(EXPERIMENTS),
    fold=r"\d+",
    variable=r"\w+",
    name=r"\w+",


def sections(*names):
    """The sections of the configuration that a rule depends on, and of the experiments only that of the job."""

    def values(wildcards):
        return part(CONFIG, *names, experiment=wildcards.get("experiment"))

    return values


def code(script, *chosen):
    """Hash of the code that a script runs; `chosen` modules are those that it imports by name at run time."""
    return code_hash(SCRIPTS / script, SOURCE, chosen)


def folds(experiment):
    """The folds that an experiment trains."""
    chosen = CONFIG.experiments[experiment].folds
    return list(range(CONFIG.split.folds)) if chosen is None else list(chosen)


def trained():
    """All experiments and folds of the run."""
    return [(experiment, fold) for experiment in EXPERIMENTS for fold in folds(experiment)]


def in_run(paths):
    """Paths relative to the folder of the run, as paths of the workflow."""
    return [f"{RUN}/{path}" for path in paths]


def store_files(names=None):
    """Files of the store: all that training reads if `names` is not given."""
    names = [*STORE_INPUTS, *CONFIG.constraints] if names is None else names
    return in_run(f"store/{name}.nc" for name in names)


def final_outputs():
    """All that ``snakemake all`` makes."""
    return in_run(
        [
            "config.yaml",
            "store_summary.csv",
            "evaluation/metrics.csv",
            *(f"training/{experiment}/fold_{fold}/losses.csv" for experiment, fold in trained()),
            *(f"predictions/{experiment}/fold_{fold}/daily.nc" for experiment, fold in trained()),
            *(f"figures/{name}.png" for name in figure_names(CONFIG)),
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
