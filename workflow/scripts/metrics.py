"""The metrics of all folds and experiments in one table."""

from h2cm.evaluate.files import join_tables

join_tables(snakemake.input.folds, snakemake.output[0])
