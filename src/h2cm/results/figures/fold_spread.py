"""Maps of uncertainty: how much the folds differ in the mean of each flux."""

from pathlib import Path

import numpy as np
import xarray as xr
from cmcrameri import cm
from matplotlib import pyplot as plt

from h2cm.config import Config
from h2cm.results.figures.drawing import Drawing, facts_of_run
from h2cm.results.figures.geography import Map
from h2cm.results.figures.style import DOUBLE, letters, limits, use_style
from h2cm.results.paths import main_experiment
from h2cm.results.run import Run
from h2cm.vocabulary import OUTPUTS, ordered, short


def draw(folder: Path, config: Config) -> Drawing:
    """Draw the figure from the files in `folder`."""
    use_style()
    run = Run(folder, config)
    cells, means = run.cells(), run.summary("means", main_experiment(config))
    place = cells["lat"].values, cells["lon"].values, config.grid.resolution
    names = ordered(name for name in means.data_vars if name in OUTPUTS and OUTPUTS[name].role == "flux")
    spread = means[names].std("member", ddof=1, keep_attrs=True)
    background = Map.of_run(config)
    columns = 3
    rows = -(-len(names) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(DOUBLE, 1.5 * rows), squeeze=False)
    for axis in axes.flat[len(names) :]:
        axis.remove()
    for axis, name in zip(axes.flat, names, strict=False):
        values = spread[name].values
        most = limits(values)[1]
        mesh = background.cells(axis, values, *place, cmap=cm.lipari_r, vmin=0, vmax=most)
        figure.colorbar(
            mesh,
            ax=axis,
            extend="max",
            orientation="horizontal",
            aspect=22,
            pad=0.03,
            label=OUTPUTS[name].printed_units,
        )
        typical = np.average(values, weights=cells["area"].values)
        level = np.average(np.abs(means[name].median("member")), weights=cells["area"].values)
        axis.set_title(f"{short(name)}: mean {typical:.2g}, {100 * typical / level:.0f} %")
    letters(axes.flat[: len(names)])
    data = xr.Dataset({f"{name}_spread": spread[name] for name in names}).assign_coords(
        dict(cells[["lat", "lon"]].coords)
    )
    return Drawing(figure, data, facts_of_run(run) | {"fluxes": len(names)})
