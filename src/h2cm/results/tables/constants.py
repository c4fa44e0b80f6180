"""Learned global constants of each experiment (Appendix E), beside the truth or the paper's numbers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from h2cm.config import Config
from h2cm.model.h2cm import H2CM
from h2cm.results.paths import main_experiment
from h2cm.results.run import Run
from h2cm.results.summaries.registry import TRUTH
from h2cm.vocabulary import CONSTANTS, reported

PAPER = {(False, "q10"): "1.25 [1.24, 1.27]", (False, "beta_co2"): "35.8 [26.9, 62.7]"}
PAPER |= {(True, "q10"): "1.5", (True, "beta_co2"): "15"}
"""The paper's, of the real Earth, with and without priors; units as here."""


def make(folder: Path, config: Config) -> pd.DataFrame:
    """Columns: experiment, constant, units, median, minimum, maximum, folds, before_training, prior_mean, prior_std, and the
    truth of the synthetic Earth or, of H2CM on the real one, the paper's value."""
    run = Run(folder, config)
    table = run.constants().melt(("experiment", "fold"), list(CONSTANTS), "constant", "value")
    grouped = table.groupby(["experiment", "constant"], sort=False)["value"]
    table = grouped.agg(median="median", minimum="min", maximum="max", folds="count").reset_index()
    table.insert(2, "units", [CONSTANTS[n].reported_units or CONSTANTS[n].units for n in table["constant"]])
    initial = reported({name: value.item() for name, value in H2CM().constants().items()})
    table["before_training"] = table["constant"].map(initial)
    priors = [config.experiments[e].priors.get(c) for e, c in zip(table["experiment"], table["constant"], strict=True)]
    table["prior_mean"] = [prior.mean if prior else float("nan") for prior in priors]
    table["prior_std"] = [prior.std if prior else float("nan") for prior in priors]
    if config.source == "twin":
        truth = run.summary("constants", TRUTH)
        table["truth"] = [float(truth[name].values[0]) if name in truth else float("nan") for name in table["constant"]]
    else:
        shown = (
            {main_experiment(config): False} | {"prior": True}
            if "prior" in config.experiments
            else {main_experiment(config): False}
        )
        table["paper"] = [
            PAPER.get((shown.get(e), c), "") for e, c in zip(table["experiment"], table["constant"], strict=True)
        ]
    return table.sort_values(
        "experiment", kind="stable", key=lambda names: names.map(list(config.experiments).index), ignore_index=True
    )
