"""When the data win over the prior of a constant: the sweeps of the experiments (Appendix E of the paper)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from h2cm.config import Config, sweeps
from h2cm.results.paths import folds
from h2cm.results.run import Run
from h2cm.vocabulary import reported

COLUMNS = (
    "experiment",
    "multiple",
    "fold",
    "constant",
    "prior_mean",
    "prior_std",
    "value",
    "without_prior",
    "prior_loss",
    "constraints_loss",
)


def prior_sweep(folder: Path, config: Config) -> pd.DataFrame:
    """What each width of the priors leads to, at the epoch whose weights are used.

    Parameters
    ----------
    folder : Path
        `results/<run>`.
    config : Config

    Returns
    -------
    DataFrame
        One row for each experiment with a sweep, multiple of its standard deviations (1: the experiment itself), fold
        and constant, with columns `COLUMNS`: the constant (in the units in which it is reported) with its prior and
        without any, in the same fold of an experiment that is the same but for priors (NaN if there is none);
        the loss of its prior, and the loss of the constraints of the validation cells.
    """
    run, members = Run(Path(folder), config), sweeps(config)
    bases = dict.fromkeys(base for base, _ in members.values())
    rows = []
    for base in bases:
        named = [(base, 1.0), *((name, multiple) for name, (of, multiple) in members.items() if of == base)]
        free = free_of_priors(config, base)
        for name, multiple in sorted(named, key=lambda pair: pair[1]):
            for fold in folds(config, name):
                end = at_best_epoch(run.losses(name, fold))
                without = {}
                if free and fold in folds(config, free):
                    without = learned(at_best_epoch(run.losses(free, fold)))
                values, priors = learned(end), config.experiments[name].priors
                of_priors = sum(end[f"prior_{constant}"] for constant in priors)
                rows += [
                    (
                        base,
                        multiple,
                        fold,
                        constant,
                        prior.mean,
                        prior.std,
                        values[constant],
                        without.get(constant, np.nan),
                        end[f"prior_{constant}"],
                        end["total"] - of_priors,
                    )
                    for constant, prior in priors.items()
                ]
    return pd.DataFrame(rows, columns=COLUMNS)


def free_of_priors(config: Config, experiment: str) -> str | None:
    """The experiment that differs from another by having no priors, or None."""
    of = config.experiments[experiment]
    for name, row in config.experiments.items():
        same = all(
            getattr(row, key) == getattr(of, key) for key in ("model", "train_years", "constraints", "start", "fix")
        )
        if same and not row.priors:
            return name
    return None


def at_best_epoch(losses: pd.DataFrame) -> dict[str, float]:
    """Losses of the validation cells, and constants, at the epoch whose weights are used."""
    total = losses[(losses["constraint"] == "total") & (losses["cells"] == "validation")]
    best = total.loc[total["loss"].idxmin(), "epoch"]
    chosen = losses[(losses["epoch"] == best) & (losses["cells"] != "train")]
    return dict(zip(chosen["constraint"], chosen["loss"], strict=True))


def learned(end: dict[str, float]) -> dict[str, float]:
    """The constants among what `at_best_epoch` found, in the units in which they are reported."""
    prefix = "constant:"
    return reported({name.removeprefix(prefix): value for name, value in end.items() if name.startswith(prefix)})
