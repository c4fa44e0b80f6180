"""What the rules have in common, and only Snakemake can say; the rest is in the package (`h2cm.workflow.plan`)."""

import os
import sys

from snakemake.logging import logger
from snakemake.utils import update_config

SOURCE = Path(workflow.basedir) / "src"
SCRIPTS = Path(workflow.basedir) / "workflow" / "scripts"

# the package as it stands here, in this process and in the scripts, installed or not
sys.path.insert(0, str(SOURCE))
if "h2cm" in sys.modules and not Path(sys.modules["h2cm"].__file__).is_relative_to(SOURCE):
    # the logger of the terminal has imported an installed one
    for name in [name for name in sys.modules if name.split(".")[0] == "h2cm"]:
        del sys.modules[name]

from h2cm.config import ConfigError, parse as parse_configuration, read_yaml, typed
from h2cm.results.figures.registry import FIGURES, figure_inputs
from h2cm.results.summaries.registry import summary_inputs
from h2cm.results.tables.registry import TABLES, table_inputs
from h2cm.sources.harmonise import products_of
from h2cm.store import DataError
from h2cm.workflow import resources
from h2cm.workflow.dependencies import code_of
from h2cm.workflow.plan import Plan
from h2cm.workflow.job import SHOWN
from h2cm.workflow.preflight import check, check_device, check_folds
from h2cm.workflow.screen import says_something_new
from h2cm.workflow.slurm import NoAnswer
from h2cm.workflow.takeover import note_slurm, take_over


def end(message):
    """End the run with a message, without the lines of code that Snakemake shows of an exception."""
    logger.error(message)
    sys.exit(1)


def checked_plan():
    """The configuration, checked; what cannot be used ends the run with a plain message."""
    given = ", ".join(str(file) for file in workflow.configfiles) or "configuration"
    update_config(config, typed(workflow.config_settings.config))
    try:
        for file in workflow.configfiles:
            read_yaml(file)  # Snakemake itself takes the last of two equal keys
        checked = parse_configuration(config, given)
        check(checked, given)
        if workflow.is_main_process:
            check_folds(checked, given)
        return Plan(checked)
    except (ConfigError, DataError) as error:
        end(f"The configuration cannot be used.\n{error}")


def check_machine():
    """What can be seen of this machine before the first job, if it runs the jobs with this environment."""
    deployed = workflow.deployment_settings.deployment_method
    try:
        if workflow.local_exec and not deployed:
            check_device(CONFIG)
    except ConfigError as error:
        end(str(error))


if workflow.is_main_process:
    try:
        take_over(Path.cwd())
    except NoAnswer as error:
        end(f"Jobs of a killed run may still be in the queue of Slurm, start again later: {error}")
elif os.environ.get(SHOWN):
    logger.addFilter(says_something_new)

resources.use_source(SOURCE)
PLAN = checked_plan()
CONFIG, RUN, at = PLAN.config, PLAN.folder, PLAN.at
if CONFIG.training.folds_per_job > 1:
    given = workflow.resource_settings
    resources.as_given_for("train", PLAN.stacked, given.overwrite_threads, given.overwrite_resources)


wildcard_constraints:
    experiment="|".join(CONFIG.experiments),
    summary=r"\w+",
    fold=r"\d+",
    variable=r"\w+",
    competitor=r"\w+",
    product=r"\w+?",
    part=r"\d{4}|all",
    figure=r"\w+",
    table=r"\w+",


def code(script, *chosen, words=False):
    """The code that a script runs, and versions of packages; `chosen` modules are those that it imports by name at run time,
    and `words` says whether it prints the names of variables in words."""
    unused = () if CONFIG.grid.regridding == "xesmf" else ("xesmf",)
    return code_of(SCRIPTS / script, SOURCE, chosen, words, unused)


def growing(amount):
    """Memory (MB) or time (minutes) that grows with every attempt at a job (``retries`` of a profile)."""
    return lambda wildcards, attempt: attempt * amount


def training_threads():
    """Threads of a training or prediction job where a profile says nothing."""
    return PLAN.threads(workflow.resource_settings.cores)
