"""One part of a product: its files in the folder of the products, and a list of them with sizes and SHA-256 sums."""

from pathlib import Path

from h2cm.sources.retrieve import retrieve
from h2cm.store import save_csv
from h2cm.workflow.job import job

with job(snakemake):
    chosen, given = snakemake.wildcards, snakemake.params
    save_csv(retrieve(chosen.product, chosen.part, Path(given.folder), given.own), snakemake.output[0])
