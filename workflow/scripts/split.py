"""The role of each cell in each fold."""

from h2cm.store import load, save_csv
from h2cm.train.split import split
from h2cm.workflow.job import job

with job(snakemake) as config:
    save_csv(split(load(snakemake.input[0]), config), snakemake.output[0])
