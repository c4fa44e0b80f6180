"""Training: `train` runs one experiment on one or several folds and writes weights and losses."""

from __future__ import annotations

import hashlib
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr
from tqdm import tqdm

from h2cm.config import Config
from h2cm.model import weights
from h2cm.model.backends import choose
from h2cm.store import DataError, save_csv
from h2cm.train.data import Data, load, statistics
from h2cm.train.loop import Fold, Objective, build_fold, load_checkpoint, run_epoch, save_checkpoint
from h2cm.workflow.provenance import versions

__all__ = ["Data", "train"]

log = logging.getLogger(__name__)


def choose_device(name: str) -> torch.device:
    """The device of a configuration value: ``auto`` takes a GPU if there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"training.device: {name} was asked for, but PyTorch finds no GPU here")
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
    if sorted(table["cell"]) != list(range(n_cells)):
        raise DataError(f"split table: expected the {n_cells} cells of the store, found {len(table)}")
    found = tuple(table.loc[table[column] == role, "cell"].to_numpy(copy=True) for role in ("train", "validation"))
    for role, cells in zip(("train", "validation"), found):
        if len(cells) == 0:
            raise DataError(f"split table: {column}: no cell for {'training' if role == 'train' else role}")
    return found


def fingerprint(data: Data, folds: list[Fold], parts: dict) -> str:
    """A hash of all that decides the weights: configuration, data, cells and versions."""
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode())
    for tensor in (data.forcing, data.static, data.area, *data.targets.values()):
        digest.update(tensor.cpu().numpy().tobytes())
    for fold in folds:
        digest.update(fold.training_cells.cpu().numpy().tobytes() + fold.validation_cells.cpu().numpy().tobytes())
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
    """Train folds of an experiment and write ``fold_<k>/model.safetensors`` and ``fold_<k>/losses.csv``.

    A rolling checkpoint in the same folder lets a killed job go on; it is removed at the end.

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
        Of the experiment.
    provenance : dict, optional
        Stored with the weights (hashes of the inputs, say); different ones never share a checkpoint.

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
    data = data.to(device)
    objective = Objective(data, config, setup)
    running = [build_fold(k, config, data, moments[k], *cells[k]) for k in folds]
    backend = choose(running[0].model, data.forcing).__name__.rpartition(".")[2]
    log.info(
        "%s, folds %s: %d cells, %s days, backend %s on %s",
        experiment,
        list(folds),
        *data.forcing.shape[:2],
        backend,
        device,
    )
    settings = config.model_dump(mode="json", include={"seed", "constraints", "model", "training"})
    settings["training"].pop("folds_per_job")  # folds do not feel each other
    settings |= {"experiment": setup.model_dump(mode="json"), "provenance": provenance}
    marks = {fold.number: fingerprint(data, [fold], settings | {"fold": fold.number}) for fold in running}
    paths = {fold.number: Path(folder) / f"fold_{fold.number}" for fold in running}
    for fold in running:
        if load_checkpoint(fold, paths[fold.number] / "checkpoint.pt", marks[fold.number]):
            log.info("fold %d goes on after epoch %d", fold.number, fold.epoch)

    quiet = not sys.stderr.isatty()
    while active := [fold for fold in running if not fold.finished(config)]:
        # folds that resume from different epochs run together from the earliest on
        epoch = min(fold.epoch for fold in active)
        together = [fold for fold in active if fold.epoch == epoch]
        total = max(-(-len(f.training_cells) // config.training.batch_cells) for f in together)
        with tqdm(total=total, desc=f"{experiment} epoch {epoch + 1}", leave=False, disable=quiet) as bar:
            run_epoch(together, objective, bar)
        for fold in together:
            last = {r["cells"]: r["loss"] for r in fold.history if r["epoch"] == epoch and r["constraint"] == "total"}
            log.info(
                "%s fold %d epoch %d: training loss %.4f, validation loss %.4f%s",
                experiment,
                fold.number,
                epoch + 1,
                last.get("train", np.nan),
                last["validation"],
                " (best)" if fold.best_epoch == epoch else "",
            )
            save_checkpoint(fold, paths[fold.number] / "checkpoint.pt", marks[fold.number])
    for fold in running:
        write(fold, paths[fold.number], data.features, config, experiment, backend, provenance)


def write(fold: Fold, path: Path, features, config: Config, experiment: str, backend: str, provenance) -> None:
    """Write the best weights and the losses of a fold, and remove its checkpoint."""
    fold.model.load_state_dict(fold.best_weights)
    save_csv(pd.DataFrame(fold.history), path / "losses.csv")
    weights.save(
        fold.model,
        path / "model.safetensors",
        features,
        config=config.model_dump(mode="json", include=set(vars(config))),
        experiment=experiment,
        fold=fold.number,
        best_epoch=fold.best_epoch + 1,
        epochs=fold.epoch,
        validation_loss=fold.best_loss,
        backend=backend,
        provenance=provenance or {"versions": versions()},
    )
    (path / "checkpoint.pt").unlink(missing_ok=True)
