"""H2CM less the simulations that the study's authors published."""

from pathlib import Path

import numpy as np
import xarray as xr
from cmcrameri import cm
from matplotlib import pyplot as plt

from h2cm.config import Config
from h2cm.results.evaluate.series import mean
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
    cells, data = run.cells(), run.summary("published_simulations", main_experiment(config))
    place = cells["lat"].values, cells["lon"].values, config.grid.resolution
    names = ordered(name for name in data.data_vars if not name.endswith("_published"))
    difference = {name: data[name].median("member") - data[f"{name}_published"] for name in names}
    most = max(np.abs(limits(*(d.values for d in difference.values()))))  # one scale for all
    background = Map.of_run(config)
    rows = -(-len(names) // 2)
    figure, axes = plt.subplots(rows, 2, figsize=(DOUBLE, 1.75 * rows + 0.9), squeeze=False)
    for axis in axes.flat[len(names) :]:
        axis.remove()
    shown = axes.flat[: len(names)]
    for axis, name in zip(shown, names, strict=True):
        mesh = background.cells(axis, difference[name].values, *place, cmap=cm.vik, vmin=-most, vmax=most)
        axis.set_title(f"{short(name)}: {mean(difference[name].values, 0, cells['area'].values):+.2f}")
    letters(shown)
    label = f"H2CM less published simulations ({OUTPUTS[names[0]].printed_units})"
    figure.colorbar(
        mesh, ax=list(shown), label=label, extend="both", orientation="horizontal", aspect=40, pad=0.03, shrink=0.6
    )
    kept = xr.Dataset(
        {f"{name}_difference": d.assign_attrs(units=OUTPUTS[name].units) for name, d in difference.items()}
    )
    return Drawing(
        figure,
        kept.assign_coords(dict(cells[["lat", "lon"]].coords)),
        facts_of_run(run) | {"months": data.attrs["months"]},
    )
