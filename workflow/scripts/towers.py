"""Store of the towers that the configuration chooses: grid.nc and one file for each variable."""

from pathlib import Path

from h2cm.sources import towers
from h2cm.workflow.job import job

with job(snakemake) as config:
    source = "ONEFlux zips in " + ", ".join(map(str, config.towers.folders))
    towers.write(towers.read(config), Path(snakemake.output[0]).parent, source)
