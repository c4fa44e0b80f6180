"""One table."""

from importlib import import_module
from pathlib import Path

from h2cm.config import load
from h2cm.store import save_csv

config = load(snakemake.input.config)
make = import_module(f"h2cm.tables.{snakemake.wildcards.table}").make
save_csv(make(Path(snakemake.input.config).parent, config), snakemake.output[0], float_format="%.7g")
