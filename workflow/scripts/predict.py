"""Predictions of a trained fold on all cells: daily series and monthly means."""

from pathlib import Path

from h2cm.model.prediction import possible, write
from h2cm.model.weights import load
from h2cm.store import open_store
from h2cm.train import choose_device
from h2cm.train.loss import required_outputs
from h2cm.workflow.job import job
from h2cm.workflow.provenance import record

with job(snakemake) as config:
    model = load(snakemake.input.weights, config.model.backend, choose_device(config.training.device))
    monthly = tuple(dict.fromkeys((*config.prediction.monthly, *required_outputs(config.constraints))))
    write(
        model,
        open_store(snakemake.input.store),
        Path(snakemake.output.monthly).parent,
        possible(model, config.prediction.daily),
        possible(model, monthly),
        config.model.spin_up_passes,
        record([*snakemake.input.store, snakemake.input.weights], snakemake.params.code),
    )
