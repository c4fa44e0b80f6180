"""Train folds of one experiment."""

import pandas as pd

from h2cm.store import open_store
from h2cm.train import train
from h2cm.workflow.job import job
from h2cm.workflow.provenance import record

with job(snakemake, progress=True) as config:
    train(
        open_store(snakemake.input.store),
        pd.read_csv(snakemake.input.split),
        config,
        snakemake.params.experiment,
        snakemake.params.folds,
        snakemake.params.folder,
        record([*snakemake.input.store, snakemake.input.split], snakemake.params.code),
    )
