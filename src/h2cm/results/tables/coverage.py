"""Whether the calibrated intervals hold at the test cells, and where they fail."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from h2cm.config import Config
from h2cm.results.evaluate.intervals import CALIBRATED, COVERAGES, TRANSFERRED
from h2cm.results.paths import main_experiment
from h2cm.results.run import Run
from h2cm.vocabulary import find, ordered

FAILS = 0.8
"""Share within the interval of 90 % below which a land cover is named."""


def make(folder: Path, config: Config) -> pd.DataFrame:
    """Columns: variable, units, reference, intervals (calibrated, or transferred), cells; the share of values, by area, within
    the central intervals, and within those of the folds as they are; CRPS of both; mean width of the interval of 90 %; fails."""
    data = Run(folder, config).summary("intervals", main_experiment(config))
    rows = []
    for name in ordered(str(v) for v in data["variable"].values):
        for reference in data["reference"].values.astype(str) if "reference" in data else ():
            one = data.sel(variable=name, reference=reference)
            if not one["cells"] > 0:
                continue
            row = {"variable": name, "units": find(name).units, "reference": reference}
            row |= {"intervals": TRANSFERRED if int(one["transferred"]) else CALIBRATED, "cells": int(one["cells"])}
            for column, field in (("within", "below"), ("folds within", "below_members")):
                for cover in COVERAGES:
                    low, high = (one[field].sel(level=0.5 + side * cover / 2, method="nearest") for side in (-1, 1))
                    row[f"{column} {100 * cover:.0f} %"] = float(high - low)
            row |= {
                "crps": float(one["crps"]),
                "crps of folds": float(one["crps_members"]),
                "width": float(one["width"]),
            }
            pairs = zip(data["land_cover"].values.astype(str), one["inside"].values, strict=True)
            row["fails"] = ", ".join(
                f"{cover.replace('_', ' ')} ({share:.2f})" for cover, share in pairs if share < FAILS
            )
            rows.append(row)
    return pd.DataFrame(rows)
