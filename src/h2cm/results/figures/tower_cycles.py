"""Mean seasonal cycles at all towers, one small panel a tower."""

from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D

from h2cm.config import Config
from h2cm.results.evaluate.series import mean_seasonal_cycle
from h2cm.results.figures.drawing import Drawing, facts_of_run
from h2cm.results.figures.style import DOUBLE, FLUXES, REFERENCE, use_style
from h2cm.results.figures.tower_data import LeftOut, classes
from h2cm.results.run import Run
from h2cm.vocabulary import OUTPUTS, short

COLUMNS = 8


def draw(folder: Path, config: Config, group: str) -> Drawing:
    """Panels by land-cover class and site; observed as points, predicted as lines, of the fluxes of a group."""
    use_style()
    run = Run(folder, config)
    data = LeftOut(run, (group,))
    fluxes = dict(zip(data.targets, cycle(FLUXES[group])))
    order = classes(data.igbp)
    shown = [cell for cell in range(data.sites.size) if data.observed_months(cell)]
    shown.sort(key=lambda cell: (order.index(data.igbp[cell]), data.sites[cell]))
    rows = -(-len(shown) // COLUMNS)
    figure, axes = plt.subplots(
        rows, COLUMNS, figsize=(DOUBLE, 0.92 * rows + 0.6), sharex=True, sharey=True, squeeze=False
    )
    x = np.arange(1, 13)
    for axis, cell in zip(axes.flat, shown, strict=False):
        axis.axhline(0, color=REFERENCE, linewidth=0.4)
        for flux, colour in fluxes.items():
            members, observed = data.pair(flux, cell, observed_only=True)
            calendar_month = data.months(flux).dt.month.values
            axis.plot(
                x, mean_seasonal_cycle(observed, calendar_month), "o", color=colour, markersize=1.8, markeredgewidth=0
            )
            if len(members):
                cycles = mean_seasonal_cycle(members, calendar_month)
                axis.fill_between(x, cycles.min(0), cycles.max(0), color=colour, alpha=0.3, linewidth=0)
                axis.plot(x, np.median(cycles, axis=0), color=colour, linewidth=0.9)
        test = data.split.loc[cell, f"fold_{data.numbers[0]}"] == "test"
        axis.set_title(f"{data.sites[cell]}{'*' if test else ''} {data.igbp[cell]}", fontsize=7, pad=2)
        axis.set_xticks((1, 4, 7, 10), "JAJO")
        axis.tick_params(labelsize=6)
    for axis in axes.flat[len(shown) :]:
        axis.remove()
    for column in range(COLUMNS):
        lowest = max((i for i in range(column, len(shown), COLUMNS)), default=None)
        if lowest is not None:
            axes.flat[lowest].tick_params(labelbottom=True)
    unit = OUTPUTS[next(iter(fluxes))].printed_units
    figure.supylabel(f"{' and '.join(short(f) for f in fluxes)} ({unit})", fontsize=8)
    handles = []
    for flux, colour in fluxes.items():
        handles.append(
            Line2D([], [], color=colour, marker="o", markersize=2.5, linestyle="", label=f"{short(flux)} observed")
        )
        handles.append(Line2D([], [], color=colour, label=f"{short(flux)} H2CM, tower left out"))
    handles.append(
        Line2D(
            [],
            [],
            linestyle="",
            marker="$*$",
            markersize=4,
            color="black",
            label="test tower: median and range of the folds",
        )
    )
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return Drawing(figure, data.as_drawn().isel(cell=shown), facts_of_run(run) | {"towers": len(shown)})
