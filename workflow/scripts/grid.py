"""The land cells of the grid."""

from h2cm.grid import land_cells
from h2cm.job import job
from h2cm.store import save_netcdf

with job(snakemake) as config:
    save_netcdf(land_cells(config), snakemake.output[0])
