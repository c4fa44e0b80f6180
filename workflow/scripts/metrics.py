"""The metrics of all folds and experiments in one table."""

from h2cm.results.evaluate.files import join_tables
from h2cm.workflow.job import job

with job(snakemake):
    join_tables(snakemake.input.folds, snakemake.output[0])
