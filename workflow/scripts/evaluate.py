"""Metrics of one fold of one experiment."""

from pathlib import Path

from h2cm.config import load
from h2cm.evaluate.fold import evaluate_fold
from h2cm.store import save_csv

config = load(snakemake.input.config)
folder = Path(snakemake.input.config).parent
table = evaluate_fold(folder, config, snakemake.wildcards.experiment, int(snakemake.wildcards.fold))
save_csv(table, snakemake.output[0], float_format="%.7g")
