"""A table as CSV, Markdown and LaTeX."""

from __future__ import annotations

import re

import pandas as pd

from h2cm.files import whole
from h2cm.store import save_csv

SPECIAL = str.maketrans({c: f"\\{c}" for c in "&%_#"} | {"°": r"\textdegree{}", "−": "$-$", "²": "$^2$"})


def save(table: pd.DataFrame, caption: str, name: str, files) -> None:
    """Write the three files, each whole or not at all.

    Parameters
    ----------
    table : DataFrame
    caption, name : str
        The name becomes the label of the LaTeX table.
    files
        With the paths ``csv``, ``markdown`` and ``latex``. The CSV file holds seven digits, the others three.
    """
    save_csv(table, files.csv, float_format="%.7g")
    printed = table.map(_text).rename(columns=lambda c: c.replace("_", " "))
    with whole(files.markdown) as file:
        file.write_text(f"{printed.to_markdown(index=False, disable_numparse=True)}\n\n{_plain(caption)}\n")
    latex = printed.map(_latex).rename(columns=_latex)
    text = latex.to_latex(
        index=False, escape=False, longtable=len(table) > 40, caption=_latex(caption), label=f"tab:{name}"
    )
    with whole(files.latex) as file:
        file.write_text("% needs the packages booktabs, longtable and textcomp\n" + text)


def _text(value) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.3g}"
    return _plain(str(value))


def _plain(text: str) -> str:
    """Without the mathematics of figures: a subscript after an underscore."""
    text = re.sub(r"\\math\w+\{([^{}]*)\}", r"\1", text).replace("$", "").replace("\\beta", "β")
    return re.sub(r"_\{([^{}]*)\}", r"_\1", text).replace("_O_2", "O2")


def _latex(text: str) -> str:
    """Escaped, with raised exponents of units and subscripts."""
    text = text.translate(SPECIAL).replace("β", r"$\beta$")
    return re.sub(r"(?<= )(m|kg|day|mm|ppm|MJ|K|W)(-?\d)(?![\d.])", r"\1$^{\2}$", text)
