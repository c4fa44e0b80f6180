"""Area and land fraction of the cells of the data set."""

from pathlib import Path

import xarray as xr

from h2cm.results.dataset.attributes import global_attributes
from h2cm.results.dataset.files import write_grid
from h2cm.workflow.job import job

with job(snakemake) as config:
    attributes = global_attributes(config, list(snakemake.input), snakemake.params.code)
    write_grid(config, xr.load_dataset(snakemake.input[0]), Path(snakemake.output[0]), attributes)
