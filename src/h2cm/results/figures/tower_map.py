"""Map of the towers."""

from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from h2cm.config import Config
from h2cm.results.figures.geography import Map
from h2cm.results.figures.style import DOUBLE, use_style
from h2cm.results.figures.tower_data import LAND_COVER, classes
from h2cm.results.run import Run

CROWDED = 0.8
"""Share of the towers that the main map must hold; the others are on the map of the world beside it."""


def draw(folder: Path, config: Config) -> Figure:
    """Draw the figure from the files in `folder`."""
    use_style()
    run = Run(folder, config)
    cells, split = run.cells(), run.split()
    lat, lon, igbp = cells["lat"].values, cells["lon"].values, cells["igbp"].values.astype(str)
    test = (split.filter(like="fold_").iloc[:, 0] == "test").values
    region = main_region(lat, lon)
    inside = (lon > region[0]) & (lon < region[2]) & (lat > region[1]) & (lat < region[3])

    world = not inside.all()
    figure, axes = plt.subplots(
        1, 1 + world, figsize=(DOUBLE, 0.6 * DOUBLE), width_ratios=(1.5, 1) if world else (1,), squeeze=False
    )
    maps = [Map(region)] + ([Map((-180.0, -60.0, 180.0, 85.0))] if world else [])
    for axis, background in zip(axes[0], maps, strict=True):
        background.base(axis)
        size = 4.2 if background is maps[0] else 3.5
        chosen = inside if background is maps[0] else ~inside
        for cell in np.flatnonzero(chosen):
            x, y = background.project(lon[cell], lat[cell])
            colour = LAND_COVER.get(igbp[cell], ("", "0.5"))[1]
            marker = "D" if test[cell] else "o"
            axis.plot(x, y, marker, color=colour, markersize=size, markeredgecolor="black", markeredgewidth=0.5)
            if background is not maps[0]:
                name = cells["site"].values[cell]
                axis.annotate(name, (x, y), (3, 3), textcoords="offset points", fontsize=6)
    if world:
        west, south, east, north = region
        along = np.linspace(0, 1, 30)
        box = np.concatenate(
            [np.full(30, west), west + along * (east - west), np.full(30, east), east - along * (east - west)]
        )
        side = np.concatenate(
            [south + along * (north - south), np.full(30, north), north - along * (north - south), np.full(30, south)]
        )
        axes[0, 1].plot(*maps[1].project(box, side), color="#D55E00", linewidth=0.8)
    handles = [
        Line2D(
            [],
            [],
            linestyle="",
            marker="o",
            color=LAND_COVER.get(c, ("", "0.5"))[1],
            markeredgecolor="black",
            markeredgewidth=0.5,
            markersize=5,
            label=f"{c} {LAND_COVER.get(c, ('', ''))[0]} ({(igbp == c).sum()})",
        )
        for c in classes(igbp)
    ]
    handles += [
        Line2D(
            [],
            [],
            linestyle="",
            marker="o",
            color="white",
            markeredgecolor="black",
            markersize=5,
            label=f"cross-validation ({(~test).sum()})",
        ),
        Line2D(
            [],
            [],
            linestyle="",
            marker="D",
            color="white",
            markeredgecolor="black",
            markersize=5,
            label=f"test set ({test.sum()})",
        ),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def main_region(lat: np.ndarray, lon: np.ndarray) -> tuple[float, float, float, float]:
    """A box of whole degrees around the towers nearest to their median position, at least the share `CROWDED`."""
    distance = np.hypot((lon - np.median(lon)) * np.cos(np.radians(np.median(lat))), lat - np.median(lat))
    near = distance <= max(1.5 * np.quantile(distance, CROWDED), 2.0)
    west, east = np.floor(lon[near].min()) - 2, np.ceil(lon[near].max()) + 2
    south, north = np.floor(lat[near].min()) - 2, np.ceil(lat[near].max()) + 2
    return float(max(west, -180)), float(max(south, -90)), float(min(east, 180)), float(min(north, 90))
