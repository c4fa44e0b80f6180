"""Learned global constants of each experiment and fold."""

from pathlib import Path

import numpy as np
import pandas as pd

from h2cm.config import Config
from h2cm.results.run import Run
from h2cm.vocabulary import CONSTANTS


def make(folder: Path, config: Config) -> pd.DataFrame:
    """Columns: experiment, fold, constant, units, value, prior_mean, prior_std, truth (empty where there is none)."""
    run = Run(folder, config)
    true = run.true_constants() if config.source == "twin" else {}
    table = run.constants().melt(("experiment", "fold"), list(CONSTANTS), "constant", "value")
    priors = [config.experiments[e].priors.get(c) for e, c in zip(table["experiment"], table["constant"], strict=True)]
    table.insert(
        3, "units", table["constant"].map({name: row.reported_units or row.units for name, row in CONSTANTS.items()})
    )
    table["prior_mean"] = [prior.mean if prior else np.nan for prior in priors]
    table["prior_std"] = [prior.std if prior else np.nan for prior in priors]
    table["truth"] = table["constant"].map(true).astype(float)
    return table
