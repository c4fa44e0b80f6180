"""How all figures look: sizes, fonts, colours, panel letters, saving."""

from __future__ import annotations

import re
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from h2cm.config import Config
from h2cm.models import MODELS
from h2cm.results.paths import contenders
from h2cm.vocabulary import find, short

SINGLE, DOUBLE = 88 / 25.4, 180 / 25.4
"""Widths of one and two columns of the journal, inches."""

TARGET, PREDICTION, REFERENCE = "black", "#0072B2", "0.45"
"""Observed or target, predicted, and lines to read against. All colours are of Okabe and Ito's colour-blind-safe set."""

TRAIN, VALIDATION, TEST = "0.6", "#E69F00", "#D55E00"
FLUXES = {"carbon": ("#009E73", "#D55E00", "#CC79A7", "#E69F00"), "water": ("#0072B2", "#E69F00", "#56B4E9")}
"""Of several fluxes in one panel, by the group of the vocabulary."""


@dataclass(frozen=True)
class Look:
    """How an experiment, a model or a product appears in all figures: its name as printed, and its colour."""

    name: str
    colour: str


LOOKS: dict[str, Look] = {
    "cv": Look("H2CM", "#0072B2"),
    **{
        name: Look(f"{MODELS[name].title[0].upper()}{MODELS[name].title[1:]}", colour)
        for name, colour in {"process_only": "#E69F00", "gradient_boosting": "#009E73", "lstm": "#CC79A7"}.items()
    },
    "fluxcom": Look("FLUXCOM-X-BASE", "#D55E00"),
    "trendy": Look("TRENDY", "#8C6D00"),
    "spatiotemporal": Look("H2CM, spatio-temporal split", "#56B4E9"),
    "prior": Look("H2CM with priors", "#004D80"),
    "observed": Look("Reference", "black"),
    "truth": Look("Truth", "black"),
}
"""By name of the experiment or product; experiments with other names take what is left of `OTHERS`."""

OTHERS = ("#7A9A01", "#A0527D", "#999999", "#5B4B8A")


def look(name: str, config: Config) -> Look:
    """The look of an experiment, or of a product it is compared with; the first experiment is H2CM's.

    Real products do not appear on figures of the synthetic Earth by their own names (see `product_name`).
    """
    if name in config.experiments:
        if name == next(iter(config.experiments)):
            return LOOKS["cv"]
        if name in contenders(config):
            return LOOKS[config.experiments[name].model]
        if name in LOOKS:
            return LOOKS[name]
        others = [e for e in config.experiments if e not in LOOKS]
        row = config.experiments[name]
        kind = LOOKS["cv" if row.model == "h2cm" else row.model].name
        return Look(
            f"{kind} with priors" if row.priors else name.replace("_", " "), OTHERS[others.index(name) % len(OTHERS)]
        )
    row = LOOKS[name]
    return Look(product_name(row.name, config.source), row.colour) if name in PRODUCTS else row


PROCESS_MODELS = "trendy"
PRODUCTS = ("fluxcom", PROCESS_MODELS)
"""Products that results are compared with, beside the constraints."""


def product_name(name: str, source: str) -> str:
    """Name of a product as printed: on the synthetic Earth, where no real product is, only as "pseudo-…".

    >>> product_name("GRACE", "twin"), product_name("GRACE", "products")
    ('pseudo-GRACE', 'GRACE')
    """
    return f"pseudo-{name}" if source == "twin" else name


TIMESCALE_NAMES = {"monthly": "Monthly", "msc": "Mean seasonal cycle", "anomaly": "Monthly anomaly"}
MONTH_LETTERS = [letter if i % 2 == 0 else "" for i, letter in enumerate("JFMAMJJASOND")]
"""Below the axis of a narrow panel, where there is room for every second one."""


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
            "savefig.dpi": 300,
            "figure.constrained_layout.use": True,
            "pdf.fonttype": 42,
        }
    )


def letters(axes) -> None:
    """Write a), b), c) ... above the upper left corner of the axes, before the title where there is one."""
    for i, axis in enumerate(np.ravel(axes)):
        letter = f"$\\bf{{{chr(97 + i % 26) * (1 + i // 26)})}}$"
        title = axis.get_title()
        axis.set_title("")
        axis.set_title(f"{letter} {title}" if title else letter, loc="left")


def band(axis: Axes, x, values: np.ndarray, colour: str, zorder: float = 2) -> None:
    """Range of members (member, x) as a shade, with their median as a line, which a narrow range leaves visible."""
    if len(values) > 1:
        axis.fill_between(
            x, values.min(0), values.max(0), color=colour, alpha=0.3, linewidth=0, zorder=zorder, rasterized=False
        )
    axis.plot(x, np.median(values, axis=0), color=colour, linewidth=1.0, zorder=zorder + 0.5)


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
    axis.set_xticks(range(1, 13), MONTH_LETTERS)


def constraint_name(name: str, source: str) -> str:
    """A constraint as printed, its product by `product_name`."""
    return re.sub(r"\((.+)\)", lambda found: f"({product_name(found[1], source)})", short(name))


def constraint_label(name: str, source: str) -> str:
    """A constraint and its unit, for an axis."""
    return f"{constraint_name(name, source)} ({find(name).printed_units})"
