"""Mean annual GPP and NEE: reference, H2CM, process models and all others that predict them (Figure 4)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from cmcrameri import cm

from h2cm.config import Config
from h2cm.results.figures.drawing import Drawing, facts_of_run, read
from h2cm.results.figures.geography import map_figure, place_of
from h2cm.results.figures.style import DOUBLE, constraint_name, letters, limits, look, use_style
from h2cm.results.run import Run, constraint_of
from h2cm.results.summaries.registry import OBSERVED
from h2cm.vocabulary import find, short

FLUXES = {"gpp": cm.bamako_r, "nee": cm.bam_r}
"""What is mapped, with its colours."""


def references(config: Config) -> dict[str, str]:
    """The fluxes that a constraint shows, and the constraint."""
    return {flux: name for flux in FLUXES if (name := constraint_of(config, flux, level=True))}


def of_all(run: Run, fluxes: dict[str, str]) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, int]]:
    """For each flux the medians over members (cell,) of the reference and of all who have it; number of members of each."""
    maps, numbers = {flux: {} for flux in fluxes}, {}
    found = read(run, "compared")
    for who in [OBSERVED, *(name for name in found if name != OBSERVED)]:
        for flux, name in fluxes.items():
            if name in found[who]:
                values = found[who][name]
                numbers[who] = values.sizes.get("member", 1)
                maps[flux][who] = np.median(values.values, axis=0) if "member" in values.dims else values.values
    return maps, numbers


def members_text(numbers: dict[str, int], config: Config) -> str:
    """Who is shown with how many members, for a caption."""
    kinds = {True: "folds", False: "members"}
    return ", ".join(
        f"{look(who, config).name} ({n} {kinds[who in config.experiments]})" for who, n in numbers.items() if n > 1
    )


def spans(config: Config, fluxes: dict[str, str]) -> str:
    """The years that each flux is averaged over, for a caption."""
    first, last = config.period.start.year, config.period.end.year
    years = {flux: config.constraints[name].years or (first, last) for flux, name in fluxes.items()}
    return " and ".join(
        f"{a}–{b} for {short(flux)}" if a < b else f"{a} for {short(flux)}" for flux, (a, b) in years.items()
    )


def draw(folder: Path, config: Config) -> Drawing:
    """Draw the figure from the files in `folder`."""
    use_style()
    run = Run(folder, config)
    fluxes = references(config)
    maps, numbers = of_all(run, fluxes)
    figure = draw_columns(config, run.cells(), maps, FLUXES)
    facts = {"years": spans(config, fluxes), "members": members_text(numbers, config)}
    facts["references"] = " and ".join(constraint_name(name, config.source) for name in fluxes.values())
    return Drawing(figure, to_dataset(maps, fluxes), facts_of_run(run) | facts)


def to_dataset(maps: dict[str, dict[str, np.ndarray]], fluxes: dict[str, str]) -> xr.Dataset:
    """Maps as they are drawn, ``<flux>_<who>`` (cell)."""
    return xr.Dataset(
        {
            f"{flux}_{who}": ("cell", values, {"units": find(fluxes[flux]).units})
            for flux, of in maps.items()
            for who, values in of.items()
        }
    )


def draw_columns(config: Config, cells: xr.Dataset, maps: dict, colours: dict, difference: bool = False):
    """A column of maps for each flux, a row for each who has any, one colour bar below each column."""
    names = list(dict.fromkeys(who for of in maps.values() for who in of))
    figure, axes, background = map_figure(config, len(names), len(maps), DOUBLE, colour_bars=0.55)
    shown = []
    for j, (flux, of) in enumerate(maps.items()):
        low, high = limits(*of.values())
        if difference or find(flux).signed:
            high = max(abs(low), abs(high))
            low = -high
        for i, who in enumerate(names):
            axis = axes[i, j]
            if who not in of:
                axis.set_visible(False)
                continue
            mesh = background.cells(axis, of[who], *place_of(cells, config), cmap=colours[flux], vmin=low, vmax=high)
            axis.set_title(f"{short(flux)}, {look(who, config).name}")
            shown.append((i, j, axis))
        bar = figure.colorbar(
            mesh, ax=axes[:, j], orientation="horizontal", extend="both", fraction=0.04, aspect=35, pad=0.01
        )
        what = f"Difference in {short(flux)}" if difference else short(flux)
        bar.set_label(f"{what} ({find(flux).printed_units})")
    letters([axis for *_, axis in sorted(shown, key=lambda one: one[:2])])
    return figure
