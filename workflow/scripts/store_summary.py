"""Range, mean and missing share of each variable of the store."""

from h2cm.store import open_store, save_csv, summarise
from h2cm.workflow.job import job

with job(snakemake):
    save_csv(summarise(open_store(snakemake.input)), snakemake.output[0])
