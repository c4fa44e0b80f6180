"""Metrics of one fold of one experiment."""

from pathlib import Path

from h2cm.results.evaluate.fold import evaluate_fold
from h2cm.store import save_csv
from h2cm.workflow.job import job

with job(snakemake) as config:
    table = evaluate_fold(
        Path(snakemake.params.folder), config, snakemake.wildcards.experiment, int(snakemake.wildcards.fold)
    )
    save_csv(table, snakemake.output[0], float_format="%.7g")
