"""Training: `train` runs one experiment on one or several folds and writes weights and losses."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import socket
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr

from h2cm.config import Config, ConfigError, sections_of
from h2cm.model import weights
from h2cm.model.members import Members
from h2cm.models import MODELS
from h2cm.results.paths import path
from h2cm.store import DataError, save_csv
from h2cm.train.data import Data, load, statistics
from h2cm.train.guard import Guard, alone, guarded
from h2cm.train.loop import Fold, Objective, build_fold, load_checkpoint, run_epoch, save_checkpoint
from h2cm.workflow.provenance import input_hashes, versions

__all__ = ["Data", "train"]

log = logging.getLogger(__name__)


def choose_device(name: str) -> torch.device:
    """The device of a configuration value: ``auto`` takes a GPU if there is one, and says so if one was given but is not found."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
        given = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        if name == "cpu" and given not in ("", "-1", "NoDevFiles"):
            place = socket.gethostname()
            log.warning(
                "a GPU was given (CUDA_VISIBLE_DEVICES=%s), but PyTorch finds none on %s: CPU instead", given, place
            )
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"training.device: {name} was asked for, but PyTorch finds no GPU here")
    return device


def roles(table: pd.DataFrame, fold: int, n_cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Training and validation cells of a fold from the split table.

    Raises
    ------
    DataError
        If the table is not of this store, lacks the fold or gives it no cells.
    """
    column = f"fold_{fold}"
    if column not in table:
        raise DataError(f"split table: expected a column {column}, found {', '.join(table.columns)}")
    numbers = pd.to_numeric(table["cell"], errors="coerce") if "cell" in table else pd.Series(dtype=float)
    if sorted(numbers) != list(range(n_cells)):
        raise DataError(f"split table: expected the {n_cells} cells of the store, found {len(table)}")
    if not (known := table[column].isin(["train", "validation", "test"])).all():
        odd = table.loc[~known, column].iloc[0]
        raise DataError(f"split table: {column}: expected train, validation or test, found {odd!r}")
    found = tuple(table.loc[table[column] == role, "cell"].to_numpy(copy=True) for role in ("train", "validation"))
    for role, cells in zip(("train", "validation"), found):
        if len(cells) == 0:
            raise DataError(f"split table: {column}: no cell for {'training' if role == 'train' else role}")
    return found


def data_digest(data: Data) -> str:
    """A hash of all that is trained on."""
    digest = hashlib.sha256(repr((data.features, list(data.targets))).encode())
    for tensor in (data.forcing, data.static, data.area, data.months, data.days, *data.targets.values()):
        digest.update(repr(tuple(tensor.shape)).encode())
        digest.update(tensor.cpu().contiguous().numpy().data)
    return digest.hexdigest()


def fingerprint(fold: Fold, **decides) -> str:
    """A hash of what decides the weights of a fold: its cells and `decides`, plain values.

    Nothing of the machine is in it but the kind of device, so that training goes on on another node, under another
    kernel or with other threads.
    """
    digest = hashlib.sha256(json.dumps(decides | {"fold": fold.number}, sort_keys=True).encode())
    for cells in (fold.training_cells, fold.validation_cells):
        digest.update(cells.cpu().numpy().tobytes() + b"|")
    return digest.hexdigest()


def train(
    dataset: xr.Dataset,
    split: pd.DataFrame,
    config: Config,
    experiment: str,
    folds: Sequence[int],
    folder: str | Path,
    provenance: dict | None = None,
) -> None:
    """Train folds of an experiment and write the weights and losses of each (see `h2cm.results.paths`).

    A rolling checkpoint beside them lets a killed job go on. It is kept at the end: where the same is asked for again,
    from the same data, nothing is left to train.

    Parameters
    ----------
    dataset : Dataset
        A store.
    split : DataFrame
        The split table: ``cell`` and a column ``fold_<k>`` of train, validation or test for each fold.
    config : Config
    experiment : str
        Name of one of the configuration's experiments.
    folds : sequence of int
        Trained side by side.
    folder : path
        Of the run.
    provenance : dict, optional
        Stored with the weights (hashes of the inputs, say); trainings by different ``code`` never share a checkpoint.

    Raises
    ------
    DataError
        Before anything is trained, for data that cannot be trained on.
    """
    setup = config.experiments[experiment]
    data = load(dataset, config, setup)
    device = choose_device(config.training.device)
    cells = {k: roles(split, k, data.forcing.shape[0]) for k in folds}
    moments = {k: statistics(data, torch.as_tensor(cells[k][0])) for k in folds}
    given = sections_of(config, "seed", "constraints", "model", "training", experiment=experiment)
    places = {k: partial(_place, folder, experiment, k) for k in folds}
    provenance = provenance or {"versions": versions()}
    if not MODELS[setup.model].daily:
        for k in folds:
            train_trees(data, cells[k], config, experiment, k, places[k], given, provenance)
        return
    digest = data_digest(data)
    data = data.to(device)
    objective = Objective(data, config, setup)
    begun = {k: trained_before(folder, setup.start, k, config.training.members) for k in folds}
    running = [
        build_fold(k, config, experiment, data, moments[k], *cells[k], member, begun[k][member])
        for k in folds
        for member in range(config.training.members)
    ]
    for fold in running:
        objective.hold(fold)
    backend = running[0].model.backend_for(data.forcing)
    log.info(
        "%s, folds %s: %d cells, %s days, backend %s on %s",
        experiment,
        list(folds),
        *data.forcing.shape[:2],
        backend,
        device,
    )
    decides = given | {
        "data": digest,
        "code": provenance.get("code"),
        "torch": torch.__version__,
        "backend": f"{backend} on {device.type}",
        "start": list(input_hashes(_place(folder, setup.start, k, "weights") for k in folds if setup.start).values()),
    }
    checkpoints = {f: _place(folder, experiment, f.number, "checkpoint", f.member) for f in running}
    marks = {fold: fingerprint(fold, **decides) for fold in running}

    def save(chosen: list[Fold] = running) -> None:
        for fold in chosen:
            save_checkpoint(fold, checkpoints[fold], marks[fold])

    with alone([place("weights").parent for place in places.values()]), guarded(save) as guard:
        for fold in running:
            if load_checkpoint(fold, checkpoints[fold], marks[fold]):
                log.info("%s goes on after epoch %d", fold.label, fold.epoch)
        while active := [fold for fold in running if not fold.finished(config)]:
            # folds that resume from different places run together from the earliest on
            epoch, done = min((fold.epoch, fold.progress["batches"]) for fold in active)
            together = [fold for fold in active if (fold.epoch, fold.progress["batches"]) == (epoch, done)]
            _epoch(together, objective, guard, experiment)
            save(together)
            guard.after_batch()
        for k in folds:
            members = [fold for fold in running if fold.number == k]
            write(members, places[k], data.features, given, experiment, backend, provenance)


def trained_before(folder: str | Path, start: str | None, fold: int, members: int) -> list:
    """The members of a trained fold that an experiment goes on from; as many Nones where it starts anew.

    Raises
    ------
    DataError
        Where the weights are not there, or are of another number of members.
    """
    if start is None:
        return [None] * members
    file = _place(folder, start, fold, "weights")
    model = weights.load(file)
    found = list(getattr(model, "members", [model]))
    if len(found) != members:
        raise DataError(f"{file}: expected {members} members (training.members), found {len(found)}")
    return found


def _epoch(folds: list[Fold], objective: Objective, guard: Guard, experiment: str) -> None:
    """One epoch of some folds, with its progress in the log (read by `h2cm.workflow.screen`)."""
    epoch, training = folds[0].epoch, objective.config.training
    run_epoch(folds, objective, guard.after_batch)
    for fold in folds:
        last = {r["cells"]: r["loss"] for r in fold.history if r["epoch"] == epoch + 1 and r["constraint"] == "total"}
        log.info(
            "%s %s epoch %d%s: training loss %.4f, validation loss %.4f%s",
            experiment,
            fold.label,
            epoch + 1,
            f", step {fold.step} of {training.steps}" if training.steps else f" of {training.epochs}",
            last.get("train", np.nan),
            last["validation"],
            " (best)" if fold.best_epoch == epoch else "",
        )


def _place(folder: str | Path, experiment: str, fold: int, kind: str, member: int = 0) -> Path:
    """The path of a file of a fold."""
    return Path(folder, path(kind, experiment=experiment, fold=fold, member=member))


def write(
    members: list[Fold], place: Callable[[str], Path], features, given: dict, experiment: str, backend: str, provenance
):
    """Write the weights and the losses of a fold, of all its members in one file each."""
    for fold in members:
        fold.model.load_state_dict(fold.best_weights)
    models = [fold.model for fold in members]
    save_csv(pd.concat([pd.DataFrame(fold.history).assign(member=fold.member) for fold in members]), place("losses"))
    weights.save(
        models[0] if len(models) == 1 else Members(models),
        place("weights"),
        features,
        config=given,
        experiment=experiment,
        fold=members[0].number,
        best_epoch=max(fold.best_epoch for fold in members) + 1,
        epochs=max(fold.epoch for fold in members),
        validation_loss=float(np.mean([fold.best_loss for fold in members])),
        backend=backend,
        provenance=provenance,
    )


def train_trees(
    data: Data, cells, config: Config, experiment: str, fold: int, place: Callable[[str], Path], given: dict, provenance
):
    """Train the trees of a fold and write what `write` writes of other models."""
    from h2cm.model.boosting import Boosting  # scikit-learn is slow to import
    from h2cm.train.boosting import fit_fold

    regressors, history = fit_fold(data, cells, config, experiment, fold)
    losses = pd.DataFrame(history).assign(member=0)
    total = losses.query("cells == 'validation' and constraint == 'total'")["loss"]
    log.info("%s fold %d: %d trees, validation loss %.4f", experiment, fold, len(total), total.iloc[-1])
    save_csv(losses, place("losses"))
    weights.save(
        Boosting(regressors, data.features),
        place("weights"),
        data.features,
        config=given,
        experiment=experiment,
        fold=fold,
        best_epoch=len(total),
        epochs=len(total),
        validation_loss=float(total.iloc[-1]),
        backend="scikit-learn",
        provenance=provenance,
    )
