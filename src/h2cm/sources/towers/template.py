"""Write the files of a tower of one's own, to be filled: ``python -m h2cm.sources.towers.template --help``.

The folder has the layout of ONEFlux's archives, which `h2cm.sources.towers.oneflux` reads: two tables of comma-separated
values, one row a day and one a month, with every column that is read and -9999 for all values. Its ``README.md`` says
what each column is, in which unit, and which may be left out.
"""

from __future__ import annotations

import argparse
import re
import sys
from datetime import date
from pathlib import Path

import pandas as pd

from h2cm.sources.towers import oneflux, sites
from h2cm.store import DataError, save_csv

MEANING = {
    "TA_ERA": ("°C", "air temperature, without any gap"),
    "SW_IN_ERA": ("W m-2", "incoming short-wave radiation, mean of 24 hours, without any gap"),
    "LW_IN_ERA": ("W m-2", "incoming long-wave radiation, without any gap"),
    "VPD_ERA": ("hPa", "vapour pressure deficit, mean of 24 hours, without any gap"),
    "P_ERA": ("mm day-1", "precipitation, without any gap"),
    "PA_ERA": ("kPa", "air pressure"),
    "NEE_VUT_REF": ("gC m-2 day-1", "net ecosystem exchange, negative where the ecosystem takes up carbon"),
    "NEE_VUT_REF_QC": ("1", "share of the month's half-hours that are measured or well filled"),
    "GPP_NT_VUT_REF": ("gC m-2 day-1", "gross primary productivity, night-time partitioning"),
    "GPP_DT_VUT_REF": ("gC m-2 day-1", "the same, daytime partitioning"),
    "RECO_NT_VUT_REF": ("gC m-2 day-1", "ecosystem respiration, night-time partitioning"),
    "RECO_DT_VUT_REF": ("gC m-2 day-1", "the same, daytime partitioning"),
    "LE_F_MDS": ("W m-2", "latent heat flux, positive upward, not corrected for the energy balance"),
    "H_F_MDS": ("W m-2", "sensible heat flux, positive upward"),
    "SW_IN_F": ("W m-2", "incoming short-wave radiation, gap-filled"),
    "SW_OUT": ("W m-2", "reflected short-wave radiation, for the albedo"),
    "NETRAD": ("W m-2", "net radiation"),
    "TA_F_MDS": ("°C", "air temperature at the tower"),
    "SW_IN_F_MDS": ("W m-2", "incoming short-wave radiation at the tower"),
    "VPD_F_MDS": ("hPa", "vapour pressure deficit at the tower"),
    "SW_IN_POT": ("W m-2", "potential short-wave radiation, for a check of the latitude"),
}
"""Unit and meaning of each column; ``X_QC`` is the share of good half-hours of ``X``."""


def columns() -> tuple[dict[str, bool], dict[str, bool]]:
    """Columns of the daily and the monthly table, and whether each must be there."""
    carbon = {name.format("VUT"): True for name in oneflux.CARBON_COLUMNS}
    carbon |= {name.format("VUT"): False for name in oneflux.CARBON_OPTIONAL}
    optional = [name for name in oneflux.MONTHLY_OPTIONAL if name not in oneflux.DAILY_COLUMNS]
    daily = dict.fromkeys(oneflux.DAILY_COLUMNS, True) | dict.fromkeys(oneflux.DAILY_OPTIONAL, False)
    return daily, carbon | dict.fromkeys(oneflux.MONTHLY_COLUMNS, True) | dict.fromkeys(optional, False)


def write(folder: Path, site: str, start: date, end: date, **place) -> Path:
    """Write the folder of one tower, and its row into the table of sites.

    Parameters
    ----------
    folder : Path
        Where the towers are; ``towers.folders`` of the configuration.
    site : str
        Name like ``XX-Own``.
    start, end : date
        First and last day of the meteorology.
    **place
        The other columns of the table of sites.

    Returns
    -------
    Path
        The folder to fill.

    Raises
    ------
    DataError
        For a name of another form, a place that is none, a tower that is there already, and an empty period.
    """
    if not re.fullmatch(oneflux.SITE, site):
        raise DataError(f"{site}: expected a name of two capital letters, a hyphen and two or three letters or digits")
    if end < start:
        raise DataError(f"the period is empty: it starts {start} and ends {end}")
    years = f"{start.year}-{end.year}"
    target, table_path = folder / f"OWN_{site}_FLUXNET_{years}_template", folder / "sites.csv"
    row = pd.DataFrame([{"site": site, **place}])[list(sites.COLUMNS)]
    sites.pick(row.set_index("site"), [site], table_path)
    table = pd.read_csv(table_path) if table_path.is_file() else row.iloc[:0]
    if target.exists() or site in set(table["site"]):
        raise DataError(f"{target if target.exists() else table_path}: site {site} is there already")
    daily, monthly = columns()
    for kind, names, days, stamp in (
        ("ERA5_DD", daily, pd.date_range(start, end, freq="D"), "%Y%m%d"),
        ("FULLSET_MM", monthly, pd.period_range(start, end, freq="M").to_timestamp(), "%Y%m"),
    ):
        values = pd.DataFrame(oneflux.MISSING, days.strftime(stamp).rename("TIMESTAMP"), list(names))
        save_csv(values.reset_index(), target / f"OWN_{site}_FLUXNET_{kind}_{years}_template.csv")
    (target / "README.md").write_text(_explanation(site, daily, monthly))
    save_csv(pd.concat([table, row]) if len(table) else row, table_path)
    return target


def _explanation(site: str, daily: dict[str, bool], monthly: dict[str, bool]) -> str:
    lines = [f"# Tower {site}", "", "Fill both tables; -9999 is missing. TIMESTAMP: YYYYMMDD (days), YYYYMM (months)."]
    for title, names in (("Days", daily), ("Months (means of the days)", monthly)):
        lines += ["", f"## {title}", "", "| column | unit | what | must be there |", "| --- | --- | --- | --- |"]
        for name, needed in names.items():
            quality = ("1", f"share of good half-hours of {name.removesuffix('_QC')}")
            unit, what = MEANING.get(name, quality)
            lines.append(f"| `{name}` | {unit} | {what} | {'yes' if needed else 'no'} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    """Write a template as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m h2cm.sources.towers.template", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="folder of the towers (towers.folders)")
    parser.add_argument("--site", required=True, help="name like XX-Own")
    parser.add_argument("--start", type=date.fromisoformat, required=True, help="first day, YYYY-MM-DD")
    parser.add_argument("--end", type=date.fromisoformat, required=True, help="last day, YYYY-MM-DD")
    parser.add_argument("--lat", type=float, required=True, help="degrees north")
    parser.add_argument("--lon", type=float, required=True, help="degrees east")
    parser.add_argument("--elevation", dest="elevation_m", type=float, required=True, help="m above the sea")
    parser.add_argument("--igbp", required=True, help=f"land cover: {', '.join(sites.IGBP)}")
    parser.add_argument("--koeppen", required=True, help="climate class, such as Cfb")
    parser.add_argument(
        "--water-holding-capacity", dest="water_holding_capacity_mm", type=float, required=True, help="of the soil, mm"
    )
    try:
        print(write(**vars(parser.parse_args(arguments))))
    except DataError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
