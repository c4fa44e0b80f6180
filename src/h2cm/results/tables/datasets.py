"""Table 1: the data of this run, from the catalogue and the configuration."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from h2cm.config import Config, Years
from h2cm.results.figures.style import product_name
from h2cm.results.paths import competitors
from h2cm.sources import catalogue
from h2cm.vocabulary import VARIABLES

KEPT = ("forcing", "static", "constraint", "fire", "comparison")
"""Roles of the products that a run is made of."""


def make(folder: Path, config: Config) -> pd.DataFrame:
    """Columns: role, variable, product, resolution in space and time, years of this run, and of real products resampling,
    reference, doi and licence.

    Products that nothing in the run uses are left out. On the synthetic Earth every product is a pseudo-product in the
    layout of the real one, and no work of others.
    """
    stored = {row.name for row in VARIABLES.values() if row.role in ("forcing", "static")} | set(config.constraints)
    rows = []
    for row in catalogue.load().values():
        used = stored & set(row.feeds)
        compared = row.id in competitors(config) or (row.role == "comparison" and bool(competitors(config)))
        if row.role not in KEPT or not (used or compared):
            continue
        if config.source == "twin" and row.id == "mauna_loa":
            continue  # a real record, which the synthetic Earth does without
        found = {
            "role": catalogue.ROLES[row.role],
            "variable": row.label,
            "product": product_name(f"{row.name} {row.version}", config.source),
            "spatial resolution": row.space,
            "temporal resolution": row.time,
            "years": _years(row, used, config),
        }
        if config.source != "twin":
            found |= {
                "to the grid": row.to_grid,
                "to the time step": row.to_step,
                "reference": row.citation,
                "doi": row.doi,
                "licence": row.licence,
            }
        rows.append(found)
    return pd.DataFrame(rows)


def _years(row: catalogue.Product, used: set[str], config: Config) -> str:
    """The years of the run that a product is used in; those of its constraints where it is one."""
    if row.period is None and row.studied is None:
        return "-"
    spans = [config.constraints[name].years for name in used if name in config.constraints]
    whole = config.period.start.year, config.period.end.year
    chosen = [span or whole for span in spans] or [whole]
    first, last = min(a for a, _ in chosen), max(b for _, b in chosen)
    held: Years = whole if config.source == "twin" or row.period is None else row.period
    first, last = max(first, held[0]), min(last, held[1])
    if first > last:
        return "none"
    return f"{first}-{last}" if first < last else str(first)
