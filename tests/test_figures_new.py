"""Diagrams of the model, and figures of the split, the priors, the regions, the rain pulse, the folds' spread and the water balance."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.text import Text

from fake_results import fake_config, fake_results
from h2cm.config import from_sections, parse, sections_of
from h2cm.model.networks import GUIDANCE, Network
from h2cm.model.process import CONSTANTS
from h2cm.results.evaluate.fold import evaluate_fold
from h2cm.results.evaluate.sweep import COLUMNS
from h2cm.results.figures import architecture, priors, rain_pulse
from h2cm.results.figures.model_graph import BEFORE, equations, kind, learner
from h2cm.results.figures.registry import FIGURES, figure_names
from h2cm.results.figures.style import DOUBLE
from h2cm.results.paths import folds, path
from h2cm.results.run import Run
from h2cm.results.summaries import rain_pulse as pulses
from h2cm.results.summaries import water_balance
from h2cm.results.summaries.registry import of_whom
from h2cm.sources import catalogue, harmonise
from h2cm.sources.products import simulations
from h2cm.space.grid import Grid
from h2cm.store import DataError, save_csv, save_netcdf, save_summary
from h2cm.workflow.plan import DRAWN

NEW = (
    "carbon_cycle",
    "architecture",
    "split_map",
    "priors",
    "region_map",
    "rain_pulse",
    "fold_spread",
    "water_balance",
)
MULTIPLES = (0.1, 10.0)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Folder and configuration, as the figures see it, of a finished run with a sweep."""
    values = fake_config().model_dump(mode="json")
    values["experiments"]["prior"]["sweep"] = {"multiples": list(MULTIPLES)}
    config = parse(values)
    folder = fake_results(tmp_path_factory.mktemp("run"), config, n_cells=30)
    rows = [evaluate_fold(folder, config, e, k) for e in ("cv", "prior") for k in folds(config, e)]
    save_csv(pd.concat(rows), folder / "evaluation/metrics.csv")
    save_csv(made_up_sweep(config), folder / path("prior_sweep"))
    for name in {summary for figure in NEW for summary in FIGURES[figure].summaries}:
        for who in of_whom(name, config):
            made = import_module(f"h2cm.results.summaries.{name}").make(Run(folder, config), who)
            save_summary(made, folder / path("summary", experiment=who, summary=name))
    return folder, from_sections(sections_of(config, *DRAWN))


def made_up_sweep(config) -> pd.DataFrame:
    """Constants that leave the prior for the value without it as the prior widens."""
    rows = []
    for multiple in (1.0, *MULTIPLES):
        for constant, prior in config.experiments["prior"].priors.items():
            for fold in range(config.split.folds):
                without = prior.mean + (2 + 0.1 * fold) * prior.std
                value = prior.mean + (without - prior.mean) * multiple / (1 + multiple)
                width = prior.std * multiple
                loss = ((value - prior.mean) / width) ** 2
                rows.append(
                    ("prior", multiple, fold, constant, prior.mean, width, value, without, loss, 2 + 1 / multiple)
                )
    return pd.DataFrame(rows, columns=COLUMNS)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def drawn(name: str, run):
    folder, config = run
    return import_module(f"h2cm.results.figures.{name}").draw(folder, config)


def inside_its_page(figure) -> None:
    figure.draw_without_rendering()
    width, height = figure.get_size_inches()
    box = figure.get_tightbbox()
    assert box.x0 > -0.02 and box.y0 > -0.02 and box.x1 < width + 0.02 and box.y1 < height + 0.02
    assert width == pytest.approx(DOUBLE) and height < 240 / 25.4
    assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) >= 7


@pytest.mark.parametrize("name", NEW)
def test_figure_fits_its_page_and_its_caption_is_filled(run, name):
    drawing = drawn(name, run)
    inside_its_page(drawing.figure)
    text = FIGURES[name].text(drawing.facts)
    assert "{" not in text and "nan" not in text
    assert drawing.data.sizes


# --- the model ---


