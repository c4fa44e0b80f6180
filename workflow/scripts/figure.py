"""One figure: PNG, PDF, its caption and the data that it shows."""

from h2cm.results.figures.drawing import draw_figure, save
from h2cm.results.figures.registry import FIGURES
from h2cm.workflow.job import job

with job(snakemake) as config:
    name = snakemake.wildcards.figure
    drawing = draw_figure(name, snakemake.params.folder, config)
    save(drawing, FIGURES[name].text(drawing.facts), snakemake.output)
