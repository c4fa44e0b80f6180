"""Metrics of the area-weighted mean over the test cells (Figures 3 and C9): rows are metrics, columns constraints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D

from h2cm.comparisons import TIMESCALES
from h2cm.config import Config
from h2cm.results.evaluate.aggregate import over_folds
from h2cm.results.figures.drawing import Drawing, facts_of_run
from h2cm.results.figures.style import DOUBLE, REFERENCE, constraint_name, letters, look, use_style
from h2cm.results.paths import contenders
from h2cm.results.run import Run, series_constraints
from h2cm.vocabulary import VARIABLES

ROWS = {"rmse": ("RMSE", 0.0), "bias": ("Bias", 0.0), "r": ("r", 1.0), "nse": ("NSE", 1.0), "sdr": ("SDR", 1.0)}
"""Name of each metric and its perfect value, marked by a line."""

WITH_UNITS = ("rmse", "bias")
TICKS = {"monthly": "Monthly", "msc": "MSC", "anomaly": "Anomaly"}


def draw(folder: Path, config: Config, groups: tuple[str, ...]) -> Drawing:
    """Cross bars from the smallest to the largest of the folds with a line at their mean, for each experiment.

    The constraints are all those of the vocabulary's `groups` that compare series.
    """
    use_style()
    run = Run(folder, config)
    references = [name for name in series_constraints(config) if VARIABLES[name].group in groups]
    table = over_folds(test_series(run.metrics()))
    table = table[table["reference"].isin(references) & table["metric"].isin(ROWS)]
    experiments = contenders(config)
    table = table[table["experiment"].isin(experiments)]
    figure, axes = panels(config, references)
    for j, reference in enumerate(references):
        for i, (metric, (_, perfect)) in enumerate(ROWS.items()):
            rows = table[(table["reference"] == reference) & (table["metric"] == metric)]
            _panel(axes[i, j], rows, experiments, config, perfect)
    legend(figure, experiments, config)
    key = ["experiment", "reference", "timescale", "metric"]
    data = table.set_index(key)[["mean", "minimum", "maximum", "folds"]].to_xarray()
    return Drawing(figure, data, facts_of_run(run) | {"numbers": fold_numbers(table, config)})


def fold_numbers(table: pd.DataFrame, config: Config) -> str:
    """How many folds each experiment shows, for a caption."""
    most = table.groupby("experiment", sort=False)["folds"].max()
    return ", ".join(f"{look(name, config).name} {number}" for name, number in most.items())


def test_series(metrics: pd.DataFrame) -> pd.DataFrame:
    """The rows of the area-weighted mean over the test cells."""
    return metrics[(metrics["cells"] == "test") & (metrics["scope"] == "area_weighted_mean")]


def panels(config: Config, references: list[str], timescales: Sequence[str] = TIMESCALES):
    """Figure and axes (metric, constraint), lettered, with units on the axes of RMSE and bias only."""
    columns = len(references)
    width = min(DOUBLE, 0.6 + 1.6 * columns)
    figure, axes = plt.subplots(len(ROWS), columns, figsize=(width, 1.15 * len(ROWS) + 0.6), sharex=True, squeeze=False)
    for axis, reference in zip(axes[0], references, strict=True):
        title = constraint_name(reference, config.source)
        axis.set_title(title.replace(" (", "\n(") if columns > 3 or len(title) > 18 else title)
    letters(axes)
    for i, (metric, (name, perfect)) in enumerate(ROWS.items()):
        for j, reference in enumerate(references):
            axis = axes[i, j]
            axis.axhline(perfect, color=REFERENCE, linewidth=0.8, linestyle="--", zorder=0)
            unit = f"({VARIABLES[reference].printed_units})" if metric in WITH_UNITS else ""
            axis.set_ylabel(f"{name} {unit}".strip() if j == 0 else unit, fontsize=7)
    for axis in axes[-1]:
        axis.set_xticks(range(len(timescales)), [TICKS[timescale] for timescale in timescales])
        axis.set_xlim(-0.6, len(timescales) - 0.4)
        if columns > 3:
            plt.setp(axis.get_xticklabels(), rotation=40, ha="right", rotation_mode="anchor")
    figure.align_ylabels()
    return figure, axes


def legend(figure, experiments: list[str], config: Config) -> None:
    """The colours of the experiments and the line of the perfect value, below."""
    handles = [
        Line2D([], [], color=look(e, config).colour, linewidth=4, label=look(e, config).name) for e in experiments
    ]
    handles.append(Line2D([], [], color=REFERENCE, linewidth=0.8, linestyle="--", label="perfect value"))
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 4))


def _panel(axis, table: pd.DataFrame, experiments: list[str], config: Config, perfect: float) -> None:
    n = len(experiments)
    width = 0.75 / n
    for k, experiment in enumerate(experiments):
        rows = table[table["experiment"] == experiment].set_index("timescale").reindex(TIMESCALES)
        colour = look(experiment, config).colour
        x = np.arange(len(TIMESCALES)) + (k - (n - 1) / 2) * width
        height = rows["maximum"] - rows["minimum"]
        axis.bar(
            x, height, width * 0.85, bottom=rows["minimum"], color=colour, alpha=0.35, edgecolor=colour, linewidth=0.6
        )
        axis.hlines(rows["mean"], x - width * 0.425, x + width * 0.425, color=colour, linewidth=1.6)
    axis.use_sticky_edges = False  # bars would end at the frame
    axis.margins(y=0.12)
