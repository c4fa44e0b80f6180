"""The role of each cell in each fold."""

import xarray as xr

from h2cm.job import job
from h2cm.split import split
from h2cm.store import save_csv

with job(snakemake) as config:
    save_csv(split(xr.load_dataset(snakemake.input[0]), config), snakemake.output[0])
