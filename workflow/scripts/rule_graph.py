"""The graph of the rules, as Snakemake plans it, and the versions of what runs."""

import json
import os
import subprocess
import sys

from h2cm.results.report.rule_graph import edges
from h2cm.workflow.job import job
from h2cm.workflow.provenance import versions

with job(snakemake):
    command = [sys.executable, "-m", "snakemake", "all", "--snakefile", snakemake.params.snakefile]
    command += ["--configfile", snakemake.input[0], "--rulegraph", "dot"]
    said = subprocess.run(command, capture_output=True, text=True)
    if said.returncode:
        raise RuntimeError(f"Snakemake could not plan the rules:\n{said.stderr}")
    part = f"{snakemake.output[0]}.part"
    with open(part, "w") as file:
        json.dump({"versions": versions(), "rules": edges(said.stdout)}, file, indent=1)
    os.replace(part, snakemake.output[0])
