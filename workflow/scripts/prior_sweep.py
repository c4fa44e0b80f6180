"""What each width of the priors of the constants leads to."""

from pathlib import Path

from h2cm.results.evaluate.sweep import prior_sweep
from h2cm.store import save_csv
from h2cm.workflow.job import job

with job(snakemake) as config:
    save_csv(prior_sweep(Path(snakemake.params.folder), config), snakemake.output[0], float_format="%.7g")
