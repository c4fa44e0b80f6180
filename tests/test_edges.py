"""The edges of what can be trained on: each gives numbers, or a message that names what is wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

import h2cm
from climates import make_store
from h2cm.config import parse
from h2cm.store import DataError
from h2cm.train import loop, train

PLACE = "training/cv/fold_0/model.safetensors"


def configuration(**sections):
    values = {
        "run": "test",
        "source": "twin",
        "constraints": {
            "gpp": {"prediction": "gpp", "compare": "monthly"},
            "et": {"prediction": "et", "compare": "monthly"},
        },
        "training": {"epochs": 1, "batch_cells": 4, "device": "cpu"},
        "model": {"backend": "eager", "spin_up_passes": 0},
        "split": {"folds": 2},
    }
    return parse(values | sections)


def cells(number: int) -> pd.DataFrame:
    roles = ["train"] * (number - 1) + ["validation"]
    return pd.DataFrame({"cell": range(number), "fold_0": roles})


def small(number: int = 4, days: int = 90) -> xr.Dataset:
    store = make_store(cells=number, years=1).isel(time=slice(0, days))
    return store.isel(month=slice(0, pd.DatetimeIndex(store["time"].values).to_period("M").nunique()))


def trained(store: xr.Dataset, folder, **sections) -> dict[str, torch.Tensor]:
    train(store, cells(store.sizes["cell"]), configuration(**sections), "cv", [0], folder)
    tensors = h2cm.load(folder / PLACE, "eager").state_dict()
    assert all(torch.isfinite(t).all() or name.endswith("_std") for name, t in tensors.items())
    return tensors


def test_constant_forcing(tmp_path):
    """Says nothing, and is standardised to 0."""
    store = small()
    store["co2"].values[:] = 400.0
    tensors = trained(store, tmp_path)
    assert torch.isinf(tensors["forcing_std"]).sum() == 1
    assert np.isfinite(h2cm.predict(tmp_path / PLACE, store, ["gpp"])["gpp"]).all()


def test_one_cell_to_train_on(tmp_path):
    trained(small(2), tmp_path)


def test_one_cell_alone(tmp_path):
    with pytest.raises(DataError, match="split table: fold_0: no cell for training"):
        trained(small(1), tmp_path)


def test_one_year(tmp_path):
    trained(small(3, days=365), tmp_path)


def test_a_constraint_without_any_value(tmp_path):
    store = small()
    store["et"].values[:] = np.nan
    with pytest.raises(DataError, match=r"store: et: expected observations of different value .* found 0 values"):
        trained(store, tmp_path)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_leap_years(tmp_path):
    """29 February is a day as any other; a calendar without it, or of 360 days, has holes."""
    days = pd.date_range("2004-01-01", "2004-12-31")
    store = make_store(cells=3, years=2).isel(time=slice(0, 366), month=slice(0, 12))
    store = store.assign_coords(time=days, month=pd.date_range("2004-01-01", "2004-12-01", freq="MS"))
    trained(store, tmp_path)
    assert h2cm.predict(tmp_path / PLACE, store, ["gpp"]).sizes["time"] == 366
    with pytest.raises(DataError, match="expected every day from 2004-01-01 to 2004-12-31 once; see 2004-02-29"):
        trained(store.drop_sel(time="2004-02-29"), tmp_path / "noleap")
    thirty = store.sel(time=(days.day <= 30))
    with pytest.raises(DataError, match="once; see 2004-01-31"):
        trained(thirty, tmp_path / "360")


def test_forcing_beyond_float32(tmp_path):
    store = small().astype("f8")
    store["net_radiation"].values[1, 5] = 1e39
    with (
        np.errstate(over="ignore"),
        pytest.raises(DataError, match=r"net_radiation: no value at cell 1 .* on 2001-01-06"),
    ):
        trained(store, tmp_path)


def test_a_first_loss_that_is_not_finite_names_the_constraint_and_the_cells(tmp_path, monkeypatch):
    monthly = loop.Objective.monthly

    def poisoned(self, models, parts):
        found = monthly(self, models, parts)
        found[0]["gpp"][1] = found[0]["gpp"][1] * float("nan")
        return found

    monkeypatch.setattr(loop.Objective, "monthly", poisoned)
    with pytest.raises(DataError) as raised:
        trained(small(), tmp_path)
    said = str(raised.value)
    assert said.startswith(
        "fold 0: expected a finite loss at the first step, the loss of gpp of its batch is not; not finite: gpp in 1 cells ("
    )
    assert not list(tmp_path.rglob("*.safetensors"))


def test_weights_that_run_away_end_the_training(tmp_path, monkeypatch):
    """In steps the latest weights count, so they must be finite at the end."""
    validate = loop.Objective.validate

    def poisoned(self, folds):
        validate(self, folds)
        folds[0].best_loss = float("nan")

    monkeypatch.setattr(loop.Objective, "validate", poisoned)
    with pytest.raises(
        DataError, match="fold 0: expected a finite validation loss, found nan after epoch 1: the weights"
    ):
        trained(small(), tmp_path)
    assert not list(tmp_path.rglob("*.safetensors"))
