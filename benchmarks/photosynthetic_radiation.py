"""Photosynthetically active radiation for each W m-2 of net radiation, at towers: ``python benchmarks/photosynthetic_radiation.py ARCHIVES``.

The store holds net radiation only. The default of ``evaluation.par_per_net_radiation`` is what this prints.
"""

import argparse
from pathlib import Path

import pandas as pd

from h2cm.sources.towers import oneflux, radiation, sites

PAR_OF_SHORTWAVE = 0.45

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("archives", type=Path, help="folder of ONEFlux archives")
parser.add_argument("--sites", type=Path, default=Path("resources/towers/sites.csv"))
parser.add_argument("--years", type=int, nargs=2, default=(2001, 2019))
given = parser.parse_args()

table, ratios = sites.read_table(given.sites), {}
for site, path in oneflux.find([given.archives]).items():
    tower = oneflux.read(path)
    days = tower.daily.loc[str(given.years[0]) : str(given.years[1])]
    albedo = radiation.monthly_albedo(tower.monthly, tower.daily, table.at[site, "igbp"])
    net = radiation.net_radiation(days, albedo)
    ratios[site] = PAR_OF_SHORTWAVE * days["SW_IN_ERA"].where(net > 0).sum() / net.clip(lower=0).sum()
print(pd.Series(ratios).describe(percentiles=[0.05, 0.25, 0.5, 0.75, 0.95]).to_string(float_format="%.3f"))
