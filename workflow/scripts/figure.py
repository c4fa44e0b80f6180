"""One figure, as PNG and PDF."""

from importlib import import_module
from pathlib import Path

from h2cm.config import load
from h2cm.figures.style import save

config = load(snakemake.input.config)
draw = import_module(f"h2cm.figures.{snakemake.wildcards.figure}").draw
save(draw(Path(snakemake.input.config).parent, config), snakemake.output.png, snakemake.output.pdf)
