"""The synthetic Earth: its truth, and its pseudo-products in the layouts of the real ones."""

from pathlib import Path

from h2cm.sources.twin import generate
from h2cm.workflow.job import job

with job(snakemake, progress=True) as config:
    generate(config, Path(snakemake.output.truth).parent)
