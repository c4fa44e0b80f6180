"""Mean of the target, of the prediction and their difference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from cmcrameri import cm

from h2cm.config import Config
from h2cm.results.figures.drawing import Drawing, facts_of_run
from h2cm.results.figures.geography import map_figure, place_of
from h2cm.results.figures.style import DOUBLE, constraint_name, letters, limits, use_style
from h2cm.results.paths import main_experiment
from h2cm.results.run import Run
from h2cm.results.summaries.registry import OBSERVED
from h2cm.vocabulary import find, ordered, short

COLOURS = {"carbon": cm.bamako_r, "water": cm.lapaz_r, "vegetation": cm.bamako_r}
SIGNED = cm.bam_r
"""Colours of what has one sign, by the group of the vocabulary, and of what has both."""


def draw(folder: Path, config: Config) -> Drawing:
    """Draw the figure from the files in `folder`."""
    use_style()
    run = Run(folder, config)
    place = place_of(run.cells(), config)
    target, predicted = run.summary("compared", OBSERVED), run.summary("compared", main_experiment(config))
    names = ordered(predicted.data_vars)
    figure, axes, background = map_figure(config, len(names), 3, 0.86 * DOUBLE)
    figure.set_figwidth(DOUBLE)
    drawn = {}
    for axis_row, name in zip(axes, names, strict=True):
        o, p = target[name].values, np.median(predicted[name].values, axis=0)
        p = np.where(np.isfinite(o), p, np.nan)
        row, variable = find(name), config.constraints[name].prediction
        signed = getattr(row, "signed", False)
        low, high = limits(p, o)
        if signed:
            high = max(abs(low), abs(high))
            low = -high
        unit = f"{short(variable)} ({row.printed_units})"
        colours = {"cmap": SIGNED if signed else COLOURS[row.group], "vmin": low, "vmax": high}
        background.cells(axis_row[0], o, *place, **colours)
        mesh = background.cells(axis_row[1], p, *place, **colours)
        figure.colorbar(mesh, ax=axis_row[:2], label=unit, extend="both", aspect=14, pad=0.02)
        most = max(np.abs(limits(p - o)))
        mesh = background.cells(axis_row[2], p - o, *place, cmap=cm.vik, vmin=-most, vmax=most)
        figure.colorbar(mesh, ax=axis_row[2], label=unit, extend="both", aspect=14, pad=0.02)
        reference = constraint_name(name, config.source) + ("" if "(" in short(name) else ", reference")
        for axis, title in zip(axis_row, (reference, f"{short(variable)}, H2CM", "Difference"), strict=True):
            axis.set_title(title)
        drawn |= {
            f"{name}_reference": ("cell", o, {"units": row.units}),
            f"{name}_h2cm": ("cell", p, {"units": row.units}),
        }
    letters(axes)
    return Drawing(figure, xr.Dataset(drawn), facts_of_run(run))
