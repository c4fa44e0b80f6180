"""The metrics of all folds and experiments in one table, and their spread over the folds in another."""

import pandas as pd

from h2cm.results.evaluate.aggregate import over_space
from h2cm.results.evaluate.files import join_tables
from h2cm.store import save_csv
from h2cm.workflow.job import job

with job(snakemake):
    join_tables(snakemake.input.folds, snakemake.output[0])
    pieces = pd.read_csv(snakemake.output[0], dtype={"fold": int}, chunksize=1_000_000)
    save_csv(over_space(pieces), snakemake.output.summary, float_format="%.7g")
