"""Area and land fraction of the cells of the data set, and how unlike they are to those trained on."""

from pathlib import Path

from h2cm.results.dataset.attributes import global_attributes
from h2cm.results.dataset.files import write_grid
from h2cm.store import load
from h2cm.workflow.job import job

with job(snakemake) as config:
    attributes = global_attributes(config, list(snakemake.input), snakemake.params.code)
    cells, applicability = (load(file) for file in snakemake.input)
    write_grid(config, cells, Path(snakemake.output[0]), attributes, applicability)