def test_equations_are_read_from_the_model():
    table = equations()
    assert table["gpp"].made_of == {"transpiration", "alpha_wue", "co2", "beta_co2"}
    assert (
        table["gpp"].text
        == r"\mathrm{Transpiration} \cdot \alpha_\mathrm{WUE} \cdot \mathrm{CO}_2 \cdot \beta_{\mathrm{CO}_2}"
    )
    assert table["slow_runoff"].made_of == {f"{BEFORE}groundwater", "beta_baseflow"}
    assert table["snow_melt"].made_of == {f"{BEFORE}swe", "air_temperature", "alpha_snow_melt"}
    assert {name for name, row in table.items() if row.cycle == "carbon"} == {
        "gpp", "npp", "autotrophic_respiration", "heterotrophic_respiration", "ter", "nep", "nee"
    }  # fmt: skip
    assert kind(f"{BEFORE}swe") == "carried" and kind("q10") == "constant" and kind("ter") == "output"
    assert learner("cue") == "vegetation" and learner("gpp") is None


def test_an_equation_keeps_its_brackets():
    def carbon(day, before):
        day.nee = day.cue - (day.co2 - 2 * day.q10) / (1 + before.npp) ** 2

    text = equations(cycles=(carbon,))["nee"].text
    assert text == (r"\mathrm{CUE} - (\mathrm{CO}_2 - 2 \cdot Q_{10})\,/\,{(1 + \mathrm{NPP})}^{2}")


def test_architecture_shows_who_sees_learns_and_is_compared_with_what(run):
    edges = drawn("architecture", run).data
    rows = set(zip(*(edges[name].values.tolist() for name in ("start", "end", "how")), strict=True))
    for network in GUIDANCE.rows.values():
        assert {start for start, end, how in rows if (end, how) == (network.name, "sees")} == set(network.inputs)
        learned = {end for start, end, how in rows if (start, how) == (network.name, "learns")}
        assert learned == set(network.outputs) | ({"static_code"} if network is GUIDANCE.static else set())
    compared = {(start, end) for start, end, how in rows if how.startswith("compared")}
    assert compared == {(row.prediction, name) for name, row in run[1].constraints.items()}
    assert {end for start, end, how in rows if how == "gradient"} == {"equations", "constants", *GUIDANCE.rows}
    assert {(c, "carbon", "equation") for c in ("q10", "beta_co2")} <= rows and set(CONSTANTS) <= {r[0] for r in rows}


def test_architecture_takes_another_network_and_more_constraints(run, monkeypatch):
    folder, config = run
    another = Network("roots", "fcnn", ("air_temperature", "npp"), {"alpha_root": "sigmoid"}, "Depth of roots")
    monkeypatch.setattr(architecture, "NETWORKS", GUIDANCE.rows | {"roots": another})
    monkeypatch.setattr(
        architecture, "short", lambda name, known=architecture.short: "roots" if name == "alpha_root" else known(name)
    )
    more = {name: config.constraints["gpp"] for name in ("gpp", "nee")}
    drawing = architecture.draw(folder, config.model_copy(update={"constraints": config.constraints | more}))
    inside_its_page(drawing.figure)
    assert "roots" in drawing.data["end"].values and drawing.facts["networks"] == len(GUIDANCE.rows) + 1
    assert drawing.facts["constraints"] == len(config.constraints | more)


def test_real_products_stand_in_the_architecture_as_pseudo_products(run):
    words = [text.get_text() for text in drawn("architecture", run).figure.findobj(Text)]
    assert "pseudo-\nOCO-2" in words and "OCO-2" not in words


# --- split, regions, priors ---


def test_each_fold_has_its_map(run):
    folder, config = run
    drawing, split = drawn("split_map", run), Run(folder, config).split()
    titles = [axis.get_title(loc="left") for axis in drawing.figure.axes]
    for fold in range(config.split.folds):
        column = split[f"fold_{fold}"]
        assert titles[fold].endswith(f" Fold {fold}: {(column == 'validation').sum()} cells")
        names = np.array(["train", "validation", "test"])[drawing.data["role"].sel(fold=fold)]
        assert (names == column).all()


def test_ten_folds_have_ten_maps(tmp_path):
    config = fake_config(folds=10)
    folder = fake_results(tmp_path, config, n_cells=60)
    drawing = drawn("split_map", (folder, config))
    inside_its_page(drawing.figure)
    assert len(drawing.figure.axes) == 10


def test_regions_are_named_and_numbered_inside_themselves(run):
    drawing = drawn("region_map", run)
    words = {text.get_text() for text in drawing.figure.findobj(Text)}
    counts = np.bincount(drawing.data["region"].values.astype(int), minlength=12)
    assert f"6 Southern Africa ({counts[6]})" in words and {str(n) for n in range(1, 12)} <= words
    assert drawing.facts["outside"] == counts[0]


