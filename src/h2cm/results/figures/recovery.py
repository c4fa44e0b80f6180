"""Carbon-use efficiency, heterotrophic respiration and transpiration against the truth of the synthetic Earth."""

from pathlib import Path

import numpy as np
from cmcrameri import cm
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from h2cm.config import Config
from h2cm.results.evaluate.fold import ratio_of_means
from h2cm.results.evaluate.metrics import scores
from h2cm.results.evaluate.series import mean
from h2cm.results.figures.geography import Map
from h2cm.results.figures.style import DOUBLE, PREDICTION, REFERENCE, letters, limits, use_style
from h2cm.results.paths import main_experiment
from h2cm.results.run import Run
from h2cm.vocabulary import RATIOS, SHARE, find, short

ROWS = {"cue": cm.batlow, "heterotrophic_respiration": cm.lajolla_r, "transpiration": cm.lapaz_r}
"""What is shown, with its colours."""


def draw(folder: Path, config: Config) -> Figure:
    """Draw the figure from the files in `folder`."""
    use_style()
    run, experiment = Run(folder, config), main_experiment(config)
    cells, split = run.cells(), run.split()
    area, test = cells["area"].values, (split.filter(like="fold_").iloc[:, 0] == "test").values
    sides = {name: (RATIOS[name].numerator, RATIOS[name].denominator) if name in RATIOS else (name,) for name in ROWS}
    names = list(dict.fromkeys(side for pair in sides.values() for side in pair))
    truth, predicted = run.truth(names), run.ensemble(experiment, names)
    members = [predicted.isel(fold=i) for i in range(predicted.sizes["fold"])]
    background = Map.of_run(config)
    place = cells["lat"].values, cells["lon"].values, config.grid.resolution

    figure, axes = plt.subplots(len(ROWS), 3, figsize=(DOUBLE, 1.5 * len(ROWS)), width_ratios=(1.25, 1.25, 1))
    for axis_row, (name, colours) in zip(axes, ROWS.items(), strict=True):
        o, p = _temporal_mean(truth, name), np.stack([_temporal_mean(member, name) for member in members])
        middle = np.median(p, axis=0)
        low, high = limits(o, middle)
        for axis, values, title in zip(axis_row, (o, middle), ("truth", "H2CM"), strict=False):
            mesh = background.cells(axis, values, *place, cmap=colours, vmin=low, vmax=high)
            axis.set_title(f"{short(name)}, {title}")
        unit = "" if find(name).units == SHARE else find(name).printed_units
        figure.colorbar(mesh, ax=axis_row[:2], label=unit, extend="both", aspect=14, pad=0.02)
        _scatter(axis_row[2], o[test], p[:, test], area[test], name)
    letters(axes)
    return figure


def _temporal_mean(data, name: str) -> np.ndarray:
    """Mean over the record (cell,)."""
    if name in RATIOS:
        return ratio_of_means(data, RATIOS[name], np.ones(data.sizes["month"], bool))
    values = data[name].transpose("cell", "month").values
    return mean(values, -1)


def _scatter(axis, o: np.ndarray, p: np.ndarray, area: np.ndarray, name: str) -> None:
    """Test cells: median and range of the folds against the truth."""
    middle = np.median(p, axis=0)
    axis.vlines(o, p.min(0), p.max(0), color=PREDICTION, alpha=0.35, linewidth=0.6)
    axis.plot(o, middle, "o", color=PREDICTION, markersize=2, markeredgewidth=0)
    low, high = limits(o, p, low=0, high=100)
    axis.plot([low, high], [low, high], color=REFERENCE, linestyle="--", linewidth=0.8, zorder=0)
    metrics, _ = scores(middle, o, weights=area)
    text = f"r = {metrics['r']:.2f}\nbias = {metrics['bias']:+.2g}".replace("-", "−")
    axis.text(1.05, 0.5, text, transform=axis.transAxes, ha="left", va="center", fontsize=7)
    margin = 0.04 * (high - low)
    axis.set(xlim=(low - margin, high + margin), ylim=(low - margin, high + margin), box_aspect=1)
    axis.set_xlabel("truth", labelpad=1)
    axis.set_ylabel("H2CM")
    axis.set_title("Test cells")
    axis.yaxis.set_major_locator(MaxNLocator(3))
    axis.xaxis.set_major_locator(MaxNLocator(3))
