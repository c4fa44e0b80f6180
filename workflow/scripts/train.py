"""One fold of an experiment: weights and losses."""

from pathlib import Path

import pandas as pd
import torch

from h2cm.job import job
from h2cm.provenance import record
from h2cm.store import open_store
from h2cm.train import train

with job(snakemake) as config:
    torch.set_num_threads(snakemake.threads)
    train(
        open_store(snakemake.input.store),
        pd.read_csv(snakemake.input.split),
        config,
        snakemake.wildcards.experiment,
        [int(snakemake.wildcards.fold)],
        Path(snakemake.output.weights).parents[1],
        record([*snakemake.input.store, snakemake.input.split], snakemake.params.code),
    )
