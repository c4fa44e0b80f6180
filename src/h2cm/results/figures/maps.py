"""Mean of the target, of the prediction and their difference."""

from pathlib import Path

import numpy as np
from cmcrameri import cm
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from h2cm.config import Config
from h2cm.results.evaluate.fold import aligned, time_means
from h2cm.results.evaluate.series import common
from h2cm.results.figures.geography import Map
from h2cm.results.figures.style import DOUBLE, NAMES, letters, limits, short, use_style
from h2cm.results.run import Run, constraint_of, folds, main_experiment

ROWS = {"gpp": cm.bamako_r, "nee": cm.bam_r, "et": cm.lapaz_r}
"""What is mapped, with its colours."""


def draw(folder: Path, config: Config) -> Figure:
    """Draw the figure from the files in `folder`."""
    use_style()
    run, experiment = Run(folder, config), main_experiment(config)
    cells = run.cells()
    place = cells["lat"].values, cells["lon"].values, config.grid.resolution
    names = {variable: constraint_of(config, variable) for variable in ROWS}
    names = {variable: name for variable, name in names.items() if name}
    predicted = run.ensemble(experiment, names)
    background = Map.of_run(config)

    figure, axes = plt.subplots(len(names), 3, figsize=(DOUBLE, 1.22 * len(names)), squeeze=False)
    for axis_row, (variable, name) in zip(axes, names.items(), strict=True):
        target = run.target(name, experiment)
        pairs = [
            time_means(*common(*aligned(predicted[variable].isel(fold=i), target, name)))
            for i in range(len(folds(config, experiment)))
        ]
        p, o = np.median([p for p, _ in pairs], axis=0), pairs[0][1]
        low, high = limits(p, o)
        if variable == "nee":
            high = max(abs(low), abs(high))
            low = -high
        unit = NAMES[variable][1]
        colours = {"cmap": ROWS[variable], "vmin": low, "vmax": high}
        background.cells(axis_row[0], o, *place, **colours)
        mesh = background.cells(axis_row[1], p, *place, **colours)
        figure.colorbar(mesh, ax=axis_row[:2], label=unit, extend="both", aspect=14, pad=0.02)
        most = max(np.abs(limits(p - o)))
        mesh = background.cells(axis_row[2], p - o, *place, cmap=cm.vik, vmin=-most, vmax=most)
        figure.colorbar(mesh, ax=axis_row[2], label=unit, extend="both", aspect=14, pad=0.02)
        source = short(name) if name != variable else f"{short(name)} target"
        for axis, title in zip(axis_row, (source, f"{short(variable)} H2CM", "Difference"), strict=True):
            axis.set_title(title)
    letters(axes)
    return figure
