"""The store of the study's own inputs and targets: grid.nc and one file for each variable."""

from pathlib import Path

from h2cm.sources import published
from h2cm.sources.catalogue import product
from h2cm.workflow.job import job

with job(snakemake) as config:
    own = config.products.local.get("published")
    folder = Path(own["folder"]).expanduser() if own else config.products.folder / "published"
    source = str(folder) if own else f"doi:{product('published').doi}"
    published.write(published.read(folder, config), Path(snakemake.output[0]).parent, source)
