"""What H2CM says of the efficiencies of plants with water, carbon and light (Figure 5)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from cmcrameri import cm

from h2cm.config import Config
from h2cm.results.figures.drawing import Drawing, facts_of_run
from h2cm.results.figures.geography import map_figure, place_of
from h2cm.results.figures.style import DOUBLE, letters, limits, use_style
from h2cm.results.paths import main_experiment
from h2cm.results.run import Run
from h2cm.vocabulary import RATIOS, SHARE, find

ORDER = ("pue", "wue", "cue", "lue")


def draw(folder: Path, config: Config) -> Drawing:
    """Draw the figure from the files in `folder`."""
    use_style()
    run = Run(folder, config)
    cells, data = run.cells(), run.summary("means", main_experiment(config))
    names = [name for name in ORDER if name in data]
    figure, axes, background = map_figure(config, -(-len(names) // 2), 2, DOUBLE)
    drawn = {}
    for axis, name in zip(axes.flat, names, strict=False):
        row = RATIOS[name]
        values = np.median(data[name].values, axis=0)
        low, high = limits(values)
        mesh = background.cells(axis, values, *place_of(cells, config), cmap=cm.batlow, vmin=low, vmax=high)
        unit = "" if row.units == SHARE else f" ({row.printed_units})"
        figure.colorbar(mesh, ax=axis, label=f"{row.short}{unit}", extend="both", aspect=16, pad=0.02, shrink=0.85)
        axis.set_title(f"{row.short} = {_of(row.numerator)} / {_of(row.denominator)}")
        drawn[name] = ("cell", values, {"units": row.units})
    for axis in axes.flat[len(names) :]:
        axis.remove()
    letters(axes.flat[: len(names)])
    facts = {"par": f"{config.evaluation.par_per_net_radiation:g}"}
    return Drawing(figure, xr.Dataset(drawn), facts_of_run(run) | facts)


def _of(name: str) -> str:
    return find(name).short or name
