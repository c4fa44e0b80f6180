"""README, Zenodo metadata and RO-Crate of the data set."""

from pathlib import Path

from h2cm.results.dataset.description import write_description
from h2cm.workflow.job import job

with job(snakemake) as config:
    folder = Path(snakemake.output.readme).parent
    files = [*snakemake.input.files, *snakemake.input.grid]
    stores = [Path(store).name for store in snakemake.input.stores]
    write_description(config, files, snakemake.input.software, folder, stores)
