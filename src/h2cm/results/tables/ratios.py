"""Table 3: the efficiencies, from the vocabulary."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from h2cm.config import Config
from h2cm.results.figures.efficiencies import ORDER
from h2cm.vocabulary import RATIOS, SHARE, find


def make(folder: Path, config: Config) -> pd.DataFrame:
    """Columns: parameter, abbreviation, ratio, units; units in grams of carbon and kilograms of water."""
    return pd.DataFrame(
        {
            "parameter": row.long_name.capitalize(),
            "abbreviation": row.short,
            "ratio": f"{_short(row.numerator)} / {_short(row.denominator)}",
            "units": "-" if row.units == SHARE else row.units.replace("g ", "gC ", 1),
        }
        for row in (RATIOS[name] for name in ORDER)
    )


def _short(name: str) -> str:
    return find(name).short or name
