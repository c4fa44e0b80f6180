"""What the files of a run hold (where they are: `h2cm.results.paths`), as evaluation, figures and tables read them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from h2cm import netcdf, store
from h2cm.comparisons import COMPARISONS
from h2cm.config import Config, Years
from h2cm.models import kind_of
from h2cm.results.evaluate.series import monthly_means
from h2cm.results.paths import evaluated, files, folds, main_experiment, path
from h2cm.store import DataError
from h2cm.vocabulary import CONSTANTS, GROUPS, OUTPUTS, VARIABLES, ordered, reported

WHOLE = "whole"
"""The period of the evaluation that is all years of the run."""


@dataclass(frozen=True)
class Run:
    """The folder of a run and its configuration; everything is read on demand."""

    folder: Path
    config: Config

    def _file(self, kind: str, **names) -> Path:
        file = Path(self.folder, path(kind, **names))
        if not file.is_file():
            raise DataError(f"{file}: expected a file of this run, found none")
        return file

    def cells(self) -> xr.Dataset:
        """``lat``, ``lon``, ``area`` of the cells; at towers ``site`` and ``igbp``."""
        return store.load(self._file("grid"))

    def scopes(self, cells: xr.Dataset) -> np.ndarray:
        """The name of each cell in the table of metrics: that of the tower, or ``cell 17``."""
        if "site" in cells:
            return cells["site"].values.astype(str)
        return np.array([f"cell {i}" for i in range(cells.sizes["cell"])])

    def target(self, name: str, years: Years | None = None) -> xr.DataArray:
        """A constraint (cell, month) in the years in which it is compared, of these only `years` if given."""
        data = self.stored(name)
        if "month" not in data.dims:
            return data
        return data.isel(month=self.compared(data["month"], name, years))

    def compared(self, months: xr.DataArray, constraint: str | None, years: Years | None = None) -> np.ndarray:
        """Which months are compared (bool): those of the constraint's years that are among `years`."""
        year = months.dt.year.values
        chosen = np.ones(year.shape, bool)
        for span in (self.config.constraints[constraint].years if constraint else None, years):
            if span:
                chosen &= (year >= span[0]) & (year <= span[1])
        return chosen

    def stored(self, name: str) -> xr.DataArray:
        """A variable of the store, as it is."""
        return store.load(self._file("variable", variable=name))[name]

    def daily(self, experiment: str, fold: int, names: Iterable[str]) -> xr.Dataset:
        """Some daily predictions of a fold.

        Raises
        ------
        DataError
            Where a name is not among them.
        """
        names, file = list(names), self._file("daily", experiment=experiment, fold=fold)
        there = netcdf.names(file)
        for name in names:
            if name not in there:
                raise DataError(f"daily predictions of {experiment}: expected {name!r} (prediction.daily), found none")
        return netcdf.load(file, names)[names]

    def regions(self) -> xr.Dataset | None:
        """The map of regions on the cells; None where the source of data has none."""
        kept = files(["regions"], self.config)
        return netcdf.load(self._file("comparison", competitor="transcom")) if kept else None

    def summary(self, name: str, experiment: str) -> xr.Dataset:
        """A summary (`h2cm.results.summaries.registry`) of an experiment, or of what stands in its place."""
        return netcdf.load(self._file("summary", summary=name, experiment=experiment))

    def comparison(self, competitor: str) -> xr.Dataset:
        """Monthly fluxes of a product that results are compared with."""
        return netcdf.load(self._file("comparison", competitor=competitor))

    def split(self) -> pd.DataFrame:
        """One row a cell; columns ``fold_<k>`` with train, validation or test."""
        return store.read_csv(self._file("split"))

    def monthly(self, experiment: str, fold: int) -> xr.Dataset:
        """Monthly predictions of a fold, its constants and static parameters."""
        return netcdf.load(self._file("monthly", experiment=experiment, fold=fold))

    def ensemble(self, experiment: str, names: Iterable[str]) -> xr.Dataset:
        """Some monthly predictions of all folds, with a dimension ``fold``.

        Raises
        ------
        DataError
            Where a name is not among the predictions.
        """
        names, numbers = list(names), list(folds(self.config, experiment))
        members = [self.monthly(experiment, fold) for fold in numbers]
        for name in names:
            if name not in members[0]:
                raise DataError(
                    f"monthly predictions of {experiment}: expected {name!r} (prediction.monthly), found none"
                )
        members = [member[names] for member in members]
        return xr.concat(members, dim=pd.Index(numbers, name="fold"), combine_attrs="override")

    def metrics(self, period: str | None = WHOLE) -> pd.DataFrame:
        """The table of metrics over one period of the evaluation, or over all of them with None."""
        table = store.read_csv(self._file("metrics"), dtype={"fold": int})
        return table if period is None else table[table["period"] == period]

    def prior_sweep(self) -> pd.DataFrame:
        """What each width of the priors leads to (`h2cm.results.evaluate.sweep`)."""
        return store.read_csv(self._file("prior_sweep"))

    def profiles(self) -> pd.DataFrame:
        """What the constraints say against each value at which a quantity was held (`h2cm.results.evaluate.profiles`)."""
        return store.read_csv(self._file("profiles"))

    def losses(self, experiment: str, fold: int) -> pd.DataFrame:
        """Loss of each epoch, constraint and kind of cells, and the constants as ``constant:<name>``."""
        return store.read_csv(self._file("losses", experiment=experiment, fold=fold))

    def constants(self) -> pd.DataFrame:
        """Learned constants of models that have them, as they are reported; columns experiment, fold and `h2cm.vocabulary.CONSTANTS`."""
        rows = []
        for experiment in evaluated(self.config):
            if kind_of(self.config, experiment).equations:
                table = self.summary("constants", experiment).to_dataframe().reset_index(drop=True)
                rows.append(table.assign(experiment=experiment, fold=folds(self.config, experiment)))
        return pd.concat(rows, ignore_index=True)[["experiment", "fold", *CONSTANTS]]

    def true_constants(self) -> dict[str, float]:
        """The constants of the synthetic Earth (beta_co2 in % per 100 ppm); those it does not have are left out."""
        file = self._file("truth")
        there = netcdf.names(file)
        data = netcdf.load(file, [name for name in CONSTANTS if name in there])
        return reported({name: float(data[name]) for name in data.data_vars})

    def truth(self, names: Iterable[str]) -> xr.Dataset:
        """Monthly means of the truth of the synthetic Earth; names that it does not have are left out."""
        found, file = {}, self._file("truth")
        there = netcdf.names(file)
        for name in [name for name in names if name in there]:
            data = netcdf.load(file, [name])[name]
            found[name] = monthly_means(data) if "time" in data.dims else data
        return xr.Dataset(found)


