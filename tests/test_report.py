"""The report: its numbers and sentences, that it is whole without a network, and its use in a browser."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from conftest import ROOT
from fake_results import fake_config, fake_results, summarise
from h2cm.results.evaluate.fold import evaluate_fold
from h2cm.results.figures.registry import FIGURES, figure_names
from h2cm.results.paths import folds
from h2cm.results.report import rule_graph
from h2cm.results.report.page import number, plain, scores, timing, write_report
from h2cm.results.report.recovered import constant_finding, variable_finding
from h2cm.results.tables.registry import table_names
from h2cm.store import DataError, save_csv

RULES = [("twin", "harmonise"), ("grid", "harmonise"), ("harmonise", "train"), ("grid", "train"), ("train", "figure")]
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def make(folder: Path, source: str = "twin") -> tuple[Path, dict]:
    """A run with metrics, tables, pictures and measurements, as far as the report reads them."""
    from importlib import import_module

    config = fake_config(source)
    run = fake_results(folder, config)
    pairs = [(e, k) for e in config.experiments for k in folds(config, e)]
    save_csv(pd.concat([evaluate_fold(run, config, e, k) for e, k in pairs]), run / "evaluation/metrics.csv")
    summarise(run, config)
    for name in table_names(config):
        for kind in ("md", "tex"):
            (run / f"tables/{name}.{kind}").parent.mkdir(exist_ok=True)
            (run / f"tables/{name}.{kind}").write_text("made up")
        save_csv(import_module(f"h2cm.results.tables.{name}").make(run, config), run / f"tables/{name}.csv")
    (run / "figures").mkdir()
    for name in figure_names(config):
        for kind in ("png", "pdf"):
            Figure(figsize=(2, 1)).savefig(run / f"figures/{name}.{kind}")
        (run / f"figures/{name}.md").write_text(f"{FIGURES[name].caption} Facts.\n")
        (run / f"figures/{name}.nc").write_bytes(b"made up")
    for name, seconds in (("twin", 3.0), ("train/cv_fold_0", 10.0), ("train/cv_fold_1", 12.0)):
        path = run / f"benchmarks/{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f"s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n{seconds}\t-\t500\t-\t-\t-\t-\t-\t-\t{seconds / 2}\n"
        )
    (run / "workflow.json").write_text(json.dumps({"versions": {"h2cm": "1.2.3", "python": "3.11"}, "rules": RULES}))
    return run, config


@pytest.fixture(scope="module")
def earth(tmp_path_factory):
    run, config = make(tmp_path_factory.mktemp("report") / "earth")
    write_report(run, config, run / "report.html", run / "report.zip")
    return run, config


@pytest.fixture(scope="module")
def towers(tmp_path_factory):
    run, config = make(tmp_path_factory.mktemp("report") / "towers", "towers")
    write_report(run, config, run / "report.html", run / "report.zip")
    return run, config


class Elements(HTMLParser):
    """All tags with their attributes, and the text of what has an id."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


@pytest.mark.parametrize("source", ["earth", "towers"])
def test_nothing_is_loaded_from_elsewhere(source, request):
    run, config = request.getfixturevalue(source)
    text = (run / "report.html").read_text()
    tags = Elements(text).tags
    for tag, attributes in tags:
        assert tag not in ("iframe", "object", "embed", "base"), tag
        if "src" in attributes:
            assert tag == "img" and attributes["src"].startswith("data:image/png;base64,")
        if tag == "link":
            assert attributes["href"].startswith("data:")
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    assert "url(" not in style and "@import" not in style
    assert any("default-src 'none'" in a.get("content", "") for t, a in tags if t == "meta")
    named = {a["id"] for _, a in tags if "id" in a}
    inside = {a["href"][1:] for t, a in tags if t == "a" and a["href"].startswith("#")}
    assert inside <= named, "links inside the page lead somewhere"
    for tag, attributes in tags:
        if tag == "a" and not attributes["href"].startswith("#"):
            assert (run / attributes["href"]).is_file(), attributes["href"]
    order = [a["id"] for t, a in tags if t == "figure" and "id" in a]
    assert order == figure_names(config)


