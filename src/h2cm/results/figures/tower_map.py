"""Map of the towers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D

from h2cm.config import Config
from h2cm.results.figures.drawing import Drawing, facts_of_run
from h2cm.results.figures.geography import Map
from h2cm.results.figures.style import DOUBLE, letters, use_style
from h2cm.results.figures.tower_data import LAND_COVER, classes
from h2cm.results.run import Run

CROWDED = 0.8
"""Share of the towers that the main map must hold; the others are on a map of the world below it."""

SIZE = 4.2
"""Of the marks, points; marks of neighbours are set this far apart, each tied to its place by a line."""

WORLD = (-180.0, -60.0, 180.0, 85.0)


def draw(folder: Path, config: Config) -> Drawing:
    """Draw the figure from the files in `folder`."""
    use_style()
    run = Run(folder, config)
    cells, split = run.cells(), run.split()
    lat, lon, igbp = cells["lat"].values, cells["lon"].values, cells["igbp"].values.astype(str)
    test = (split.filter(like="fold_").iloc[:, 0] == "test").values
    region = main_region(lat, lon)
    inside = (lon > region[0]) & (lon < region[2]) & (lat > region[1]) & (lat < region[3])

    backgrounds = [Map(region)] + ([] if inside.all() else [Map(WORLD)])
    aspects = [np.ptp(b.frame[1]) / np.ptp(b.frame[0]) * b.aspect for b in backgrounds]
    widths = [min(DOUBLE, 4.6 / aspects[0]), *(0.75 * DOUBLE for _ in aspects[1:])]
    heights = [width * aspect for width, aspect in zip(widths, aspects, strict=True)]
    figure, axes = plt.subplots(
        len(heights), 1, figsize=(DOUBLE, sum(heights) + 1.35), height_ratios=heights, squeeze=False
    )
    for axis, background in zip(axes[:, 0], backgrounds, strict=True):
        background.base(axis)
    figure.draw_without_rendering()  # settles the size of the maps, in which marks are set apart
    for axis, background, chosen in zip(axes[:, 0], backgrounds, (inside, ~inside), strict=False):
        here = np.flatnonzero(chosen)
        true = np.transpose(background.project(lon[here], lat[here]))
        scale = 72 / figure.dpi
        points = apart(axis.transData.transform(true) * scale, SIZE * 1.15)
        marks = axis.transData.inverted().transform(points / scale)
        for cell, place, mark in zip(here, true, marks, strict=True):
            axis.plot(*np.transpose([place, mark]), color="0.2", linewidth=0.4, zorder=2)
            colour = LAND_COVER.get(igbp[cell], ("", "0.5"))[1]
            style = {"markersize": SIZE, "markeredgecolor": "black", "markeredgewidth": 0.5, "zorder": 3}
            axis.plot(*mark, "D" if test[cell] else "o", color=colour, **style)
            if background is not backgrounds[0]:
                name = cells["site"].values[cell]
                axis.annotate(name, mark, (3, 3), textcoords="offset points", fontsize=7)
    if len(backgrounds) > 1:
        axes[1, 0].plot(*backgrounds[1].project(*outline(region)), color="#D55E00", linewidth=0.8)
        letters(axes)
    figure.legend(handles=_handles(igbp, test), loc="outside lower center", ncols=4)
    data = xr.Dataset(coords=cells.coords).assign(igbp=("cell", igbp), test=("cell", test.astype("i4")))
    data = data.assign(site=("cell", cells["site"].values.astype(str)))
    return Drawing(figure, data, facts_of_run(run))


def _handles(igbp: np.ndarray, test: np.ndarray) -> list[Line2D]:
    edge = {"linestyle": "", "markeredgecolor": "black", "markeredgewidth": 0.5, "markersize": 5}
    handles = []
    for c in classes(igbp):
        name, colour = LAND_COVER.get(c, ("", "0.5"))
        handles.append(Line2D([], [], marker="o", color=colour, label=f"{c} {name} ({(igbp == c).sum()})", **edge))
    for marker, what, number in (("o", "cross-validation", (~test).sum()), ("D", "test set", test.sum())):
        handles.append(Line2D([], [], marker=marker, color="white", label=f"{what} ({number})", **edge))
    return handles


def apart(points: np.ndarray, distance: float, rounds: int = 200) -> np.ndarray:
    """Points (n, 2) moved until none is closer to another than `distance`, or for so many rounds."""
    points = points.astype(float).copy()
    # towers at one place leave it in different directions
    angle = 2.4 * np.arange(len(points))
    points += 1e-3 * distance * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    for _ in range(rounds):
        difference = points[:, None] - points[None]
        length = np.hypot(*np.moveaxis(difference, -1, 0))
        np.fill_diagonal(length, np.inf)
        overlap = np.maximum(distance - length, 0)
        if not overlap.any():
            break
        push = overlap / np.maximum(length, 1e-9)
        points += 0.5 * (push[..., None] * difference).sum(1)
    return points


def outline(bounds: tuple[float, float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Longitudes and latitudes along the border of a box."""
    west, south, east, north = bounds
    up = np.linspace(0, 1, 30)
    one = np.ones(30)
    lon = np.concatenate([west * one, west + up * (east - west), east * one, east - up * (east - west)])
    lat = np.concatenate([south + up * (north - south), north * one, north - up * (north - south), south * one])
    return lon, lat


def main_region(lat: np.ndarray, lon: np.ndarray) -> tuple[float, float, float, float]:
    """A box of whole degrees around the towers nearest to their median position, at least the share `CROWDED`."""
    distance = np.hypot((lon - np.median(lon)) * np.cos(np.radians(np.median(lat))), lat - np.median(lat))
    near = distance <= max(1.5 * np.quantile(distance, CROWDED), 2.0)
    west, east = np.floor(lon[near].min()) - 2, np.ceil(lon[near].max()) + 2
    south, north = np.floor(lat[near].min()) - 2, np.ceil(lat[near].max()) + 2
    return float(max(west, -180)), float(max(south, -90)), float(min(east, 180)), float(min(north, 90))
