"""One variable of the data set, daily or monthly: median, minimum and maximum of the folds, of months also
calibrated quantiles, a year a file."""

from pathlib import Path

from h2cm.results.dataset.files import write_variable
from h2cm.results.evaluate.intervals import Calibration
from h2cm.store import load
from h2cm.workflow.job import job

with job(snakemake) as config:
    write_variable(
        config,
        snakemake.wildcards.variable,
        snakemake.wildcards.step,
        snakemake.input.members,
        load(snakemake.input.cells),
        Path(snakemake.params.folder),
        snakemake.params.code,
        Calibration(load(snakemake.input.intervals[0])) if snakemake.input.intervals else None,
    )
