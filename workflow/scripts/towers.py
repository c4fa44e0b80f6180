"""Store of the towers that the configuration chooses: grid.nc and one file for each variable, and a list of the towers."""

from pathlib import Path

from h2cm.sources import towers
from h2cm.store import save_csv
from h2cm.workflow.job import job

with job(snakemake) as config:
    source = "ONEFlux archives in " + ", ".join(map(str, towers.folders(config)))
    dataset, report = towers.read(config)
    save_csv(report, snakemake.output.report)
    towers.write(dataset, Path(snakemake.output[0]).parent, source)
