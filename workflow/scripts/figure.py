"""One figure: PNG, PDF, its caption and the data that it shows."""

from importlib import import_module
from pathlib import Path

from h2cm.results.figures.drawing import save
from h2cm.results.figures.registry import FIGURES
from h2cm.workflow.job import job

with job(snakemake) as config:
    name = snakemake.wildcards.figure
    drawing = import_module(f"h2cm.results.figures.{name}").draw(Path(snakemake.params.folder), config)
    save(drawing, FIGURES[name].text(drawing.facts), snakemake.output)
