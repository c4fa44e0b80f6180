"""Train folds of one experiment."""

from h2cm.results.paths import names_in
from h2cm.store import open_store, read_csv
from h2cm.train import train
from h2cm.workflow.job import job
from h2cm.workflow.provenance import record

store = [*snakemake.input.forcing, *snakemake.input.targets]
trained = [names_in("weights", file) for file in snakemake.output.weights]

with job(snakemake, progress=True) as config:
    train(
        open_store(store),
        read_csv(snakemake.input.split),
        config,
        trained[0]["experiment"],
        [int(names["fold"]) for names in trained],
        snakemake.params.folder,
        record([*store, snakemake.input.split, *snakemake.input.start], snakemake.params.code),
    )
