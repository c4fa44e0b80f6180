"""The land cells of the grid."""

from h2cm.space.grid import land_cells
from h2cm.store import save_netcdf
from h2cm.workflow.job import job

with job(snakemake) as config:
    save_netcdf(land_cells(config), snakemake.output[0])
