"""One variable of the store, from its products."""

from h2cm import store
from h2cm.harmonise import harmonise
from h2cm.job import job

with job(snakemake) as config:
    data = harmonise(snakemake.wildcards.variable, config, snakemake.params.folder)
    store.write(data, snakemake.output[0], data.attrs["source"])
