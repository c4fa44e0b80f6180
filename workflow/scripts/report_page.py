"""The report of the run: an HTML page, and a zip of it with what it points to."""

from pathlib import Path

from h2cm.config import load
from h2cm.results.report.page import write_report
from h2cm.workflow.job import job

with job(snakemake):
    config = load(snakemake.input.configuration)
    write_report(Path(snakemake.params.folder), config, Path(snakemake.output.page), Path(snakemake.output.archive))
