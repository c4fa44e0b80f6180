"""From the small files of a run to the page and the zip."""

from __future__ import annotations

import base64
import json
import re
import zipfile
from pathlib import Path

import jinja2
import pandas as pd

from h2cm.comparisons import TIMESCALES
from h2cm.config import Config
from h2cm.files import whole
from h2cm.results.evaluate.aggregate import over_folds
from h2cm.results.evaluate.metrics import METRICS
from h2cm.results.evaluate.recovered import PARTLY, SAME, VERDICTS, WELL
from h2cm.results.figures.registry import figure_names
from h2cm.results.figures.style import TIMESCALE_NAMES
from h2cm.results.paths import OF_A_FIGURE, OF_A_TABLE, folds, main_experiment, path
from h2cm.results.report import rule_graph
from h2cm.results.report.recovered import findings
from h2cm.results.run import WHOLE, Run
from h2cm.results.summaries.registry import TRUTH
from h2cm.results.tables.registry import TABLES, table_names
from h2cm.store import DataError
from h2cm.vocabulary import CONSTANTS, SHARE, find, ordered, reported, short

LONGEST_TABLE = 400
"""Rows; a longer table is data, which the page only points to."""

PICTURES = ("maps", "tower_series")
"""The figure at the top of the page: the first of these that the run has, else its first figure."""

METRIC_NAMES = {
    "nse": "Nash–Sutcliffe efficiency",
    "r": "correlation r",
    "r2": "R²",
    "sdr": "ratio of standard deviations",
    "rmse": "root mean square error",
    "bias": "bias",
}
SCOPE_NAMES = {"area_weighted_mean": "area-weighted mean", "spatial_pattern": "spatial pattern", "global": "global"}
SOURCE_NAMES = {
    "twin": "synthetic Earth",
    "towers": "eddy-covariance towers",
    "products": "data products",
    "published": "published inputs and targets",
}
_GREEK = {r"\beta": "β", r"\alpha": "α", r"\sigma": "σ"}


def write_report(folder: Path, config: Config, page: Path, archive: Path) -> None:
    """Write the page, and a zip of it with figures, tables, metrics and configuration.

    Parameters
    ----------
    folder : Path
        ``results/<run>``; read are ``config.yaml``, ``workflow.json``, ``evaluation/metrics.csv``, ``split/``, ``figures/``,
        ``tables/`` and ``benchmarks/``.
    config : Config
    page, archive : Path

    Raises
    ------
    DataError
        Where a file is missing.
    """
    text = _template().render(content(folder, config))
    names = [
        *(path(kind, figure=name) for name in figure_names(config) for kind in OF_A_FIGURE),
        *(path(kind, table=name) for name in table_names(config) for kind in OF_A_TABLE),
        *map(path, ("configuration", "metrics", "workflow")),
    ]
    with whole(page) as unfinished_page, whole(archive) as unfinished:
        unfinished_page.write_text(text)
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as file:
            for name, source in [("report.html", unfinished_page), *((name, folder / name) for name in names)]:
                entry = zipfile.ZipInfo(f"{config.run}/{name}")  # of 1980, so that the same files give the same zip
                entry.compress_type = zipfile.ZIP_DEFLATED
                file.writestr(entry, source.read_bytes())


def _template() -> jinja2.Template:
    here = Path(__file__).parent
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.globals |= {
        "number": lambda value: f"{value:.2f}".replace("-", "−"),
        "names_of": lambda found, verdict: [
            name for kind in found.values() for v, of in kind if v == verdict for name, _ in of
        ],
        "style": (here / "style.css").read_text(),
        "script": (here / "report.js").read_text(),
    }
    return environment.from_string((here / "template.html").read_text())


def content(folder: Path, config: Config) -> dict:
    """All that the template shows."""
    run, main = Run(folder, config), main_experiment(config)
    metrics = run.metrics()
    # single cells of a grid are too many to choose from; towers are not. Scores are those of the whole period.
    metrics = metrics[~metrics["scope"].str.match(r"cell \d+$") & metrics["period"].eq(WHOLE)]
    workflow = _json(folder / path("workflow"))
    pictures = [picture(folder, name) for name in figure_names(config)]
    at_top = next((p for name in PICTURES for p in pictures if p["name"] == name), pictures[0] if pictures else None)
    return {
        "config": config,
        "source": SOURCE_NAMES[config.source],
        "facts": facts(run, workflow),
        "top": at_top,
        "skill": skill(metrics, config),
        "main": main,
        "recovered": recovered(run, metrics, main) if config.source == "twin" else None,
        "verdicts": VERDICTS,
        "rules": {"well": WELL, "partly": PARTLY, "same": SAME},
        "scores": scores(metrics, config),
        "figures": pictures,
        "tables": [table(folder, name) for name in table_names(config)],
        "timing": timing(folder),
        "graph": rule_graph.draw([tuple(pair) for pair in workflow["rules"]]),
        "versions": workflow["versions"],
        "configuration": (folder / path("configuration")).read_text(),
    }


