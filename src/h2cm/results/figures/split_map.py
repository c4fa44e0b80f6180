"""Map of the split: validation cells of each fold and the test set."""

from pathlib import Path

import numpy as np
import xarray as xr
from cmcrameri import cm
from matplotlib import pyplot as plt
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from h2cm.config import Config
from h2cm.results.figures.drawing import Drawing, facts_of_run
from h2cm.results.figures.geography import Map
from h2cm.results.figures.style import DOUBLE, use_style
from h2cm.results.run import Run


def draw(folder: Path, config: Config) -> Drawing:
    """Draw the figure from the files in `folder`."""
    use_style()
    run = Run(folder, config)
    cells, split = run.cells(), run.split()
    numbers = range(config.split.folds)
    role = np.full(len(split), np.nan)
    for fold in numbers:
        role[split[f"fold_{fold}"] == "validation"] = fold
    role[split["fold_0"] == "test"] = config.split.folds
    colours = [*cm.batlow(np.linspace(0.2, 0.95, config.split.folds)), (0.0, 0.0, 0.0, 1.0)]

    figure, axis = plt.subplots(figsize=(DOUBLE, 0.52 * DOUBLE))
    Map.of_run(config).cells(
        axis,
        role,
        cells["lat"].values,
        cells["lon"].values,
        config.grid.resolution,
        cmap=ListedColormap(colours),
        vmin=-0.5,
        vmax=config.split.folds + 0.5,
    )
    counts = [int((role == value).sum()) for value in range(config.split.folds + 1)]
    names = [f"Fold {fold} ({counts[fold]})" for fold in numbers] + [f"Test set ({counts[-1]})"]
    handles = [Patch(facecolor=colour, label=name) for colour, name in zip(colours, names, strict=True)]
    title = "Validation set of each fold, and the test set of all (cells)"
    figure.legend(
        handles=handles, loc="outside lower center", ncols=min(len(handles), 6), title=title, title_fontsize=8
    )
    return Drawing(figure, xr.Dataset({"role": ("cell", role)}), facts_of_run(run))
