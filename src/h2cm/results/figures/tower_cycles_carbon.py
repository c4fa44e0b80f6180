"""Mean seasonal cycles of the carbon fluxes at all towers."""

from pathlib import Path

from matplotlib.figure import Figure

from h2cm.config import Config
from h2cm.results.figures.tower_cycles import draw_cycles


def draw(folder: Path, config: Config) -> Figure:
    """Draw the figure from the files in `folder`."""
    return draw_cycles(folder, config, "carbon")
