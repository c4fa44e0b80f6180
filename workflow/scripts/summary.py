"""One summary of an experiment, or of what it is compared with."""

from importlib import import_module
from pathlib import Path

from h2cm.results.run import Run
from h2cm.store import save_summary
from h2cm.workflow.job import job

with job(snakemake) as config:
    make = import_module(f"h2cm.results.summaries.{snakemake.wildcards.summary}").make
    save_summary(make(Run(Path(snakemake.params.folder), config), snakemake.wildcards.who), snakemake.output[0])
