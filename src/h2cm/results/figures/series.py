"""Area-weighted mean over the test cells, prediction against target, for each constraint (Figures C1 to C8)."""

from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from h2cm.config import Config
from h2cm.results.evaluate.fold import CENTRED, aligned
from h2cm.results.evaluate.series import area_weighted_mean, centred, common, decompose
from h2cm.results.figures.style import (
    DOUBLE,
    PREDICTION,
    REFERENCE,
    TARGET,
    TIMESCALE_NAMES,
    label,
    letters,
    months_axis,
    ordered,
    use_style,
    years_axis,
)
from h2cm.results.run import Run, folds, main_experiment


def draw(folder: Path, config: Config) -> Figure:
    """Draw the figure from the files in `folder`."""
    use_style()
    run, experiment = Run(folder, config), main_experiment(config)
    names = ordered(name for name, row in config.constraints.items() if row.compare != "mean_ratio")
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
        target = run.target(name, experiment)
        calendar_month = target["month"].dt.month.values
        members = []
        for i, fold in enumerate(numbers):
            test = (split[f"fold_{fold}"] == "test").values
            p, o = common(*aligned(predicted[config.constraints[name].prediction].isel(fold=i), target, name))
            p, o = p[test], o[test]
            if name in CENTRED:
                p, o = centred(p), centred(o)
            p, o = (area_weighted_mean(side, area[test]) for side in (p, o))
            members.append(decompose(p, o, calendar_month))
        for axis, timescale in zip(axis_row, TIMESCALE_NAMES, strict=True):
            x = np.arange(1, 13) if timescale == "msc" else target["month"].values
            spread = np.stack([member[timescale][0] for member in members])
            if timescale == "anomaly":
                axis.axhline(0, color=REFERENCE, linewidth=0.5, linestyle="--")
            axis.fill_between(x, spread.min(0), spread.max(0), color=PREDICTION, alpha=0.45, linewidth=0.8)
            axis.plot(x, members[0][timescale][1], color=TARGET, linewidth=0.9)
        axis_row[0].set_ylabel(label(name).replace(" (g", "\n(g").replace(") (", ")\n("), fontsize=7)
    for axis, title in zip(axes[0], TIMESCALE_NAMES.values(), strict=True):
        axis.set_title(title, pad=12)
    letters(axes)
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
