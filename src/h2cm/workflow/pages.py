"""The parts of the documentation that are made from the tables of the package.

A page says ``<!-- made: NAME -->`` … ``<!-- end of what is made -->``; between the two stands what the function NAME of
`PARTS` gives. ``python -m h2cm.workflow.pages`` (``make docs``) makes all of them anew; a test fails where one is out of date.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from h2cm.model.networks import GUIDANCE, GUIDANCES
from h2cm.results.evaluate.fold import COLUMNS
from h2cm.results.evaluate.metrics import METRICS
from h2cm.sources import catalogue
from h2cm.sources.harmonise.statics import FEATURES
from h2cm.vocabulary import CONSTANTS, OUTPUTS, RATIOS, STATIC_PARAMETERS, VARIABLES, Variable
from h2cm.workflow.reference import reference

ROOT = Path(__file__).resolve().parents[3]
PAGES = ("config/README.md", "docs")
"""Pages, and folders of pages, with parts that are made."""

END = "<!-- end of what is made -->"
_PART = re.compile(r"<!-- made: (\w+) -->\n.*?" + re.escape(END), re.DOTALL)

COLUMN_MEANINGS = {
    "experiment": "name of the experiment in the configuration",
    "fold": "number of the fold, from 0",
    "period": "`whole`, all years of the run, or a period of `evaluation.periods`",
    "cells": "role of the cells in this fold: train, validation, test; `all` for constants",
    "scope": "`area_weighted_mean` (one series, the mean over the cells), `spatial_pattern` (the cells' means against each "
    "other), `global`, or the name of one cell or tower",
    "reference": "constraint, or `truth` of the synthetic Earth",
    "variable": "what is predicted",
    "timescale": "monthly; msc, the mean seasonal cycle; anomaly, the rest; mean, over the whole record; constant",
    "metric": ", ".join(METRICS),
    "value": "in the unit of the variable for rmse and bias, without one otherwise; empty where undefined",
    "n": "number of pairs",
}


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") or " " for cell in line) + " |" for line in lines)


def _variables(variables: dict[str, Variable]) -> str:
    rows = ((f"`{row.name}`", row.long_name, row.units, row.standard_name or "-") for row in variables.values())
    return table(("name", "what", "unit", "CF standard name"), rows)


def _inputs() -> str:
    rows = (row for row in VARIABLES.values() if row.role == "forcing")
    return table(
        ("name", "what", "unit", "possible"),
        ((f"`{row.name}`", row.long_name, row.units, f"{row.low} to {row.high}") for row in rows),
    )


def _outputs() -> str:
    return _variables(OUTPUTS)


def _fixed() -> str:
    return _variables(STATIC_PARAMETERS | CONSTANTS)


def _ratios() -> str:
    rows = (
        (f"`{row.name}`", row.long_name, f"`{row.numerator}` / `{row.denominator}`", row.units)
        for row in RATIOS.values()
    )
    return table(("name", "what", "ratio", "unit"), rows)


def _metrics() -> str:
    return table(("column", "meaning"), ((f"`{name}`", COLUMN_MEANINGS[name]) for name in COLUMNS))


def _attributes() -> str:
    rows = []
    for product, names in FEATURES.items():
        row = catalogue.product(product)
        for name in names:
            variable = row.variables.get(name)
            unit = variable.store_unit or variable.unit if variable else ("m" if name.startswith("elevation") else "1")
            rows.append((len(rows) + 1, f"`{name}`", unit, f"{row.name} {row.version}"))
    return table(("", "name", "unit", "product"), rows)


def _open() -> str:
    rows = []
    for name, row in GUIDANCES["open"].rows.items():
        published = GUIDANCE.rows[name]
        seen = [f"`{i}`" for i in row.inputs if i not in published.inputs]
        changed = [f"`{o}`: `{how}`" for o, how in row.outputs.items() if published.outputs.get(o) != how]
        if seen or changed:
            rows.append((f"`{name}`", ", ".join(seen), ", ".join(changed)))
    return table(("network", "sees besides", "other activation"), rows)


def _networks() -> str:
    rows = (
        (f"`{row.name}`", row.kind, ", ".join(f"`{i}`" for i in row.inputs), ", ".join(f"`{o}`" for o in row.outputs))
        for row in GUIDANCE.rows.values()
    )
    return table(("network", "kind", "sees", "learns"), rows)


PARTS: dict[str, Callable[[], str]] = {
    "configuration": reference,
    "known": catalogue.known_table,
    "inputs": _inputs,
    "expected": catalogue.expected_table,
    "outputs": _outputs,
    "fixed": _fixed,
    "ratios": _ratios,
    "metrics": _metrics,
    "attributes": _attributes,
    "networks": _networks,
    "open": _open,
}


def renewed(text: str) -> str:
    """A page with all of its made parts made anew.

    Raises
    ------
    KeyError
        If a page asks for a part that is not in `PARTS`.
    """
    return _PART.sub(lambda found: f"<!-- made: {found[1]} -->\n\n{PARTS[found[1]]()}\n\n{END}", text)


def pages(root: Path = ROOT) -> list[Path]:
    """All pages that may have made parts."""
    return [
        page
        for name in PAGES
        for page in (sorted((root / name).glob("*.md")) if (root / name).is_dir() else [root / name])
    ]


if __name__ == "__main__":
    for page in pages():
        page.write_text(renewed(page.read_text()))
