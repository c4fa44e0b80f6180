"""Performance for carbon fluxes (Figure 3 of the paper)."""

from pathlib import Path

from matplotlib.figure import Figure

from h2cm.config import Config
from h2cm.results.figures.metric_panels import draw_metrics


def draw(folder: Path, config: Config) -> Figure:
    """Draw the figure from the files in `folder`."""
    return draw_metrics(folder, config, ("carbon",))
