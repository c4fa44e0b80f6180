"""Store of the towers that the configuration chooses: grid.nc and one file for each variable."""

import logging
from pathlib import Path

from h2cm import config, towers

logging.basicConfig(filename=snakemake.log[0], level=logging.INFO, format="%(message)s")  # noqa: F821

settings = config.load(snakemake.input.config)  # noqa: F821
source = "ONEFlux zips in " + ", ".join(map(str, settings.towers.folders))
towers.write(towers.read(settings), Path(snakemake.output[0]).parent, source)  # noqa: F821
