"""One constraint over the test cells: monthly, mean seasonal cycle, anomaly (Figures C1 to C8)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D

from h2cm.config import Config
from h2cm.results.figures.drawing import Drawing, facts_of_run, read
from h2cm.results.figures.style import (
    DOUBLE,
    REFERENCE,
    TARGET,
    TIMESCALE_NAMES,
    band,
    constraint_label,
    constraint_name,
    letters,
    look,
    months_axis,
    use_style,
    years_axis,
)
from h2cm.results.paths import main_experiment
from h2cm.results.run import Run


def draw(folder: Path, config: Config, constraint: str) -> Drawing:
    """Range of the folds with their median; of all others that predict the variable the median."""
    use_style()
    run = Run(folder, config)
    main = main_experiment(config)
    shown = read(run, "series", f"{constraint}_")
    scales = [scale for scale in TIMESCALE_NAMES if f"{constraint}_{scale}" in shown[main]]
    widths = {"monthly": 2.2, "msc": 1.2, "anomaly": 2.2}
    figure, axes = plt.subplots(
        1, len(scales), figsize=(DOUBLE, 2.3), width_ratios=[widths[scale] for scale in scales], squeeze=False
    )
    for axis, scale in zip(axes[0], scales, strict=True):
        name = f"{constraint}_{scale}"
        dim = "calendar_month" if scale == "msc" else "month"
        target = (
            shown[main][f"{name}_target"].dropna(dim, how="all") if scale != "msc" else shown[main][f"{name}_target"]
        )
        if scale == "anomaly":
            axis.axhline(0, color=REFERENCE, linewidth=0.5, linestyle="--")
        for who, data in reversed(shown.items()):
            if name not in data:
                continue
            values = data[name].sel({dim: target[dim]}).values
            if who == main:
                band(axis, target[dim].values, values, look(who, config).colour, zorder=4)
            else:
                axis.plot(
                    target[dim].values,
                    np.median(values, axis=0),
                    color=look(who, config).colour,
                    linewidth=0.7,
                    zorder=2,
                )
        axis.plot(target[dim].values, target.values, color=TARGET, linewidth=0.9, zorder=3)
        axis.set_title(TIMESCALE_NAMES[scale])
        months_axis(axis) if scale == "msc" else years_axis(axis)
    axes[0, 0].set_ylabel(constraint_label(constraint, config.source).replace(") (", ")\n("))
    letters(axes)
    handles = [Line2D([], [], color=TARGET, label="reference")]
    for who, data in shown.items():
        if any(f"{constraint}_{scale}" in data for scale in scales):
            row = look(who, config)
            extra = f", median and range of {data.sizes['member']} folds" if who == main else ""
            handles.append(Line2D([], [], color=row.colour, linewidth=1.4, label=row.name + extra))
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)))
    found = {f"{who}_{n}": v.rename(member=f"member_{who}") for who, data in shown.items() for n, v in data.data_vars.items()
             if "member" in v.dims}  # fmt: skip
    targets = {n: v for n, v in shown[main].data_vars.items() if n.endswith("_target")}
    first, last = (str(t)[:7] for t in _months(shown[main], constraint)[[0, -1]])
    facts = facts_of_run(run) | {"name": constraint_name(constraint, config.source), "months": f"{first} to {last}"}
    return Drawing(figure, xr.Dataset(found | targets), facts)


def _months(data: xr.Dataset, constraint: str) -> np.ndarray:
    name = next(
        n
        for n in data.data_vars
        if n.startswith(f"{constraint}_") and n.endswith("_target") and "month" in data[n].dims
    )
    return data[name].dropna("month")["month"].values
