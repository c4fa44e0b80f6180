"""A competitor of the comparison figures, on the cells and months of the store."""

from h2cm.harmonise import comparison
from h2cm.job import job
from h2cm.store import save_netcdf

with job(snakemake) as config:
    save_netcdf(comparison(snakemake.wildcards.competitor, config, snakemake.params.folder), snakemake.output[0])
