"""Observed and predicted monthly fluxes at left-out towers."""

from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D

from h2cm.config import Config
from h2cm.results.evaluate.metrics import scores
from h2cm.results.figures.drawing import Drawing, facts_of_run
from h2cm.results.figures.style import DOUBLE, PREDICTION, TARGET, letters, use_style, years_axis
from h2cm.results.figures.tower_data import LeftOut, classes
from h2cm.results.run import Run
from h2cm.vocabulary import label

TOWERS = 8
"""Towers shown at most."""

YEARS = 8
"""The last years of a tower's record that are shown, so that single months can be seen."""


def draw(folder: Path, config: Config) -> Drawing:
    """Draw the figure from the files in `folder`."""
    use_style()
    run = Run(folder, config)
    data = LeftOut(run)
    chosen = select(data)
    fluxes = list(data.targets)
    figure, axes = plt.subplots(len(chosen), len(fluxes), figsize=(DOUBLE, 1.0 * len(chosen) + 0.5), squeeze=False)
    for axis_row, cell in zip(axes, chosen, strict=True):
        for axis, flux in zip(axis_row, fluxes, strict=True):
            _panel(axis, data, flux, cell)
        axis_row[0].set_ylabel(f"{data.sites[cell]}\n{data.igbp[cell]}")
    for axis, flux in zip(axes[0], fluxes, strict=True):
        axis.set_title(label(flux))
    letters(axes)
    handles = [
        Line2D([], [], color=TARGET, marker="o", markersize=1.8, linewidth=0.5, label="observed"),
        Line2D([], [], color=PREDICTION, label="H2CM, tower left out (test towers: median and range of the folds)"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return Drawing(figure, data.as_drawn().isel(cell=chosen), facts_of_run(run) | {"towers": len(chosen)})


def select(data: LeftOut) -> list[int]:
    """The tower with the longest record of each class, the largest class first, then the next of each, up to `TOWERS`."""
    ranked = sorted(range(data.sites.size), key=data.observed_months, reverse=True)
    ranked = [cell for cell in ranked if data.observed_months(cell)]
    largest = sorted(classes(data.igbp), key=lambda c: -(data.igbp == c).sum())
    queues = [[cell for cell in ranked if data.igbp[cell] == c] for c in largest]
    return [queue[k] for k in range(TOWERS) for queue in queues if k < len(queue)][:TOWERS]


def _panel(axis, data: LeftOut, flux: str, cell: int) -> None:
    months = data.months(flux).values
    members, observed = data.pair(flux, cell, observed_only=False)
    there = np.flatnonzero(np.isfinite(observed))
    last = there[-1] + 1 if there.size else months.size
    shown = slice(max(0, last - 12 * YEARS), last)
    if len(members):
        middle = np.median(members, axis=0)
        axis.fill_between(
            months[shown], members.min(0)[shown], members.max(0)[shown], color=PREDICTION, alpha=0.3, linewidth=0
        )
        axis.plot(months[shown], middle[shown], color=PREDICTION, linewidth=0.9)
        metrics, _ = scores(middle, observed)
        text = f"NSE = {metrics['nse']:.2f}".replace("-", "−")
        box = {"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.5}
        axis.text(0.99, 0.98, text, transform=axis.transAxes, ha="right", va="top", fontsize=7, bbox=box, zorder=6)
    axis.plot(months[shown], observed[shown], "o-", color=TARGET, markersize=1.5, linewidth=0.4, markeredgewidth=0)
    axis.set_xlim(months[shown][0], months[shown][-1])
    years_axis(axis)
