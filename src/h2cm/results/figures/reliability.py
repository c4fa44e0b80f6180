"""Whether the calibrated intervals hold at the test cells: of all values, by land cover and by month."""

from pathlib import Path

import numpy as np
from cmcrameri import cm
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D

from h2cm.config import Config
from h2cm.results.figures.drawing import Drawing, facts_of_run
from h2cm.results.figures.style import DOUBLE, letters, use_style
from h2cm.results.paths import main_experiment
from h2cm.results.run import Run
from h2cm.vocabulary import ordered, short

PANELS = (
    ("observed", 0, "Observed: against observations"),
    ("truth", 0, "Observed: against the truth"),
    ("truth", 1, "Not observed: against the truth"),
)
"""Reference, whether the intervals are carried over from other variables, and the title."""

NOMINAL, WORST = 0.9, 0.5


def draw(folder: Path, config: Config) -> Drawing:
    """Draw the figure from the files in `folder`."""
    use_style()
    run = Run(folder, config)
    data = run.summary("intervals", main_experiment(config))
    names = ordered(str(name) for name in data["variable"].values)
    colours = dict(zip(names, plt.get_cmap("tab20")(np.linspace(0, 1, 20))[: len(names)], strict=False))
    shown = [
        (
            reference,
            title,
            [n for n in names if _there(data, n, reference) and int(data["transferred"].sel(variable=n)) == kind],
        )
        for reference, kind, title in PANELS
    ]
    shown = [row for row in shown if row[2]]
    figure = plt.figure(figsize=(DOUBLE, 6.2))
    top, bottom = figure.subfigures(2, 1, height_ratios=(1.15, 1))
    axes = np.atleast_1d(top.subplots(1, max(len(shown), 1), sharey=True))
    for axis, (reference, title, those) in zip(axes, shown, strict=False):
        axis.plot([0, 1], [0, 1], color="0.6", linewidth=0.7, zorder=0)
        for name in those:
            one = data.sel(variable=name, reference=reference)
            axis.plot(data["level"], one["below"], color=colours[name], marker=".", markersize=3)
            axis.plot(data["level"], one["below_members"], color=colours[name], linewidth=0.6, linestyle=":")
        axis.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="Quantile", title=title)
    axes[0].set_ylabel("Share of values below it")
    handles = [Line2D([], [], color=colours[name], marker=".", markersize=3, label=short(name)) for name in names]
    handles += [Line2D([], [], color="0.3", linestyle=":", linewidth=0.8, label="folds as they are")]
    top.legend(handles=handles, loc="outside lower center", ncols=7)

    best = {name: "observed" if _there(data, name, "observed") else "truth" for name in names}
    rows = [name for name in names if _there(data, name, best[name])]
    covers = [str(name).replace("_", " ") for name in data["land_cover"].values]
    facts = facts_of_run(run) | {"failing": _failing(data, rows, best, covers)}
    seen = data["inside"].notnull().any(["variable", "reference"]).values
    seen = seen if seen.any() else ~seen
    covers, months = list(np.array(covers)[seen]), list("JFMAMJJASOND")
    lower = bottom.subplots(1, 2, sharey=True, width_ratios=(max(len(covers), 4), 12))
    for axis, (field, ticks) in zip(lower, (("inside", covers), ("inside_month", months)), strict=True):
        table = np.array([data[field].sel(variable=name, reference=best[name]).values for name in rows])
        table = table[:, seen] if field == "inside" else table
        mesh = axis.pcolormesh(table, cmap=cm.vik_r, vmin=WORST, vmax=2 * NOMINAL - WORST)
        for (row, column), value in np.ndenumerate(table):
            if np.isfinite(value):
                text = f"{100 * value:.0f}"
                axis.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=7, color="black")
        turned = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if field == "inside" else {}
        axis.set_xticks(np.arange(len(ticks)) + 0.5, ticks, **turned)
        axis.set_yticks(
            np.arange(len(rows)) + 0.5, [short(n) + ("" if best[n] == "observed" else " (truth)") for n in rows]
        )
        axis.tick_params(length=0)
    lower[0].invert_yaxis()
    lower[0].set_title("% within 90 %, land cover")
    lower[1].set_title("% within 90 %, month of the local year")
    bottom.colorbar(
        mesh, ax=lower, label="Share within", ticks=[0.5, 0.7, 0.9, 1.0], boundaries=np.linspace(0.5, 1, 51)
    )
    letters([*axes, *lower])
    kept = data[["below", "below_members", "inside", "inside_month", "transferred", "crps", "crps_members"]]
    return Drawing(figure, kept, facts)


def _there(data, name: str, reference: str) -> bool:
    return reference in data["reference"].values and bool(
        data["below_members"].sel(variable=name, reference=reference).notnull().any()
    )


def _failing(data, rows: list[str], best: dict[str, str], covers: list[str]) -> str:
    """In words, where fewer than 80 % are within the interval of 90 %."""
    said = []
    for name in rows:
        share = data["inside"].sel(variable=name, reference=best[name]).values
        wrong = [f"{cover} {100 * s:.0f} %" for cover, s in zip(covers, share, strict=True) if s < 0.8]
        if wrong:
            said.append(f"{short(name)} ({', '.join(wrong)})")
    return "; ".join(said) or "nowhere"