def _json(file: Path) -> dict:
    if not file.is_file():
        raise DataError(f"{file}: expected the graph of the rules and versions, found none")
    return json.loads(file.read_text())


def facts(run: Run, workflow: dict) -> list[tuple[str, str]]:
    """What ran, as names and values."""
    config, split = run.config, run.split()
    roles = split["fold_0"].value_counts()
    what = "towers" if config.source == "towers" else "land cells"
    grid = [] if config.source == "towers" else [("Grid", f"{config.grid.resolution:g}°")]
    versions = workflow["versions"]
    return [
        ("Source", SOURCE_NAMES[config.source]),
        *grid,
        ("Period", f"{config.period.start} to {config.period.end}"),
        ("Cells", f"{len(split):,} {what}, {roles.get('test', 0):,} of them never trained on"),
        ("Experiments", ", ".join(f"{name} ({len(folds(config, name))} folds)" for name in config.experiments)),
        ("Seed", str(config.seed)),
        ("Software", ", ".join(f"{name} {versions[name]}" for name in ("h2cm", "torch", "python") if name in versions)),
    ]


def picture(folder: Path, name: str) -> dict:
    """A figure with its caption, the picture inlined."""
    file = folder / path("figure", figure=name)
    if not file.is_file():
        raise DataError(f"{file}: expected a figure of this run, found none")
    data = base64.b64encode(file.read_bytes()).decode()
    title = name.replace("_", " ").capitalize()
    caption = (folder / path("figure_caption", figure=name)).read_text().strip()
    return {"name": name, "title": title, "caption": caption, "data": f"data:image/png;base64,{data}"}


def plain(text: str) -> str:
    """A label of the figures as HTML: subscripts and Greek letters instead of TeX."""
    if "$" not in text:
        return text.replace("_", " ")
    text = re.sub(r"\\math\w+\{([^{}]*)\}", r"\1", text.replace("$", ""))
    for tex, letter in _GREEK.items():
        text = text.replace(tex, letter)
    text = re.sub(r"_\{?([^{}_ ]+)(_\d)?\}?", lambda m: f"<sub>{m[1]}{(m[2] or '').replace('_', '')}</sub>", text)
    return re.sub(r"\^\{?([-−\d]+)\}?", r"<sup>\1</sup>", text)


def label(reference: str, variable: str) -> str:
    """Name of a comparison: that of the constraint, or of the variable against the truth."""
    return plain(short(variable if reference == "truth" else reference))


def units_of(name: str) -> str:
    """The unit of a variable as HTML, empty where there is none."""
    row = find(name)
    return "" if row.units == SHARE else plain(row.printed_units)


def skill(metrics: pd.DataFrame, config: Config) -> dict:
    """The table at the top: efficiency and error for each constraint and experiment, median and range of the folds."""
    table = over_folds(metrics.query("cells == 'test' and metric in ('nse', 'rmse') and reference != 'truth'"))
    monthly = table.query("scope == 'area_weighted_mean' and timescale == 'monthly'")
    if config.source == "towers":  # each tower is a scope; the area-weighted mean of towers means little
        monthly = table[table["timescale"].eq("monthly") & ~table["scope"].isin(SCOPE_NAMES)]
        keys = ["experiment", "reference", "variable", "metric"]
        grouped = monthly.groupby(keys, sort=False)["median"]
        monthly = grouped.agg(median="median", minimum="min", maximum="max").reset_index()
    experiments = list(dict.fromkeys(monthly["experiment"]))
    rows = []
    for name in ordered(dict.fromkeys(monthly["reference"])):
        of = monthly[monthly["reference"] == name]
        variable = of["variable"].iloc[0]
        cells = {
            (e, m): group.iloc[0]
            for (e, m), group in of.groupby(["experiment", "metric"])
            if pd.notna(group.iloc[0]["median"])
        }
        rows.append(
            {
                "label": label(name, variable),
                "units": units_of(variable),
                "cells": [cells.get((e, "nse")) for e in experiments],
                "error": cells.get((main_experiment(config), "rmse")),
            }
        )
    return {"experiments": experiments, "rows": rows}


