"""The daily or the monthly files of the data set as one Zarr store."""

from pathlib import Path

from h2cm.results.dataset.archive import write_zarr
from h2cm.workflow.job import job

with job(snakemake):
    write_zarr(snakemake.input, Path(snakemake.output[0]))
