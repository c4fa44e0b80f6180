"""How unlike the cells are to those trained on, and whether the model errs more where they are."""

from pathlib import Path

import numpy as np
import xarray as xr
from cmcrameri import cm
from matplotlib import pyplot as plt

from h2cm.config import Config
from h2cm.results.evaluate.aggregate import left_out
from h2cm.results.figures.drawing import Drawing, facts_of_run
from h2cm.results.figures.geography import Map, place_of
from h2cm.results.figures.style import DOUBLE, TEST, VALIDATION, letters, use_style
from h2cm.results.paths import main_experiment
from h2cm.results.run import Run, shown
from h2cm.results.summaries.registry import OBSERVED

PARTS = 5
"""Groups of equally many cells, whose median error is drawn."""


def draw(folder: Path, config: Config) -> Drawing:
    """Draw the figure from the files in `folder`."""
    use_style()
    run = Run(folder, config)
    cells, data = run.cells(), run.summary("applicability", OBSERVED)
    index, limit = data["dissimilarity"].values, float(data["threshold"])
    error, role = errors(run, cells)
    gridded = "site" not in cells
    figure, axes = plt.subplots(
        1, 1 + gridded, figsize=(DOUBLE, 2.9), squeeze=False, width_ratios=(1.6, 1) if gridded else (1,)
    )
    if gridded:
        background = Map.of_run(config)
        mesh = background.cells(
            axes[0, 0], index, *place_of(cells, config), cmap=cm.batlow_r, vmin=0, vmax=max(2 * limit, 1e-6)
        )
        bar = figure.colorbar(
            mesh, ax=axes[0, 0], orientation="horizontal", aspect=40, pad=0.03, extend="max", label="Dissimilarity (–)"
        )
        bar.ax.axvline(limit, color="black", linewidth=1.2)
        outside = index > limit
        x, y = background.project(cells["lon"].values[outside], cells["lat"].values[outside])
        axes[0, 0].plot(x, y, "x", color="#D55E00", markersize=3, markeredgewidth=0.8)
    axis = axes[0, -1]
    for name, colour in (("validation", VALIDATION), ("test", TEST)):
        chosen = (role == name) & np.isfinite(error)
        axis.plot(index[chosen], error[chosen], ".", markersize=3, color=colour, alpha=0.6, label=f"{name} cells")
    there = np.flatnonzero(np.isfinite(error))
    parts = np.array_split(there[np.argsort(index[there])], min(PARTS, max(1, there.size // 4)))
    middles = [(np.median(index[part]), np.median(error[part])) for part in parts if part.size]
    axis.plot(
        *np.transpose(middles), "o-", color="black", markersize=3.5, label=f"median of {len(middles)} equal parts"
    )
    axis.axvline(limit, color="0.4", linestyle="--", linewidth=0.8)
    axis.set(xlabel="Dissimilarity (–)", ylabel="Error over its median (–)", yscale="log")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    letters(axes)
    inside, outside = (
        np.median(error[there][where]) if where.any() else np.nan
        for where in (index[there] <= limit, index[there] > limit)
    )
    facts = {
        "outside": int((index > limit).sum()),
        "limit": f"{limit:.2g}",
        "predictors": int(data["predictors"]),
        "inside_error": f"{inside:.2g}",
        "outside_error": "none" if np.isnan(outside) else f"{outside:.2g}",
    }
    coords = dict(cells[["lat", "lon"]].coords)
    kept = xr.Dataset({"dissimilarity": ("cell", index), "threshold": limit, "error": ("cell", error)}, coords)
    return Drawing(figure, kept, facts_of_run(run) | facts)


def errors(run: Run, cells: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """The error of each cell that some model has not seen, (cell,), NaN elsewhere, and whether it is of validation or test.

    The RMSE of the months against each constraint that says most about a variable, over its median; the mean over these.
    """
    scopes, config = run.scopes(cells), run.config
    metrics = run.metrics()
    metrics = metrics[
        (metrics["experiment"] == main_experiment(config))
        & (metrics["timescale"] == "monthly")
        & (metrics["metric"] == "rmse")
        & metrics["reference"].isin(list(shown(config).values()))
    ]
    table = left_out(metrics, scopes).pivot_table(index="scope", columns="reference", values="value")
    role = (
        left_out(metrics, scopes)
        .drop_duplicates("scope")
        .set_index("scope")["cells"]
        .reindex(scopes)
        .values.astype(str)
    )
    return (table / table.median()).mean(axis=1).reindex(scopes).values, role
