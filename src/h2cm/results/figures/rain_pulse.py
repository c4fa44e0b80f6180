"""Heterotrophic respiration, net primary productivity and net ecosystem exchange around the first rain on dry soil."""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib import pyplot as plt

from h2cm.config import Config
from h2cm.results.evaluate.aggregate import left_out
from h2cm.results.figures.drawing import Drawing, facts_of_run, read
from h2cm.results.figures.style import DOUBLE, TARGET, letters, look, use_style
from h2cm.results.paths import contenders, main_experiment
from h2cm.results.run import Run
from h2cm.results.summaries.rain_pulse import FLUXES, RULE
from h2cm.results.summaries.registry import TRUTH
from h2cm.vocabulary import find, label


def draw(folder: Path, config: Config) -> Drawing:
    """Draw the figure from the files in `folder`."""
    use_style()
    run = Run(folder, config)
    kept = read(run, "rain_pulse")
    first = kept[main_experiment(config)]
    lags = first["lag"].values

    figure, axes = plt.subplots(2, 2, figsize=(DOUBLE, 4.4), sharex=True)
    axes[0, 0].bar(lags, first["precipitation"], width=0.8, color="#56B4E9")
    axes[0, 0].set_ylabel(label("precipitation"))
    drawn = {}
    for axis, flux in zip(axes.flat[1:], FLUXES, strict=True):
        axis.set_ylabel(label(flux))
        for who, data in kept.items():
            if flux not in data:
                continue
            values, row = data[flux].values, look(who, config)
            middle = np.median(values, 0)
            style = {"color": TARGET, "linestyle": "--"} if who == TRUTH else {"color": row.colour}
            (line,) = axis.plot(
                lags, middle, linewidth=1.6 if who == main_experiment(config) else 1.1, label=row.name, **style
            )
            drawn.setdefault(row.name, line)
            if len(values) > 1:
                axis.fill_between(lags, values.min(0), values.max(0), color=style["color"], alpha=0.2, linewidth=0)
    for axis in axes.flat:
        axis.axvline(0, color="0.6", linewidth=0.7, linestyle=":", zorder=0)
        axis.set_xlim(lags[0] - 0.6, lags[-1] + 0.6)
    for axis in axes[-1]:
        axis.set_xlabel("Days from the first rain on dry soil")
    letters(axes)
    figure.legend(drawn.values(), drawn, loc="outside lower center", ncols=min(len(drawn), 4))

    events, dry = first["events"].values, first["dry"].values
    facts = facts_of_run(run) | {"rule": RULE.text(), "dry_cells": int(dry.sum()), "events": int(events.sum())}
    facts["pulse"] = pulse(first)
    table = nearness(run, first["dry_tropics"].values > 0) if config.source == "twin" else None
    facts["verdict"] = "" if table is None else verdict(table, config)
    data = xr.concat(list(kept.values()), pd.Index(list(kept), name="who"), join="outer", combine_attrs="override")
    if table is not None and len(table):
        data["nee_rmse_dry_tropics"] = ("compared", table["rmse"].values, {"units": "g m-2 day-1"})
        data = data.assign_coords(compared=table["experiment"].values)
    return Drawing(figure, data, facts)


def pulse(data: xr.Dataset) -> str:
    """In words, by how much the respiration of the soil and NEE rise: mean of days 0 to 4 less that of days -5 to -1."""
    lag, words = data["lag"].values, []
    for flux in ("heterotrophic_respiration", "nee"):
        middle = np.median(data[flux].values, 0)
        change = middle[(lag >= 0) & (lag < 5)].mean() - middle[(lag >= -5) & (lag < 0)].mean()
        if not np.isfinite(change):
            return "There is no first rain on dry soil in the record."
        words.append(
            f"{find(flux).long_name.partition(',')[0]} {'rises' if change > 0 else 'falls'} by {abs(change):.2f}"
        )
    return f"In H2CM, {' and '.join(words)} gC m⁻² day⁻¹ (mean of days 0 to 4 less mean of days −5 to −1, median of folds)."


def nearness(run: Run, chosen: np.ndarray) -> pd.DataFrame:
    """How far monthly NEE is from the truth in some cells that a model did not see, one row for each model.

    Returns
    -------
    DataFrame
        Columns experiment; rmse, the mean over the cells by area of the root mean squared error of monthly NEE against the
        truth (each cell's from the folds that left it out, their median); cells, the number of cells that all have.
    """
    cells, metrics = run.cells(), run.metrics()
    scopes = run.scopes(cells)
    rows = metrics[
        (metrics["reference"] == TRUTH)
        & (metrics["variable"] == "nee")
        & (metrics["timescale"] == "monthly")
        & (metrics["metric"] == "rmse")
        & metrics["experiment"].isin(contenders(run.config))
    ]
    table = left_out(rows, scopes[chosen]).pivot_table(index="scope", columns="experiment", values="value").dropna()
    area = pd.Series(cells["area"].values, scopes)[table.index]
    names = [name for name in contenders(run.config) if name in table]
    values = [np.average(table[name], weights=area) if len(table) else np.nan for name in names]
    return pd.DataFrame({"experiment": names, "rmse": values, "cells": len(table)})


def verdict(table: pd.DataFrame, config: Config) -> str:
    """In words, whether H2CM's NEE is nearer the truth than every competitor's in the dry tropics: by the lower error."""
    where = "In the dry tropics"
    if table.empty or not table["cells"].iloc[0]:
        return f"{where} the run has no cell that all models left out of training, so that nothing can be said of NEE there."
    errors = dict(zip(table["experiment"], table["rmse"], strict=True))
    own = errors.pop(main_experiment(config))
    n = f"{table['cells'].iloc[0]} left-out cells"
    if not errors:
        return f"{where} ({n}) monthly NEE of H2CM is {own:.3f} gC m⁻² day⁻¹ from the truth (RMSE); there is no competitor."
    listed = ", ".join(f"{look(name, config).name} {value:.3f}" for name, value in errors.items())
    nearer = [name for name, value in errors.items() if own < value]
    if len(nearer) == len(errors):
        said = "is nearer the truth than that of every competitor"
    elif nearer:
        beyond = " and ".join(look(name, config).name for name in errors if name not in nearer)
        said = f"is not nearer the truth than that of {beyond}"
    else:
        said = "is not nearer the truth than that of any competitor"
    return f"{where} ({n}) monthly NEE of H2CM {said}: RMSE in gC m⁻² day⁻¹ H2CM {own:.3f}, {listed}."
