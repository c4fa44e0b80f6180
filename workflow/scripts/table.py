"""One table."""

from importlib import import_module
from pathlib import Path

from h2cm.job import job
from h2cm.store import save_csv

with job(snakemake) as config:
    make = import_module(f"h2cm.tables.{snakemake.wildcards.table}").make
    save_csv(make(Path(snakemake.params.folder), config), snakemake.output[0], float_format="%.7g")
