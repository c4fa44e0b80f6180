"""Closure of the water balance: against the precipitation that the equations see, and against that of the forcing."""

from pathlib import Path

import numpy as np
from cmcrameri import cm
from matplotlib import pyplot as plt

from h2cm.config import Config
from h2cm.results.figures.drawing import Drawing, facts_of_run
from h2cm.results.figures.geography import Map
from h2cm.results.figures.style import DOUBLE, letters, limits, use_style
from h2cm.results.paths import main_experiment
from h2cm.results.run import Run

UNIT = "mm year$^{-1}$"
SHOWN = {
    "corrected": ("corrected precipitation, double precision", "#0072B2", "-"),
    "corrected_float32": ("corrected precipitation, single precision", "#E69F00", "--"),
    "forcing": ("precipitation of the forcing", "#D55E00", "-"),
}
"""What the balance is closed against: name, colour and line."""


def draw(folder: Path, config: Config) -> Drawing:
    """Draw the figure from the files in `folder`."""
    use_style()
    run = Run(folder, config)
    cells, data = run.cells(), run.summary("water_balance", main_experiment(config))
    place = cells["lat"].values, cells["lon"].values, config.grid.resolution
    area = cells["area"].values
    background = Map.of_run(config)
    figure = plt.figure(figsize=(DOUBLE, 4.6))
    axes = figure.subplot_mosaic([["corrected", "forcing"], ["shares", "shares"]], height_ratios=(1, 1))
    for name, title in (
        ("corrected", "Against corrected precipitation"),
        ("forcing", "Against precipitation of the forcing"),
    ):
        values = data[name].median("member").values
        most = max(np.abs(limits(values, low=1, high=99)))
        mesh = background.cells(axes[name], values, *place, cmap=cm.vik, vmin=-most, vmax=most)
        bar = figure.colorbar(
            mesh,
            ax=axes[name],
            extend="both",
            orientation="horizontal",
            aspect=25,
            pad=0.03,
            label=f"Residual ({UNIT})",
        )
        bar.formatter.set_powerlimits((-2, 4))
        axes[name].set_title(title)
    axis, tiny = axes["shares"], 1e-9
    for name, (text, colour, line) in SHOWN.items():
        sizes = np.maximum(np.abs(data[name].values).max(0), tiny)
        order = np.argsort(sizes)
        axis.plot(sizes[order], np.cumsum(area[order]) / area.sum(), color=colour, linestyle=line, label=text)
    axis.set(
        xscale="log",
        ylim=(0, 1.02),
        xlabel=f"Absolute residual, largest of the folds ({UNIT})",
        ylabel="Share of the area (–)",
    )
    axis.legend(loc="upper left")
    letters(list(axes.values()))
    worst = np.abs(data["corrected"].values).max()
    facts = facts_of_run(run) | {
        "corrected": f"{worst:.1e}",
        "single": f"{np.abs(data['corrected_float32'].values).max():.1e}",
        "worst_day": f"{data['worst_day'].values.max():.1e}",
        "snow": f"{np.average(data['forcing'].median('member'), weights=area):.1f}",
    }
    return Drawing(figure, data.assign_coords(dict(cells[["lat", "lon"]].coords)), facts)
