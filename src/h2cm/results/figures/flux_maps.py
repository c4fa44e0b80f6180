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

ROWS = 4
"""Maps below each other; a flux with more has two columns."""


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
    """A column of maps for each flux, or two side by side where it has many, with one colour bar below."""
    most = max(len(of) for of in maps.values())
    side = 1 if most <= ROWS else 2
    figure, axes, background = map_figure(config, -(-most // side), side * len(maps), DOUBLE, colour_bars=0.55)
    shown = []
    for j, (flux, of) in enumerate(maps.items()):
        mine = axes[:, side * j : side * (j + 1)]
        low, high = limits(*of.values())
        if difference or find(flux).signed:
            high = max(abs(low), abs(high))
            low = -high
        for who, axis in zip(of, mine.flat, strict=False):
            mesh = background.cells(axis, of[who], *place_of(cells, config), cmap=colours[flux], vmin=low, vmax=high)
            name = look(who, config).name
            axis.set_title(
                name if side > 1 else f"{short(flux)}, {name}"
            )  # narrow maps: their colour bar names the flux
            shown.append(axis)
        for axis in mine.flat[len(of) :]:
            axis.set_visible(False)
        bar = figure.colorbar(
            mesh, ax=mine, orientation="horizontal", extend="both", fraction=0.04, aspect=35, pad=0.01
        )
        what = f"Difference in {short(flux)}" if difference else short(flux)
        bar.set_label(f"{what} ({find(flux).printed_units})")
    letters(shown)
    return figure
