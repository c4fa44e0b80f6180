"""Learned global constants of each fold and experiment."""

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from h2cm.config import Config
from h2cm.model.h2cm import H2CM
from h2cm.results.figures.drawing import Drawing, facts_of_run, read
from h2cm.results.figures.style import DOUBLE, TARGET, letters, look, use_style
from h2cm.results.run import Run
from h2cm.results.summaries.registry import TRUTH
from h2cm.vocabulary import CONSTANTS, label, reported


def draw(folder: Path, config: Config) -> Drawing:
    """Draw the figure from the files in `folder`."""
    use_style()
    run = Run(folder, config)
    learned = read(run, "constants")
    truth = learned.pop(TRUTH, xr.Dataset())
    true = {name: values.item() for name, values in truth.data_vars.items()}
    initial = reported({name: value.item() for name, value in H2CM().constants().items()})

    figure, axes = plt.subplots(1, len(CONSTANTS), figsize=(DOUBLE, 2.6))
    with_prior = False
    for axis, name in zip(axes, CONSTANTS, strict=True):
        for i, (experiment, data) in enumerate(learned.items()):
            row, colour, values = config.experiments[experiment], look(experiment, config).colour, data[name].values
            if name in row.priors:
                prior = row.priors[name]
                axis.fill_between(
                    [i - 0.4, i + 0.4],
                    prior.mean - prior.std,
                    prior.mean + prior.std,
                    color="0.88",
                    linewidth=0,
                    zorder=-1,
                )
                with_prior = True
            offsets = np.linspace(-0.18, 0.18, values.size) if values.size > 1 else np.zeros(1)
            axis.plot(i + offsets, values, "o", color=colour, markersize=3.5, markeredgewidth=0)
            axis.hlines(np.median(values), i - 0.28, i + 0.28, color=colour, linewidth=1.4)
        axis.axhline(initial[name], color="0.5", linestyle=":", linewidth=0.9, zorder=0)
        if name in true:
            axis.axhline(true[name], color=TARGET, linestyle="--", linewidth=0.9, zorder=0)
        axis.set_ylabel(label(name))
        axis.set_xlim(-0.6, len(learned) - 0.4)
        axis.set_xticks(
            range(len(learned)),
            [look(e, config).name for e in learned],
            rotation=35 if len(learned) > 1 else 0,
            ha="right" if len(learned) > 1 else "center",
            rotation_mode="anchor",
        )
        axis.margins(y=0.15)
    letters(axes)
    handles = [
        Line2D([], [], color="0.3", marker="o", markersize=3.5, linestyle="", label="fold"),
        Line2D([], [], color="0.3", linewidth=1.4, label="median of folds"),
        Line2D([], [], color="0.5", linestyle=":", label="before training"),
    ]
    if true:
        handles.append(Line2D([], [], color=TARGET, linestyle="--", label="truth"))
    if with_prior:
        handles.append(Patch(color="0.88", label="prior, mean ± standard deviation"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    data = xr.Dataset(
        {f"{n}_{who}": v.rename(member=f"member_{who}") for who, d in learned.items() for n, v in d.items()}
    )
    data = data.assign({f"{name}_truth": truth[name].squeeze(drop=True) for name in true})
    numbers = ", ".join(f"{look(e, config).name} {data.sizes['member']}" for e, data in learned.items())
    return Drawing(figure, data, facts_of_run(run) | {"numbers": numbers})
