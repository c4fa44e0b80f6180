"""Every figure and table from made-up results: drawn from the files it declares and no others, complete, inside its page."""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.text import Text

from fake_results import CONSTANTS, fake_config, fake_results, summarise
from h2cm.config import Config, ConfigError, from_sections, sections_of
from h2cm.model.networks import NETWORKS
from h2cm.results import figures, tables
from h2cm.results.evaluate.fold import evaluate_fold
from h2cm.results.evaluate.recovered import constant_verdict
from h2cm.results.figures import geography
from h2cm.results.figures.drawing import draw_figure, save
from h2cm.results.figures.registry import FIGURES, figure_inputs, figure_names
from h2cm.results.figures.style import DOUBLE, SINGLE
from h2cm.results.paths import folds
from h2cm.results.run import Run
from h2cm.results.tables.registry import TABLES, table_inputs, table_names
from h2cm.space.grid import Grid
from h2cm.store import DataError, save_csv
from h2cm.workflow.plan import DRAWN


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder and configuration of a complete run of each source."""
    return {source: finished(tmp_path_factory.mktemp(source), fake_config(source)) for source in ("twin", "towers")}


def finished(folder: Path, config: Config) -> tuple[Path, Config]:
    """Made-up results with metrics and summaries, and the part of the configuration that figures get to see."""
    fake_results(folder, config, n_cells=24)
    rows = [evaluate_fold(folder, config, e, k) for e in config.experiments for k in folds(config, e)]
    save_csv(pd.concat(rows), folder / "evaluation/metrics.csv")
    summarise(folder, config)
    return folder, from_sections(sections_of(config, *DRAWN))


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def only(tmp_path):
    """A folder with some files of another, and no others."""

    def copy(folder: Path, files: list[str]) -> Path:
        for file in files:
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / file, tmp_path / file)
        return tmp_path

    return copy


MADE_OF = [(source, name) for source in ("twin", "towers") for name in figure_names(fake_config(source))]


@pytest.fixture(scope="module")
def late(tmp_path_factory):
    """A run of each source with an experiment that leaves years out."""
    return {
        source: finished(tmp_path_factory.mktemp(source), fake_config(source, late=True))
        for source in ("twin", "towers")
    }


@pytest.mark.parametrize(("source", "name"), MADE_OF)
def test_figure_is_complete_and_inside_its_page(late, only, source, name):
    folder, config = late[source]
    drawing = draw_figure(name, only(folder, figure_inputs(name, config)), config)
    figure = drawing.figure
    figure.draw_without_rendering()
    width, height = figure.get_size_inches()
    assert width in (pytest.approx(SINGLE), pytest.approx(DOUBLE)) or width < DOUBLE
    assert height < 240 / 25.4
    box = figure.get_tightbbox()
    assert box.x0 > -0.02 and box.y0 > -0.02 and box.x1 < width + 0.02 and box.y1 < height + 0.02
    panels = [axis for axis in figure.axes if axis.get_label() != "<colorbar>" and axis.get_visible()]
    assert panels and all(axis.has_data() for axis in panels)
    assert all(not (a.bbox.width < 5 or a.bbox.height < 5) for a in panels)
    text = FIGURES[name].text(drawing.facts)  # asks for no fact that the figure does not state
    assert "{" not in text and text.endswith(".")
    assert drawing.data.data_vars and all(v.size for v in drawing.data.data_vars.values())
    sizes = [t.get_fontsize() for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    assert min(sizes) >= 6  # points at print size


@pytest.mark.parametrize("name", ["flux_maps", "metrics_carbon", "seasonal_cycles", "series_nee_oco2", "maps"])
def test_real_products_have_no_place_on_the_synthetic_earth(runs, name):
    folder, config = runs["twin"]
    drawing = draw_figure(name, folder, config)
    drawing.figure.draw_without_rendering()
    said = [t.get_text() for t in drawing.figure.findobj(Text)] + [FIGURES[name].text(drawing.facts)]
    for product in ("OCO-2", "CarboScope", "FLUXCOM", "TRENDY"):
        found = [text for text in said if product in text]
        assert all(text.count(product) == text.count(f"pseudo-{product}") for text in found), found


def test_files_of_a_figure_are_the_same_each_time(runs, tmp_path):
    folder, config = runs["twin"]
    suffixes = {"png": "png", "pdf": "pdf", "caption": "md", "data": "nc"}
    for name in ("one", "two"):
        drawing = draw_figure("constants", folder, config)
        files = SimpleNamespace(**{kind: tmp_path / f"{name}.{suffix}" for kind, suffix in suffixes.items()})
        save(drawing, FIGURES["constants"].text(drawing.facts), files)
    for suffix in ("png", "pdf", "md"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()
    assert len(list(tmp_path.iterdir())) == 8
    with xr.open_dataset(files.data) as data:
        assert data.attrs["title"] == files.caption.read_text().strip()
        learned = Run(folder, config).constants().query("experiment == 'cv'")["q10"]
        np.testing.assert_allclose(data["q10_cv"], learned, rtol=1e-6)


@pytest.mark.parametrize(
    "name", ["series_gpp", "metrics_carbon", "constants", "recovery", "seasonal_cycles", "tower_series"]
)
def test_figure_of_a_single_fold(runs, tmp_path, name):
    source = "towers" if "twin" not in FIGURES[name].sources else "twin"
    config = fake_config(source, folds=2)
    alone = config.experiments["cv"].model_copy(update={"folds": (1,)})
    config = config.model_copy(update={"experiments": {"cv": alone}})
    folder = fake_results(tmp_path, config, n_cells=12)
    save_csv(evaluate_fold(folder, config, "cv", 1), folder / "evaluation/metrics.csv")
    summarise(folder, config)
    draw_figure(name, folder, config).figure.draw_without_rendering()


def test_missing_prediction_is_named(runs):
    folder, config = runs["towers"]
    with pytest.raises(DataError, match=r"expected 'gross' \(prediction.monthly\)"):
        Run(folder, config).ensemble("cv", ["gpp", "gross"])


def test_metrics_show_mean_and_range_of_the_folds(runs):
    folder, config = runs["twin"]
    figure = draw_figure("metrics_carbon", folder, config).figure
    metrics = pd.read_csv(folder / "evaluation/metrics.csv")
    row = "experiment == 'cv' and cells == 'test' and scope == 'area_weighted_mean' and reference == 'gpp'"
    values = metrics.query(f"{row} and timescale == 'monthly' and metric == 'rmse'")["value"]
    bar = figure.axes[0].patches[0]
    assert bar.get_y() == pytest.approx(values.min()) and bar.get_y() + bar.get_height() == pytest.approx(values.max())
    line = figure.axes[0].collections[0].get_segments()[0]
    assert line[:, 1] == pytest.approx([values.mean()] * 2)


@pytest.mark.parametrize("registry", [(figures, FIGURES, "draw"), (tables, TABLES, "make")])
def test_every_module_that_makes_something_has_a_row(registry):
    package, rows, function = registry
    modules = {file.stem for file in Path(package.__file__).parent.glob("*.py")} - {"__init__"}
    made = {name for name in modules if hasattr(import_module(f"{package.__name__}.{name}"), function)}
    assert made == {getattr(row, "module", "") or name for name, row in rows.items()}


def test_figures_of_a_run_are_chosen_and_checked():
    config = fake_config("towers")
    assert "tower_series" in figure_names(config) and "maps" not in figure_names(config)
    chosen = config.model_copy(update={"figures": ("constants",)})
    assert figure_names(chosen) == ["constants"]
    with pytest.raises(ConfigError, match="figures: 'nothing' is none of carbon_cycle, "):
        figure_names(config.model_copy(update={"figures": ("nothing",)}))
    water = fake_config("twin").model_copy(update={"constraints": {"tws": fake_config().constraints["tws"]}})
    assert {"metrics_carbon", "maps"}.isdisjoint(figure_names(water)) and "metrics_water" in figure_names(water)
    with pytest.raises(ConfigError, match="figures: 'maps' shows none of the constraints tws"):
        figure_names(water.model_copy(update={"figures": ("maps",)}))
    with pytest.raises(ConfigError, match="figures: 'maps' is made of twin or products or published, not of towers"):
        figure_names(config.model_copy(update={"figures": ("maps",)}))


@pytest.mark.parametrize(
    ("source", "name"),
    [(s, n) for n, row in TABLES.items() for s in ("twin", "towers") if s in row.sources and n != "identified"],
)
def test_table_from_the_files_it_declares(runs, only, source, name):
    folder, config = runs[source]
    assert name in table_names(fake_config(source))
    table = import_module(f"h2cm.results.tables.{name}").make(only(folder, table_inputs(name, config)), config)
    assert len(table) and table.columns.is_unique


def test_towers_without_flux_constraints_have_no_table_of_skill():
    config = fake_config("towers")
    config = config.model_copy(update={"constraints": {"fapar": config.constraints["fapar"]}})
    assert table_names(config) == ["networks", "coverage", "constants"]
    drawn = {
        "carbon_cycle",
        "architecture",
        "training_curves",
        "constants",
        "tower_map",
        "reliability",
        "applicability",
    }
    assert set(figure_names(config)) == drawn


def test_skill_of_a_tower_is_that_of_the_fold_that_left_it_out(runs):
    folder, config = runs["towers"]
    table = import_module("h2cm.results.tables.skill_per_tower").make(folder, config)
    table = table[table["experiment"] == "cv"].set_index("site")
    split = pd.read_csv(folder / "split/split.csv").set_index("site")
    metrics = pd.read_csv(folder / "evaluation/metrics.csv")
    metrics = metrics.query("experiment == 'cv' and reference == 'nee' and timescale == 'monthly' and metric == 'nse'")
    assert set(table.index) == set(split.index)
    for site, row in table.iterrows():
        roles = split.loc[site, [f"fold_{k}" for k in range(3)]].to_numpy()
        left_out = [k for k in range(3) if roles[k] != "train"]
        values = metrics[(metrics["scope"] == site) & metrics["fold"].isin(left_out)]["value"]
        assert row["folds"] == " ".join(map(str, left_out))
        assert row["cells"] == ("test" if len(left_out) == 3 else "validation")
        assert row["nee_nse"] == pytest.approx(values.median())
    summary = (
        import_module("h2cm.results.tables.skill_summary")
        .make(folder, config)
        .set_index(["experiment", "cells", "flux"])
    )
    everywhere = summary.loc["cv", "validation and test", "nee"]
    assert everywhere["towers"] == 24
    assert everywhere["nse_median"] == pytest.approx(table["nee_nse"].median())


def test_constants_and_recovery_tables_hold_the_truth(runs):
    folder, config = runs["twin"]
    constants = import_module("h2cm.results.tables.constants").make(folder, config)
    assert len(constants) == 2 * 4 and (constants["folds"] == 3).all()
    learned = Run(folder, config).constants().query("experiment == 'cv'")["beta_co2"]
    beta = constants[constants["constant"] == "beta_co2"].set_index("experiment")
    np.testing.assert_allclose(beta["truth"], 1e4 * CONSTANTS["beta_co2"], rtol=1e-6)
    assert beta.loc["cv", ["minimum", "median", "maximum"]].tolist() == pytest.approx(
        [learned.min(), learned.median(), learned.max()]
    )
    assert beta.loc["prior", "prior_mean"] == 15 and np.isnan(beta.loc["cv", "prior_mean"])
    recovery = (
        import_module("h2cm.results.tables.recovery")
        .make(folder, config)
        .set_index(["experiment", "variable", "quantity"])
    )
    assert recovery.loc[("cv", "q10", "value"), "truth"] == pytest.approx(CONSTANTS["q10"])
    assert recovery.loc[("cv", "gpp", "r of the mean in space"), "observed"]
    assert not recovery.loc[("cv", "transpiration", "r of the mean in space"), "observed"]
    assert (recovery["why"] != "").all() and "product" in recovery.loc[("cv", "beta_co2", "value"), "why"]
    for (_, _, quantity), row in recovery.iterrows():
        known = np.isfinite(row["median"])
        if quantity.startswith("nse") and known:
            expected = (
                "recovered"
                if row["median"] >= 0.75
                else "recovered in part"
                if row["median"] >= 0.25
                else "not recovered"
            )
            assert row["found"] == expected
        assert bool(row["found"]) == (quantity == "value" or (quantity.startswith("nse") and known))


@pytest.mark.parametrize(
    ("learned", "expected"),
    [
        (1.8, "recovered"),
        (1.72, "recovered"),
        (1.88, "recovered"),
        (1.6, "recovered in part"),
        (1.45, "not recovered"),
        (1.3, "not recovered"),
    ],
)
def test_a_constant_is_recovered_by_the_way_it_went(learned, expected):
    assert constant_verdict(learned, truth=1.8, initial=1.43) == expected
    assert constant_verdict(learned, truth=1.8, initial=1.81) == "shows nothing"


def test_networks_table_is_that_of_the_model(tmp_path):
    table = import_module("h2cm.results.tables.networks").make(tmp_path, fake_config())
    assert table["network"].tolist() == list(NETWORKS)
    assert table["inputs"].str.split(", ").map(tuple).tolist() == [row.inputs for row in NETWORKS.values()]


def test_equal_earth_keeps_areas():
    grid = Grid(5.0)
    x, y = geography.equal_earth(*np.meshgrid(grid.lon_edges, grid.lat_edges))
    # shoelace formula of each projected cell, its edges taken as straight
    corners = [
        (slice(None, -1), slice(None, -1)),
        (slice(None, -1), slice(1, None)),
        (slice(1, None), slice(1, None)),
        (slice(1, None), slice(None, -1)),
    ]
    area = sum(x[a] * y[b] - x[b] * y[a] for a, b in zip(corners, corners[1:] + corners[:1], strict=True)) / 2
    true = grid.cell_area()[:, None] / 6_371_000.0**2
    np.testing.assert_allclose(area[1:-1], np.broadcast_to(true, area.shape)[1:-1], rtol=0.01)
    assert area.sum() == pytest.approx(4 * np.pi, rel=0.002)
    half_width, half_height = x.max(), y.max()
    assert half_width / half_height == pytest.approx(2.05458, rel=1e-4)  # aspect of the published projection


def test_coastlines_of_a_region_and_of_the_globe():
    iceland = np.concatenate(geography.coastlines((-26.0, 62.0, -12.0, 68.0)))
    assert iceland[:, 0].min() == pytest.approx(-24.5, abs=0.3) and iceland[:, 1].min() == pytest.approx(63.4, abs=0.2)
    assert len(geography.coastlines((-180.0, -60.0, 180.0, 85.0))) > 20


def test_metrics_of_all_experiments_over_the_whole_period(runs, tmp_path):
    """Those over other periods of the evaluation, which stand in the same table, are not drawn."""
    folder, config = runs["twin"]
    alone = draw_figure("metrics_carbon", folder, config).figure
    metrics = pd.read_csv(folder / "evaluation/metrics.csv")
    other = metrics.assign(period="dry", value=metrics["value"] * 5)
    save_csv(pd.concat([metrics, other]), tmp_path / "evaluation/metrics.csv")
    shutil.copytree(folder / "split", tmp_path / "split")
    both = draw_figure("metrics_carbon", tmp_path, config).figure
    assert len(alone.axes[0].patches) == 3
    heights = [[patch.get_height() for patch in figure.axes[0].patches] for figure in (alone, both)]
    assert heights[0] == heights[1]


def test_coastlines_are_kept_for_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    bounds = (-10.0, 35.0, 5.0, 45.0)  # Iberia
    geography.coastlines.cache_clear()
    first = geography.coastlines(bounds)
    (kept,) = tmp_path.glob("h2cm/coastlines_*.npz")
    monkeypatch.setattr(geography, "_contoured", lambda bounds: pytest.fail("contoured again"))
    geography.coastlines.cache_clear()
    again = geography.coastlines(bounds)
    assert len(first) == len(again) > 0 and all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))

    kept.write_bytes(kept.read_bytes()[:100])  # a damaged one is made again
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    geography.coastlines.cache_clear()
    assert all(np.array_equal(a, b) for a, b in zip(first, geography.coastlines(bounds), strict=True))
    geography.coastlines.cache_clear()
