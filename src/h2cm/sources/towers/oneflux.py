"""Reader of the zips of ONEFlux: one tower, one zip, daily ERA meteorology and monthly fluxes in it.

Pastorello et al. (2020), https://doi.org/10.1038/s41597-020-0534-3, describe the files and their variables. A zip is
named ``<network>_<site>_FLUXNET....zip``; the members that are read are ``*_ERAI_DD_*.csv`` (in later releases
``*_ERA5_DD_*.csv``) and ``*_FULLSET_MM_*.csv``.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from h2cm.store import DataError

MISSING = -9999
ZIP_NAME = re.compile(r"^[A-Za-z0-9]+_(?P<site>[A-Z]{2}-[A-Za-z0-9]{2,3})_FLUXNET.*\.zip$")

DAILY_MEMBER = re.compile(r"_ERA[I5]_DD_[^/]*\.csv$")
DAILY_COLUMNS = ("TA_ERA", "SW_IN_ERA", "LW_IN_ERA", "VPD_ERA", "P_ERA")
"""degC, W m-2, W m-2, hPa, mm day-1."""

MONTHLY_MEMBER = re.compile(r"_FULLSET_MM_[^/]*\.csv$")
MONTHLY_COLUMNS = (
    "NEE_VUT_REF",
    "NEE_VUT_REF_QC",
    "GPP_NT_VUT_REF",
    "GPP_DT_VUT_REF",
    "LE_F_MDS",
    "LE_F_MDS_QC",
    "SW_IN_F",
    "SW_IN_F_QC",
)
"""Carbon in gC m-2 day-1, heat and radiation in W m-2, ``_QC`` the share of good half-hours."""
OPTIONAL_COLUMNS = ("NETRAD", "NETRAD_QC", "SW_OUT", "SW_OUT_QC")
"""Read where a tower measured them."""


def find(folders: Iterable[Path]) -> dict[str, Path]:
    """The ONEFlux zip of each site in `folders`, sorted by site.

    Raises
    ------
    DataError
        For a folder that is absent, folders without any such zip, and two zips of one site.
    """
    folders = list(folders)
    found: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"towers.folders: {folder}: expected a folder with ONEFlux zips, there is none")
        for path in sorted(folder.glob("*.zip")):
            match = ZIP_NAME.match(path.name)
            if not match:
                continue
            site = match["site"]
            if site in found:
                raise DataError(f"{path}: site {site} is in {found[site]} already; expected one zip a site")
            found[site] = path
    if not found:
        named = ", ".join(map(str, folders)) or "(no folder given)"
        raise DataError(f"towers.folders: {named}: expected zips named like FLX_DE-Hai_FLUXNET2015_....zip, found none")
    return dict(sorted(found.items()))


def read(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Daily meteorology and monthly fluxes of one tower, missing values as NaN, units as in the file.

    Returns
    -------
    daily : DataFrame
        Indexed by day, `DAILY_COLUMNS`.
    monthly : DataFrame
        Indexed by the first day of the month, `MONTHLY_COLUMNS` and those of `OPTIONAL_COLUMNS` that the file has.

    Raises
    ------
    DataError
        For a zip that is not there or damaged, and a member or column that is not there, occurs twice or holds
        something else than numbers.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            daily = _read_member(archive, path, DAILY_MEMBER, DAILY_COLUMNS, (), "%Y%m%d")
            monthly = _read_member(archive, path, MONTHLY_MEMBER, MONTHLY_COLUMNS, OPTIONAL_COLUMNS, "%Y%m")
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise DataError(f"{path}: expected a readable ONEFlux zip: {error}") from error
    return daily, monthly


def _read_member(archive, path, pattern, required, optional, date_format) -> pd.DataFrame:
    """One CSV of a zip, indexed by its ``TIMESTAMP``."""
    members = [name for name in archive.namelist() if pattern.search(name)]
    if len(members) != 1:
        raise DataError(f"{path}: expected one member like *{pattern.pattern}, found {len(members)}")
    origin = f"{path}: {members[0]}"
    wanted = ("TIMESTAMP", *required, *optional)
    try:
        with archive.open(members[0]) as file:
            table = pd.read_csv(file, usecols=lambda name: name in wanted)
    except (ValueError, pd.errors.ParserError) as error:
        raise DataError(f"{origin}: expected a table of comma-separated values: {_first_line(error)}") from error
    absent = [name for name in ("TIMESTAMP", *required) if name not in table]
    if absent:
        raise DataError(f"{origin}: expected the column {absent[0]} (also absent: {', '.join(absent[1:]) or 'none'})")
    for name in table.columns:
        if table[name].dtype.kind not in "if":
            raise DataError(f"{origin}: {name}: expected numbers, found {table[name].dtype} values")
    if table.empty:
        raise DataError(f"{origin}: expected data, found the header only")
    try:
        time = pd.to_datetime(table.pop("TIMESTAMP").astype(str), format=date_format)
    except ValueError as error:
        raise DataError(f"{origin}: TIMESTAMP: expected {date_format}: {_first_line(error)}") from error
    if time.duplicated().any():
        raise DataError(f"{origin}: TIMESTAMP: {time[time.duplicated()].iloc[0]:%Y-%m-%d} occurs twice")
    return table.set_axis(pd.DatetimeIndex(time, name="time")).sort_index().astype(float).replace(MISSING, float("nan"))


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
