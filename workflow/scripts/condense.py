"""One part of a product of many tiles, averaged to one file."""

from pathlib import Path

import dask
import pandas as pd

from h2cm.sources import products
from h2cm.workflow.job import job

with job(snakemake), dask.config.set(num_workers=snakemake.threads):
    tiles = Path(snakemake.params.folder) / pd.read_csv(snakemake.input[0])["file"]
    products.condense(snakemake.wildcards.product, tiles, snakemake.output[0])
