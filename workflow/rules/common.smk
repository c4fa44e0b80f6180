"""What the rules have in common, and only Snakemake can say; the rest is in the package (`h2cm.workflow.plan`)."""

import sys

from snakemake.exceptions import WorkflowError

SOURCE = Path(workflow.basedir) / "src"
SCRIPTS = Path(workflow.basedir) / "workflow" / "scripts"

# the package as it stands here, in this process and in the scripts, installed or not
sys.path.insert(0, str(SOURCE))

from h2cm.config import ConfigError, parse as parse_configuration
from h2cm.results.figures.registry import FIGURES, figure_inputs
from h2cm.results.summaries.registry import summary_inputs
from h2cm.results.tables.registry import TABLES, table_inputs
from h2cm.sources.harmonise import products_of
from h2cm.store import DataError
from h2cm.workflow import resources
from h2cm.workflow.dependencies import code_hash
from h2cm.workflow.plan import Plan
from h2cm.workflow.preflight import check
from h2cm.workflow.takeover import take_over


def checked_plan():
    """The configuration, checked; what cannot be used ends the run with a plain message."""
    given = ", ".join(str(file) for file in workflow.configfiles) or "configuration"
    try:
        checked = parse_configuration(config, given)
        check(checked, given)
        return Plan(checked)
    except (ConfigError, DataError) as error:
        raise WorkflowError(f"The configuration cannot be used.\n{error}") from None


if workflow.is_main_process:
    take_over(Path.cwd())

resources.use_source(SOURCE)
PLAN = checked_plan()
CONFIG, RUN, at = PLAN.config, PLAN.folder, PLAN.at


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


def code(script, *chosen):
    """Hash of the code that a script runs; `chosen` modules are those that it imports by name at run time."""
    return code_hash(SCRIPTS / script, SOURCE, chosen)


def growing(amount):
    """Memory (MB) or time (minutes) that grows with every attempt at a job (``retries`` of a profile)."""
    return lambda wildcards, attempt: attempt * amount


def training_threads():
    """Threads of a training job; those given for the rule `train` count for stacked training too."""
    given = workflow.resource_settings.overwrite_threads or {}
    return given.get("train", PLAN.threads(workflow.resource_settings.cores))
