"""Profiles: what the constraints say against each value at which a quantity is held."""

from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from h2cm.config import Config
from h2cm.results.evaluate.identified import SPREADS
from h2cm.results.evaluate.profiles import spread_over_seeds, verdicts
from h2cm.results.figures.drawing import Drawing, facts_of_run
from h2cm.results.figures.style import DOUBLE, TARGET, letters, look, use_style
from h2cm.results.run import Run
from h2cm.vocabulary import CONSTANTS, find, label, short

COLUMNS = 4
TICKS = (-100, -10, -2, 0, 2, 10, 100, 1000)


def draw(folder: Path, config: Config) -> Drawing:
    """Draw the figure from the files in `folder`."""
    use_style()
    run = Run(folder, config)
    table, true = run.profiles(), run.true_constants() if config.source == "twin" else {}
    found, experiments = verdicts(table), list(table["experiment"].unique())
    names = list(dict.fromkeys(table["quantity"]))
    rows = -(-len(names) // COLUMNS)
    columns = min(len(names), COLUMNS)
    figure, axes = plt.subplots(rows, columns, figsize=(DOUBLE, 2.1 * rows + 0.6), squeeze=False)
    for axis in axes.flat[len(names) :]:
        axis.remove()
    for axis, name in zip(axes.flat, names, strict=False):
        for experiment in experiments:
            if (experiment, name) not in found:
                continue
            said, middle = found[experiment, name]
            colour = look(experiment, config).colour
            mine = table[(table["experiment"] == experiment) & (table["quantity"] == name)]
            learned = mine["learned"].median()
            spread = spread_over_seeds(mine)
            scaled = middle["difference"].values / spread
            axis.plot(mine["value"], mine["difference"] / spread, ".", color=colour, alpha=0.35, markersize=3)
            x, y = np.r_[middle["value"].values, learned], np.r_[scaled, 0.0]
            axis.plot(x[np.argsort(x)], y[np.argsort(x)], "-", color=colour)
            axis.plot(learned, 0, "D", color=colour, markersize=4)
            low, high = np.clip([said.low, said.high], x.min(), x.max())
            axis.axvspan(low, high, color=colour, alpha=0.12, linewidth=0)
        axis.axhline(SPREADS, color="0.4", linestyle="--", linewidth=0.8)
        if name in true:
            axis.axvline(true[name], color=TARGET, linestyle=":", linewidth=1.0)
        low, high = axis.get_ylim()
        if high > 5 * SPREADS:
            axis.set_yscale("symlog", linthresh=2 * SPREADS, linscale=1.5)
            axis.set_yticks([y for y in TICKS if low <= y <= high])
            axis.yaxis.set_major_formatter("{x:g}")
            axis.minorticks_off()
        axis.set_xlabel(label(name) if name in CONSTANTS else f"{short(name)}, of the trained")
        axis.set_title(", ".join(found[e, name][0].verdict for e in experiments if (e, name) in found))
    for axis in axes[:, 0]:
        axis.set_ylabel("Δ loss / spread over seeds")
    letters(axes.flat[: len(names)])
    handles = [
        Line2D([], [], color=look(e, config).colour, marker="D", markersize=4, label=look(e, config).name)
        for e in experiments
    ]
    handles += [
        Line2D([], [], color="0.4", linestyle="--", label=f"{SPREADS:g} spreads"),
        Patch(color="0.85", label="compatible"),
    ]
    handles += [Line2D([], [], color=TARGET, linestyle=":", label="truth")] if true else []
    figure.legend(handles=handles, loc="outside lower center", ncols=5)
    said = "; ".join(f"{look(e, config).name}, {find(n).long_name}: {v.verdict}" for (e, n), (v, _) in found.items())
    facts = facts_of_run(run, experiments[0]) | {"said": said, "members": table["member"].nunique()}
    facts |= {"trained": table["fold"].nunique()}
    return Drawing(figure, table.rename_axis("row").to_xarray(), facts)
