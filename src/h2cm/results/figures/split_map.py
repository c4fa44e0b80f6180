"""Maps of the split: the validation cells of each fold, one map each, and the test set of all."""

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from h2cm.config import Config
from h2cm.results.figures.drawing import Drawing, facts_of_run
from h2cm.results.figures.geography import Map
from h2cm.results.figures.style import DOUBLE, TEST, VALIDATION, letters, use_style
from h2cm.results.run import Run

ROLES = ("train", "validation", "test")
COLOURS = ("0.85", VALIDATION, TEST)
COLUMNS = 4


def draw(folder: Path, config: Config) -> Drawing:
    """Draw the figure from the files in `folder`."""
    use_style()
    run = Run(folder, config)
    cells, split = run.cells(), run.split()
    place = cells["lat"].values, cells["lon"].values, config.grid.resolution
    numbers = list(range(config.split.folds))
    role = np.stack([[ROLES.index(r) for r in split[f"fold_{fold}"]] for fold in numbers])
    background = Map.of_run(config)
    rows = -(-len(numbers) // COLUMNS)
    shape = np.ptp(background.frame[1]) / np.ptp(background.frame[0]) * background.aspect
    figure, axes = plt.subplots(
        rows, COLUMNS, figsize=(DOUBLE, rows * (DOUBLE / COLUMNS * shape + 0.24) + 0.3), squeeze=False
    )
    for axis in axes.flat[len(numbers) :]:
        axis.remove()
    shown = axes.flat[: len(numbers)]
    for fold, axis in zip(numbers, shown, strict=True):
        background.cells(axis, role[fold], *place, cmap=ListedColormap(COLOURS), vmin=-0.5, vmax=2.5)
        axis.set_title(f"Fold {fold}: {(role[fold] == 1).sum()} cells", pad=3)
    letters(shown)
    names = (
        "training",
        "validation (differs between folds)",
        f"test set (the same {(role[0] == 2).sum()} cells for all folds)",
    )
    handles = [Patch(facecolor=colour, label=name) for colour, name in zip(COLOURS, names, strict=True)]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    attrs = {"flag_values": np.arange(3), "flag_meanings": " ".join(ROLES)}
    data = xr.Dataset({"role": (("fold", "cell"), role, attrs)}, {"fold": numbers} | dict(cells[["lat", "lon"]].coords))
    sizes = (role == 1).sum(1)
    return Drawing(
        figure, data, facts_of_run(run) | {"folds_drawn": len(numbers), "smallest": sizes.min(), "largest": sizes.max()}
    )
