"""One figure, as PNG and PDF."""

from importlib import import_module
from pathlib import Path

from h2cm.results.figures.style import save
from h2cm.workflow.job import job

with job(snakemake) as config:
    draw = import_module(f"h2cm.results.figures.{snakemake.wildcards.figure}").draw
    save(draw(Path(snakemake.params.folder), config), snakemake.output.png, snakemake.output.pdf)
