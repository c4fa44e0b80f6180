"""The graph of the rules: read from Snakemake, laid out, drawn as SVG with the rules' names."""

from __future__ import annotations

import html
import re

import networkx as nx

WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 130, 28, 34, 14, 6  # px of a box and between boxes

_NODE = re.compile(r'^\s*(\d+)\[label = "(.*?)"', re.MULTILINE)
_EDGE = re.compile(r"^\s*(\d+) -> (\d+)\s*$", re.MULTILINE)


def edges(dot: str) -> list[tuple[str, str]]:
    """Pairs of rules (from, to) in what ``snakemake --rulegraph dot`` prints, sorted; the target ``all`` is left out.

    Raises
    ------
    ValueError
        If there is no edge in it.
    """
    names = {number: re.split(r"\\n|:", label)[0] for number, label in _NODE.findall(dot)}
    found = {(names[a], names[b]) for a, b in _EDGE.findall(dot)}
    found = sorted((a, b) for a, b in found if b != "all")
    if not found:
        raise ValueError(f"expected a graph of rules from Snakemake, got {dot[:200]!r}")
    return found


def draw(pairs: list[tuple[str, str]]) -> str:
    """The graph as SVG, left to right; an edge that others imply is not drawn.

    Parameters
    ----------
    pairs : list of (str, str)
        From `edges`.
    """
    graph = nx.transitive_reduction(nx.DiGraph(pairs))
    columns = [sorted(column) for column in nx.topological_generations(graph)]
    height = max(map(len, columns)) * (HEIGHT + GAP_Y) - GAP_Y
    where: dict[str, tuple[float, float]] = {}
    for i, column in enumerate(columns):
        # each rule as near as there is room to the middle of those it follows
        wish = {
            name: sum(where[p][1] for p in graph.predecessors(name)) / graph.in_degree(name)
            if graph.in_degree(name)
            else height / 2
            for name in column
        }
        column.sort(key=lambda name: (wish[name], name))
        total = len(column) * (HEIGHT + GAP_Y) - GAP_Y
        top = min(max(0, sum(wish.values()) / len(column) - total / 2), height - total)
        for j, name in enumerate(column):
            where[name] = i * (WIDTH + GAP_X), top + j * (HEIGHT + GAP_Y) + HEIGHT / 2
    width = len(columns) * (WIDTH + GAP_X) - GAP_X
    box = f"{-MARGIN} {-MARGIN} {width + 2 * MARGIN} {height + 2 * MARGIN}"
    parts = [f'<svg viewBox="{box}" role="img" aria-label="Graph of the rules" class="rules">']
    for a, b in sorted(graph.edges):
        x0, y0, x1, y1 = where[a][0] + WIDTH, where[a][1], where[b][0], where[b][1]
        bend = GAP_X * 0.7
        parts.append(f'<path d="M{x0:g} {y0:g}C{x0 + bend:g} {y0:g} {x1 - bend:g} {y1:g} {x1:g} {y1:g}"/>')
    for name, (x, y) in sorted(where.items()):
        parts.append(f'<rect x="{x:g}" y="{y - HEIGHT / 2:g}" width="{WIDTH}" height="{HEIGHT}" rx="5"/>')
        parts.append(f'<text x="{x + WIDTH / 2:g}" y="{y + 4:g}">{html.escape(name)}</text>')
    return "".join(parts) + "</svg>"