def test_the_page_says_what_ran(earth):
    run, _ = earth
    text = (run / "report.html").read_text()
    for expected in ("Run <em>fake</em>", "2010-01-01 to 2012-12-31", "40 land cells", "cv (3 folds)", "h2cm 1.2.3"):
        assert expected in text, expected
    assert "no number here says anything about the real one" in text
    assert "resolution: 10.0" in text, "the resolved configuration"


def test_the_data_in_the_page_are_the_medians_of_the_metrics(earth):
    run, config = earth
    metrics = pd.read_csv(run / "evaluation/metrics.csv")
    data = scores(metrics[~metrics["scope"].str.startswith("cell ")], config)
    axes = {axis: [value for value, _ in values] for axis, values in data["axes"].items()}
    wanted = {
        "experiment": "prior",
        "cells": "test",
        "scope": "area_weighted_mean",
        "timescale": "msc",
        "metric": "rmse",
    }
    key = ",".join(str(axes[axis].index(value)) for axis, value in wanted.items())
    pair = [p["label"] for p in data["pairs"] if not p["truth"]].index("GPP")
    rows = metrics.query(" and ".join(f"{k} == '{v}'" for k, v in wanted.items()) + " and reference == 'gpp'")["value"]
    pairs = [i for i, p in enumerate(data["pairs"]) if p["label"] == "GPP" and not p["truth"]]
    np.testing.assert_allclose(data["values"][f"{key},{pairs[0]}"], [rows.median(), rows.min(), rows.max()], rtol=1e-3)
    assert pair >= 0 and "global" not in axes["scope"]
    embedded = re.search(r'id="data">(.*?)</script>', (run / "report.html").read_text(), re.DOTALL)[1]
    assert json.loads(embedded)["values"] == data["values"]


@pytest.mark.parametrize(
    ("learned", "truth", "initial", "verdict", "says"),
    [
        ([1.9, 2.0, 2.1], 2.0, 1.0, "recovered", "went 100% of the way"),
        ([1.4, 1.5, 1.6], 2.0, 1.0, "recovered in part", "went 50% of the way"),
        ([1.1, 1.1, 1.2], 2.0, 1.0, "not recovered", "went 10% of the way"),
        ([0.8, 0.9, 0.9], 2.0, 1.0, "not recovered", "away from the truth"),
        ([3.2, 3.2, 3.2], 2.0, 1.0, "not recovered", "away from the truth"),
        ([2.0, 2.0, 2.0], 2.0, 2.01, "shows nothing", "training starts at 2.01"),
    ],
)
def test_what_is_said_of_a_constant(learned, truth, initial, verdict, says):
    found = constant_finding("q10", np.array(learned), truth, initial)
    assert found.verdict == verdict and says in found.sentence


def test_what_is_said_of_a_variable():
    assert variable_finding("npp", np.array([0.9, 0.8, 0.7]), False).sentence.startswith(
        "efficiency 0.80 (0.70 to 0.90"
    )
    assert "GPP and CUE show it" in variable_finding("npp", np.array([0.9]), False).sentence
    verdicts = [variable_finding("npp", np.array([e]), True).verdict for e in (0.76, 0.74, 0.26, 0.24, -3)]
    assert verdicts == ["recovered", "recovered in part", "recovered in part", "not recovered", "not recovered"]


def test_labels_and_numbers_are_readable():
    assert plain(r"$\beta_{\mathrm{CO}_2}$") == "β<sub>CO2</sub>"
    assert plain(r"$R_\mathrm{h}$") == "R<sub>h</sub>"
    assert plain("gC m$^{-2}$ day$^{-1}$") == "gC m<sup>-2</sup> day<sup>-1</sup>"
    assert plain("soil_recharge_fraction") == "soil recharge fraction"
    assert [number(v) for v in (12345.6, -0.5, 0.00123, 1.5e-9)] == ["12,346", "−0.5", "0.00123", "1.5e−09"]


def test_time_and_memory_of_each_rule(earth):
    rows = {row["rule"]: row for row in timing(earth[0])}
    assert rows["train"]["jobs"] == 2 and rows["train"]["total"] == 22 and rows["train"]["longest"] == 12
    assert rows["twin"]["memory"] == 500