def recovered(run: Run, metrics: pd.DataFrame, experiment: str) -> dict:
    """What was found again of the synthetic Earth, by verdict."""
    from h2cm.model import H2CM  # takes seconds

    truth = run.summary("constants", TRUTH)
    constants = run.constants().melt(("experiment", "fold"), list(CONSTANTS), "constant", "value")
    constants["truth"] = [
        float(truth[name].values[0]) if name in truth else float("nan") for name in constants["constant"]
    ]
    constants["units"] = [units_of(name) for name in constants["constant"]]
    initial = reported({name: value.item() for name, value in H2CM(1).constants().items()})
    names = run.config.experiments[experiment].constraints or tuple(run.config.constraints)
    observed = {run.config.constraints[name].prediction for name in names}
    both = findings(
        metrics[metrics["experiment"] == experiment],
        constants[constants["experiment"] == experiment],
        initial,
        observed,
    )
    return {
        kind: [(v, [(label("truth", f.name), f.sentence) for f in of if f.verdict == v]) for v in VERDICTS]
        for kind, of in zip(("constants", "variables"), both, strict=True)
    }


def scores(metrics: pd.DataFrame, config: Config) -> dict:
    """The table of scalars that the page lets one choose from: values as [median, minimum, maximum] of the folds."""
    roles = [name for name in ("test", "validation", "train") if name in set(metrics["cells"])]
    table = over_folds(metrics[(metrics["scope"] != "global") & metrics["cells"].isin(roles)]).dropna(subset="median")
    axes = {
        "experiment": list(dict.fromkeys(table["experiment"])),
        "cells": roles,
        "scope": list(dict.fromkeys(table["scope"])),
        "timescale": [name for name in (*TIMESCALES, "mean") if name in set(table["timescale"])],
        "metric": [name for name in METRIC_NAMES if name in METRICS],
    }
    pairs = list(dict.fromkeys(zip(table["reference"], table["variable"], strict=True)))
    number = {name: {value: i for i, value in enumerate(values)} for name, values in axes.items()}
    values: dict[str, list] = {}
    columns = ["experiment", "cells", "scope", "timescale", "metric"]
    for row in table.itertuples(index=False):
        key = ",".join(
            str(number[column][getattr(row, column)]) for column in columns if getattr(row, column) in number[column]
        )
        pair = pairs.index((row.reference, row.variable))
        values[f"{key},{pair}"] = [float(f"{getattr(row, n):.4g}") for n in ("median", "minimum", "maximum")]
    names = (
        SCOPE_NAMES | METRIC_NAMES | TIMESCALE_NAMES | {"mean": "Mean over time", "test": "test", "train": "training"}
    )
    return {
        "axes": {axis: [[value, names.get(value, value)] for value in values] for axis, values in axes.items()},
        "pairs": [
            {
                "label": label(r, v),
                "truth": r == "truth",
                "units": units_of(v),
            }
            for r, v in pairs
        ],
        "values": values,
    }


def table(folder: Path, name: str) -> dict:
    """A table of the run, its numbers to three significant digits."""
    file = folder / path("table", table=name)
    if not file.is_file():
        raise DataError(f"{file}: expected a table of this run, found none")
    data = pd.read_csv(file)
    rows = (
        [[_cell(value) for value in row] for row in data.itertuples(index=False)]
        if len(data) <= LONGEST_TABLE
        else None
    )
    return {
        "name": name,
        "title": name.replace("_", " ").capitalize(),
        "caption": TABLES[name].caption,
        "columns": [column.replace("_", " ") for column in data.columns],
        "rows": rows,
        "length": len(data),
    }


def _cell(value) -> dict:
    if pd.isna(value):
        return {"text": "", "number": None}
    if isinstance(value, bool) or not isinstance(value, int | float):
        return {"text": {"True": "yes", "False": "no"}.get(str(value), str(value)), "number": None}
    return {"text": f"{value:,}" if isinstance(value, int) else number(value), "number": value}


def number(value: float) -> str:
    """Three significant digits, without an exponent where that is readable."""
    text = f"{value:.3g}"
    if "e" in text and 1e-4 <= abs(value) < 1e6:
        text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.6f}"
    return text.replace("-", "−")


def timing(folder: Path) -> list[dict]:
    """Jobs, seconds and memory of each rule, from what Snakemake measured."""
    rows = []
    for file in sorted((folder / "benchmarks").rglob("*.tsv")):
        measured = pd.read_csv(file, sep="\t", na_values="-").iloc[0]
        rule = file.relative_to(folder / "benchmarks").parts[0].removesuffix(".tsv")
        rule = {"figures": "figure", "tables": "table"}.get(rule, rule)
        rows.append(
            {"rule": rule, "seconds": measured["s"], "memory": measured["max_rss"], "cpu": measured["cpu_time"]}
        )
    if not rows:
        return []
    grouped = pd.DataFrame(rows).groupby("rule")
    table = grouped.agg(
        jobs=("seconds", "size"),
        total=("seconds", "sum"),
        longest=("seconds", "max"),
        cpu=("cpu", "sum"),
        memory=("memory", "max"),
    )
    return table.sort_values("total", ascending=False).reset_index().to_dict("records")
