"""One variable of the store, from its products."""

from h2cm import store
from h2cm.sources.harmonise import harmonise
from h2cm.workflow.job import job

with job(snakemake) as config:
    cells = store.load(snakemake.input[0])
    data = harmonise(snakemake.wildcards.variable, config, snakemake.params.folder, cells)
    store.write(data, snakemake.output[0], data.attrs["source"])
