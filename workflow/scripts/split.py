"""The role of each cell in each fold."""

import xarray as xr

from h2cm.store import save_csv
from h2cm.train.split import split
from h2cm.workflow.job import job

with job(snakemake) as config:
    save_csv(split(xr.load_dataset(snakemake.input[0]), config), snakemake.output[0])
