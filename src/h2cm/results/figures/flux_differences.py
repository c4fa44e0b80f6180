"""Differences of mean annual GPP and NEE to the reference: H2CM, process models and all others (Figure C10)."""

from __future__ import annotations

from pathlib import Path

from cmcrameri import cm

from h2cm.config import Config
from h2cm.results.figures.drawing import Drawing, facts_of_run
from h2cm.results.figures.flux_maps import draw_columns, members_text, of_all, references, spans, to_dataset
from h2cm.results.figures.style import constraint_name, use_style
from h2cm.results.run import Run
from h2cm.results.summaries.registry import OBSERVED


def draw(folder: Path, config: Config) -> Drawing:
    """Draw the figure from the files in `folder`."""
    use_style()
    run = Run(folder, config)
    fluxes = references(config)
    maps, numbers = of_all(run, fluxes)
    apart = {flux: {who: m - of[OBSERVED] for who, m in of.items() if who != OBSERVED} for flux, of in maps.items()}
    figure = draw_columns(config, run.cells(), apart, dict.fromkeys(fluxes, cm.vik), difference=True)
    facts = {"years": spans(config, fluxes), "members": members_text(numbers, config)}
    facts["references"] = " and ".join(constraint_name(name, config.source) for name in fluxes.values())
    return Drawing(figure, to_dataset(apart, fluxes), facts_of_run(run) | facts)
