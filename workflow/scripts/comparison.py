"""A competitor of the comparison figures, on the cells and months of the store."""

import xarray as xr

from h2cm.harmonise import comparison
from h2cm.job import job
from h2cm.store import save_netcdf

with job(snakemake) as config:
    cells = xr.load_dataset(snakemake.input[0])
    data = comparison(snakemake.wildcards.competitor, config, snakemake.params.folder, cells)
    save_netcdf(data, snakemake.output[0])