def test_priors_number_the_folds_and_say_when_the_data_win(run):
    drawing = drawn("priors", run)
    words = [text.get_text() for text in drawing.figure.axes[0].texts]
    assert sorted(words) == sorted(["0", "1", "2"] * 2)
    # at a tenth of the width 1/11 of the way, at the width itself half of it, at ten times 10/11
    assert (
        drawing.facts["won"]
        == "temperature sensitivity of heterotrophic respiration from σ = 3 on; CO2 fertilisation from σ = 50 on"
    )
    assert drawing.facts["multiples"] == "0.1, 1, 10"
    axis = drawing.figure.axes[4]  # losses of Q10
    assert [line.get_ydata()[0] for line in axis.lines] == pytest.approx([12, (2.1 * 0.1 / 1.1 / 0.1) ** 2])


def test_data_that_never_win(run):
    table = made_up_sweep(run[1])
    table = table[table["constant"] == "q10"]
    assert priors._when(table.assign(value=table["prior_mean"])) == "not at any width tried"
    assert priors._when(table.assign(value=table["without_prior"])) == "from σ = 0.03 on"
    assert priors._when(table.assign(without_prior=np.nan)).startswith("cannot be said")


def test_a_run_without_sweep_has_no_figure_of_priors():
    assert "priors" not in figure_names(fake_config())


# --- rain pulse ---


def test_first_rain_on_dry_soil():
    rule = pulses.RULE
    rain = np.zeros(200)
    rain[[40, 45, 100, 195]] = rule.rain  # 45 falls on soil that 40 has wetted, 195 is too close to the end
    rain[[150, 170]] = rule.dry_rain - 1, rule.rain  # less than what makes the soil wet
    assert rule.first_rains(rain).tolist() == [40, 100, 170]
    rain[80:83] = rule.dry_rain / 3 + 0.1  # wet together, though none of them is a first rain
    assert rule.first_rains(rain).tolist() == [40, 170]


def test_dry_cells_by_aridity_and_warmth():
    ones = np.ones((4, 10))
    evaporable = 100 * 0.0864 / 2.45
    rain = evaporable * np.array([0.49, 0.51, 0.49, 0.49])[:, None] * ones
    radiation = np.array([100, 100, 100, -100.0])[:, None] * ones
    temperature = 273.15 + np.array([11, 11, 9, 11])[:, None] * ones
    assert pulses.RULE.dry_cells(rain, radiation, temperature).tolist() == [True, False, False, False]


def test_composite_is_weighted_by_area():
    values = np.stack([np.arange(100.0), 10 * np.arange(100.0)])
    found = pulses.composite(values, [(0, 20), (1, 30)], np.array([3.0, 1.0]))
    assert found == pytest.approx((3 * (20 + pulses.LAGS) + 10 * (30 + pulses.LAGS)) / 4)
    assert np.isnan(pulses.composite(values, [], np.ones(2))).all()


@pytest.fixture
def dry_run(tmp_path):
    """A run whose cells are all warm and dry, with one first rain each and a pulse of respiration known exactly."""
    config = fake_config(years=2)
    folder = fake_results(tmp_path, config, n_cells=12)
    store = xr.load_dataset(folder / "store/precipitation.nc")
    rain = np.zeros(store["precipitation"].shape, "f4")
    rain[:, 100] = 20
    store["precipitation"].values[:] = rain
    save_netcdf(store, folder / "store/precipitation.nc")
    for fold in range(3):
        file = folder / path("daily", experiment="cv", fold=fold)
        data = xr.load_dataset(file)
        data["heterotrophic_respiration"].values[:] = 1
        data["heterotrophic_respiration"].values[:, 100:105] = 1.5 + fold
        data["nee"].values[:] = -2
        data["nee"].values[:, 100:105] = -2.25
        save_netcdf(data, file)
    return folder, config


