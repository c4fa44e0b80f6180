"""What no constraint shows, or only a ratio of means, against the truth of the synthetic Earth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from cmcrameri import cm
from matplotlib import pyplot as plt
from matplotlib.ticker import MaxNLocator

from h2cm.config import Config
from h2cm.results.evaluate.metrics import scores
from h2cm.results.figures.drawing import Drawing, facts_of_run
from h2cm.results.figures.geography import Map, place_of
from h2cm.results.figures.style import DOUBLE, PREDICTION, REFERENCE, letters, limits, use_style
from h2cm.results.paths import main_experiment
from h2cm.results.run import Run
from h2cm.results.summaries.registry import TRUTH
from h2cm.vocabulary import SHARE, find, short

ROWS = {
    "heterotrophic_respiration": cm.lajolla_r,
    "transpiration": cm.lapaz_r,
    "wue": cm.batlow,
    "lue": cm.batlow,
    "cue": cm.batlow,
}
"""What is shown, with its colours."""


def draw(folder: Path, config: Config) -> Drawing:
    """Draw the figure from the files in `folder`."""
    use_style()
    run = Run(folder, config)
    cells, split, main = run.cells(), run.split(), main_experiment(config)
    area, test = cells["area"].values, (split.filter(like="fold_").iloc[:, 0] == "test").values
    truth, predicted = run.summary("means", TRUTH), run.summary("means", main)
    used = config.experiments[main].constraints or tuple(config.constraints)
    constrained = {config.constraints[name].prediction for name in used}
    names = [name for name in ROWS if name in truth and name in predicted]
    place, background = place_of(cells, config), Map.of_run(config)

    figure, axes = plt.subplots(
        len(names), 3, figsize=(DOUBLE, 1.62 * len(names)), width_ratios=(1.25, 1.25, 1), squeeze=False
    )
    drawn = {}
    for axis_row, name in zip(axes, names, strict=True):
        o, p = truth[name].values[0], predicted[name].values
        middle = np.median(p, axis=0)
        low, high = limits(o, middle)
        row = find(name)
        unit = "" if row.units == SHARE else f" ({row.printed_units})"
        for axis, values, who in zip(axis_row, (o, middle), ("truth", "H2CM"), strict=False):
            mesh = background.cells(axis, values, *place, cmap=ROWS[name], vmin=low, vmax=high)
            axis.set_title(f"{short(name)}, {who}")
        figure.colorbar(
            mesh, ax=axis_row[:2], label=unit.strip(" ()") or short(name), extend="both", aspect=14, pad=0.02
        )
        axis_row[2].set_title("constrained" if name in constrained else "not observed")
        _scatter(axis_row[2], o[test], p[:, test], area[test], unit)
        drawn |= {
            f"{name}_truth": ("cell", o, {"units": row.units}),
            f"{name}_h2cm": (("member", "cell"), p, {"units": row.units}),
        }
    letters(axes)
    return Drawing(figure, xr.Dataset(drawn), facts_of_run(run))


def _scatter(axis, o: np.ndarray, p: np.ndarray, area: np.ndarray, unit: str) -> None:
    """Test cells: median and range of the folds against the truth."""
    middle = np.median(p, axis=0)
    axis.vlines(o, p.min(0), p.max(0), color=PREDICTION, alpha=0.35, linewidth=0.6)
    axis.plot(o, middle, "o", color=PREDICTION, markersize=2, markeredgewidth=0)
    low, high = limits(o, p, low=0, high=100)
    axis.plot([low, high], [low, high], color=REFERENCE, linestyle="--", linewidth=0.8, zorder=0)
    metrics, _ = scores(middle, o, weights=area)
    text = f"r = {metrics['r']:.2f}\nbias {metrics['bias']:+.2g}".replace("-", "−")
    box = {"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 1}
    axis.text(0.03, 0.97, text, transform=axis.transAxes, ha="left", va="top", fontsize=7, bbox=box)
    margin = 0.04 * (high - low)
    axis.set(xlim=(low - margin, high + margin), ylim=(low - margin, high + margin), box_aspect=1)
    axis.set_xlabel(f"truth{unit}", labelpad=1)
    axis.set_ylabel(f"H2CM{unit}")
    axis.yaxis.set_major_locator(MaxNLocator(3))
    axis.xaxis.set_major_locator(MaxNLocator(3))
