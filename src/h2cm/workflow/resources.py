"""What the jobs of the workflow need of the machine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from h2cm.config import Config

LAND_SHARE = 0.3
"""Share of the globe that is land, more or less."""

BASE_MEMORY = 2000
"""MB: Python, PyTorch and what else does not grow with the data."""


def use_source(source: Path) -> None:
    """Let the scripts of the workflow import the package as it stands in `source`, installed or not."""
    paths = [str(source), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))


def memory(config: Config, copies: float, cells: int | None = None) -> int:
    """Memory in MB of a job that holds `copies` arrays of the size of the daily forcing.

    Parameters
    ----------
    config : Config
    copies : float
    cells : int, optional
        Estimated from the resolution of the grid if not given.
    """
    days = (config.period.end - config.period.start).days + 1
    if cells is None:
        cells = LAND_SHARE * 360 * 180 / config.grid.resolution**2
    return int(BASE_MEMORY + copies * 5 * 4 * cells * days / 1e6)


def gpus(config: Config) -> int:
    """GPUs that a training or prediction job asks for by itself: where the configuration insists on one.

    Whether ``auto`` finds one is seen by the job, on the machine that runs it; where jobs are submitted from, nothing is
    known of it. That such jobs get a GPU is said by the profile of the site (docs/cluster.md).
    """
    return int(config.training.device.startswith("cuda"))


def as_given_for(rule: str, names: Iterable[str], *given: Mapping) -> None:
    """Let what a profile sets for a rule (threads, resources) count for rules that stand in its place, unless it names them.

    Parameters
    ----------
    rule : str
    names : iterable of str
        Those of the rules in its place.
    *given : mapping
        What is set, by rule; changed in place where it sets something for `rule`.
    """
    for settings in given:
        if rule in settings:
            settings.update({name: settings[rule] for name in names if name not in settings})
