"""Training and validation loss of each fold, in total and by constraint."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from h2cm.config import Config
from h2cm.results.figures.drawing import Drawing, facts_of_run
from h2cm.results.figures.style import DOUBLE, TRAIN, VALIDATION, constraint_name, letters, use_style
from h2cm.results.paths import folds, main_experiment
from h2cm.results.run import Run
from h2cm.vocabulary import ordered, short

COLUMNS = 4


def draw(folder: Path, config: Config) -> Drawing:
    """Draw the figure from the files in `folder`."""
    use_style()
    run, experiment = Run(folder, config), main_experiment(config)
    losses = {fold: run.losses(experiment, fold) for fold in folds(config, experiment)}
    named = next(iter(losses.values()))["constraint"].unique()
    parts = [name for name in named if not name.startswith(("constant:", "total", "skipped_batches"))]
    parts = ["total", *ordered(parts)]

    rows = -(-len(parts) // COLUMNS)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(DOUBLE, 1.35 * rows + 0.35), sharex=True, squeeze=False)
    for axis, part in zip(axes.flat, parts, strict=False):
        for table in losses.values():
            curves = table.pivot_table(index="epoch", columns=["constraint", "cells"], values="loss")
            best = curves.index[-1] if config.training.steps else curves["total", "validation"].idxmin()
            for cells, colour in (("train", TRAIN), ("validation", VALIDATION)):
                if (part, cells) in curves and np.isfinite(curves[part, cells]).any():
                    axis.plot(curves[part, cells], color=colour, linewidth=0.7)
            if (part, "validation") in curves:
                axis.plot(best, curves[part, "validation"][best], "o", color="black", markersize=2.5, zorder=3)
        positive = [line for line in axis.lines if np.all(np.asarray(line.get_ydata()) > 0)]
        if len(positive) == len(axis.lines):
            axis.set_yscale("log")
            low, high = axis.get_ylim()
            axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
            axis.yaxis.set_major_formatter(FuncFormatter(lambda loss, _: f"{loss:g}"))
            axis.yaxis.set_minor_formatter(NullFormatter())
        axis.set_title(part_name(part, config.source))
    for axis in axes.flat[len(parts) :]:
        axis.remove()
    for column in range(COLUMNS):
        lowest = max((i for i in range(column, len(parts), COLUMNS)), default=None)
        if lowest is not None:
            axis = axes.flat[lowest]
            axis.tick_params(labelbottom=True)
            axis.xaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]))
    figure.supxlabel("Epoch", fontsize=8)
    figure.supylabel("Loss (–)", fontsize=8)
    letters(axes.flat[: len(parts)])
    handles = [
        Line2D([], [], color=TRAIN, label="training cells"),
        Line2D([], [], color=VALIDATION, label="validation cells"),
        Line2D([], [], color="black", marker="o", markersize=2.5, linestyle="", label="epoch used"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    table = pd.concat(losses, names=["fold"]).reset_index("fold")
    table = table[table["constraint"].isin(parts)].drop_duplicates(["fold", "epoch", "cells", "constraint"])
    data = table.set_index(["fold", "epoch", "cells", "constraint"])["loss"].to_xarray().to_dataset()
    return Drawing(figure, data, facts_of_run(run) | {"epochs": int(table["epoch"].max())})


def part_name(part: str, source: str) -> str:
    """The title of a panel."""
    if part == "total":
        return "Total"
    if part.startswith("prior_"):
        return f"{short(part.removeprefix('prior_'))} prior"
    return constraint_name(part, source)
