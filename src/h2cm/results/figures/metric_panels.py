"""Metrics of the area-weighted mean over the test cells: rows are metrics, columns constraints."""

from itertools import cycle

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from h2cm.comparisons import TIMESCALES
from h2cm.config import Config
from h2cm.results.evaluate.aggregate import over_folds
from h2cm.results.figures.style import DOUBLE, EXPERIMENTS, REFERENCE, letters, use_style
from h2cm.results.paths import evaluated
from h2cm.results.run import Run, series_constraints
from h2cm.vocabulary import VARIABLES, short

ROWS = {"rmse": ("RMSE", 0.0), "bias": ("Bias", 0.0), "r": ("r", 1.0), "nse": ("NSE", 1.0), "sdr": ("SDR", 1.0)}
"""Name of each metric and its perfect value, marked by a line."""

TICKS = ("Monthly", "MSC", "Anomaly")


def draw_metrics(folder, config: Config, groups: tuple[str, ...]) -> Figure:
    """Cross bars from the smallest to the largest of the folds with a line at their mean, for each experiment.

    The constraints are all those of the vocabulary's `groups` that compare series.
    """
    use_style()
    experiments = dict(zip(evaluated(config), cycle(EXPERIMENTS)))
    references = [name for name in series_constraints(config) if VARIABLES[name].group in groups]
    table = over_folds(_test_series(Run(folder, config).metrics()))
    columns = len(references)
    width = min(DOUBLE, 0.6 + 1.6 * columns)
    figure, axes = plt.subplots(len(ROWS), columns, figsize=(width, 1.15 * len(ROWS) + 0.4), sharex=True, squeeze=False)
    for j, reference in enumerate(references):
        for i, metric in enumerate(ROWS):
            _panel(
                axes[i, j],
                table[(table["reference"] == reference) & (table["metric"] == metric)],
                experiments,
                ROWS[metric][1],
            )
        axes[0, j].set_title(f"{short(reference)}\n({VARIABLES[reference].printed_units})", pad=15)
    for axis, (name, _) in zip(axes[:, 0], ROWS.values(), strict=True):
        axis.set_ylabel(name)
    for axis in axes[-1]:
        axis.set_xticks(range(len(TICKS)), TICKS)
        axis.tick_params(axis="x", labelrotation=35 if columns > 3 else 0)
        axis.set_xlim(-0.6, len(TICKS) - 0.4)
    if columns > 3:
        plt.setp([t for axis in axes[-1] for t in axis.get_xticklabels()], ha="right", rotation_mode="anchor")
    letters(axes)
    figure.align_ylabels()
    if len(experiments) > 1:
        handles = [Line2D([], [], color=c, linewidth=4, label=e) for e, c in experiments.items()]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _test_series(metrics: pd.DataFrame) -> pd.DataFrame:
    return metrics[(metrics["cells"] == "test") & (metrics["scope"] == "area_weighted_mean")]


def _panel(axis, table: pd.DataFrame, experiments: dict[str, str], perfect: float) -> None:
    axis.axhline(perfect, color=REFERENCE, linewidth=0.8, linestyle="--", zorder=0)
    n = len(experiments)
    width = 0.7 / n
    for k, (experiment, colour) in enumerate(experiments.items()):
        rows = table[table["experiment"] == experiment].set_index("timescale").reindex(TIMESCALES)
        x = [i + (k - (n - 1) / 2) * width for i in range(len(TIMESCALES))]
        height = rows["maximum"] - rows["minimum"]
        axis.bar(
            x, height, width * 0.85, bottom=rows["minimum"], color=colour, alpha=0.35, edgecolor=colour, linewidth=0.6
        )
        axis.hlines(
            rows["mean"], [v - width * 0.425 for v in x], [v + width * 0.425 for v in x], color=colour, linewidth=1.6
        )
    axis.use_sticky_edges = False  # bars would end at the frame
    axis.margins(y=0.12)
