"""A competitor of the comparison figures, on the cells and months of the store."""

import xarray as xr

from h2cm.sources.harmonise import comparison
from h2cm.store import save_netcdf
from h2cm.workflow.job import job

with job(snakemake) as config:
    cells = xr.load_dataset(snakemake.input[0])
    data = comparison(snakemake.wildcards.competitor, config, snakemake.params.folder, cells)
    save_netcdf(data, snakemake.output[0])
