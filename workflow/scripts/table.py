"""One table as CSV, Markdown and LaTeX; a short one is also written to the log."""

from importlib import import_module
from pathlib import Path

from h2cm.results.tables.registry import TABLES
from h2cm.results.tables.writing import save
from h2cm.workflow.job import job, log

with job(snakemake) as config:
    name = snakemake.wildcards.table
    table = import_module(f"h2cm.results.tables.{name}").make(Path(snakemake.params.folder), config)
    save(table, TABLES[name].caption, name, snakemake.output)
    if len(table) <= 20:
        log.info("\n%s", table.to_string(index=False, float_format="%.3g"))
