"""Daily fluxes measured at towers, to evaluate daily predictions with: the files of CalLMIP.

CalLMIP Phase 1 (https://github.com/callmip-org/Phase1) has one netCDF file a tower, made of FLUXNET2015 by way of
PLUMBER2: ``<site>_daily_aggregated_<years>_FLUXNET2015_Flux.nc``, dimensions (time, y, x), one point. A day of which more
than a quarter was gap-filled is missing. ``NEE_daily`` (gC m-2 day-1, NEE_VUT_REF, negative: sink), ``Qle_daily`` (W m-2,
LE_F_MDS, not corrected for the energy balance), and their joint uncertainties ``*_uc_daily`` (one standard deviation; that
of the latent heat is LE_CORR_JOINTUNC, of the corrected flux, the only one that FLUXNET2015 has).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from h2cm import units
from h2cm.sources.towers.oneflux import SITE
from h2cm.store import DataError
from h2cm.vocabulary import CARBON_FLUX, EVAPORATION_PER_RADIATION

FILE_NAME = re.compile(rf"^(?P<site>{SITE})_daily_.*\.nc$")
READ = {
    "nee": ("NEE_daily", CARBON_FLUX),
    "nee_uncertainty": ("NEE_uc_daily", CARBON_FLUX),
    "latent_heat": ("Qle_daily", "W m-2"),
    "latent_heat_uncertainty": ("Qle_uc_daily", "W m-2"),
    "sensible_heat": ("Qh_daily", "W m-2"),
    "sensible_heat_uncertainty": ("Qh_uc_daily", "W m-2"),
}
"""Column, variable of the file, unit."""
VARIABLES = ("nee_daily", "nee_daily_uncertainty", "et_daily", "et_daily_uncertainty")
"""What goes into the store."""

NEAR = 0.1  # degrees between the file's place and that of the site
MIN_DAYS, MIN_MONTHS, MIN_R = 20, 6, 0.5  # of a month's mean, to compare with the tower's own NEE


def find(folder: Path) -> dict[str, Path]:
    """The file of each site in a folder.

    Raises
    ------
    DataError
        For a folder that is absent or has no such file, and two files of one site.
    """
    named = [(m["site"], p) for p in sorted(folder.glob("*.nc")) if (m := FILE_NAME.match(p.name))]
    if not named:
        raise DataError(f"towers.daily_fluxes: {folder}: expected files named like DE-Hai_daily_....nc, found none")
    found: dict[str, Path] = {}
    for site, path in named:
        if site in found:
            raise DataError(f"{path}: site {site} is in {found[site]} already; expected one file a site")
        found[site] = path
    return found


def read(
    path: Path,
    site: str,
    latitude: float | None = None,
    longitude: float | None = None,
    monthly_nee: pd.Series | None = None,
) -> pd.DataFrame:
    """Daily fluxes of one tower and their uncertainties, NaN where too little was measured.

    Parameters
    ----------
    path : Path
    site : str
        Whose file it must be.
    latitude, longitude : float, optional
        Where the site is, degrees: the file must say the same.
    monthly_nee : Series, optional
        NEE of the tower by month (gC m-2 day-1): that of the file must go with it.

    Returns
    -------
    DataFrame
        Indexed by day: ``nee`` (gC m-2 day-1), ``latent_heat``, ``sensible_heat`` (W m-2), ``et`` (mm day-1), each with
        ``_uncertainty``; and, named as in the store, `VARIABLES`.

    Raises
    ------
    DataError
        For a file that cannot be read, of another tower, without a variable, in a unit that is not one of its kind, with
        a day twice, or with a negative uncertainty.
    """
    try:
        with xr.open_dataset(path) as data:
            data = data.load().squeeze()
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, OverflowError) as error:
        raise DataError(f"{path}: expected a netCDF file of daily fluxes: {str(error).splitlines()[0]}") from None
    said = data.attrs.get("site_code")
    if said != site:
        raise DataError(f"{path}: site_code: expected {site}, found {said}: the file of another tower")
    for name, place in (("latitude", latitude), ("longitude", longitude)):
        if place is not None and name in data.variables and not abs(float(data[name]) - place) <= NEAR:
            raise DataError(
                f"{path}: {name}: expected {place:g} of {site}, found {float(data[name]):g}: the file of another tower"
            )
    absent = [name for name, _ in READ.values() if name not in data or data[name].dims != ("time",)]
    if absent:
        raise DataError(
            f"{path}: expected the variables {', '.join(n for n, _ in READ.values())} of time; not so: {absent[0]}"
        )
    time = pd.DatetimeIndex(data["time"].values)
    if time.has_duplicates or not (time == time.normalize()).all():
        raise DataError(f"{path}: time: expected each day once, at 00:00")
    table = pd.DataFrame(index=time.rename("time"))
    for column, (name, unit) in READ.items():
        table[column] = _converted(data[name], unit, f"{path}: {name}")
        if column.endswith("uncertainty") and (table[column] < 0).any():
            raise DataError(f"{path}: {name}: expected 0 or more, found {table[column].min():g}")
    for suffix in ("", "_uncertainty"):
        table["et" + suffix] = table["latent_heat" + suffix] * EVAPORATION_PER_RADIATION
        for name in ("nee", "et"):
            table[f"{name}_daily{suffix}"] = table[name + suffix]
    if monthly_nee is not None:
        _check_against(table["nee"], monthly_nee, path)
    return table


def _converted(data: xr.DataArray, unit: str, origin: str) -> np.ndarray:
    try:
        scale, offset = units.conversion(str(data.attrs.get("units", "")), unit)
    except DataError as error:
        raise DataError(f"{origin}: units: {error}") from None
    return data.values.astype(float) * scale + offset


def _check_against(nee: pd.Series, monthly: pd.Series, path: Path) -> None:
    by_month = nee.resample("MS")
    both = pd.DataFrame({"file": by_month.mean().where(by_month.count() >= MIN_DAYS), "tower": monthly}).dropna()
    if len(both) >= MIN_MONTHS and not (r := both["file"].corr(both["tower"])) >= MIN_R:
        raise DataError(
            f"{path}: NEE_daily: its monthly means go with the tower's own NEE by r = {r:.2f} in {len(both)} months, "
            f"expected {MIN_R} or more: another tower, or the sign?"
        )