def test_rule_graph():
    dot = 'digraph {\n\t0[label = "all", color="x"];\n\t1[label = "train\\nfold: 1"];\n\t2[label = "grid"];\n\t2 -> 1\n\t1 -> 0\n}'
    assert rule_graph.edges(dot) == [("grid", "train")]
    with pytest.raises(ValueError, match="expected a graph of rules"):
        rule_graph.edges("Error: no rules")
    drawn = rule_graph.draw(RULES)
    assert drawn.count("<rect") == 5 and all(f">{name}</text>" in drawn for pair in RULES for name in pair)
    assert drawn.count("<path") == 4, "grid to train is implied"
    boxes = re.findall(r'<rect x="([\d.]+)" y="([\d.]+)"', drawn)
    assert len(set(boxes)) == 5, "no box lies on another"


def test_it_is_redrawn_from_a_copy_of_the_small_files_alone(earth, tmp_path):
    run, config = earth
    copy = tmp_path / "results"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("store", "predictions", "training", "twin", "report.*"))
    command = [sys.executable, "-m", "h2cm.results.report", str(copy)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    for name in ("report.html", "report.zip"):
        assert (copy / name).read_bytes() == (run / name).read_bytes()
    with zipfile.ZipFile(copy / "report.zip") as archive:
        names = archive.namelist()
        assert {"fake/report.html", "fake/config.yaml", "fake/tables/constants.csv"} <= set(names)
        assert archive.read("fake/report.html") == (run / "report.html").read_bytes()
    (copy / "figures" / f"{figure_names(config)[0]}.png").unlink()
    with pytest.raises(DataError, match="expected a figure of this run"):
        write_report(copy, config, copy / "again.html", copy / "again.zip")
    assert not (copy / "again.html").exists() and not list(copy.glob("*unfinished"))


CHROMIUM = shutil.which("chromium")


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian package chromium)")
@pytest.mark.parametrize("source", ["earth", "towers"])
@pytest.mark.parametrize("width", [1280, 400])
def test_in_a_browser(source, width, request, tmp_path):
    from playwright.sync_api import sync_playwright

    run, _ = request.getfixturevalue(source)
    page_address = (run / "report.html").as_uri()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": width, "height": 800})
        said, asked = [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda r: asked.append(r.url))
        page.goto(page_address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing sticks out of the page"
        assert page.evaluate("[...document.images].every(i => i.naturalWidth > 0)")

        for table in ("#scores", "#computing table", "#table-constants table"):
            for head in page.query_selector_all(f"{table} thead th button"):
                head.evaluate("b => { b.closest('details') && (b.closest('details').open = true); b.click(); }")
                column = head.evaluate("b => b.closest('th').cellIndex")
                cells = f"[...document.querySelectorAll('{table} tbody tr')].map(r => r.cells[{column}])"
                values = page.evaluate(f"{cells}.map(c => c.dataset.v === undefined ? null : Number(c.dataset.v))")
                numbers = [value for value in values if value is not None]
                assert numbers == sorted(numbers), table
                if not numbers:
                    texts = page.evaluate(f"{cells}.map(c => c.textContent.trim())")
                    assert texts == page.evaluate("t => [...t].sort((a, b) => a.localeCompare(b))", texts)
                head.evaluate("b => b.click()")
                values = page.evaluate(f"{cells}.map(c => c.dataset.v === undefined ? null : Number(c.dataset.v))")
                numbers = [value for value in values if value is not None]
                assert numbers == sorted(numbers, reverse=True), table

        before = page.inner_text("#scores")
        dots = page.evaluate("document.querySelectorAll('#dots circle').length")
        assert dots > 4, "the drawing has dots"
        page.select_option("#choose-metric", label="root mean square error")
        after = page.inner_text("#scores")
        assert before != after and len(page.inner_text("#scores-note")) > 20
        page.select_option("#choose-experiment", label="prior")
        assert page.evaluate("document.querySelectorAll('#scores thead th').length") == 2
        page.select_option("#choose-cells", label="validation")  # there is one test cell only: no pattern
        page.select_option("#choose-scope", label="spatial pattern")
        assert page.evaluate("document.querySelectorAll('#scores tbody tr').length") > 0, "the time scale follows"
        if source == "earth":
            page.select_option("#choose-against", label="the truth")
            assert "TER" in page.inner_text("#scores")
        assert said == [] and asked == [page_address], "no error, no request"
        browser.close()