def series_constraints(config: Config) -> list[str]:
    """The constraints that compare series, in the order in which they are shown."""
    return ordered(name for name, row in config.constraints.items() if COMPARISONS[row.compare].timescales)


def constraint_of(config: Config, prediction: str, level: bool = False) -> str | None:
    """The constraint that says most about a predicted variable, by the order of `h2cm.comparisons.COMPARISONS`.

    Only those that compare series count; with `level`, only those that compare the mean over time too.
    """
    order = list(COMPARISONS)
    fitting = [
        (order.index(row.compare), name)
        for name in series_constraints(config)
        if (row := config.constraints[name]).prediction == prediction and (COMPARISONS[row.compare].level or not level)
    ]
    return min(fitting)[1] if fitting else None


def shown(config: Config, groups: Iterable[str] = GROUPS, level: bool = False, fluxes: bool = False) -> dict[str, str]:
    """What a figure or table of constraints shows: predicted variables, and the constraint that says most of each.

    Parameters
    ----------
    groups : iterable of str
        Of the vocabulary.
    level : bool
        Only variables whose mean over time is compared.
    fluxes : bool
        Only variables whose role is flux.
    """
    names = dict.fromkeys(config.constraints[name].prediction for name in series_constraints(config))
    rows = [OUTPUTS[name] for name in ordered(names) if name in OUTPUTS]
    chosen = [row.name for row in rows if row.group in groups and (row.role == "flux" or not fluxes)]
    found = {name: constraint_of(config, name, level) for name in chosen}
    return {variable: name for variable, name in found.items() if name}


DAILY_FLUXES = ("nee", "et")
"""The fluxes of which days are measured at towers."""

MEASURED_DAYS = tuple(f"{flux}_daily{suffix}" for flux in DAILY_FLUXES for suffix in ("", "_uncertainty"))
"""What the store has of them."""


def predicted_days(config: Config) -> tuple[str, ...]:
    """Of `DAILY_FLUXES`, those that a constraint compares by month and of which the run keeps the predicted days."""
    kept = set(config.prediction.daily) & set(shown(config, fluxes=True))
    return tuple(flux for flux in DAILY_FLUXES if flux in kept)


def measured_days(config: Config) -> tuple[str, ...]:
    """`predicted_days`, where measured ones are read."""
    return predicted_days(config) if config.towers.daily_fluxes else ()


def unseen_years(config: Config) -> tuple[str, str] | tuple[()]:
    """The first experiment that leaves years out of training, and the first period of the evaluation in these; empty if none."""
    for experiment, row in config.experiments.items():
        for period, years in config.evaluation.periods.items():
            trained = row.train_years
            if trained and (years[0] > trained[1] or years[1] < trained[0]) and experiment != main_experiment(config):
                return experiment, period
    return ()


def in_unseen_years(config: Config, groups: Iterable[str]) -> list[str]:
    """The constraints of some groups that are compared in years which an experiment leaves out of training."""
    if not unseen_years(config):
        return []
    first, last = config.evaluation.periods[unseen_years(config)[1]]
    spans = {name: config.constraints[name].years or (first, last) for name in series_constraints(config)}
    return [name for name, (a, b) in spans.items() if VARIABLES[name].group in groups and a <= last and b >= first]
