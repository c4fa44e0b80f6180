"""Table 1: the data products, from the catalogue."""

from pathlib import Path

import pandas as pd

from h2cm.config import Config
from h2cm.sources import catalogue


def make(folder: Path, config: Config) -> pd.DataFrame:
    """Columns: role, variable, product, resolution in space and time, period, resampling, reference, doi, licence."""
    return catalogue.table()
