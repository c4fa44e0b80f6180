"""The graph of the rules, as Snakemake plans it, and the versions of what runs."""

import json
import subprocess
import sys

from h2cm.files import whole
from h2cm.results.report.rule_graph import edges
from h2cm.workflow.job import job
from h2cm.workflow.provenance import versions

with job(snakemake):
    command = [sys.executable, "-m", "snakemake", "all", "--snakefile", snakemake.params.snakefile]
    command += ["--configfile", snakemake.input[0], "--rulegraph", "dot"]
    said = subprocess.run(command, capture_output=True, text=True)
    if said.returncode:
        raise RuntimeError(f"Snakemake could not plan the rules:\n{said.stderr}")
    with whole(snakemake.output[0]) as file:
        file.write_text(json.dumps({"versions": versions(), "rules": edges(said.stdout)}, indent=1))
