"""The resolved configuration: what was given and all defaults."""

import yaml

from h2cm.files import whole
from h2cm.workflow.job import job

with job(snakemake) as config, whole(snakemake.output[0]) as file:
    file.write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True))
