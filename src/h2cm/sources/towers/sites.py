"""The table of sites, and the static attributes made of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from h2cm.sources.towers.radiation import SNOW_FREE_ALBEDO
from h2cm.store import DataError
from h2cm.vocabulary import EVAPORATION_PER_RADIATION, FREEZING_POINT

COLUMNS = ("site", "lat", "lon", "elevation_m", "igbp", "koeppen", "water_holding_capacity_mm")
IGBP = tuple(SNOW_FREE_ALBEDO)
KOEPPEN = {"A": "tropical", "B": "arid", "C": "temperate", "D": "continental", "E": "polar"}
"""Main groups of the Koeppen climate classification (the first letter)."""


def read_table(path: Path) -> pd.DataFrame:
    """The table of sites, indexed by site; `COLUMNS` must be there, others are left out.

    Raises
    ------
    DataError
        For a table that is not there or lacks a column, and a site that occurs twice.
    """
    if not path.is_file():
        raise DataError(f"{path}: expected the table of sites (towers.sites), there is none")
    table = pd.read_csv(path, dtype={"site": str, "igbp": str, "koeppen": str})
    absent = [name for name in COLUMNS if name not in table]
    if absent:
        raise DataError(f"{path}: expected the columns {', '.join(COLUMNS)}; absent: {', '.join(absent)}")
    if table["site"].duplicated().any():
        raise DataError(f"{path}: site {table['site'][table['site'].duplicated()].iloc[0]} occurs twice")
    return table[list(COLUMNS)].set_index("site")


def pick(table: pd.DataFrame, names: list[str], path: Path) -> pd.DataFrame:
    """The rows of sites `names`, every value of them checked.

    Raises
    ------
    DataError
        For a site that is not in the table, a value that is missing or no number, a class that is not of the
        classification, and coordinates off the globe.
    """
    absent = [name for name in names if name not in table.index]
    if absent:
        raise DataError(f"{path}: expected a row for each tower; no row for {', '.join(absent)}")
    picked = table.loc[names]
    for column in picked.columns:
        missing = picked.index[picked[column].isna()]
        if len(missing):
            raise DataError(
                f"{path}: {column}: no value for site {', '.join(missing)}; no static attribute may be missing"
            )
    for column, low, high in (
        ("lat", -90, 90),
        ("lon", -180, 180),
        ("elevation_m", -500, 9000),
        ("water_holding_capacity_mm", 0, 10000),
    ):
        if picked[column].dtype.kind not in "if":
            raise DataError(f"{path}: {column}: expected numbers, found {picked[column].dtype} values")
        wrong = picked.index[~picked[column].between(low, high)]
        if len(wrong):
            raise DataError(
                f"{path}: {column}: site {wrong[0]}: expected {low} to {high}, got {picked.at[wrong[0], column]:g}"
            )
    for column, known in (("igbp", IGBP), ("koeppen", tuple(KOEPPEN))):
        code = picked[column] if column == "igbp" else picked[column].str[0]
        wrong = picked.index[~code.isin(known)]
        if len(wrong):
            raise DataError(
                f"{path}: {column}: site {wrong[0]}: expected {'one of' if column == 'igbp' else 'a class that starts with'} "
                f"{', '.join(known)}; got {picked.at[wrong[0], column]!r}"
            )
    return picked


def climate(forcing: pd.DataFrame) -> pd.Series:
    """Statistics of a tower's own climate from its daily forcing (units of the store), over the period of the run.

    They use no observation of fluxes, and of each tower only its own forcing: nothing of one tower reaches another.
    """
    month = forcing.index.month
    season = forcing.groupby(month).mean()
    rain, energy = forcing["precipitation"].mean(), forcing["net_radiation"].mean()
    return pd.Series(
        {
            "mean_air_temperature": forcing["air_temperature"].mean(),
            "seasonal_range_of_air_temperature": np.ptp(season["air_temperature"]),
            "share_of_frost_days": (forcing["air_temperature"] < FREEZING_POINT).mean(),
            "mean_precipitation": rain,
            "seasonality_of_precipitation": season["precipitation"].std(ddof=0) / max(rain, 0.01),
            "mean_vapour_pressure_deficit": forcing["vapour_pressure_deficit"].mean(),
            "mean_net_radiation": energy,
            "dryness": energy * EVAPORATION_PER_RADIATION / max(rain, 0.01),
        }
    )


def static_attributes(sites: pd.DataFrame, groups: Sequence[str], climates: pd.DataFrame) -> pd.DataFrame:
    """Static attributes of sites, one column each, float.

    All classes of a classification get a column, also those that no site has: the attributes, and so the shape of a
    trained model, do not depend on the towers chosen.

    Parameters
    ----------
    sites : DataFrame
        From `pick`.
    groups : sequence of {"land_cover", "koeppen", "place", "climate"}
        Which attributes; their order is always this one.
    climates : DataFrame
        `climate` of each site.
    """
    columns = {}
    if "land_cover" in groups:
        columns |= {f"igbp_{name}": sites["igbp"] == name for name in IGBP}
    if "koeppen" in groups:
        columns |= {f"climate_{name}": sites["koeppen"].str[0] == letter for letter, name in KOEPPEN.items()}
    if "place" in groups:
        columns |= {
            "elevation": sites["elevation_m"],
            "water_holding_capacity": sites["water_holding_capacity_mm"],
            "absolute_latitude": np.abs(sites["lat"]),
        }
    if "climate" in groups:
        columns |= {name: climates.loc[sites.index, name] for name in climates}
    return pd.DataFrame(columns).astype(float)
