"""Skill for monthly fluxes at left-out towers, by land-cover class."""

from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from h2cm.config import Config
from h2cm.results.evaluate.aggregate import left_out
from h2cm.results.figures.style import DOUBLE, REFERENCE, letters, use_style
from h2cm.results.figures.tower_data import LAND_COVER, classes
from h2cm.results.paths import main_experiment
from h2cm.results.run import Run, shown
from h2cm.vocabulary import short

ROWS = {"nse": ("NSE", -1.0), "r": ("r", 0.0)}
"""Metrics, and the least value of the axis; towers below it are drawn at its lower end."""


def draw(folder: Path, config: Config) -> Figure:
    """Draw the figure from the files in `folder`."""
    use_style()
    run = Run(folder, config)
    cells = run.cells()
    igbp = dict(zip(run.scopes(cells), cells["igbp"].values.astype(str), strict=True))
    skill = left_out(run.metrics(), np.array(list(igbp)))
    skill = skill[(skill["experiment"] == main_experiment(config)) & (skill["timescale"] == "monthly")].dropna(
        subset="value"
    )
    counts = skill.drop_duplicates("scope")["scope"].map(igbp).value_counts()
    order = classes(counts.index.to_numpy(str))
    fluxes = shown(config, fluxes=True)

    figure, axes = plt.subplots(len(ROWS), len(fluxes), figsize=(DOUBLE, 3.8), sharex=True, sharey="row", squeeze=False)
    for i, (metric, (name, floor)) in enumerate(ROWS.items()):
        lowest = skill.loc[(skill["metric"] == metric) & skill["reference"].isin(fluxes.values()), "value"].min()
        floor = max(floor, np.floor(5 * lowest) / 5) if np.isfinite(lowest) else floor
        for j, (flux, reference) in enumerate(fluxes.items()):
            axis = axes[i, j]
            table = skill[(skill["reference"] == reference) & (skill["metric"] == metric)]
            for x, c in enumerate(order):
                _strip(axis, x, table[table["scope"].map(igbp) == c], floor, LAND_COVER.get(c, ("", "0.5"))[1])
            median = table["value"].median()
            axis.axhline(median, color=REFERENCE, linestyle="--", linewidth=0.8, zorder=0)
            axis.set_title(f"{short(flux)}: median {median:.2f}".replace("-", "−"))
            axis.set_ylim(floor - 0.06 * (1 - floor), 1.02)
            if j == 0:
                axis.set_ylabel(f"{name} (–)")
    for axis in axes[-1]:
        axis.set_xticks(range(len(order)), [f"{c} ({counts[c]})" for c in order], rotation=90, fontsize=6.5)
        axis.set_xlim(-0.6, len(order) - 0.4)
    letters(axes)
    handles = [
        Line2D([], [], linestyle="", marker="o", markersize=3.5, color="0.4", label="left-out tower"),
        Line2D([], [], linestyle="", marker="v", markersize=3.5, color="0.4", label="below the axis"),
        Line2D([], [], color="black", linewidth=1.4, label="median of the class"),
        Line2D([], [], color=REFERENCE, linestyle="--", linewidth=0.8, label="median of all"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def _strip(axis, x: int, table, floor: float, colour: str) -> None:
    """The towers of one class as a column of points around `x`, with their median."""
    if table.empty:
        return
    values = table["value"].sort_values().values
    places = x + np.resize([0.0, -0.18, 0.18, -0.09, 0.09], values.size)
    below = values < floor
    style = {"color": colour, "markersize": 3.5, "markeredgecolor": "0.25", "markeredgewidth": 0.3, "clip_on": False}
    for chosen, marker in ((~below, "o"), (below, "v")):
        if chosen.any():
            axis.plot(places[chosen], np.maximum(values[chosen], floor), marker, **style)
    axis.hlines(max(np.median(values), floor), x - 0.35, x + 0.35, color="black", linewidth=1.4, zorder=3)
