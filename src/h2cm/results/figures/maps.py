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
from h2cm.results.figures.style import DOUBLE, letters, limits, use_style
from h2cm.results.paths import folds, main_experiment
from h2cm.results.run import Run, shown
from h2cm.vocabulary import OUTPUTS, SHARE, short

COLOURS = {"carbon": cm.bamako_r, "water": cm.lapaz_r, "vegetation": cm.bamako_r}
SIGNED = cm.bam_r
"""Colours of what has one sign, by the group of the vocabulary, and of what has both."""


def draw(folder: Path, config: Config) -> Figure:
    """Draw the figure from the files in `folder`."""
    use_style()
    run, experiment = Run(folder, config), main_experiment(config)
    cells = run.cells()
    place = cells["lat"].values, cells["lon"].values, config.grid.resolution
    names = shown(config, level=True)
    predicted = run.ensemble(experiment, names)
    background = Map.of_run(config)

    figure, axes = plt.subplots(len(names), 3, figsize=(DOUBLE, 1.22 * len(names)), squeeze=False)
    for axis_row, (variable, name) in zip(axes, names.items(), strict=True):
        target = run.target(name)
        pairs = [
            time_means(*common(*aligned(predicted[variable].isel(fold=i), target, name)))
            for i in range(len(folds(config, experiment)))
        ]
        p, o = np.median([p for p, _ in pairs], axis=0), pairs[0][1]
        low, high = limits(p, o)
        row = OUTPUTS[variable]
        if row.signed:
            high = max(abs(low), abs(high))
            low = -high
        unit = "" if row.units == SHARE else row.printed_units
        colours = {"cmap": SIGNED if row.signed else COLOURS[row.group], "vmin": low, "vmax": high}
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
