"""How all figures look: sizes, fonts, colours, panel letters, saving."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from h2cm.files import whole

SINGLE, DOUBLE = 88 / 25.4, 180 / 25.4
"""Widths of one and two columns of the journal, inches."""

TARGET, PREDICTION, REFERENCE = "black", "#0072B2", "0.45"
"""Observed or target, predicted, and lines to read against. All colours are of Okabe and Ito's colour-blind-safe set."""

TRAIN, VALIDATION, TEST = "0.6", "#E69F00", "#D55E00"
FLUXES = {"carbon": ("#009E73", "#D55E00", "#CC79A7", "#E69F00"), "water": ("#0072B2", "#E69F00", "#56B4E9")}
"""Of several fluxes in one panel, by the group of the vocabulary."""

EXPERIMENTS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")

TIMESCALE_NAMES = {"monthly": "Monthly", "msc": "Mean seasonal cycle", "anomaly": "Monthly anomaly"}
MONTH_LETTERS = "JFMAMJJASOND"


def use_style() -> None:
    """Set the style; every `draw` starts with it."""
    matplotlib.use("Agg")
    matplotlib.rcdefaults()
    matplotlib.rcParams.update(
        {
            "font.size": 8,
            "font.family": "sans-serif",
            "font.sans-serif": ["DejaVu Sans"],
            "mathtext.default": "regular",
            "axes.titlesize": 8,
            "axes.labelsize": 8,
            "xtick.labelsize": 7,
            "ytick.labelsize": 7,
            "legend.fontsize": 7,
            "legend.frameon": False,
            "axes.linewidth": 0.6,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.formatter.useoffset": False,
            "xtick.major.width": 0.6,
            "ytick.major.width": 0.6,
            "xtick.major.size": 2.5,
            "ytick.major.size": 2.5,
            "xtick.minor.size": 1.5,
            "ytick.minor.size": 1.5,
            "lines.linewidth": 1.0,
            "figure.dpi": 200,
            "savefig.dpi": 200,
            "figure.constrained_layout.use": True,
            "pdf.fonttype": 42,
        }
    )


def letters(axes) -> None:
    """Write a), b), c) ... above the upper left corner of the axes, in their order."""
    for i, axis in enumerate(np.ravel(axes)):
        axis.annotate(
            f"{chr(97 + i % 26) * (1 + i // 26)})",
            (0, 1),
            (0, 3),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="left",
            va="bottom",
            fontweight="bold",
        )


def limits(*arrays, low: float = 2, high: float = 98) -> tuple[float, float]:
    """Range for a colour scale: percentiles of all values together."""
    values = np.concatenate([np.ravel(a) for a in arrays])
    values = values[np.isfinite(values)]
    if values.size == 0:
        return 0.0, 1.0
    lower, upper = np.percentile(values, [low, high])
    return (lower, upper) if upper > lower else (lower - 0.5, upper + 0.5)


def years_axis(axis: Axes) -> None:
    """Whole years as ticks of a time axis, not more than there is room for."""
    from matplotlib.dates import AutoDateLocator, DateFormatter, YearLocator

    first, last = (matplotlib.dates.num2date(x) for x in axis.get_xlim())
    span = last.year - first.year + 1
    axis.xaxis.set_major_locator(YearLocator(max(1, -(-span // 6))) if span > 1 else AutoDateLocator(maxticks=4))
    axis.xaxis.set_major_formatter(DateFormatter("%Y" if span > 1 else "%b %Y"))


def months_axis(axis: Axes) -> None:
    """The initials of the months as ticks."""
    axis.set_xlim(0.5, 12.5)
    axis.set_xticks(range(1, 13), MONTH_LETTERS, fontsize=6)


def save(figure: Figure, png: Path, pdf: Path) -> None:
    """Write both files, whole or not at all, without the date (the same figure gives the same files)."""
    for path, metadata in (
        (Path(png), {"Software": None}),
        (Path(pdf), {"CreationDate": None, "Producer": None, "Creator": None}),
    ):
        with whole(path) as file:
            figure.savefig(file, format=path.suffix[1:], metadata=metadata)
