"""Small ONEFlux zips and their tables, in the layout of the real ones, with weather and fluxes that never change.

The towers stand near the equator, where that is nothing to wonder at."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pandas as pd

DAILY = {"TA_ERA": 10.0, "SW_IN_ERA": 200.0, "LW_IN_ERA": 300.0, "VPD_ERA": 5.0, "PA_ERA": 100.0, "P_ERA": 2.0}
MONTHLY = {
    "NEE_VUT_REF": -2.0,
    "NEE_VUT_REF_QC": 0.8,
    "GPP_NT_VUT_REF": 5.0,
    "GPP_DT_VUT_REF": 6.0,
    "LE_F_MDS": 49.0,
    "LE_F_MDS_QC": 0.9,
    "SW_IN_F": 200.0,
    "SW_IN_F_QC": 1.0,
    "SW_OUT": 40.0,
    "SW_OUT_QC": 1.0,
    "NETRAD": 100.0,
    "NETRAD_QC": 1.0,
}


def tables(start: str = "2000-12-01", end: str = "2001-04-30") -> tuple[pd.DataFrame, pd.DataFrame]:
    """The daily and the monthly table of a zip, to change before it is written."""
    days = pd.date_range(start, end, freq="D")
    daily = pd.DataFrame({"TIMESTAMP": days.strftime("%Y%m%d").astype(int), **DAILY})
    months = days.to_period("M").unique()
    return daily, pd.DataFrame({"TIMESTAMP": months.strftime("%Y%m").astype(int), **MONTHLY})


LAYOUTS = {
    "FLUXNET2015": (
        "FLX_{}_FLUXNET2015_FULLSET_2000-2001_beta-3",
        "FLX_{}_FLUXNET2015_{}_{}_beta-3",
        "ERAI",
        "FULLSET",
    ),
    "AmeriFlux": ("AMF_{}_FLUXNET_FULLSET_2000-2001_3-5", "AMF_{}_FLUXNET_{}_{}_3-5", "ERA5", "FULLSET"),
    "v1.3": ("ICOS_{}_FLUXNET_2000-2001_v1.3_r1", "ICOS_{}_FLUXNET_{}_{}_v1.3_r1", "ERA5", "FLUXMET"),
}
"""Name of the archive, of its members, and what they call meteorology and fluxes (see `h2cm.sources.towers.oneflux`)."""


def write_zip(
    folder: Path, site: str, daily: pd.DataFrame, monthly: pd.DataFrame, layout: str = "FLUXNET2015", of: str = ""
) -> Path:
    """Write the zip of one tower; its members are those of the site `of`, if that is given."""
    folder.mkdir(parents=True, exist_ok=True)
    name, member, era, fluxes = LAYOUTS[layout]
    path = folder / (name.format(site) + ".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member.format(of or site, f"{era}_DD", "1989-2020") + ".csv", daily.to_csv(index=False))
        archive.writestr(member.format(of or site, f"{fluxes}_MM", "2000-2001") + ".csv", monthly.to_csv(index=False))
    return path


def write_tables(folder: Path, sites: list[str]) -> None:
    """Write the table of sites, of leaf area index and of CO2 (2000-11 to 2001-06: 360, 361, ... ppm)."""
    rows = [f"{site},5.0,{10 + k},200.0,DBF,Cfb,150.0" for k, site in enumerate(sites)]
    header = "site,lat,lon,elevation_m,igbp,koeppen,water_holding_capacity_mm"
    (folder / "sites.csv").write_text("\n".join([header, *rows]) + "\n")
    lai = [f"{site},2001-0{month},{month}.0" for site in sites for month in (1, 2)]
    (folder / "lai.csv").write_text("\n".join(["site,month,lai", *lai]) + "\n")
    months = pd.period_range("2000-11", "2001-06", freq="M")
    co2 = [f"{m.year},{m.month},{m.year + m.month / 12:.4f},{360 + k},0,-1,-9.99,-0.99" for k, m in enumerate(months)]
    head = ["# a comment", "year,month,decimal date,average,deseasonalized,ndays,sdev,unc"]
    (folder / "co2.csv").write_text("\n".join([*head, *co2]) + "\n")


def settings(folder: Path, **towers) -> dict:
    """A configuration for these towers, January to March 2001."""
    return {
        "run": "test",
        "source": "towers",
        "period": {"start": "2001-01-01", "end": "2001-03-31"},
        "towers": {"folders": [str(folder)], "lai": str(folder / "lai.csv"), "co2": str(folder / "co2.csv"), **towers},
        "constraints": {name: {"prediction": name, "compare": "monthly"} for name in ("gpp", "nee", "et", "fapar")},
    }
