"""Skill for monthly fluxes at left-out towers, by land-cover class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D

from h2cm.config import Config
from h2cm.results.evaluate.aggregate import left_out
from h2cm.results.figures.drawing import Drawing, facts_of_run
from h2cm.results.figures.style import DOUBLE, REFERENCE, letters, use_style
from h2cm.results.figures.tower_data import LAND_COVER, classes
from h2cm.results.paths import main_experiment
from h2cm.results.run import Run, shown
from h2cm.vocabulary import short

METRICS = {"nse": "NSE", "r": "r"}
NSE_TICKS = (1, 0.8, 0.5, 0, -1, -4)


def draw(folder: Path, config: Config) -> Drawing:
    """Draw the figure from the files in `folder`.

    The axis of NSE, which has no lower end, is that of 1 / (2 - NSE), from 0 to 1: every tower lies on it.
    """
    use_style()
    run = Run(folder, config)
    cells = run.cells()
    igbp = dict(zip(run.scopes(cells), cells["igbp"].values.astype(str), strict=True))
    fluxes = shown(config, fluxes=True)
    skill = left_out(run.metrics(), np.array(list(igbp)))
    skill = skill[(skill["experiment"] == main_experiment(config)) & (skill["timescale"] == "monthly")]
    skill = skill[skill["metric"].isin(METRICS) & skill["reference"].isin(fluxes.values())].dropna(subset="value")
    skill = skill.assign(igbp=skill["scope"].map(igbp))
    counts = skill.drop_duplicates("scope")["igbp"].value_counts()
    order = classes(counts.index.to_numpy(str))

    figure, axes = plt.subplots(
        len(METRICS), len(fluxes), figsize=(DOUBLE, 3.9), sharex=True, sharey="row", squeeze=False
    )
    for i, (metric, name) in enumerate(METRICS.items()):
        for j, (flux, reference) in enumerate(fluxes.items()):
            axis = axes[i, j]
            table = skill[(skill["reference"] == reference) & (skill["metric"] == metric)]
            for x, c in enumerate(order):
                _strip(
                    axis,
                    x,
                    table.loc[table["igbp"] == c, "value"].sort_values().values,
                    LAND_COVER.get(c, ("", "0.5"))[1],
                )
            median = table["value"].median()
            axis.axhline(median, color=REFERENCE, linestyle="--", linewidth=0.8, zorder=0)
            axis.set_title(f"{short(flux)}: median {median:.2f}".replace("-", "−"))
            if j == 0:
                axis.set_ylabel(f"{name} (–)")
        if metric == "nse":
            for axis in axes[i]:
                axis.set_yscale("function", functions=(lambda v: 1 / (2 - np.minimum(v, 1.5)), lambda u: 2 - 1 / u))
            lowest = skill.loc[skill["metric"] == "nse", "value"].min()
            bounded = 1 / (2 - lowest)
            axes[i, 0].set_ylim(2 - 1 / (0.9 * bounded), 1.03)
            ticks = [tick for tick in NSE_TICKS if tick >= lowest] or list(NSE_TICKS)
            axes[i, 0].set_yticks(ticks, [f"{tick:g}".replace("-", "−") for tick in ticks])
            axes[i, 0].minorticks_off()
        else:
            low, high = axes[i, 0].get_ylim()
            axes[i, 0].set_ylim(low - 0.05 * (high - low), 1.03)
    for axis in axes[-1]:
        axis.set_xticks(range(len(order)), [f"{c} ({counts[c]})" for c in order], rotation=90)
        axis.set_xlim(-0.6, len(order) - 0.4)
    letters(axes)
    handles = [
        Line2D([], [], linestyle="", marker="o", markersize=3.5, color="0.4", label="left-out tower"),
        Line2D([], [], color="black", linewidth=1.4, label="median of the class"),
        Line2D([], [], color=REFERENCE, linestyle="--", linewidth=0.8, label="median of all"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    data = skill.set_index(["scope", "reference", "metric"])["value"].to_xarray().to_dataset()
    return Drawing(figure, data, facts_of_run(run) | {"towers": int(counts.sum())})


def _strip(axis, x: int, values: np.ndarray, colour: str) -> None:
    """The towers of one class as a column of points around `x`, with their median."""
    if not values.size:
        return
    places = x + np.resize([0.0, -0.18, 0.18, -0.09, 0.09], values.size)
    axis.plot(places, values, "o", color=colour, markersize=3.5, markeredgecolor="0.25", markeredgewidth=0.3)
    axis.hlines(np.median(values), x - 0.35, x + 0.35, color="black", linewidth=1.4, zorder=3)
