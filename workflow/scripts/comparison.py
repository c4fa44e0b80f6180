"""A competitor of the comparison figures, on the cells and months of the store."""

from h2cm import store
from h2cm.sources.harmonise import comparison
from h2cm.workflow.job import job

with job(snakemake) as config:
    cells = store.load(snakemake.input[0])
    data = comparison(snakemake.wildcards.competitor, config, snakemake.params.folder, cells)
    store.save_netcdf(data, snakemake.output[0])
