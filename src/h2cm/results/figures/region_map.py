"""Map of the regions that fluxes are averaged over."""

from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from h2cm.config import Config
from h2cm.results.figures.drawing import Drawing
from h2cm.results.figures.geography import Map
from h2cm.results.figures.style import DOUBLE, use_style
from h2cm.results.run import Run
from h2cm.results.summaries.regions import NAMES
from h2cm.results.summaries.registry import OBSERVED

COLOURS = (
    "#88CCEE", "#DDCC77", "#117733", "#AA4499", "#EE8866", "#CC6677",
    "#77AADD", "#BBCC33", "#44AA99", "#FFAABB", "#999933",
)  # fmt: skip
"""Of Paul Tol's colour-blind-safe sets; every region is numbered too."""


def draw(folder: Path, config: Config) -> Drawing:
    """Draw the figure from the files in `folder`."""
    use_style()
    run = Run(folder, config)
    cells, summary = run.cells(), run.summary("regions", OBSERVED)
    region = summary["region"].values
    lat, lon, area = (cells[name].values for name in ("lat", "lon", "area"))
    background = Map.of_run(config)
    figure, axis = plt.subplots(figsize=(DOUBLE, 0.62 * DOUBLE))
    shown = np.where(region > 0, region, np.nan)
    options = {"cmap": ListedColormap(COLOURS), "vmin": 0.5, "vmax": len(NAMES) + 0.5}
    background.cells(axis, shown, lat, lon, config.grid.resolution, **options)
    handles = []
    for number, name in NAMES.items():
        chosen = region == number
        handles.append(Patch(facecolor=COLOURS[number - 1], label=f"{number} {name} ({chosen.sum()})"))
        if chosen.any():
            x, y = background.project(*_middle(lon[chosen], lat[chosen], area[chosen]))
            axis.text(x, y, str(number), fontsize=9, fontweight="bold", ha="center", va="center")
    figure.legend(handles=handles, loc="outside lower center", ncols=3, title="Region (cells)", title_fontsize=8)
    data = summary.assign_coords({name: cells[name] for name in ("lat", "lon")})
    data["region"].attrs |= {
        "flag_values": np.array(list(NAMES)),
        "flag_meanings": " ".join(n.replace(" ", "_") for n in NAMES.values()),
    }
    facts = {
        "cells": len(region),
        "outside": int((region == 0).sum()),
        "source": summary.attrs.get("source", "transcom"),
    }
    return Drawing(figure, data, facts)


def _middle(lon: np.ndarray, lat: np.ndarray, area: np.ndarray) -> tuple[float, float]:
    """The cell of a region that is closest to all its others, which is always inside it."""
    phi, theta = np.radians(lat), np.radians(lon)
    places = np.stack([np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), np.sin(phi)])
    closest = np.argmax(places.T @ (places @ area))
    return lon[closest], lat[closest]
