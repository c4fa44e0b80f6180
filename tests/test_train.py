"""Training: reproducible, resumable, deaf to test cells, and strict about its input."""

from __future__ import annotations

import os
import shutil
import signal
import threading

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

import h2cm
from climates import make_store
from h2cm.config import parse
from h2cm.model import OUTPUTS, weights
from h2cm.model.prediction import write
from h2cm.store import DataError
from h2cm.train import loop, train
from h2cm.train.data import load, statistics
from h2cm.train.guard import alone, guarded

UMASK = os.umask(0)
os.umask(UMASK)

CONSTRAINTS = {
    "gpp": {"prediction": "gpp", "compare": "mean_seasonal_cycle"},
    "nee": {"prediction": "nee", "compare": "monthly"},
    "nee_carboscope": {"prediction": "nee", "compare": "monthly_centred"},
}


def configuration(**training):
    values = {"epochs": 3, "batch_cells": 4, "device": "cpu"} | training
    experiments = {"cv": {}, "prior": {"priors": {"q10": {"mean": 1.5, "std": 0.3}}}}
    return parse(
        {
            "run": "test",
            "source": "twin",
            "constraints": CONSTRAINTS,
            "training": values,
            "split": {"folds": 2},
            "experiments": experiments,
        }
    )


@pytest.fixture(scope="module")
def store():
    return make_store(cells=10, years=1).isel(time=slice(0, 90), month=slice(0, 3))


@pytest.fixture(scope="module")
def split():
    return pd.DataFrame(
        {
            "cell": range(10),
            "fold_0": ["train"] * 5 + ["validation"] * 3 + ["test"] * 2,
            "fold_1": ["validation"] * 3 + ["train"] * 5 + ["test"] * 2,
        }
    )


def tensors(folder, fold=0):
    return weights.load(folder / "training" / "cv" / f"fold_{fold}" / "model.safetensors").state_dict()


def same(one, two):
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


