"""Skill in years never trained on, spatial against spatio-temporal split (Figure D1)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from h2cm.comparisons import TIMESCALES
from h2cm.config import Config, Years
from h2cm.results.figures.drawing import Drawing, facts_of_run
from h2cm.results.figures.metrics import ROWS, legend, panels, test_series
from h2cm.results.figures.style import look, use_style
from h2cm.results.paths import folds, main_experiment
from h2cm.results.run import Run, in_unseen_years, unseen_years


def draw(folder: Path, config: Config, groups: tuple[str, ...]) -> Drawing:
    """Box plots over the folds that both experiments have; a mark where there is one fold only."""
    use_style()
    run = Run(folder, config)
    other, period = unseen_years(config)
    pair = [main_experiment(config), other]
    both = sorted(set(folds(config, pair[0])) & set(folds(config, pair[1])))
    table = test_series(run.metrics(period))
    table = table[table["experiment"].isin(pair) & table["fold"].isin(both) & table["metric"].isin(ROWS)]
    references = [name for name in in_unseen_years(config, groups) if (table["reference"] == name).any()]
    table = table[table["reference"].isin(references)]
    years = config.evaluation.periods[period]
    several = years[0] < years[1]  # one year has no anomaly, and is its own mean seasonal cycle
    timescales = list(TIMESCALES) if several else ["monthly"]
    table = table[table["timescale"].isin(timescales)]
    figure, axes = panels(config, references, timescales)
    for j, reference in enumerate(references):
        for i, metric in enumerate(ROWS):
            rows = table[(table["reference"] == reference) & (table["metric"] == metric)]
            for k, experiment in enumerate(pair):
                _boxes(
                    axes[i, j],
                    rows[rows["experiment"] == experiment],
                    timescales,
                    (k - 0.5) * 0.36,
                    look(experiment, config).colour,
                )
            axes[i, j].margins(y=0.12)
    legend(figure, pair, config)
    data = table.set_index(["experiment", "fold", "reference", "timescale", "metric"])["value"].to_xarray().to_dataset()
    train = config.experiments[other].train_years
    facts = {
        "years": _span(years),
        "train_years": _span(train),
        "folds": len(both),
        "names": " and ".join(look(e, config).name for e in pair),
    }
    return Drawing(figure, data, facts_of_run(run) | facts)


def _span(years: Years) -> str:
    return f"{years[0]}–{years[1]}" if years[0] < years[1] else str(years[0])


def _boxes(axis, rows, timescales: list[str], offset: float, colour: str) -> None:
    for x, timescale in enumerate(timescales):
        values = rows.loc[rows["timescale"] == timescale, "value"].dropna().values
        if not values.size:
            continue
        drawn = axis.boxplot(
            values, positions=[x + offset], widths=0.3, patch_artist=True, manage_ticks=False, whis=(0, 100), zorder=2
        )
        for part in drawn["boxes"]:
            part.set(facecolor=(*_rgb(colour), 0.35), edgecolor=colour, linewidth=0.7)
        for kind in ("whiskers", "caps", "medians"):
            for part in drawn[kind]:
                part.set(color=colour, linewidth=1.4 if kind == "medians" else 0.7)


def _rgb(colour: str) -> tuple[float, ...]:
    from matplotlib.colors import to_rgb

    return tuple(np.asarray(to_rgb(colour)))
