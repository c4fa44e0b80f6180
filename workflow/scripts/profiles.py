"""What the constraints say against each value at which a quantity was held."""

from pathlib import Path

from h2cm.results.evaluate.profiles import collect
from h2cm.store import save_csv
from h2cm.workflow.job import job

with job(snakemake) as config:
    save_csv(collect(Path(snakemake.params.folder), config), snakemake.output[0], float_format="%.7g")
