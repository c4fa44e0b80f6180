"""What was found again of the synthetic Earth, and what was not: sentences from numbers, by rules that are printed.

A constant: the share of the way from its initial value to the truth that training has gone (median of the folds).
A variable: the Nash-Sutcliffe efficiency of the monthly area-weighted mean over the test cells against the truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from h2cm.results.evaluate.recovered import SAME, VERDICTS, reason, verdict


@dataclass(frozen=True)
class Finding:
    """One constant or variable."""

    name: str
    verdict: str
    sentence: str


def constant_finding(name: str, values: np.ndarray, truth: float, initial: float, units: str = "") -> Finding:
    """What is to be said of a learned constant.

    Parameters
    ----------
    values : ndarray, shape (fold,)
    truth, initial : float
        In the unit of `values`.
    """
    learned, unit = float(np.median(values)), f" {units}" if units else ""
    numbers = f"true {truth:.3g}{unit}, learned {learned:.3g} ({values.min():.3g} to {values.max():.3g} over the folds)"
    if abs(initial - truth) <= SAME * abs(truth):
        return Finding(name, VERDICTS[3], f"{numbers}; training starts at {initial:.3g}, so that its end says nothing")
    share = 1 - abs(learned - truth) / abs(initial - truth)
    if share < 0:
        how = f"from its initial {initial:.3g} it went away from the truth"
    else:
        how = f"from its initial {initial:.3g} it went {share:.0%} of the way"
    return Finding(name, verdict(share), f"{numbers}; {how}")


def variable_finding(name: str, efficiency: np.ndarray, observed: bool) -> Finding:
    """What is to be said of a variable.

    Parameters
    ----------
    efficiency : ndarray, shape (fold,)
        Nash-Sutcliffe efficiency against the truth.
    observed : bool
        Whether a constraint shows it.
    """
    middle = float(np.median(efficiency))
    why = reason(name, observed)
    spread = f"{efficiency.min():.2f} to {efficiency.max():.2f} over the folds"
    return Finding(name, verdict(middle), f"efficiency {middle:.2f} ({spread}); {why}")


def findings(
    metrics: pd.DataFrame, constants: pd.DataFrame, initial: dict[str, float], observed: set[str]
) -> tuple[list[Finding], list[Finding]]:
    """Constants and variables of one experiment.

    Parameters
    ----------
    metrics : DataFrame
        Rows of the table of metrics of one experiment.
    constants : DataFrame
        Rows of the table of constants of this experiment.
    initial : dict of float
        Initial values of the constants, as reported.
    observed : set of str
        Variables that a constraint of the experiment shows.
    """
    learned = [
        constant_finding(
            name, group["value"].to_numpy(), group["truth"].iloc[0], initial[name], str(group["units"].iloc[0])
        )
        for name, group in constants.dropna(subset="truth").groupby("constant", sort=False)
    ]
    chosen = metrics.query(
        "reference == 'truth' and cells == 'test' and scope == 'area_weighted_mean' and timescale == 'monthly' "
        "and metric == 'nse'"
    ).dropna(subset="value")
    variables = [
        variable_finding(name, group.to_numpy(), name in observed)
        for name, group in chosen.groupby("variable", sort=False)["value"]
    ]
    return learned, variables
