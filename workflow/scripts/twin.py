"""The synthetic Earth: its truth, and its pseudo-products in the layouts of the real ones."""

from pathlib import Path

from h2cm.job import job
from h2cm.twin import generate

with job(snakemake, progress=True) as config:
    generate(config, Path(snakemake.output.truth).parent)
