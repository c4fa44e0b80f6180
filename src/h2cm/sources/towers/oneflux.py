"""Reader of the archives of ONEFlux: one tower, one archive, daily ERA meteorology and monthly fluxes in it.

Pastorello et al. (2020), https://doi.org/10.1038/s41597-020-0534-3, describe the files and their variables. An archive
is named ``<network>_<site>_FLUXNET...zip``, or is a folder of that name with the same files. Two of its members are read:

============================  ==============================  =====================================================
release                       daily                           monthly
============================  ==============================  =====================================================
FLUXNET2015, Warm Winter      ``*_FLUXNET2015_ERAI_DD_*``     ``*_FLUXNET2015_FULLSET_MM_*``
AmeriFlux FLUXNET, ICOS       ``*_FLUXNET_ERA5_DD_*``         ``*_FLUXNET_FULLSET_MM_*``
since v1.3, all networks      ``*_FLUXNET_ERA5_DD_*``         ``*_FLUXNET_FLUXMET_MM_*``
============================  ==============================  =====================================================

The columns are the same in all. Carbon fluxes come with a friction-velocity threshold that varies over the years (VUT)
or is constant (CUT); some towers have only the latter.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import pandas as pd

from h2cm.store import DataError

MISSING = -9999
SITE = r"[A-Z]{2}-[A-Za-z0-9]{2,3}"
ARCHIVE_NAME = re.compile(rf"^[A-Za-z0-9]+_(?P<site>{SITE})_FLUXNET.*$")
ICOS_ARCHIVE_NAME = re.compile(rf"^.*ICOSETC_(?P<site>{SITE})_ARCHIVE_L2(\.zip)?$")
SITE_IN_MEMBER = re.compile(rf"^[A-Za-z0-9]+_(?P<site>{SITE})_")

NO_METEOROLOGY = (
    "an ICOS Level-2 archive has no downscaled ERA meteorology (no *_ERA*_DD_* member), which is the forcing here: take "
    "the FLUXNET archive of the site"
)

DAILY_MEMBER = re.compile(r"_(?P<kind>ERA[I5])_DD_[^/]*\.csv$")
DAILY_COLUMNS = ("TA_ERA", "SW_IN_ERA", "LW_IN_ERA", "VPD_ERA", "P_ERA")
"""degC, W m-2, W m-2, hPa, mm day-1."""
DAILY_OPTIONAL = ("PA_ERA",)
"""kPa."""

MONTHLY_MEMBER = re.compile(r"_(?P<kind>FULLSET|FLUXMET|SUBSET)_MM_[^/]*\.csv$")
MONTHLY_COLUMNS = ("LE_F_MDS", "LE_F_MDS_QC", "SW_IN_F", "SW_IN_F_QC")
CARBON_COLUMNS = ("NEE_{}_REF", "NEE_{}_REF_QC", "GPP_NT_{}_REF", "GPP_DT_{}_REF")
"""Carbon in gC m-2 day-1, heat and radiation in W m-2, ``_QC`` the share of good half-hours."""
CARBON_OPTIONAL = ("RECO_NT_{}_REF", "RECO_DT_{}_REF")
MEASURED = ("NETRAD", "SW_OUT", "TA_F_MDS", "SW_IN_F_MDS", "VPD_F_MDS")
MONTHLY_OPTIONAL = (
    *(name + quality for name in MEASURED for quality in ("", "_QC")),
    "H_F_MDS",
    "SW_IN_POT",
    *DAILY_COLUMNS,
)
"""Read where there: what the tower measured, potential radiation, and the monthly means of the daily meteorology."""
THRESHOLDS = ("VUT", "CUT")


@dataclass(frozen=True)
class Tower:
    """What one archive holds, missing values as NaN, units as in the files.

    Attributes
    ----------
    site : str
    path : Path
    layout : str
        Which of the layouts it was, for the log.
    daily : DataFrame
        Indexed by day: `DAILY_COLUMNS`, and those of `DAILY_OPTIONAL` that the file has.
    monthly : DataFrame
        Indexed by the first day of the month: `MONTHLY_COLUMNS`, and those of `MONTHLY_OPTIONAL` that the file has;
        `CARBON_COLUMNS` and `CARBON_OPTIONAL` without the name of the threshold (``NEE_REF``, ``GPP_NT_REF``).
    """

    site: str
    path: Path
    layout: str
    daily: pd.DataFrame
    monthly: pd.DataFrame


def find(folders: Iterable[Path]) -> dict[str, Path]:
    """The ONEFlux archive of each site in `folders`, sorted by site.

    Raises
    ------
    DataError
        For a folder that is absent, folders without any such archive, and two archives of one site.
    """
    folders = list(folders)
    found: dict[str, Path] = {}
    for path in _entries(folders):
        match = ARCHIVE_NAME.match(path.name)
        if not match:
            continue
        site = match["site"]
        if site in found:
            raise DataError(f"{path}: site {site} is in {found[site]} already; expected one archive a site")
        found[site] = path
    if not found:
        named = ", ".join(map(str, folders)) or "(no folder given)"
        told = "".join(
            f"; {path.name} cannot be used: {reason}" for path, reason in list(unusable(folders).items())[:1]
        )
        raise DataError(
            f"towers.folders: {named}: expected zips named like FLX_DE-Hai_FLUXNET2015_....zip, found none{told}"
        )
    return dict(sorted(found.items()))


def unusable(folders: Iterable[Path]) -> dict[Path, str]:
    """Archives of towers in `folders` that are of another kind, and why they cannot be used."""
    return {path: NO_METEOROLOGY for path in _entries(folders) if ICOS_ARCHIVE_NAME.match(path.name)}


def _entries(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"towers.folders: {folder}: expected a folder with ONEFlux zips, there is none")
        yield from (path for path in sorted(folder.iterdir()) if path.suffix == ".zip" or path.is_dir())


def files(path: Path) -> list[Path]:
    """The files that an archive consists of: the zip, or the tables of a folder."""
    return sorted(path.rglob("*.csv")) if path.is_dir() else [path]


def read(path: Path) -> Tower:
    """Daily meteorology and monthly fluxes of one tower.

    Raises
    ------
    DataError
        For an archive that is not there or damaged, and a member or column that is not there, is another site's,
        occurs twice or holds something else than numbers.
    """
    match = ARCHIVE_NAME.match(path.name)
    if match is None:
        raise DataError(f"{path}: expected a name like FLX_DE-Hai_FLUXNET2015_....zip")
    site = match["site"]
    carbon = tuple(name.format(kind) for kind in THRESHOLDS for name in (*CARBON_COLUMNS, *CARBON_OPTIONAL))
    try:
        with _opened(path) as (names, opener):
            day, era = _member(names, path, site, DAILY_MEMBER, "daily ERA meteorology")
            month, kind = _member(names, path, site, MONTHLY_MEMBER, "monthly fluxes")
            daily = _table(opener, path, day, DAILY_COLUMNS, DAILY_OPTIONAL, "%Y%m%d")
            monthly = _table(opener, path, month, MONTHLY_COLUMNS, (*MONTHLY_OPTIONAL, *carbon), "%Y%m")
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path}: expected a readable ONEFlux zip: {error}") from error
    threshold = _threshold(monthly, f"{path}: {month}")
    columns = {
        name.format(threshold): name.format("").replace("__", "_") for name in (*CARBON_COLUMNS, *CARBON_OPTIONAL)
    }
    monthly = monthly.drop(columns=set(carbon) - set(columns), errors="ignore").rename(columns=columns)
    version = PurePosixPath(month).stem.split("_MM_")[1]
    return Tower(site, path, f"{kind} and {era}, {version}, NEE_{threshold}_REF", daily, monthly)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[list[str], Callable[[str], IO[bytes]]]]:
    """Names of the members of a zip or folder, and how to open one."""
    if path.is_dir():
        yield [file.relative_to(path).as_posix() for file in files(path)], lambda name: (path / name).open("rb")
    else:
        with zipfile.ZipFile(path) as archive:
            yield archive.namelist(), archive.open


def _member(names: list[str], path: Path, site: str, pattern: re.Pattern, what: str) -> tuple[str, str]:
    """The one member that `pattern` finds, and its kind."""
    found = {name: match for name in names if (match := pattern.search(name)) and not name.startswith("__MACOSX/")}
    if len(found) != 1:
        raise DataError(f"{path}: {what}: expected one member like *{pattern.pattern}, found {len(found)}")
    ((name, match),) = found.items()
    of = SITE_IN_MEMBER.match(PurePosixPath(name).name)
    if of is None or of["site"] != site:
        raise DataError(
            f"{path}: {name}: expected a member of site {site}, found that of {of['site'] if of else 'none'}"
        )
    return name, match["kind"]


def _threshold(monthly: pd.DataFrame, origin: str) -> str:
    """The kind of friction-velocity threshold that a tower's carbon fluxes are taken with.

    VUT, or CUT where VUT gave NEE in less than half as many months: one kind for the whole record of a tower.
    """
    wanted = {kind: [name.format(kind) for name in CARBON_COLUMNS] for kind in THRESHOLDS}
    there = {kind: names for kind, names in wanted.items() if set(names) <= set(monthly.columns)}
    if not there:
        absent = [name for name in wanted["VUT"] if name not in monthly]
        raise DataError(f"{origin}: expected the column {absent[0]} (or all of {', '.join(wanted['CUT'])})")
    months = {kind: monthly[there[kind][0]].count() if kind in there else -1 for kind in THRESHOLDS}
    return "VUT" if "VUT" in there and 2 * months["VUT"] >= months["CUT"] else "CUT"


def _table(opener, path, member, required, optional, date_format) -> pd.DataFrame:
    """One CSV of an archive, indexed by its ``TIMESTAMP``."""
    origin = f"{path}: {member}"
    wanted = ("TIMESTAMP", *required, *optional)
    try:
        with opener(member) as file:
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