def test_rain_pulse_of_a_known_pulse(dry_run):
    folder, config = dry_run
    found = pulses.make(Run(folder, config), "cv")
    assert found["dry"].all() and (found["events"] == 1).all()
    pulse = found["heterotrophic_respiration"].sel(member="fold 1")
    assert pulse.sel(lag=slice(0, 4)).values == pytest.approx([2.5] * 5) and pulse.sel(lag=-1) == pytest.approx(1)
    assert found["precipitation"].sel(lag=0) == pytest.approx(20) and found["precipitation"].sum() == pytest.approx(20)
    lat = xr.load_dataset(folder / "store/grid.nc")["lat"]
    assert (found["dry_tropics"].values == (abs(lat) <= 23.44)).all()
    assert "heterotrophic respiration rises by 1.50 and net ecosystem exchange falls by 0.25" in rain_pulse.pulse(found)
    assert rain_pulse.pulse(found * np.nan) == "There is no first rain on dry soil in the record."


def test_models_without_days_have_no_pulse(run):
    values = run_values = fake_config().model_dump(mode="json")
    run_values["experiments"] = {
        "cv": {}, "trees": {"model": "gradient_boosting"}, "lstm": {"model": "lstm"}, "prior": values["experiments"]["prior"]
    }  # fmt: skip
    assert of_whom("rain_pulse", parse(run_values)) == ["cv", "lstm", "truth"]


def metrics_of(errors: dict[str, float], cells: int) -> pd.DataFrame:
    rows = [
        {"experiment": e, "fold": 0, "period": "whole", "cells": "test", "scope": f"cell {i}", "reference": "truth",
         "variable": "nee", "timescale": "monthly", "metric": "rmse", "value": value * (1 + i), "n": 12}
        for e, value in errors.items() for i in range(cells)
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("errors", "words"),
    [
        ({"cv": 0.1, "process_only": 0.2, "lstm": 0.3}, "is nearer the truth than that of every competitor: RMSE"),
        (
            {"cv": 0.25, "process_only": 0.2, "lstm": 0.3},
            "is not nearer the truth than that of Process equations only: RMSE",
        ),
        ({"cv": 0.4, "process_only": 0.2, "lstm": 0.3}, "is not nearer the truth than that of any competitor: RMSE"),
        ({"cv": 0.4}, "there is no competitor"),
    ],
)
def test_the_caption_says_what_is_true_in_the_dry_tropics(tmp_path, errors, words):
    values = fake_config().model_dump(mode="json")
    values["experiments"] = {"cv": {}} | {name: {"model": name} for name in errors if name != "cv"}
    config = parse(values)
    area = np.array([1.0, 3.0, 5.0])
    cells = xr.Dataset(
        {"area": ("cell", area, {"units": "m2"}), "lat": ("cell", np.zeros(3)), "lon": ("cell", np.arange(3.0))}
    )
    (tmp_path / "store").mkdir()
    save_netcdf(cells, tmp_path / "store/grid.nc")
    save_csv(metrics_of(errors, 3), tmp_path / "evaluation/metrics.csv")
    table = rain_pulse.nearness(Run(tmp_path, config), np.array([True, True, False]))
    # cells 0 and 1 with once and twice the error, weighted 1 to 3
    assert dict(zip(table["experiment"], table["rmse"], strict=True)) == pytest.approx(
        {name: value * 7 / 4 for name, value in errors.items()}
    )
    assert words in rain_pulse.verdict(table, config) and "2 left-out cells" in rain_pulse.verdict(table, config)
    none = rain_pulse.nearness(Run(tmp_path, config), np.zeros(3, bool))
    assert "nothing can be said" in rain_pulse.verdict(none, config)


# --- spread of the folds, water balance ---


def test_spread_is_the_standard_deviation_over_the_folds(run):
    folder, config = run
    drawing, means = drawn("fold_spread", run), Run(folder, config).summary("means", "cv")
    expected = np.std(means["gpp"].values, axis=0, ddof=1)
    assert drawing.data["gpp_spread"].values == pytest.approx(expected)
    assert "swe_spread" not in drawing.data and drawing.facts["fluxes"] == len(drawing.data.data_vars)


def test_water_balance_of_made_up_days():
    rng = np.random.default_rng(0)
    forcing = rng.gamma(1, 2, (5, 800)).astype("f4")
    corrected = (0.9 * forcing).astype("f4")
    et, runoff = (rng.gamma(1, 0.8, (5, 800)).astype("f4") for _ in range(2))
    tws = 500 + np.cumsum(corrected.astype("f8") - et - runoff, axis=1)
    found = water_balance.residuals(forcing, corrected, et, runoff, tws)
    assert np.abs(found["corrected"]).max() < 1e-9 and found["worst_day"].max() < 1e-9
    taken = (forcing.astype("f8") - corrected)[:, 1:].sum(1) / (799 / 365.25)
    assert found["forcing"].values == pytest.approx(taken)
    assert 1e-9 < np.abs(found["corrected_float32"]).max() < 0.01
    leak = tws.copy()
    leak[:, 400:] -= 3
    assert water_balance.residuals(forcing, corrected, et, runoff, leak)["worst_day"].values == pytest.approx([3] * 5)


