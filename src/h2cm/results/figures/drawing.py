"""What a figure hands over: the picture, the data that it shows, and the facts of its caption."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import xarray as xr
from matplotlib.figure import Figure

from h2cm.config import Config
from h2cm.files import whole
from h2cm.results.figures.registry import FIGURES
from h2cm.results.paths import folds, main_experiment
from h2cm.results.run import Run
from h2cm.results.summaries.registry import of_whom
from h2cm.store import save_netcdf


@dataclass(frozen=True)
class Drawing:
    """A figure as `save` writes it.

    Attributes
    ----------
    figure : Figure
    data : Dataset
        What is drawn, with units.
    facts : dict
        What stands in the braces of the caption's template.
    """

    figure: Figure
    data: xr.Dataset
    facts: Mapping[str, object] = field(default_factory=dict)


def draw_figure(name: str, folder: Path, config: Config) -> Drawing:
    """Draw a figure of the registry from the small files in `folder`, ``results/<run>``."""
    row = FIGURES[name]
    return import_module(f"h2cm.results.figures.{row.module or name}").draw(Path(folder), config, **row.options)


def facts_of_run(run: Run, experiment: str | None = None) -> dict[str, object]:
    """What most captions state: ``period``, ``cells``, ``test_cells``, ``folds`` of an experiment (the first if not given)."""
    config, split = run.config, run.split()
    first, last = config.period.start, config.period.end
    whole_years = (first.month, first.day, last.month, last.day) == (1, 1, 12, 31)
    period = f"{first.year}–{last.year}" if whole_years and first.year < last.year else f"{first} to {last}"
    if whole_years and first.year == last.year:
        period = f"{first.year}"
    folds_used = folds(config, experiment or main_experiment(config))
    return {
        "period": period,
        "cells": len(split),
        "test_cells": int((split[f"fold_{folds_used[0]}"] == "test").sum()),
        "folds": len(folds_used),
    }


def read(run: Run, summary: str, prefix: str = "") -> dict[str, xr.Dataset]:
    """A summary of all for whom the run has it, H2CM first, then the other experiments, then products.

    Parameters
    ----------
    run : Run
    summary : str
    prefix : str
        Of the variables wanted; who has none of them is left out.
    """
    found = {}
    for who in of_whom(summary, run.config):
        data = run.summary(summary, who)
        wanted = [name for name in data.data_vars if name.startswith(prefix)]
        if wanted:
            found[who] = data[wanted]
    return found


def save(drawing: Drawing, text: str, files) -> None:
    """Write picture, caption and data, each whole or not at all, without the date: the same figure gives the same files.

    Parameters
    ----------
    drawing : Drawing
    text : str
        The caption.
    files
        With the paths ``png``, ``pdf``, ``caption`` and ``data``.
    """
    for path, metadata in (
        (files.png, {"Software": None}),
        (files.pdf, {"CreationDate": None, "Producer": None, "Creator": None}),
    ):
        with whole(path) as file:
            drawing.figure.savefig(file, format=Path(path).suffix[1:], metadata=metadata)
        drawing.figure.set_layout_engine("none")  # both files have the layout of the first
    with whole(files.caption) as file:
        file.write_text(text + "\n")
    data = drawing.data.assign_attrs(title=text)
    save_netcdf(
        data,
        files.data,
        encoding={name: {"zlib": True} for name, v in data.data_vars.items() if v.dtype.kind in "fi" and v.ndim},
    )
