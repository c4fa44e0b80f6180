"""Global constants with and without prior, and when the data win over the prior (Appendix E of the paper)."""

import textwrap
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from h2cm.config import Config
from h2cm.results.evaluate.sweep import free_of_priors
from h2cm.results.figures.drawing import Drawing, facts_of_run
from h2cm.results.figures.registry import with_priors
from h2cm.results.figures.style import DOUBLE, TARGET, letters, look, use_style
from h2cm.results.run import Run
from h2cm.results.summaries.registry import TRUTH
from h2cm.vocabulary import CONSTANTS, label

PRIOR = "0.86"
LOSSES = {"constraints_loss": ("constraints", "-"), "prior_loss": ("prior", "--")}


def draw(folder: Path, config: Config) -> Drawing:
    """Draw the figure from the files in `folder`."""
    use_style()
    run = Run(folder, config)
    sweep = run.prior_sweep()
    experiments = with_priors(config)
    names = [name for name in CONSTANTS if any(name in config.experiments[e].priors for e in experiments)]
    true = run.summary("constants", TRUTH) if config.source == "twin" else {}

    figure, axes = plt.subplots(3, len(names), figsize=(DOUBLE, 6.6), squeeze=False)
    for column, name in zip(axes.T, names, strict=True):
        _folds(column[0], run, experiments, name)
        _widths(column[1], sweep[sweep["constant"] == name], name, config)
        _losses(column[2], sweep[sweep["constant"] == name], name, config)
        for axis in column[:2]:
            if name in true:
                axis.axhline(true[name].item(), color=TARGET, linestyle="--", linewidth=0.9, zorder=1)
    letters(axes)
    figure.legend(handles=_handles(config, sweep, bool(len(true))), loc="outside lower center", ncols=4)
    data = sweep.rename_axis("row").to_xarray()
    swept = sorted(sweep["multiple"].unique())
    won = [f"{CONSTANTS[name].long_name} {_when(sweep[sweep['constant'] == name])}" for name in names]
    facts = {"multiples": ", ".join(f"{m:g}" for m in swept), "won": "; ".join(won)}
    facts["swept"] = ", ".join(look(name, config).name for name in sweep["experiment"].unique())
    return Drawing(figure, data, facts_of_run(run) | facts)


def _folds(axis, run: Run, experiments: list[str], name: str) -> None:
    """The constant of each fold, by its number, without and with prior."""
    config, ticks, place = run.config, [], 0
    for experiment in experiments:
        if name not in config.experiments[experiment].priors:
            continue
        prior = config.experiments[experiment].priors[name]
        for who in (free_of_priors(config, experiment), experiment):
            data = run.summary("constants", who)[name]
            numbers = [str(member).removeprefix("fold ") for member in data["member"].values]
            aside = np.linspace(-0.3, 0.3, len(numbers)) if len(numbers) > 1 else np.zeros(1)
            axis.hlines(np.median(data), place - 0.4, place + 0.4, color=look(who, config).colour, linewidth=1.2)
            for x, value, number in zip(aside, data.values, numbers, strict=True):
                axis.text(
                    place + x,
                    value,
                    number,
                    fontsize=8,
                    ha="center",
                    va="center",
                    color=look(who, config).colour,
                    fontweight="bold",
                )
                axis.plot(place + x, value, alpha=0)
            if who == experiment:
                low, high = prior.mean - prior.std, prior.mean + prior.std
                axis.fill_between([place - 0.45, place + 0.45], low, high, color=PRIOR, linewidth=0, zorder=-1)
                axis.hlines(prior.mean, place - 0.45, place + 0.45, color="0.5", linewidth=0.7, zorder=-1)
            ticks.append(textwrap.fill(look(who, config).name, 10))
            place += 1
    axis.set_xticks(range(place), ticks)
    axis.set_xlim(-0.6, place - 0.4)
    axis.margins(y=0.2)
    axis.set_ylabel(label(name))


def _widths(axis, table, name: str, config: Config) -> None:
    """The constant against the width of its prior: each fold a thin line, their median a thick one."""
    for experiment, rows in table.sort_values("prior_std").groupby("experiment", sort=False):
        colour = look(experiment, config).colour
        for _, fold in rows.groupby("fold"):
            axis.plot(fold["prior_std"], fold["value"], color=colour, linewidth=0.5, alpha=0.7)
        middle = rows.groupby("prior_std")["value"].median()
        axis.plot(middle.index, middle, "o-", color=colour, markersize=3.5, linewidth=1.4)
        free = rows["without_prior"].median()
        if np.isfinite(free):
            axis.axhline(free, color=colour, linestyle=":", linewidth=1.0)
    mean, widths = table["prior_mean"].iloc[0], np.sort(table["prior_std"].unique())
    axis.set_xscale("log")
    bottom, top = axis.get_ylim()
    axis.fill_between(widths, mean - widths, mean + widths, color=PRIOR, linewidth=0, zorder=-1)
    axis.axhline(mean, color="0.5", linewidth=0.7, zorder=0)
    pad = 0.25 * (max(top, mean) - min(bottom, mean))
    axis.set_ylim(min(bottom, mean) - pad, max(top, mean) + pad)
    axis.set_ylabel(label(name))
    axis.set_xlabel(f"Width σ of the prior of {label(name)}")


def _losses(axis, table, name: str, config: Config) -> None:
    """Loss of the prior and of the constraints against the width of the prior."""
    for experiment, rows in table.sort_values("prior_std").groupby("experiment", sort=False):
        for column, (_, line) in LOSSES.items():
            middle = rows.groupby("prior_std")[column].median()
            axis.plot(
                middle.index, middle, marker="o", linestyle=line, color=look(experiment, config).colour, markersize=3.5
            )
    axis.set(xscale="log", yscale="log", ylabel="Loss (–)")
    axis.set_xlabel(f"Width σ of the prior of {label(name)}")


def _when(table) -> str:
    """In words, from which width on the data win: the prior counts for less than half of the way to the value without it."""
    without = table.groupby("prior_std")["without_prior"].median()
    middle = table.groupby("prior_std")["value"].median()
    way = (without - table["prior_mean"].iloc[0]).abs()
    if way.isna().any() or (way == 0).any():
        return "cannot be said, as there is no value without prior to go to"
    won = ((middle - without).abs() < 0.5 * way).sort_index()
    last_lost = won[~won].index.max()
    free = won.index[0] if won.all() else next((std for std in won.index if won[std] and std > last_lost), None)
    return "not at any width tried" if free is None else f"from σ = {free:.3g} on"


def _handles(config: Config, sweep, truth: bool) -> list:
    handles = [
        Line2D([], [], color=look(e, config).colour, marker="o", markersize=3.5, label=look(e, config).name)
        for e in sweep["experiment"].unique()
    ]
    handles += [Line2D([], [], color="0.3", linestyle=":", label="without prior")]
    handles += [Patch(color=PRIOR, label="prior, mean ± σ")]
    if truth:
        handles.append(Line2D([], [], color=TARGET, linestyle="--", label="truth (constants)"))
    return handles + [
        Line2D([], [], color="0.3", linestyle=line, label=f"loss of the {text}") for text, line in LOSSES.values()
    ]
