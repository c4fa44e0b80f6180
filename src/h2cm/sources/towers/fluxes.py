"""What towers observed: monthly GPP, NEE, evapotranspiration and fAPAR."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from h2cm.store import DataError
from h2cm.vocabulary import EVAPORATION_PER_RADIATION

EXTINCTION = 0.5  # of light in a canopy, per leaf area (Beer's law)

TARGETS = ("gpp", "nee", "et", "fapar")
"""Constraints that towers have."""


def partitioning(monthly: pd.DataFrame) -> str:
    """The column of GPP of a tower: night-time partitioning, or daytime where night-time failed in most months.

    One method for the whole record of a tower: a change of method would look like a change of the ecosystem.
    """
    night, day = monthly["GPP_NT_REF"].count(), monthly["GPP_DT_REF"].count()
    return "GPP_NT_REF" if 2 * night >= day else "GPP_DT_REF"


def water_quality(monthly: pd.DataFrame) -> str:
    """The column that says how good the latent heat of a tower is.

    Where a file has no quality of latent heat in any month, that of NEE stands for it: both come from one gas
    analyser, and NEE is filtered more strictly (also by friction velocity).
    """
    return "LE_F_MDS_QC" if monthly["LE_F_MDS_QC"].notna().any() else "NEE_REF_QC"


def tower_fluxes(monthly: pd.DataFrame, min_quality: float) -> pd.DataFrame:
    """Monthly ``gpp``, ``nee`` (gC m-2 day-1) and ``et`` (mm day-1), NaN where too few half-hours were good.

    Parameters
    ----------
    monthly : DataFrame
        Of an `h2cm.sources.towers.oneflux.Tower`.
    min_quality : float
        Least share of good half-hours of a month.

    Notes
    -----
    GPP is made from NEE and has its quality; `water_quality` says which quality latent heat has.
    """
    carbon = monthly["NEE_REF_QC"] >= min_quality
    water = monthly[water_quality(monthly)] >= min_quality
    return pd.DataFrame(
        {
            "gpp": monthly[partitioning(monthly)].where(carbon),
            "nee": monthly["NEE_REF"].where(carbon),
            "et": monthly["LE_F_MDS"].where(water) * EVAPORATION_PER_RADIATION,
        }
    )


def read_fapar(path: Path) -> pd.DataFrame:
    """fAPAR, (month, site), from a table of leaf area index: ``1 - exp(-0.5 LAI)``.

    Parameters
    ----------
    path : Path
        Columns ``site``, ``month`` (YYYY-MM), ``lai`` (m2 m-2).

    Raises
    ------
    DataError
        For a table that is not there or lacks a column, a month that is none or occurs twice, and a negative value.
    """
    if not path.is_file():
        raise DataError(f"{path}: expected the table of leaf area index (towers.lai), there is none")
    table = pd.read_csv(path, dtype={"site": str, "month": str})
    absent = [name for name in ("site", "month", "lai") if name not in table]
    if absent:
        raise DataError(f"{path}: expected the columns site, month, lai; absent: {', '.join(absent)}")
    if table["lai"].dtype.kind not in "if" or (table["lai"] < 0).any():
        raise DataError(f"{path}: lai: expected numbers of 0 or more")
    try:
        table["month"] = pd.to_datetime(table["month"], format="%Y-%m")
    except ValueError as error:
        raise DataError(f"{path}: month: expected YYYY-MM: {str(error).splitlines()[0]}") from error
    if table.duplicated(["site", "month"]).any():
        twice = table[table.duplicated(["site", "month"])].iloc[0]
        raise DataError(f"{path}: site {twice['site']}: {twice['month']:%Y-%m} occurs twice")
    return 1 - np.exp(-EXTINCTION * table.pivot(index="month", columns="site", values="lai"))
