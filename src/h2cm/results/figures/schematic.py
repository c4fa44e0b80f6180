"""What diagrams are drawn of: a sheet measured in millimetres, boxes, arrows, and the edges that they show as data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

KINDS = {
    "forcing": "#0072B2",
    "carried": "#00694C",
    "static": "0.35",
    "learned": "#C04A00",
    "constant": "#A0417A",
    "output": "black",
}
"""Colour of each kind of quantity (Okabe and Ito's, darkened where thin text needs it)."""

GROUND = {"carbon": "#DDEFE3", "water": "#DCE9F5", "vegetation": "#EEF3D2", "": "0.93"}
"""Colour of boxes, by the group of the vocabulary."""


def sheet(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure without margins whose axes are measured in millimetres from the lower left corner."""
    figure = plt.figure(figsize=(width / 25.4, height / 25.4))
    figure.set_layout_engine("none")
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, width), ylim=(0, height))
    axis.axis("off")
    return figure, axis


def box(axis: Axes, left: float, bottom: float, width: float, height: float, text: str = "", **options) -> None:
    """A box with rounded corners around a text; `options` go to the text, but ``fill`` and ``edge``."""
    fill, edge = options.pop("fill", "white"), options.pop("edge", "0.4")
    corners = "round,pad=0,rounding_size=1.2"
    patch = FancyBboxPatch(
        (left, bottom), width, height, boxstyle=corners, facecolor=fill, edgecolor=edge, linewidth=0.6
    )
    axis.add_patch(patch)
    axis.text(left + width / 2, bottom + height / 2, text, **{"ha": "center", "va": "center", "fontsize": 7} | options)


def arrow(axis: Axes, points: Sequence[tuple[float, float]], colour="0.3", head: float = 5, **options) -> None:
    """A line through some points, the last of which it points to; `options` go to the lines."""
    options = {"linewidth": 0.8} | options
    if len(points) > 2:
        axis.plot(*np.transpose(points[:-1]), color=colour, solid_joinstyle="round", **options)
    axis.add_patch(
        FancyArrowPatch(
            *points[-2:], arrowstyle="-|>", mutation_scale=head, shrinkA=0, shrinkB=0, color=colour, **options
        )
    )


def edges(rows: Iterable[tuple[str, str, str]]) -> xr.Dataset:
    """What a diagram shows, as data: from which quantity or part to which, and how."""
    columns = list(zip(*dict.fromkeys(rows), strict=True))
    return xr.Dataset(
        {name: ("edge", np.array(column, str)) for name, column in zip(("start", "end", "how"), columns, strict=True)}
    )
