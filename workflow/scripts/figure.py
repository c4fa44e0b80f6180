"""One figure, as PNG and PDF."""

from importlib import import_module
from pathlib import Path

from h2cm.figures.style import save
from h2cm.job import job

with job(snakemake) as config:
    draw = import_module(f"h2cm.figures.{snakemake.wildcards.figure}").draw
    save(draw(Path(snakemake.params.folder), config), snakemake.output.png, snakemake.output.pdf)
