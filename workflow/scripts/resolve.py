"""The resolved configuration: what was given and all defaults."""

import os
from pathlib import Path

import yaml

from h2cm.workflow.job import job

with job(snakemake) as config:
    part = Path(f"{snakemake.output[0]}.part")
    part.write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True))
    os.replace(part, snakemake.output[0])
