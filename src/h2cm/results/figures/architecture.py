"""The architecture of the model (Figs. 2 and A1 of the paper), from the tables of its networks, equations and constraints."""

import textwrap
from pathlib import Path

from h2cm.config import Config
from h2cm.model.networks import HIDDEN, NETWORKS, STATIC_CODE, WIDTHS
from h2cm.model.process import CARRIED, CONSTANTS, FORCING
from h2cm.results.figures.drawing import Drawing
from h2cm.results.figures.model_graph import equations, kind
from h2cm.results.figures.schematic import GROUND, KINDS, arrow, box, edges, sheet
from h2cm.results.figures.style import product_name, use_style
from h2cm.vocabulary import OUTPUTS, find, ordered, short

WIDTH, LEFT, RIGHT = 180, 44, 167
"""Of the sheet, and where networks and equations begin and end, mm."""

ROW, CHIP, CONSTRAINT, PER_LINE = 4.3, 4.6, 24, 9
"""Height of an input, of a learned parameter and of a constraint, mm; constraints in a line."""

BACK = "#B00020"
STEPS = {"lstm": f"LSTM\n{HIDDEN} units", "fcnn": f"fully\nconnected,\n{WIDTHS[0]}, {WIDTHS[1]} units"}


def draw(folder: Path, config: Config) -> Drawing:
    """Draw the figure from the tables of the model and the constraints of the run."""
    use_style()
    inputs = {name: "forcing" for name in FORCING} | {name: "carried" for name in CARRIED}
    inputs |= {"static": "static", "static_code": "static"}
    most = max(len(CONSTANTS), *(len(row.outputs) for row in NETWORKS.values()))
    lines = -(-len(config.constraints) // PER_LINE)
    heights = {
        "inputs": ROW * len(inputs) + 12,
        "networks": 18,
        "learned": CHIP * most + 7,
        "equations": 37,
        "constraints": CONSTRAINT * lines + 9,
        "loss": 11,
    }
    figure, axis = sheet(WIDTH, sum(heights.values()) + 4)
    top, tops = sum(heights.values()) + 2, {}
    for name, height in heights.items():
        tops[name] = top
        top -= height
    axis.axhspan(tops["constraints"], sum(heights.values()) + 4, color="#F6F9FC", zorder=-3)
    axis.axhspan(0, tops["constraints"], color="#FFF8EC", zorder=-3)
    axis.text(2, tops["inputs"] - 2.5, "Each day, each cell", fontsize=9, fontweight="bold", va="center")
    axis.text(LEFT, tops["inputs"] - 2.5, "a dot: the network sees the input", fontsize=7, va="center")
    axis.text(2, tops["constraints"] - 3.5, "Each month", fontsize=9, fontweight="bold", va="center")

    pitch = (RIGHT - LEFT) / (len(NETWORKS) + 1)
    columns = {name: LEFT + pitch * (i + 0.5) for i, name in enumerate([*NETWORKS, "constants"])}
    table = equations()
    rows = _inputs(axis, inputs, columns, tops["inputs"] - 8, tops["networks"])
    _networks(axis, columns, pitch, tops["networks"])
    rows += _learned(axis, columns, pitch, tops["learned"], tops["equations"], table)
    rows += _equations(axis, table, tops["equations"], tops["inputs"] - 8 - ROW * (len(FORCING) + len(CARRIED) / 2))
    rows += _constraints(axis, config, tops["constraints"])
    rows += _loss(axis, config, tops, columns, pitch)
    counts = {"networks": len(NETWORKS), "constraints": len(config.constraints), "equations": len(table)}
    return Drawing(figure, edges(rows), counts)


def _inputs(axis, inputs, columns, top, bottom) -> list[tuple[str, str, str]]:
    """Who sees what: a line for each input, a dot where a network sees it."""
    groups = {"forcing": "forcing", "carried": "day\nbefore", "static": "static"}
    seen = []
    y = {name: top - ROW * (i + 0.5) for i, name in enumerate(inputs)}
    for group, text in groups.items():
        members = [y[name] for name, of in inputs.items() if of == group]
        low, high = min(members) - ROW / 2 + 0.5, max(members) + ROW / 2 - 0.5
        box(
            axis,
            2,
            low,
            6.5,
            high - low,
            text,
            fill=KINDS[group],
            edge="none",
            color="white",
            rotation=90,
            linespacing=0.9,
        )
    names = {"static": "all static attributes", "static_code": f"their code, {STATIC_CODE} numbers"}
    for name, of in inputs.items():
        axis.text(10, y[name], names.get(name) or short(name), fontsize=7, va="center", color=KINDS[of])
        axis.plot([LEFT - 3, columns[list(NETWORKS)[-1]]], [y[name]] * 2, color="0.85", linewidth=0.5, zorder=-2)
    for network in NETWORKS.values():
        x = columns[network.name]
        at = [y[name] for name in network.inputs]
        arrow(axis, [(x, max(at)), (x, bottom - 1)], "0.55", 5, zorder=-1)
        for name, height in zip(network.inputs, at, strict=True):
            axis.plot(x, height, "o", color=KINDS[inputs[name]], markersize=5.2, markeredgewidth=0)
            seen.append((name, network.name, "sees"))
        if network.inputs == ("static",):  # it makes the code that the others see
            axis.plot(x, y["static_code"], "o", color="white", markeredgecolor=KINDS["static"], markersize=5.2)
            seen.append((network.name, "static_code", "learns"))
    return seen


def _networks(axis, columns, pitch, top) -> None:
    """What kind of network each is, with how many hidden units."""
    for network in NETWORKS.values():
        x = columns[network.name]
        box(axis, x - pitch / 2 + 0.5, top - 17, pitch - 1, 16, fill="#FDEBDD", edge=KINDS["learned"])
        title = textwrap.fill(network.name.replace("_", " "), 11)
        axis.text(x, top - 2.2, title, fontsize=7, fontweight="bold", ha="center", va="top", linespacing=0.95)
        axis.text(x, top - 16.2, STEPS[network.kind], fontsize=7, ha="center", va="bottom", linespacing=0.95)
    text = "global\nconstants,\none value for\nall cells"
    box(
        axis,
        columns["constants"] - pitch / 2 + 0.5,
        top - 17,
        pitch - 1,
        16,
        text,
        fill="#F7E6F0",
        edge=KINDS["constant"],
    )


def _learned(axis, columns, pitch, top, bottom, table) -> list[tuple[str, str, str]]:
    """What each network learns, above the equations that use it."""
    learned = {row.name: tuple(row.outputs) for row in NETWORKS.values()} | {"constants": tuple(CONSTANTS)}
    rows = []
    for network, names in learned.items():
        x, colour = columns[network], KINDS["constant" if network == "constants" else "learned"]
        arrow(axis, [(x, top + 0.8), (x, top - 1.8)], colour)
        y = top - 2.4
        for name in names:
            text = short(name) if "$" in short(name) else textwrap.fill(short(name), 13)
            axis.text(x, y - CHIP / 2, text, fontsize=8, ha="center", va="center", color=colour, linespacing=0.85)
            y -= CHIP * (1 + 0.75 * text.count("\n"))
            cycles = {row.cycle for row in table.values() if name in row.made_of}
            rows += [(name, cycle, "equation") for cycle in sorted(cycles)] + [(network, name, "learns")]
        arrow(axis, [(x, y - 0.6), (x, bottom - 0.6)], "0.55")
    return rows


def _equations(axis, table, top, state) -> list[tuple[str, str, str]]:
    """The two cycles of a day, what flows between them, and what is handed to the next day."""
    cycles = list(dict.fromkeys(row.cycle for row in table.values()))
    height, rows = 34 / len(cycles), []
    axis.text(2, top - 4, "Process equations", fontsize=8, fontweight="bold", va="center")
    used = [name for name in FORCING if any(name in row.made_of for row in table.values())]
    text = "use the forcing as it is:\n" + textwrap.fill(", ".join(short(name) for name in used), 27)
    axis.text(2, top - 17, text, fontsize=7, va="center", color=KINDS["forcing"])
    for i, cycle in enumerate(cycles):
        names = [row.name for row in table.values() if row.cycle == cycle]
        stored = [n for n in names if OUTPUTS[n].role == "storage"]
        fluxes = [n for n in names if OUTPUTS[n].role == "flux" and find(n).short and n not in stored]
        y = top - 1 - height * (i + 1)
        box(axis, LEFT, y + 0.8, RIGHT - LEFT, height - 2.2, fill=GROUND.get(cycle, "0.93"), edge="0.4")
        axis.text(LEFT + 2, y + height / 2, cycle.capitalize(), fontsize=9, fontweight="bold", va="center")
        lines = ([f"storages: {', '.join(map(short, stored))}"] if stored else []) + [
            f"fluxes: {', '.join(map(short, fluxes))}"
        ]
        wrapped = "\n".join(textwrap.fill(line, 82, subsequent_indent="    ", break_on_hyphens=False) for line in lines)
        axis.text(LEFT + 19, y + height / 2 - 0.2, wrapped, fontsize=7, va="center", linespacing=1.25)
        for other in cycles[:i]:
            shared = sorted(
                {n for name in names for n in table[name].made_of if n in table and table[n].cycle == other}
            )
            rows += [(name, cycle, "equation") for name in shared]
            x = RIGHT - 21
            arrow(axis, [(x, y + height + 1.8), (x, y + height - 2)], "black", 8, linewidth=1.4)
            axis.text(
                x + 1.6, y + height + 2.2, ", ".join(map(short, shared)), fontsize=7, va="bottom", fontweight="bold"
            )
    y = top - 30
    arrow(axis, [(LEFT, y), (0.9, y), (0.9, state), (1.9, state)], KINDS["carried"], 6, linewidth=1.2)
    axis.text(2, y + 0.6, "handed to the next day", fontsize=7, va="bottom", color=KINDS["carried"])
    return rows + [(name, "day before", "carried") for name in CARRIED]


def _constraints(axis, config, top) -> list[tuple[str, str, str]]:
    """What is compared with data, and how."""
    names, rows = ordered(config.constraints), []
    text = "means of what the equations give each day, or (orange) a network learns, compared with data constraints"
    axis.text(LEFT - 12, top - 3.5, text, fontsize=7, va="center")
    width = (RIGHT - 4) / min(PER_LINE, len(names))
    for i, name in enumerate(names):
        row = config.constraints[name]
        x, y = 4 + width * (i % PER_LINE + 0.5), top - 6.5 - CONSTRAINT * (i // PER_LINE)
        arrow(axis, [(x, y + 0.6), (x, y - 2.6)], KINDS["learned" if kind(row.prediction) == "learned" else "output"])
        box(axis, x - width / 2 + 0.5, y - 21, width - 1, 18.2, fill=GROUND[find(name).group], edge="0.4")
        title, _, product = short(name).partition(" (")
        axis.text(x, y - 4, title, fontsize=8, fontweight="bold", ha="center", va="top")
        compared = "\n".join(textwrap.wrap(row.compare.replace("_", " "), 10))
        axis.text(x, y - 20.3, compared, fontsize=7, ha="center", va="bottom", linespacing=0.95)
        if product:
            label = product_name(product.removesuffix(")"), config.source).replace("pseudo-", "pseudo-\n")
            axis.text(x, y - 7.6, label, fontsize=7, ha="center", va="top", linespacing=0.95)
        arrow(axis, [(x, y - 21), (x, y - 23.6)], "0.3")
        rows.append((row.prediction, name, f"compared: {row.compare}"))
    return rows


def _loss(axis, config, tops, columns, pitch) -> list[tuple[str, str, str]]:
    """The loss, and dashed arrows along which its gradient flows back in training."""
    priors = list(dict.fromkeys(name for row in config.experiments.values() for name in row.priors))
    text = "Loss: weighted sum over the constraints"
    if priors:
        text += f", and in some experiments priors of {', '.join(map(short, priors))}"
    y = tops["loss"] - 5.5
    box(axis, 4, y - 4, RIGHT - 4, 8, text, fill="white", edge=BACK, fontsize=8)
    bus, dashed = 172.5, {"linestyle": (0, (3, 2)), "linewidth": 1.0}
    at, first = tops["networks"] + 2.2, columns[next(iter(NETWORKS))] + 4
    axis.plot([RIGHT, bus, bus, first], [y, y, at, at], color=BACK, **dashed)
    for height in (tops["equations"] - 18, tops["networks"] - 9):  # the equations, and above them the constants
        arrow(axis, [(bus, height), (RIGHT + 0.3, height)], BACK, 7, **dashed)
    for name in NETWORKS:
        arrow(axis, [(columns[name] + 4, at), (columns[name] + 4, tops["networks"] - 0.8)], BACK, 7, **dashed)
    middle = (tops["learned"] + tops["constraints"]) / 2
    axis.text(
        bus + 2.2,
        middle,
        "in training, the gradient of the loss flows back through every day",
        fontsize=7,
        rotation=90,
        va="center",
        color=BACK,
    )
    return [("loss", end, "gradient") for end in ("equations", "constants", *NETWORKS)]
