"""Area-weighted mean over the test cells, prediction against target, for each constraint (Figures C1 to C8)."""

from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from h2cm.comparisons import COMPARISONS
from h2cm.config import Config
from h2cm.results.evaluate.fold import pair_of
from h2cm.results.figures.style import (
    DOUBLE,
    PREDICTION,
    REFERENCE,
    TARGET,
    TIMESCALE_NAMES,
    letters,
    months_axis,
    use_style,
    years_axis,
)
from h2cm.results.paths import folds, main_experiment
from h2cm.results.run import Run, series_constraints
from h2cm.vocabulary import label


def draw(folder: Path, config: Config) -> Figure:
    """Draw the figure from the files in `folder`."""
    use_style()
    run, experiment = Run(folder, config), main_experiment(config)
    names = series_constraints(config)
    area = run.cells()["area"].values
    split = run.split()
    numbers = folds(config, experiment)
    predicted = run.ensemble(experiment, dict.fromkeys(config.constraints[name].prediction for name in names))

    figure, axes = plt.subplots(
        len(names),
        3,
        figsize=(DOUBLE, 1.05 * len(names) + 0.4),
        width_ratios=(2.2, 1, 2.2),
        squeeze=False,
        sharex="col",
    )
    for axis_row, name in zip(axes, names, strict=True):
        target = run.target(name)
        row = config.constraints[name]
        members = []
        for i, fold in enumerate(numbers):
            test = (split[f"fold_{fold}"] == "test").values
            prediction = predicted[row.prediction].isel(fold=i)
            pair = pair_of(name, row.prediction, prediction, target, COMPARISONS[row.compare].timescales)
            members.append(pair.decompose(test, area))
        for axis, timescale in zip(axis_row, TIMESCALE_NAMES, strict=True):
            if timescale not in members[0]:
                axis.set_visible(False)
                continue
            x = np.arange(1, 13) if timescale == "msc" else target["month"].values
            spread = np.stack([member[timescale][0] for member in members])
            if timescale == "anomaly":
                axis.axhline(0, color=REFERENCE, linewidth=0.5, linestyle="--")
            axis.fill_between(x, spread.min(0), spread.max(0), color=PREDICTION, alpha=0.45, linewidth=0.8)
            axis.plot(x, members[0][timescale][1], color=TARGET, linewidth=0.9)
        first = next(axis for axis in axis_row if axis.get_visible())
        first.set_ylabel(label(name).replace(" (g", "\n(g").replace(") (", ")\n("), fontsize=7)
    for axis, title in zip(axes[0], TIMESCALE_NAMES.values(), strict=True):
        axis.set_title(title, pad=12)
    letters([axis for axis in axes.flat if axis.get_visible()])
    for axis_row in axes:
        years_axis(axis_row[0])
        years_axis(axis_row[2])
        months_axis(axis_row[1])
    figure.align_ylabels()
    handles = [
        Line2D([], [], color=TARGET, label="target"),
        Patch(color=PREDICTION, alpha=0.45, label=f"H2CM, range of {len(numbers)} folds"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure
