"""The benchmark of which data would tell: its rows can be run, and what it makes of what was learned."""

from __future__ import annotations

import importlib.util

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib import pyplot as plt

from conftest import ROOT

SPEC = importlib.util.spec_from_file_location("what_the_data_tell", ROOT / "benchmarks" / "what_the_data_tell.py")
benchmark = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(benchmark)


@pytest.mark.parametrize("row", benchmark.ROWS)
def test_a_row_changes_what_it_says_and_nothing_else(row):
    base, config = (benchmark.configuration(name, "h2cm", 0).model_dump(mode="json") for name in ("all", row))
    differ = {key for key in base if base[key] != config[key]}
    assert differ == {key.split(".")[0] for key in benchmark.ROWS[row]}
    if row.startswith("without "):
        assert set(base["constraints"]) - set(config["constraints"]) == {row.removeprefix("without ")}
    if row.startswith("with "):
        added = set(config["constraints"]) - set(base["constraints"])
        assert len(added) == 1 and added <= set(benchmark.ADDED)


def test_the_earth_is_the_same_for_all_seeds_the_weights_are_not():
    one, two = (benchmark.configuration("all", "process_only", seed) for seed in (0, 1))
    assert one.seed != two.seed and one.twin == two.twin and one.training == two.training


def test_errors_are_medians_and_the_spread_is_over_seeds(tmp_path):
    rng = np.random.default_rng(0)
    for row in ("all", "with Rh"):
        for seed, value in enumerate((1.5, 1.7, 2.3)):
            file = benchmark.file_of(tmp_path, row, "h2cm", seed)
            file.parent.mkdir(parents=True, exist_ok=True)
            lines = [
                {"quantity": name, "value": value, "truth": 2.0, "error": abs(value / 2 - 1)}
                for name in benchmark.CONSTANTS
            ]
            lines += [
                {"quantity": name, "value": rng.normal(), "truth": 0.0, "error": 0.4} for name in benchmark.FIELDS
            ]
            pd.DataFrame(lines).assign(cpu_seconds=1.0, epochs=3, loss=2.0).to_csv(file, index=False)
    table = benchmark.collected(tmp_path)
    q10 = table[(table["row"] == "with Rh") & (table["quantity"] == "q10")].iloc[0]
    assert q10["value"] == 1.7 and q10["error"] == pytest.approx(0.15) and q10["seeds"] == 3
    assert q10["spread"] == pytest.approx(np.std([1.5, 1.7, 2.3], ddof=1) / 2)
    assert benchmark.markdown(table).count("\n") == 3 and "1.7 ± 0.42" in benchmark.markdown(table)
    benchmark.draw(table, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    plt.close("all")


def test_towers_are_calibrated_at_validation_and_counted_at_test_towers(tmp_path):
    """Predictions that differ little and err much: as they are the folds hold little, calibrated about as much as they say."""
    rng = np.random.default_rng(0)
    sites, months = [f"AA-{k:03d}" for k in range(60)], pd.date_range("2010-01-01", periods=24, freq="MS")
    truth = {flux: rng.normal(3, 1, (60, 24)) for flux in ("gpp", "nee", "et")}
    data = {flux: (("cell", "month"), values) for flux, values in truth.items()}
    cells = {"site": ("cell", sites), "igbp": ("cell", ["ENF"] * 30 + ["GRA"] * 30)}
    xr.Dataset(data | cells, {"month": months}).to_netcdf(tmp_path / "store_one.nc")
    bias = rng.normal(0, 1, (60, 1))
    (tmp_path / "recipe").mkdir()
    for seed in range(2):
        for fold in range(3):
            unseen = [k for k in range(60) if k < 12 or k % 3 == fold]
            index = pd.MultiIndex.from_product([[sites[k] for k in unseen], months], names=["site", "month"])
            noise = {flux: values + bias + rng.normal(0, 0.05, values.shape) for flux, values in truth.items()}
            frame = pd.DataFrame({flux: values[unseen].ravel() for flux, values in noise.items()}, index)
            frame["role"] = np.repeat(["test" if k < 12 else "validation" for k in unseen], 24)
            frame.to_csv(tmp_path / "recipe" / f"seed_{seed}_fold_{fold}.csv")
    table = benchmark.intervals_at_towers(tmp_path).set_index("flux")
    assert (table["calibrated at"] == 48).all() and (table["tested at"] == 12).all()
    assert (table["folds within 90%"] < 0.3).all() and (table["within 90%"] > 0.7).all()
    assert (table["within 50%"] < table["within 90%"]).all()
