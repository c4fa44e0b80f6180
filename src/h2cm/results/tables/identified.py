"""What the constraints identify: the verdict on each quantity of which there is a profile."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from h2cm.config import Config
from h2cm.results.evaluate.profiles import spread_over_seeds, verdicts
from h2cm.results.run import Run
from h2cm.vocabulary import CONSTANTS, find


def make(folder: Path, config: Config) -> pd.DataFrame:
    """Columns: experiment, quantity, units, learned, verdict, low and high of the interval (empty where it has no end), the range
    tried, the largest difference of the loss, the spread of the loss over seeds, and of the synthetic Earth the truth."""
    run = Run(folder, config)
    table, true = run.profiles(), run.true_constants() if config.source == "twin" else {}
    rows = []
    for (experiment, held), (said, middle) in verdicts(table).items():
        constant = held in CONSTANTS
        mine = table[(table["experiment"] == experiment) & (table["quantity"] == held)]
        row = {"experiment": experiment, "quantity": held}
        row["units"] = (find(held).reported_units or find(held).units) if constant else "of the trained"
        row |= {"learned": mine["learned"].median(), "verdict": said.verdict}
        row |= {
            side: value if abs(value) < float("inf") else float("nan")
            for side, value in (("low", said.low), ("high", said.high))
        }
        row |= {
            "tried from": middle["value"].min(),
            "tried to": middle["value"].max(),
            "largest difference": middle["difference"].max(),
        }
        row["spread over seeds"] = spread_over_seeds(mine)
        if config.source == "twin":
            truth = true.get(held, float("nan")) if constant else float("nan")
            row |= {
                "truth": truth,
                "truth inside": "" if truth != truth else "yes" if said.low <= truth <= said.high else "no",
            }
        rows.append(row)
    return pd.DataFrame(rows)