def test_a_run_that_does_not_write_the_days_of_its_water_has_no_figure_of_the_balance():
    config = fake_config()
    assert "water_balance" in figure_names(config)
    fewer = config.prediction.model_copy(update={"daily": ("nee", "tws")})
    assert {"water_balance", "rain_pulse"}.isdisjoint(figure_names(config.model_copy(update={"prediction": fewer})))


# --- published simulations ---


def with_simulations(folder):
    """A configuration of source products that is given the study's simulations, in the layout that its reader looks for."""
    values = fake_config("products").model_dump(mode="json")
    values["products"]["local"] = {"simulations": {"folder": str(folder), "pattern": "*.nc"}}
    return parse(values)


def test_published_simulations_are_a_product_where_they_are_given(tmp_path):
    config = with_simulations(tmp_path)
    assert "published_simulations" in figure_names(config) and "simulations" in catalogue.needed(config)
    without = fake_config("products")
    assert "published_simulations" not in figure_names(without) and "simulations" not in catalogue.needed(without)
    assert "published_simulations" not in figure_names(fake_config())


def test_h2cm_less_the_published_simulations(tmp_path):
    config = with_simulations(tmp_path / "own")
    folder = fake_results(tmp_path / "run", config, n_cells=20)
    grid = xr.load_dataset(folder / "store/grid.nc")
    # GPP of 3 everywhere, and NEE that is the latitude in hundredths, day by day on 1 degree
    days, one = pd.date_range("2011-01-01", "2011-12-31"), Grid(1.0)
    north = np.broadcast_to(one.lat[None, :, None], (days.size, one.lat.size, one.lon.size)) / 100
    fields = {"gpp": np.full(north.shape, 3.0, "f4"), "nee": north.astype("f4")}
    coords = {"time": days, "lat": one.lat, "lon": one.lon}
    record = xr.Dataset({n: (tuple(coords), v, {"units": "g m-2 day-1"}) for n, v in fields.items()}, coords)
    written = simulations.write(record.assign_attrs(step="day"), tmp_path / "own")
    assert [file.name for file in written] == ["h2cm_simulations.nc"]
    published = harmonise.comparison("simulations", config, tmp_path, grid)
    save_summary(published, folder / path("comparison", competitor="simulations"))

    made = import_module("h2cm.results.summaries.published_simulations").make(Run(folder, config), "cv")
    assert made.attrs["months"] == "2011-01 to 2011-12"
    assert made["gpp_published"].values == pytest.approx(3)
    inside = np.abs(grid["lat"].values) < 75
    assert made["nee_published"].values[inside] == pytest.approx(grid["lat"].values[inside] / 100, abs=4e-3)  # by area
    save_summary(made, folder / path("summary", experiment="cv", summary="published_simulations"))
    drawing = drawn("published_simulations", (folder, from_sections(sections_of(config, *DRAWN))))
    inside_its_page(drawing.figure)
    assert set(drawing.data.data_vars) == {"gpp_difference", "nee_difference"}
    year = Run(folder, config).monthly("cv", 0)["gpp"].sel(month="2011")
    one_fold = (year * year.month.dt.days_in_month).sum("month") / 365 - 3
    difference = made["gpp"].isel(member=0) - made["gpp_published"]
    assert difference.values == pytest.approx(one_fold.values, abs=1e-4)
    assert "2011-01 to 2011-12" in FIGURES["published_simulations"].text(drawing.facts)


def test_published_simulations_without_a_flux_that_is_known(tmp_path):
    data = xr.Dataset({"carbon": (("lat", "lon"), np.zeros((180, 360)))}, {"lat": Grid(1.0).lat, "lon": Grid(1.0).lon})
    data.to_netcdf(tmp_path / "x.nc")
    with pytest.raises(DataError, match=r"simulations.*x\.nc"):
        simulations.read([tmp_path / "x.nc"])
