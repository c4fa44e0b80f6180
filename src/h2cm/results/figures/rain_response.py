"""How carbon fluxes answer to the rain season of southern Africa (Figure 7)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from cmcrameri import cm
from matplotlib import pyplot as plt
from matplotlib.dates import DateFormatter, DayLocator, MonthLocator
from matplotlib.patches import Polygon

from h2cm.config import Config
from h2cm.results.figures.drawing import Drawing, facts_of_run
from h2cm.results.figures.geography import Map
from h2cm.results.figures.style import DOUBLE, letters, limits, use_style
from h2cm.results.paths import main_experiment
from h2cm.results.run import Run
from h2cm.results.summaries.rain_response import FLUXES
from h2cm.space.grid import Grid
from h2cm.vocabulary import find, short

SOUTHERN_AFRICA = (8.0, -36.0, 42.0, -4.0)
"""West, south, east, north."""

AROUND = 18.0
"""Degrees to each side of a cell elsewhere."""

RED, RAIN = "#D00000", "#9EC9E2"
COLOURS = {"nee": "black", "npp": "#009E73", "heterotrophic_respiration": "#D55E00"}


def draw(folder: Path, config: Config) -> Drawing:
    """Draw the figure from the files in `folder`."""
    use_style()
    run = Run(folder, config)
    data, cells = run.summary("rain_response", main_experiment(config)), run.cells()
    lat, lon = float(data["cell_lat"]), float(data["cell_lon"])
    half = config.grid.resolution / 2
    background = Map(_bounds(lat, lon, config))
    west, south, east, north = background.bounds
    inside = (cells["lat"] > south) & (cells["lat"] < north) & (cells["lon"] > west) & (cells["lon"] < east)
    difference = np.median(data["nee_difference"].values, axis=0)

    figure, (left, right) = plt.subplots(1, 2, figsize=(DOUBLE, 2.9), width_ratios=(1, 1.7))
    most = max(np.abs(limits(difference[inside.values])))
    place = cells["lat"].values[inside.values], cells["lon"].values[inside.values], config.grid.resolution
    mesh = background.cells(left, difference[inside.values], *place, cmap=cm.bam_r, vmin=-most, vmax=most)
    corners = np.array([(-half, -half), (half, -half), (half, half), (-half, half)]) + np.array([lon, lat])
    left.add_patch(
        Polygon(np.transpose(background.project(*corners.T)), fill=False, edgecolor=RED, linewidth=1.6, zorder=5)
    )
    left.set_title("NEE, December − August")
    unit = find("nee").printed_units
    figure.colorbar(
        mesh, ax=left, label=f"Difference in NEE ({unit})", extend="both", orientation="horizontal", aspect=25, pad=0.03
    )

    days = data["time"].values
    rain = right.twinx()
    rain.bar(days, data["precipitation"].values, width=0.9, color=RAIN, linewidth=0)
    rain.set_ylim(2.2 * max(float(data["precipitation"].max()), 1.0), 0)  # from above, apart from the lines
    rain.set_ylabel(f"Precipitation ({find('precipitation').printed_units})")
    rain.spines["right"].set_visible(True)
    right.set_zorder(rain.get_zorder() + 1)
    right.patch.set_visible(False)
    right.axhline(0, color="0.6", linewidth=0.5)
    for flux in FLUXES:
        values = data[flux].values
        right.fill_between(days, values.min(0), values.max(0), color=COLOURS[flux], alpha=0.2, linewidth=0)
        right.plot(days, np.median(values, axis=0), color=COLOURS[flux], label=short(flux))
    bottom, top = right.get_ylim()
    right.set_ylim(bottom, top + 0.35 * (top - bottom))
    right.set_ylabel(f"Flux ({unit})")
    right.set_xlim(days[0], days[-1])
    right.xaxis.set_major_locator(MonthLocator())
    right.xaxis.set_major_formatter(DateFormatter("%b"))
    right.xaxis.set_minor_locator(DayLocator((11, 21)))
    right.set_title("Daily fluxes and rain")
    letters([left, right])
    handles, names = right.get_legend_handles_labels()
    bar = plt.Rectangle((0, 0), 1, 1, color=RAIN, linewidth=0)
    figure.legend([*handles, bar], [*names, "Precipitation (right axis)"], loc="outside lower center", ncols=4)
    facts = {"year": data.attrs["year"], "place": _place(lat, lon), "resolution": f"{config.grid.resolution:g}"}
    return Drawing(figure, data, facts_of_run(run) | facts)


def _bounds(lat: float, lon: float, config: Config) -> tuple[float, float, float, float]:
    """Southern Africa, or what is around a cell elsewhere, within the grid."""
    west, south, east, north = SOUTHERN_AFRICA
    if not (west < lon < east and south < lat < north):
        west, south, east, north = lon - AROUND, lat - AROUND, lon + AROUND, lat + AROUND
    grid = Grid(config.grid.resolution, config.grid.bounds)
    # to whole cells, so that none is cut
    return (
        float(max(grid.lon_edges[grid.lon_edges <= max(west, grid.lon_edges[0])][-1], -180)),
        float(grid.lat_edges[grid.lat_edges <= max(south, grid.lat_edges[0])][-1]),
        float(grid.lon_edges[grid.lon_edges >= min(east, grid.lon_edges[-1])][0]),
        float(grid.lat_edges[grid.lat_edges >= min(north, grid.lat_edges[-1])][0]),
    )


def _place(lat: float, lon: float) -> str:
    return f"{abs(lat):g}° {'S' if lat < 0 else 'N'}, {abs(lon):g}° {'W' if lon < 0 else 'E'}"
