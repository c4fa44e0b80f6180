"""Table C1: RMSE and bias of the carbon fluxes, of the area-weighted mean over all cells, beside the paper's numbers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from h2cm.comparisons import TIMESCALES
from h2cm.config import Config
from h2cm.results.evaluate.aggregate import over_folds
from h2cm.results.evaluate.fold import ALL
from h2cm.results.figures.style import constraint_name
from h2cm.results.paths import main_experiment
from h2cm.results.run import Run, series_constraints
from h2cm.vocabulary import VARIABLES

METRICS = {"rmse": "RMSE", "bias": "Bias"}
COLUMNS = {"monthly": "Monthly", "msc": "MSC", "anomaly": "Anomaly"}

PAPER: dict[tuple[str, str], tuple[str, str, str]] = {
    ("gpp", "rmse"): ("0.10 [0.06, 0.22]", "0.09 [0.05, 0.22]", "0.05 [0.04, 0.06]"),
    ("gpp", "bias"): ("0.00 [-0.20, 0.11]", "0.00 [-0.20, 0.11]", "0.00 [0.00, 0.00]"),
    ("nee_oco2", "rmse"): ("0.04 [0.03, 0.05]", "0.03 [0.02, 0.04]", "0.02 [0.02, 0.03]"),
    ("nee_oco2", "bias"): ("-0.01 [-0.03, 0.03]", "-0.01 [-0.03, 0.03]", "0.00 [0.00, 0.00]"),
    ("nee_carboscope", "rmse"): ("0.07 [0.06, 0.08]", "0.06 [0.04, 0.08]", "0.03 [0.03, 0.04]"),
    ("nee_carboscope", "bias"): ("0.01 [0.00, 0.04]", "0.01 [0.00, 0.04]", "0.00 [0.00, 0.00]"),
}
"""Table C1 of the paper, of the real Earth on 1° in 2001-2019 with ten folds, on `TIMESCALES`, gC m-2 day-1."""


def make(folder: Path, config: Config) -> pd.DataFrame:
    """Rows: constraint and metric with its unit; columns: median [minimum, maximum] of the folds, and the paper's."""
    table = over_folds(Run(folder, config).metrics())
    table = table[(table["cells"] == ALL) & (table["scope"] == "area_weighted_mean")]
    table = table[table["experiment"] == main_experiment(config)].set_index(["reference", "metric", "timescale"])
    rows = []
    for name in (n for n in series_constraints(config) if VARIABLES[n].group == "carbon"):
        for metric, title in METRICS.items():
            row = {"constraint": constraint_name(name, config.source), "metric": f"{title} (gC m-2 day-1)"}
            for timescale in TIMESCALES:
                key = (name, metric, timescale)
                row[COLUMNS[timescale]] = (
                    spread(*table.loc[key, ["median", "minimum", "maximum"]]) if key in table.index else ""
                )
            published = PAPER.get((name, metric), ("", "", ""))
            row |= {f"{COLUMNS[t]}, paper": text for t, text in zip(TIMESCALES, published, strict=True)}
            rows.append(row)
    return pd.DataFrame(rows)


def spread(median: float, minimum: float, maximum: float, digits: str = ".2f") -> str:
    """Median [minimum, maximum]; empty where there is none.

    >>> spread(0.104, 0.06, 0.2249)
    '0.10 [0.06, 0.22]'
    """
    if median != median:
        return ""
    middle, low, high = (f"{value:{digits}}".replace("-0.00", "0.00") for value in (median, minimum, maximum))
    return f"{middle} [{low}, {high}]"
