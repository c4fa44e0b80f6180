"""How all figures look: sizes, fonts, colours, names of variables, panel letters, saving."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

SINGLE, DOUBLE = 88 / 25.4, 180 / 25.4
"""Widths of one and two columns of the journal, inches."""

TARGET, PREDICTION, REFERENCE = "black", "#0072B2", "0.45"
"""Observed or target, predicted, and lines to read against. All colours are of Okabe and Ito's colour-blind-safe set."""

TRAIN, VALIDATION, TEST = "0.6", "#E69F00", "#D55E00"
EXPERIMENTS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")

CARBON, WATER, STORAGE = "gC m$^{-2}$ day$^{-1}$", "mm day$^{-1}$", "mm"

NAMES: dict[str, tuple[str, str]] = {
    "gpp": ("GPP", CARBON),
    "npp": ("NPP", CARBON),
    "nee": ("NEE", CARBON),
    "nee_oco2": ("NEE (OCO-2)", CARBON),
    "nee_carboscope": ("NEE (CarboScope)", CARBON),
    "ter": ("TER", CARBON),
    "heterotrophic_respiration": ("$R_\\mathrm{h}$", CARBON),
    "et": ("ET", WATER),
    "transpiration": ("Transpiration", WATER),
    "runoff": ("Runoff", WATER),
    "tws": ("TWS", STORAGE),
    "swe": ("SWE", STORAGE),
    "fapar": ("fAPAR", "–"),
    "cue": ("CUE", "–"),
    "q10": ("$Q_{10}$", "–"),
    "beta_co2": (r"$\beta_{\mathrm{CO}_2}$", "% per 100 ppm"),
    "beta_snow": (r"$\beta_\mathrm{snow}$", "–"),
    "beta_baseflow": (r"$\beta_\mathrm{baseflow}$", "day$^{-1}$"),
}
"""Short name and unit, as printed."""

TIMESCALE_NAMES = {"monthly": "Monthly", "msc": "Mean seasonal cycle", "anomaly": "Monthly anomaly"}
MONTH_LETTERS = "JFMAMJJASOND"


def label(name: str) -> str:
    """Name and unit for an axis."""
    short, unit = NAMES.get(name, (name, ""))
    return f"{short} ({unit})" if unit else short


def short(name: str) -> str:
    """Name without unit."""
    return NAMES.get(name, (name, ""))[0]


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


def ordered(names: Iterable[str]) -> list[str]:
    """Names in the order in which they are printed, that of `NAMES`; those it does not have come last."""
    rank = list(NAMES)
    return sorted(names, key=lambda name: rank.index(name) if name in rank else len(rank))


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
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        figure.savefig(part, format=path.suffix[1:], metadata=metadata)
        os.replace(part, path)