@pytest.fixture(scope="module")
def trained(store, split, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    train(store, split, configuration(), "cv", [0], folder)
    return folder


def test_files_say_all_that_is_needed(trained, store):
    losses = pd.read_csv(trained / "training" / "cv" / "fold_0" / "losses.csv")
    assert set(losses["cells"]) == {"train", "validation", "all"}
    assert set(losses["epoch"]) == {1, 2, 3}
    total = losses.query("cells == 'validation' and constraint == 'total'").set_index("epoch")["loss"]
    parts = losses.query("cells == 'validation' and constraint in @CONSTRAINTS").groupby("epoch")["loss"].sum()
    np.testing.assert_allclose(total, parts, rtol=1e-5)
    metadata = weights.read_metadata(trained / "training" / "cv" / "fold_0" / "model.safetensors")
    assert metadata["fold"] == 0 and metadata["experiment"] == "cv"
    assert metadata["best_epoch"] == int(total.idxmin())
    assert metadata["config"]["training"]["batch_cells"] == 4
    assert "torch" in metadata["provenance"]["versions"]


def test_same_seed_same_weights_to_the_bit(trained, store, split, tmp_path):
    np.random.seed(99)  # noqa: NPY002 - neither the global random states
    torch.manual_seed(99)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    train(store, split, configuration(), "cv", [0], tmp_path)
    assert same(tensors(trained), tensors(tmp_path))
    # nor does training touch them
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert torch.initial_seed() == 99


def test_a_killed_training_goes_on_to_the_same_weights(trained, store, split, tmp_path, monkeypatch):
    run_epoch = loop.run_epoch

    def killed(folds, objective, after_batch):
        if folds[0].epoch == 2:
            raise KeyboardInterrupt
        run_epoch(folds, objective, after_batch)

    monkeypatch.setattr("h2cm.train.run_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        train(store, split, configuration(), "cv", [0], tmp_path)
    assert (tmp_path / "training" / "cv" / "fold_0" / "checkpoint_0.pt").exists()
    assert not (tmp_path / "training" / "cv" / "fold_0" / "model.safetensors").exists()
    epochs = []
    monkeypatch.setattr("h2cm.train.run_epoch", lambda f, o, a: (epochs.append(f[0].epoch), run_epoch(f, o, a)))
    train(store, split, configuration(), "cv", [0], tmp_path)
    assert epochs == [2]
    assert same(tensors(trained), tensors(tmp_path))
    pd.testing.assert_frame_equal(
        *(pd.read_csv(f / "training" / "cv" / "fold_0" / "losses.csv") for f in (trained, tmp_path))
    )


def test_a_checkpoint_of_other_data_or_settings_is_not_used(store, split, tmp_path, monkeypatch):
    run_epoch = loop.run_epoch
    epochs = []

    def counted(folds, objective, after_batch):
        epochs.append(folds[0].epoch)
        if len(epochs) == 2:
            raise KeyboardInterrupt
        run_epoch(folds, objective, after_batch)

    monkeypatch.setattr("h2cm.train.run_epoch", counted)
    with pytest.raises(KeyboardInterrupt):
        train(store, split, configuration(), "cv", [0], tmp_path)
    train(store, split, configuration(learning_rate=0.001, epochs=1), "cv", [0], tmp_path)
    assert epochs == [0, 1, 0]


def stopped_after(batches: int, monkeypatch, ask) -> None:
    """Let `ask` be called in a training after some batches."""
    step, calls = loop.train_step, []

    def counted(folds, objective, cells):
        calls.append(len(cells))
        if len(calls) == batches:
            ask()
        return step(folds, objective, cells)

    monkeypatch.setattr(loop, "train_step", counted)


@pytest.mark.parametrize("batches", [1, 2, 3])  # two a fold and epoch: within an epoch, at its end, in the next
@pytest.mark.parametrize("folds", [[0], [0, 1]])
def test_sigterm_saves_between_two_batches(trained, store, split, tmp_path, monkeypatch, batches, folds):
    before = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        stopped_after(batches, patch, lambda: signal.raise_signal(signal.SIGTERM))
        with pytest.raises(SystemExit) as ended:
            train(store, split, configuration(), "cv", folds, tmp_path)
    assert ended.value.code == 143 and signal.getsignal(signal.SIGTERM) == before
    kept = loop.read_checkpoint(tmp_path / "training" / "cv" / "fold_0" / "checkpoint_0.pt")
    assert (kept["epoch"], kept["progress"]["batches"]) == {1: (0, 1), 2: (0, 2), 3: (1, 1)}[batches]
    calls = []
    step = loop.train_step
    monkeypatch.setattr(loop, "train_step", lambda f, o, c: calls.append(len(c)) or step(f, o, c))
    train(store, split, configuration(), "cv", folds, tmp_path)
    assert len(calls) == 6 - batches, "no batch is trained on twice"
    assert same(tensors(trained), tensors(tmp_path))
    one, two = (f / "training" / "cv" / "fold_0" / "losses.csv" for f in (trained, tmp_path))
    assert one.read_text() == two.read_text()


def test_ctrl_c_saves_and_a_second_one_does_not_wait():
    saved = []
    with guarded(lambda: saved.append(True)) as guard:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(SystemExit):
            guard.after_batch()
        signal.raise_signal(signal.SIGTERM)  # a cluster may say it more than once
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert saved == [True] and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_long_epochs_have_checkpoints_within_them(store, split, tmp_path, monkeypatch):
    def kill():
        raise KeyboardInterrupt

    monkeypatch.setattr("h2cm.train.guard.EVERY", 0.0)
    stopped_after(2, monkeypatch, kill)
    with pytest.raises(KeyboardInterrupt):
        train(store, split, configuration(), "cv", [0], tmp_path)
    kept = loop.read_checkpoint(tmp_path / "training" / "cv" / "fold_0" / "checkpoint_0.pt")
    assert (kept["epoch"], kept["progress"]["batches"]) == (0, 1)


def test_a_checkpoint_survives_another_node(trained, store, split, tmp_path, monkeypatch):
    """Another kernel, host name and number of threads: nothing that is finished is trained again."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr("platform.platform", lambda *_: "Linux-9.9.9-other-x86_64")
    monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
    monkeypatch.setattr("torch.get_num_threads", lambda: 77)
    monkeypatch.setattr(loop, "train_step", lambda *_: pytest.fail("trains again"))
    provenance = {"versions": {"platform": "other"}, "inputs": {"store/gpp.nc": "written anew, with the same content"}}
    train(store, split, configuration(), "cv", [0], tmp_path, provenance)
    assert same(tensors(trained), tensors(tmp_path))
    with pytest.raises(pytest.fail.Exception, match="trains again"):
        train(store, split, configuration(), "cv", [0], tmp_path, provenance | {"code": "other"})


def test_one_checkpoint_hashes_the_data_once(store, split, tmp_path, monkeypatch):
    digest, calls = h2cm.train.data_digest, []
    monkeypatch.setattr("h2cm.train.data_digest", lambda data: calls.append(1) or digest(data))
    train(store, split, configuration(epochs=1), "cv", [0, 1], tmp_path)
    assert len(calls) == 1
    data = load(store, configuration(), configuration().experiments["cv"])
    other = store.copy(deep=True)
    other["gpp"][0, 0] += 1
    assert digest(data) != digest(load(other, configuration(), configuration().experiments["cv"]))


def test_identical_trainings_write_identical_files(trained, store, split, tmp_path):
    train(store, split, configuration(), "cv", [0], tmp_path)
    one, two = (f / "training" / "cv" / "fold_0" / "model.safetensors" for f in (trained, tmp_path))
    assert one.read_bytes() == two.read_bytes()
    assert one.stat().st_mode & 0o777 == 0o666 & ~UMASK


def test_two_trainings_of_a_fold_wait_for_each_other(tmp_path, caplog):
    order = []

    def second():
        with alone([tmp_path / "fold_0"]):
            order.append("second")

    with alone([tmp_path / "fold_0", tmp_path / "fold_1"]):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.5)
        assert thread.is_alive() and not order
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    assert f'"pid": {os.getpid()}' in caplog.text and "another process trains here" in caplog.text


def test_folds_side_by_side_get_what_they_get_alone(trained, store, split, tmp_path):
    train(store, split, configuration(), "cv", [0, 1], tmp_path)
    assert same(tensors(trained), tensors(tmp_path, 0))
    train(store, split, configuration(), "cv", [1], tmp_path / "alone")
    assert same(tensors(tmp_path, 1), tensors(tmp_path / "alone", 1))


def test_test_cells_do_not_matter(trained, store, split, tmp_path):
    changed = store.copy(deep=True)
    for name in ("precipitation", "static", "gpp", "nee", "area"):
        changed[name][8:] = changed[name][8:] * 3 + 1
    train(changed, split, configuration(), "cv", [0], tmp_path)
    assert same(tensors(trained), tensors(tmp_path))


def test_the_best_epoch_is_kept_and_training_stops(store, split, tmp_path):
    train(store, split, configuration(epochs=30, patience=2, learning_rate=0.3), "cv", [0], tmp_path)
    losses = pd.read_csv(tmp_path / "training" / "cv" / "fold_0" / "losses.csv")
    total = losses.query("cells == 'validation' and constraint == 'total'").set_index("epoch")["loss"]
    assert len(total) < 30
    assert len(total) - total.idxmin() == 2
    constants = losses.query("constraint == 'constant:q10'").set_index("epoch")["loss"]
    model = weights.load(tmp_path / "training" / "cv" / "fold_0" / "model.safetensors")
    assert float(model.constants()["q10"]) == pytest.approx(constants[total.idxmin()], rel=1e-6)


def test_weight_decay_leaves_the_constants_alone_unless_asked(store, split):
    def constants_after(decay_constants):
        config = configuration(weight_decay=50.0, decay_constants=decay_constants, epochs=1)
        loaded = load(store, config, config.experiments["cv"])
        fold = loop.build_fold(
            0, config, "cv", loaded, statistics(loaded, torch.arange(5)), np.arange(5), np.arange(5, 8)
        )
        return [group["weight_decay"] for group in fold.optimiser.param_groups]

    assert constants_after(False) == [50.0, 0.0]
    assert constants_after(True) == [50.0]  # one group with all


def test_a_batch_that_is_not_finite_is_skipped_and_counted(store, split, tmp_path, monkeypatch):
    calls = []
    losses = loop.Objective.losses

    def poisoned(self, fold, predictions, part, model=None):
        found = losses(self, fold, predictions, part, model)
        calls.append(part)
        return found | {"total": found["total"] * float("nan")} if len(calls) == 2 else found

    monkeypatch.setattr(loop.Objective, "losses", poisoned)
    train(store, split, configuration(epochs=1), "cv", [0], tmp_path)
    table = pd.read_csv(tmp_path / "training" / "cv" / "fold_0" / "losses.csv")
    assert table.query("constraint == 'skipped_batches'")["loss"].tolist() == [1.0]
    assert np.isfinite(table["loss"]).all()
    assert all(torch.isfinite(t).all() for t in tensors(tmp_path).values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s, t: (s.drop_vars("co2"), t), r"co2 not there"),
        (
            lambda s, t: (s.assign(precipitation=s.precipitation.where(s.cell != 3)), t),
            r"precipitation: no value at cell 3 .* on 2001-01-01",
        ),
        (lambda s, t: (s.assign(static=s.static.where(s.cell != 2)), t), r"static: attribute_0: no value at cell 2"),
        (lambda s, t: (s.isel(time=[*range(9), *range(10, 90)]), t), r"2001-01-10"),
        (lambda s, t: (s.drop_vars("nee"), t), r"nee: the configuration has this constraint"),
        (lambda s, t: (s.assign(nee=s.nee * np.nan), t), r"nee: expected observations"),
        (lambda s, t: (s, t.drop(columns="fold_0")), r"expected a column fold_0"),
        (lambda s, t: (s, t.replace("validation", "test")), r"no cell for validation"),
        (lambda s, t: (s, t.iloc[:4]), r"expected the 10 cells"),
    ],
)
def test_bad_input_is_refused_before_training(store, split, tmp_path, change, message):
    numbered = store.assign_coords(cell=np.arange(10))
    with pytest.raises(DataError, match=message):
        train(*change(numbered, split), configuration(), "cv", [0], tmp_path)
    assert not list(tmp_path.rglob("*"))


def test_prediction_in_memory_and_on_disk_agree(trained, store, tmp_path, monkeypatch):
    monkeypatch.setattr("h2cm.model.prediction.CHUNK", 3)
    model = h2cm.load(trained / "training" / "cv" / "fold_0" / "model.safetensors")
    whole = h2cm.predict(model, store)
    assert set(OUTPUTS) <= set(whole.data_vars)
    assert whole["nee"].attrs["units"] == "g m-2 day-1" and whole["nee"].dtype == np.float32
    write(model, store, tmp_path, daily=["nee", "tws"], monthly=["gpp"])
    with xr.open_dataset(tmp_path / "daily.nc") as daily, xr.open_dataset(tmp_path / "monthly.nc") as monthly:
        np.testing.assert_allclose(daily["tws"], whole["tws"], rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(
            monthly["gpp"], whole["gpp"].resample(time="MS").mean().transpose("cell", "time"), rtol=1e-5, atol=1e-6
        )
        np.testing.assert_allclose(monthly["soil_moisture_capacity"], whole["soil_moisture_capacity"], rtol=1e-6)
        assert float(daily["q10"]) == pytest.approx(float(whole["q10"]))
        assert monthly["month"].values[0] == np.datetime64("2001-01-01")
        assert not list(tmp_path.glob(".*"))


def test_predictions_follow_the_conventions(trained, store, tmp_path):
    """CF 1.11, as the compliance checker reads it."""
    from compliance_checker.runner import CheckSuite, ComplianceChecker

    write(
        h2cm.load(trained / "training" / "cv" / "fold_0" / "model.safetensors"),
        store,
        tmp_path,
        daily=["nee"],
        monthly=["gpp", "tws"],
    )
    CheckSuite.load_all_available_checkers()
    for name in ("daily", "monthly"):
        report = tmp_path / f"{name}.txt"
        good, failed = ComplianceChecker.run_checker(
            str(tmp_path / f"{name}.nc"), ["cf:1.11"], 0, "normal", output_filename=str(report), output_format="text"
        )
        assert good and not failed, report.read_text()


def test_prediction_refuses_other_attributes_and_unknown_outputs(trained, store):
    model = h2cm.load(trained / "training" / "cv" / "fold_0" / "model.safetensors")
    with pytest.raises(DataError, match=r"attribute_9"):
        h2cm.predict(model, store.assign_coords(feature=["attribute_0", "attribute_1", "attribute_2", "attribute_9"]))
    with pytest.raises(DataError, match=r"snow_depth: not known"):
        h2cm.predict(model, store, ["snow_depth"])


def test_a_file_that_is_no_weights_file_is_named(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(DataError, match=r"model.safetensors: expected the weights"):
        weights.load(path)
