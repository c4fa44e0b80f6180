"""What the constraints say against each value at which a quantity was held: the profiles of the experiments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from h2cm.config import HELD_FIELDS, Config, profiles
from h2cm.results.evaluate.identified import Identified, identified
from h2cm.results.paths import folds
from h2cm.results.run import Run
from h2cm.store import DataError
from h2cm.vocabulary import reported

COLUMNS = ("experiment", "quantity", "asked", "value", "learned", "fold", "member", "loss", "released", "difference")


def collect(folder: Path, config: Config) -> pd.DataFrame:
    """One row for each experiment with a profile, quantity, value, fold and member, with columns `COLUMNS`.

    ``asked`` is the value of the configuration, ``value`` what it came to (the same of constants), ``learned`` what it is with
    nothing held (1 of a multiple); ``loss`` the loss of the constraints of the validation cells, without those of priors and of
    holding, at the epoch whose weights are kept; ``released`` that of training on with nothing held; ``difference`` of both.
    """
    run, rows = Run(Path(folder), config), []
    released = {base: name for name, (base, held, _) in profiles(config).items() if held is None}
    for name, (base, held, asked) in profiles(config).items():
        if held is None:
            continue
        for fold in folds(config, name):
            mine, free = (_ends(run.losses(one, fold), config) for one in (name, released[base]))
            for member, end in mine.items():
                constants = reported(
                    {k.removeprefix("constant:"): v for k, v in free[member].items() if k.startswith("constant:")}
                )
                value, learned = (end[f"held:{held}"], 1.0) if held in HELD_FIELDS else (asked, constants[held])
                loss, without = _of_constraints(end), _of_constraints(free[member])
                rows.append((base, held, asked, value, learned, fold, member, loss, without, loss - without))
    return pd.DataFrame(rows, columns=COLUMNS)


def _ends(losses: pd.DataFrame, config: Config) -> dict[int, dict[str, float]]:
    """Of each member the losses of the validation cells, and the constants, at the epoch whose weights are kept."""
    found = {}
    for member, table in losses.groupby("member"):
        total = table[(table["constraint"] == "total") & (table["cells"] == "validation")]
        best = total["epoch"].max() if config.training.steps is not None else total.loc[total["loss"].idxmin(), "epoch"]
        chosen = table[(table["epoch"] == best) & (table["cells"] != "train")]
        found[int(member)] = dict(zip(chosen["constraint"], chosen["loss"], strict=True))
    return found


def _of_constraints(end: dict[str, float]) -> float:
    """The total without priors and what holds parameters."""
    return end["total"] - sum(v for k, v in end.items() if k.startswith(("prior_", "held_")))


def spread_over_seeds(table: pd.DataFrame) -> float:
    """What the loss differs by between seeds: standard deviations over the members of a fold.

    The larger of that of the loss with nothing held (of several folds the root of the mean square) and that of the difference
    made by holding (the median over values and folds, as far from what fits members differ by more).

    Parameters
    ----------
    table : DataFrame
        Of one experiment and quantity.
    """
    one = table.drop_duplicates(["fold", "member"])
    free = np.sqrt(one.groupby("fold")["released"].var(ddof=1).mean())
    held = table.groupby(["asked", "fold"])["difference"].std(ddof=1).median()
    return float(max(free, held))


def verdicts(table: pd.DataFrame) -> dict[tuple[str, str], tuple[Identified, pd.DataFrame]]:
    """Of each experiment and quantity the verdict, and the medians of value and difference for each value asked for.

    Raises
    ------
    DataError
        Where the members do not differ: any difference would seem to say something.
    """
    found = {}
    for (experiment, held), rows in table.groupby(["experiment", "quantity"], sort=False):
        middle = rows.groupby("asked")[["value", "difference"]].median()
        spread = spread_over_seeds(rows)
        if not spread > 0:
            raise DataError(
                f"profiles: {experiment}, {held}: expected members whose losses differ, found none that do: with batches of all "
                "cells and the same initial values seeds change nothing (training.batch_cells)"
            )
        learned = rows["learned"].median()
        found[experiment, held] = (
            identified(learned, middle["value"].values, middle["difference"].values, spread),
            middle,
        )
    return found
