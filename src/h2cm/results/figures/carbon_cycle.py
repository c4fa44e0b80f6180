"""The carbon cycle of the model (Fig. 1 of the paper), from its own equations and networks."""

import textwrap
from pathlib import Path

from h2cm.config import Config
from h2cm.model.networks import NETWORKS
from h2cm.results.figures.drawing import Drawing
from h2cm.results.figures.model_graph import BEFORE, equations, kind, learner, symbol_text
from h2cm.results.figures.schematic import KINDS, arrow, box, edges, sheet
from h2cm.results.figures.style import use_style
from h2cm.vocabulary import short

CYCLE = "carbon"
PLACES = {
    "Atmosphere": (4, 93, 172, 13, "#E8F1FA"),
    "Vegetation": (44, 53, 72, 13, "#DDEFE3"),
    "Soil": (4, 22, 172, 10, "#EFE6DA"),
}
"""Left, bottom, width, height (mm) and colour of what carbon moves between."""

TOP, FIRST_LINE, LINE = 109, 15, 6.2
"""Upper edge, position of the first line of the equations and distance of the others, mm."""

FLOWS = {
    "transpiration": (17, "Soil", "Atmosphere", "#0072B2"),
    "gpp": (54, "Atmosphere", "Vegetation", "#00694C"),
    "npp": (54, "Vegetation", "Soil", "#00694C"),
    "autotrophic_respiration": (102, "Vegetation", "Atmosphere", "#7A5195"),
    "heterotrophic_respiration": (128, "Soil", "Atmosphere", "#8C5A2B"),
    "nee": (160, "Soil", "Atmosphere", "0.3"),
}
"""Where each flux is drawn: position (mm), from and to which place, colour. What is not here stands with the equations only."""


def draw(folder: Path, config: Config) -> Drawing:
    """Draw the figure from the tables and equations of the model."""
    use_style()
    table = equations()
    shown = {name: row for name, row in table.items() if row.cycle == CYCLE}
    bottom = FIRST_LINE - LINE * -(-(len(shown) + 1) // 2)
    figure, axis = sheet(180, TOP - bottom)
    axis.set_ylim(bottom, TOP)
    for name, (left, bottom, width, tall, colour) in PLACES.items():
        box(axis, left, bottom, width, tall, fill=colour, edge="none")
        axis.text(left + 2, bottom + tall / 2, name, fontsize=9, va="center", fontweight="bold", color="0.25")
    for name, (x, start, end, colour) in FLOWS.items():
        _flow(axis, name, x, start, end, colour, table)
    _total(axis, "ter", ("autotrophic_respiration", "heterotrophic_respiration"))
    _memory(axis)
    _equations(axis, shown)
    rows = [(source, name, "equation") for name, row in shown.items() for source in sorted(row.made_of)]
    rows += [(network, name, "learns") for name in _learned(shown) if (network := learner(name))]
    return Drawing(figure, edges(rows), {"equations": len(shown), "learned": len(_learned(shown))})


def _edge(place: str, other: str) -> float:
    _, bottom, _, tall, _ = PLACES[place]
    return bottom if PLACES[other][1] < bottom else bottom + tall


def _flow(axis, name: str, x: float, start: str, end: str, colour: str, table) -> None:
    """The arrow of a flux, its name, and what it is made of besides other fluxes of carbon."""
    first, last = _edge(start, end), _edge(end, start)
    pad = 1.2 if last > first else -1.2
    arrow(axis, [(x, first + pad), (x, last - pad)], colour, 11, linewidth=2.4)
    if name == "nee":  # either sign
        arrow(axis, [(x, last - pad), (x, first + pad)], colour, 11, linewidth=2.4)
    y = max(first, last) - 5
    axis.text(x + 2.6, y, short(name), fontsize=10, fontweight="bold", va="center", color=colour)
    row = table[name]
    factors = [n for n in sorted(row.made_of, key=_order) if kind(n) != "output"] if row.cycle == CYCLE else []
    for i, factor in enumerate(factors):
        at = y - 5.2 - 4.8 * i
        axis.text(x + 2.6, at, _printed(factor), fontsize=9, va="center", color=KINDS[kind(factor)])
    if name == "nee":
        for i, text in enumerate(("release", "uptake")):
            at = y - 5.2 if i == 0 else 37
            axis.text(x + 2.6, at, f"{'+' if i == 0 else '−'} {text}", fontsize=7, va="center", color="0.3")
    if name == "transpiration":
        x_gpp = FLOWS["gpp"][0]
        arrow(axis, [(x + 1, 76), (x_gpp - 1.4, 76)], colour, 7, linewidth=1.0)
        axis.text((x + x_gpp) / 2, 77, "couples water\nand carbon", fontsize=7, ha="center", va="bottom", color=colour)


def _order(name: str) -> int:
    return ["learned", "constant", "forcing", "carried", "output"].index(kind(name))


def _printed(name: str) -> str:
    return f"${symbol_text(name.removeprefix(BEFORE))}$"


def _total(axis, name: str, parts: tuple[str, ...]) -> None:
    """A bracket over the fluxes that add up to one."""
    x = [FLOWS[part][0] for part in parts]
    axis.plot([min(x), min(x), max(x), max(x)], [95, 97.5, 97.5, 95], color="0.3", linewidth=0.8)
    axis.text(sum(x) / len(x), 98.2, short(name), fontsize=10, fontweight="bold", ha="center", va="bottom", color="0.3")


def _memory(axis) -> None:
    """Which networks see the net primary productivity of the day before, and what they learn."""
    seeing = [row for row in NETWORKS.values() if "npp" in row.inputs]
    if not seeing:
        return
    learned = ", ".join(short(name) for row in seeing for name in row.outputs)
    names = " and ".join(f"“{row.name.replace('_', ' ')}”" for row in seeing)
    x = FLOWS["npp"][0]
    text = textwrap.fill(f"seen the next day by the networks {names}, which learn", 38)
    axis.text(x + 18, 49.5, text, fontsize=7, va="top", color="0.3")
    axis.text(x + 18, 49 - 3.4 * (text.count("\n") + 1), learned, fontsize=9, va="top", color=KINDS["learned"])


def _learned(shown) -> list[str]:
    return sorted({name for row in shown.values() for name in row.made_of if kind(name) == "learned"})


def _equations(axis, shown) -> None:
    """The equations in two columns, and what the colours say."""
    rows = -(-(len(shown) + 1) // 2)
    spots = [((6, 96)[i // rows], FIRST_LINE - LINE * (i % rows)) for i in range(len(shown) + 1)]
    for (x, y), row in zip(spots, shown.values(), strict=False):
        axis.text(x, y, f"${symbol_text(row.name)} = {row.text}$", fontsize=9, va="center")
    x, y = spots[-1]
    for name, text, shift in (
        ("learned", "learned by a network", 0),
        ("constant", "learned constant", 34),
        ("forcing", "forcing", 63),
    ):
        axis.text(x + shift, y, text, fontsize=7, va="center", color=KINDS[name], fontweight="bold")
