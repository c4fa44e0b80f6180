"""One table; a short one is also written to the log."""

from importlib import import_module
from pathlib import Path

from h2cm.store import save_csv
from h2cm.workflow.job import job, log

with job(snakemake) as config:
    table = import_module(f"h2cm.results.tables.{snakemake.wildcards.table}").make(
        Path(snakemake.params.folder), config
    )
    save_csv(table, snakemake.output[0], float_format="%.7g")
    if len(table) <= 20:
        log.info("\n%s", table.to_string(index=False, float_format="%.3g"))
