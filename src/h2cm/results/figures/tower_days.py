"""Daily fluxes at towers where days were measured: a year, the answer to rain after dry days, skill of departures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.dates import DateFormatter, MonthLocator
from matplotlib.lines import Line2D

from h2cm.config import Config
from h2cm.results.evaluate.days import LAGS, RULE, answers, rains, rule_in_words, skill
from h2cm.results.figures.drawing import Drawing, facts_of_run
from h2cm.results.figures.style import DOUBLE, REFERENCE, TARGET, letters, look, use_style
from h2cm.results.paths import folds, main_experiment
from h2cm.results.run import DAILY_FLUXES, Run
from h2cm.results.summaries.registry import daily_models
from h2cm.vocabulary import label, short


def draw(folder: Path, config: Config) -> Drawing:
    """Draw the figure from the files in `folder`."""
    use_style()
    run = Run(folder, config)
    kept, main = {who: run.summary("tower_days", who) for who in daily_models(config)}, main_experiment(config)
    first = kept[main]
    fluxes = [flux for flux in DAILY_FLUXES if flux in first]
    cells = first["cell"].values.astype(int)
    sites = run.cells()["site"].values.astype(str)[cells]
    role = run.split()[f"fold_{folds(config, main)[0]}"].values[cells]

    figure = plt.figure(figsize=(DOUBLE, 6.2))
    grid = figure.add_gridspec(3, len(fluxes))
    series = figure.add_subplot(grid[0, :])
    tower, year = longest_year(first, fluxes[0])
    title = f"{sites[tower]}, {year}" if tower is not None else "No measured day"
    _year(series, first, fluxes[0], tower, year, look(main, config).colour)
    series.set_title(title)
    drawn, counted = {}, 0
    rows = [[figure.add_subplot(grid[row, k]) for k in range(len(fluxes))] for row in (1, 2)]
    for k, flux in enumerate(fluxes):
        rain, strip = rows[0][k], rows[1][k]
        for n, (who, data) in enumerate(kept.items()):
            predicted, measured = of_all_towers(data, flux)
            counted = max(counted, len(measured)) if k == 0 else counted
            drawn[f"{flux}_{who}"] = "lag", np.nanmean(predicted, 0) if len(predicted) else np.full(LAGS.size, np.nan)
            drawn[f"{flux}_measured"] = "lag", np.nanmean(measured, 0) if len(measured) else np.full(LAGS.size, np.nan)
            width = 1.6 if who == main else 1.1
            rain.plot(LAGS, drawn[f"{flux}_{who}"][1], color=look(who, config).colour, linewidth=width)
            r = np.array([skill_of(data, flux, i)["anomaly_r"] for i in range(cells.size)])
            drawn[f"{flux}_anomaly_r_{who}"] = "site", r
            aside = 0.15 * (n - (len(kept) - 1) / 2)
            strip.plot(np.arange(cells.size) + aside, r, "o", color=look(who, config).colour, markersize=4)
        rain.plot(LAGS, drawn[f"{flux}_measured"][1], "o-", color=TARGET, markersize=2.5, linewidth=0.9)
        rain.axvline(0, color=REFERENCE, linewidth=0.7, linestyle=":", zorder=0)
        rain.axhline(0, color=REFERENCE, linewidth=0.5, zorder=0)
        rain.set_xlabel("Days from rain after dry days")
        rain.set_ylabel(f"Departure of {label(flux)}")
        strip.set_ylabel(f"r of daily departures, {short(flux)}")
        strip.set_xticks(
            range(cells.size), [s + ("*" if kind == "test" else "") for s, kind in zip(sites, role)], rotation=45
        )
        strip.set_xlim(-0.6, cells.size - 0.4)
        strip.axhline(0, color=REFERENCE, linewidth=0.5, zorder=0)
    letters([series, *rows[0], *rows[1]])
    handles = [Line2D([], [], color=TARGET, marker="o", markersize=2.5, linewidth=0.9, label="measured")]
    handles += [
        Line2D([], [], color=look(who, config).colour, marker="o", markersize=4, label=look(who, config).name)
        for who in kept
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    data = xr.Dataset(drawn, {"lag": LAGS, "site": sites}).assign_attrs(rule=RULE.text())
    facts = {"towers": cells.size, "rains": counted, "rule": rule_in_words(), "flux": short(fluxes[0])}
    return Drawing(figure, data, facts_of_run(run) | facts)


def longest_year(data: xr.Dataset, flux: str) -> tuple[int | None, int]:
    """The place of the tower and the calendar year with most measured days of a flux; None without any."""
    measured = np.isfinite(data[f"{flux}_measured"].values)
    years = pd.DatetimeIndex(data["time"].values).year.to_numpy()
    counts = np.stack([measured[:, years == year].sum(1) for year in np.unique(years)], 1)
    if not counts.any():
        return None, int(years[0])
    tower, place = np.unravel_index(counts.argmax(), counts.shape)
    return int(tower), int(np.unique(years)[place])


def of_all_towers(data: xr.Dataset, flux: str) -> tuple[np.ndarray, np.ndarray]:
    """Departures from the season around all rains of all towers, predicted and measured, (rain, lag)."""
    time, found = data["time"].values, []
    for k in range(data.sizes["cell"]):
        days = rains(data["precipitation"].values[k], data["air_temperature"].values[k])
        found.append(answers(data[flux].values[k], data[f"{flux}_measured"].values[k], time, days))
    return tuple(np.concatenate(side) for side in zip(*found, strict=True))


def skill_of(data: xr.Dataset, flux: str, k: int) -> dict[str, float]:
    """`h2cm.results.evaluate.days.skill` of one tower of the summary."""
    columns = (flux, f"{flux}_measured", f"{flux}_uncertainty")
    return skill(*(data[name].values[k] for name in columns), data["time"].values)


def _year(axis, data: xr.Dataset, flux: str, tower: int | None, year: int, colour: str) -> None:
    """A year of one tower, measured with its uncertainty, and predicted."""
    one = data.sel(time=str(year)).isel(cell=tower or 0)
    days, measured = one["time"].values, one[f"{flux}_measured"].values
    uncertainty = np.nan_to_num(one[f"{flux}_uncertainty"].values)
    axis.errorbar(
        days,
        measured,
        uncertainty,
        fmt="o",
        color=TARGET,
        ecolor="0.6",
        elinewidth=0.5,
        markersize=2,
        markeredgewidth=0,
    )
    axis.plot(days, one[flux].values, color=colour, linewidth=0.9)
    axis.axhline(0, color=REFERENCE, linewidth=0.5, zorder=0)
    axis.set_ylabel(label(flux))
    axis.set_xlim(days[0], days[-1])
    axis.xaxis.set_major_locator(MonthLocator())
    axis.xaxis.set_major_formatter(DateFormatter("%b"))
