"""The training loop (Sect. 2.3.3 of the paper): AdamW, stepwise decay, clipping, early stopping, resuming.

Several folds can be trained side by side (`train_folds`): each has its own weights, batches, optimiser and early
stopping, and ends with the weights that it would have got alone.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from h2cm.config import HELD_FIELDS, Config, Experiment
from h2cm.files import whole
from h2cm.model import FORCING, DailyModel, build_model
from h2cm.models import learned
from h2cm.store import DataError
from h2cm.train.data import Data, Statistics, own_spread
from h2cm.train.held import achieved, begin, held_losses, mean_over_time
from h2cm.train.loss import constraint_losses, prior_losses, required_outputs
from h2cm.train.sampling import Batch, Records, Years
from h2cm.train.schedule import averaged, clip, optimiser_of, scheduler_of

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Fold:
    """One fold, or one member of it, in training: what it trains on, and where it is."""

    number: int
    model: DailyModel
    statistics: Statistics
    training_cells: Tensor
    validation_cells: Tensor
    optimiser: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler
    average: AveragedModel | None = None
    member: int = 0
    epoch: int = 0
    progress: dict = field(default_factory=lambda: {"batches": 0, "skipped_batches": 0, "sums": {}})
    step: int = 0
    best_epoch: int = -1
    best_loss: float = float("inf")
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    held: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict] = field(default_factory=list)

    def finished(self, config: Config) -> bool:
        """Whether all steps or epochs are done, or the validation loss has not improved for as long as it may."""
        if config.training.steps is not None:
            return self.step >= config.training.steps
        waited = self.epoch - 1 - self.best_epoch
        return self.epoch >= config.training.epochs or (self.epoch > 0 and waited >= config.training.patience)

    @property
    def label(self) -> str:
        """What the log calls it."""
        return f"fold {self.number}" + (f" member {self.member}" if self.member else "")

    @property
    def result(self) -> DailyModel:
        """The model that is validated and kept: that of the averaged weights where there is one."""
        return self.model if self.average is None else self.average.module

    def record(self, cells: str, losses: dict[str, float]) -> None:
        self.history += [
            {"epoch": self.epoch + 1, "cells": cells, "constraint": k, "loss": v} for k, v in losses.items()
        ]


def seeds(config: Config, fold: int, member: int, *more: int) -> list[int]:
    """What random numbers of a fold are drawn from; those of its first member are those of a fold with only one."""
    return [config.seed, fold, *more] + ([member + 2**16] if member else [])


def output_scales(data: Data, cells: np.ndarray) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of what is observed of each output in some cells, by its first constraint."""
    scales = {}
    for name, constraint in data.constraints.items():
        if constraint.prediction not in scales:
            values = data.targets[name][cells].double().cpu().numpy()
            scales[constraint.prediction] = float(np.nanmean(values)), float(np.nanstd(values))
    return scales


def build_fold(
    number: int,
    config: Config,
    experiment: str,
    data: Data,
    statistics: Statistics,
    training: np.ndarray,
    validation: np.ndarray,
    member: int = 0,
    start: DailyModel | None = None,
) -> Fold:
    """A member of a fold before its first epoch; its initial weights are those of `start` or, without it, depend on the seed,
    fold and member only."""
    device = data.forcing.device
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(np.random.SeedSequence(seeds(config, number, member)).generate_state(1)[0])
        kind, n_static = config.experiments[experiment].model, data.static.shape[1]
        outputs = learned(config, experiment)
        model = build_model(
            kind,
            n_static,
            outputs,
            config.model.backend,
            config.training.precision,
            config.model.variant,
            config.model.units,
        ).to(device)
    s = statistics
    model.set_normalisation(s.forcing_mean, s.forcing_std, s.static_mean, s.static_std)
    model.set_output_scales(output_scales(data, training))
    begin(model, start, config.experiments[experiment].fix)
    optimiser = optimiser_of(model, config.training)
    scheduler = scheduler_of(optimiser, config.training)
    average = averaged(model, config.training)
    cells = [torch.as_tensor(c, dtype=torch.long, device=device) for c in (training, validation)]
    return Fold(number, model, statistics, *cells, optimiser, scheduler, average, member)


class Objective:
    """The loss of an experiment on any cells of the data.

    Attributes
    ----------
    records : Records
        What is validated.
    sampled : Records or Years
        What is trained on.
    """

    def __init__(self, data: Data, config: Config, experiment: Experiment):
        self.data, self.config = data, config
        self.priors, self.fix = experiment.priors, experiment.fix
        self.constraints = data.constraints
        held = [name for name in experiment.fix if name in HELD_FIELDS]
        self.outputs = tuple(dict.fromkeys((*required_outputs(self.constraints), *held)))
        self.records = Records(data, config.model.spin_up_passes)
        self.spreads: dict[tuple[str, float], Tensor] = {}
        self.sampled = Years(data) if config.training.sampling == "years" else self.records

    def monthly(self, models: list[DailyModel], parts: list[Batch]) -> list[dict[str, Tensor]]:
        """Monthly means (sample, month) of the outputs that are compared, of each model on its batch."""
        static = [part.static for part in parts]
        simulate_many = models[0].simulate_many
        states = [model.initial_state(len(s)) for model, s in zip(models, static)]
        with torch.no_grad():
            for _ in range(parts[0].passes):
                found = simulate_many(models, [part.warm_up for part in parts], static, states, ())
                states = [state for _, state in found]
        daily = simulate_many(models, [part.forcing for part in parts], static, states, self.outputs)
        return [
            {name: part.means(series) for name, series in series_of.items()}
            for part, (series_of, _) in zip(parts, daily, strict=True)
        ]

    def scale(self, name: str, of_all: float, part: Batch) -> float | Tensor:
        """By what the differences of a constraint on a batch are divided; `of_all` is the spread of the fold's training cells."""
        if self.constraints[name].scale == "all":
            return of_all
        if (name, of_all) not in self.spreads:
            self.spreads[name, of_all] = own_spread(self.data, name, of_all)
        return self.spreads[name, of_all][part.cells]

    def losses(
        self, fold: Fold, predictions: dict[str, Tensor], part: Batch, model: DailyModel | None = None
    ) -> dict[str, Tensor]:
        """Loss of each constraint and prior on a batch, and their weighted sum ``total``; of the fold's model, or `model`."""
        scales = {name: self.scale(name, of_all, part) for name, of_all in fold.statistics.targets.items()}
        losses = constraint_losses(predictions, part.targets, part.area, part.calendar, self.constraints, scales)
        total = sum(self.constraints[name].weight * loss for name, loss in losses.items())
        priors = prior_losses((model or fold.model).constants(), self.priors)
        held = held_losses(predictions, fold.held, part.cells, part.calendar)
        return losses | priors | held | {"total": total + sum(priors.values()) + sum(held.values())}

    @torch.no_grad()
    def hold(self, fold: Fold) -> None:
        """Take what the model gives of the parameters that are held, times what they are to be held at."""
        names = [name for name in self.fix if name in HELD_FIELDS]
        if names:
            cells = torch.arange(len(self.data.area), device=self.data.area.device)
            found = [self.monthly([fold.model], [self.records.batch(part)])[0] for part in cells.split(64)]
            for name in names:
                means = mean_over_time(torch.cat([one[name] for one in found]), self.records.calendar)
                fold.held[name] = means * self.fix[name]

    @torch.no_grad()
    def validate(self, folds: list[Fold]) -> None:
        """Record the loss on all validation cells at once, as one batch; keep the weights if they are the best, or the latest
        where the training is counted in steps."""
        # more at once on a GPU, to keep it busy
        size = max(self.config.training.batch_cells, 64 if self.data.forcing.device.type == "cpu" else 1024)
        parts = [f.validation_cells.split(size) for f in folds]
        collected: list[list[dict[str, Tensor]]] = [[] for _ in folds]
        for k in range(max(len(p) for p in parts)):
            active = [i for i, p in enumerate(parts) if k < len(p)]
            taken = [self.records.batch(parts[i][k]) for i in active]
            found = self.monthly([folds[i].result for i in active], taken)
            for i, prediction in zip(active, found):
                collected[i].append(prediction)
        for fold, pieces in zip(folds, collected):
            predictions = {name: torch.cat([piece[name] for piece in pieces]) for name in self.outputs}
            everything = self.records.batch(fold.validation_cells)
            found = self.losses(fold, predictions, everything, fold.result)
            losses = {k: float(v) for k, v in found.items()}
            fold.record("validation", losses)
            fold.record("all", {f"constant:{k}": float(v) for k, v in fold.result.constants().items()})
            if fold.held:
                fold.record("all", achieved(predictions, fold.held, self.fix, everything.cells, everything.calendar))
            if losses["total"] < fold.best_loss or self.config.training.steps is not None:
                fold.best_loss, fold.best_epoch = losses["total"], fold.epoch
                fold.best_weights = {k: v.detach().clone() for k, v in fold.result.state_dict().items()}


def batches(fold: Fold, objective: Objective) -> list[Tensor]:
    """The samples of each batch of the fold's current epoch, drawn from seed, fold, member and epoch.

    They are spread evenly, so that no batch is much smaller than the others. The last epoch ends with the last step.
    """
    training = objective.config.training
    samples = objective.sampled.samples(fold.training_cells)
    rng = np.random.default_rng(seeds(objective.config, fold.number, fold.member, fold.epoch))
    order = torch.from_numpy(rng.permutation(len(samples))).to(samples.device)
    drawn = list(torch.tensor_split(samples[order], -(-len(order) // training.batch_cells)))
    begun = fold.step - fold.progress["batches"]  # steps before this epoch
    return drawn if training.steps is None else drawn[: training.steps - begun]


def train_step(folds: list[Fold], objective: Objective, samples: list[Tensor]) -> list[dict[str, float] | None]:
    """One optimiser step of each fold on its batch.

    Returns
    -------
    list
        The losses of each fold; None where the batch was skipped because its loss or a gradient was not finite.
    """
    for fold in folds:
        fold.optimiser.zero_grad(set_to_none=True)
    parts = [objective.sampled.batch(drawn) for drawn in samples]
    predictions = objective.monthly([fold.model for fold in folds], parts)
    losses = [objective.losses(fold, p, part) for fold, p, part in zip(folds, predictions, parts)]
    # the folds share nothing: the gradient of the sum is each one's own
    sum(loss["total"] for loss in losses).backward()
    result: list[dict[str, float] | None] = []
    training = objective.config.training
    for fold, loss in zip(folds, losses):
        gradients = [p.grad for p in fold.model.parameters() if p.grad is not None]
        finite = torch.stack([torch.isfinite(g).all() for g in gradients] + [torch.isfinite(loss["total"])]).all()
        if not finite:
            if fold.step == 0:
                raise not_finite(
                    fold, objective, predictions[len(result)], parts[len(result)], samples[len(result)], loss
                )
            result.append(None)
            continue
        clip(list(fold.model.parameters()), training)
        fold.optimiser.step()
        if fold.average is not None:
            fold.average.update_parameters(fold.model)
        result.append({k: float(v.detach()) for k, v in loss.items()})
    return result


def not_finite(
    fold: Fold,
    objective: Objective,
    predictions: dict[str, Tensor],
    part: Batch,
    samples: Tensor,
    losses: dict[str, Tensor],
) -> DataError:
    """Why the loss of a first step, or a gradient of it, is not finite: the constraints, and the cells where it shows."""
    wrong = [name for name, loss in losses.items() if name != "total" and not torch.isfinite(loss)]
    values = dict(predictions) | {f"forcing {name}": part.forcing[..., k] for k, name in enumerate(FORCING)}
    cells, seen = samples if samples.ndim == 1 else samples[:, 0], []
    for name, value in values.items():
        bad = ~torch.isfinite(value).reshape(len(value), -1).all(1)
        if bad.any():
            shown = ", ".join(map(str, cells[bad][:5].tolist()))
            seen.append(f"{name} in {int(bad.sum())} cells ({shown}{', ...' if bad.sum() > 5 else ''})")
    what = f"the loss of {', '.join(wrong)}" if wrong else "a gradient"
    where = (
        f"not finite: {'; '.join(seen)}" if seen else f"every output is finite in its cells {cells[:5].tolist()} ..."
    )
    return DataError(f"{fold.label}: expected a finite loss at the first step, {what} of its batch is not; {where}")


def run_epoch(folds: list[Fold], objective: Objective, after_batch: Callable[[], None] = lambda: None) -> None:
    """One epoch of each fold, or what is left of it: all its batches, validation, learning-rate schedule.

    Parameters
    ----------
    folds : list of Fold
        Each goes on after the batches that it has had in this epoch (``progress``).
    objective : Objective
    after_batch : callable
        Called after each step; may save the folds, which then go on from there.
    """
    in_steps = objective.config.training.steps is not None
    drawn = [batches(fold, objective) for fold in folds]
    while active := [i for i, fold in enumerate(folds) if fold.progress["batches"] < len(drawn[i])]:
        samples = [drawn[i][folds[i].progress["batches"]] for i in active]
        for i, losses in zip(active, train_step([folds[i] for i in active], objective, samples)):
            done = folds[i].progress
            done["batches"] += 1
            folds[i].step += 1
            if in_steps:
                folds[i].scheduler.step()
            if losses is None:
                done["skipped_batches"] += 1
                continue
            for name, value in losses.items():
                done["sums"][name] = done["sums"].get(name, 0.0) + value
        after_batch()
    for fold in folds:
        done = fold.progress
        used = done["batches"] - done["skipped_batches"]
        means = {name: value / used for name, value in done["sums"].items()}
        fold.record("train", means | {"skipped_batches": done["skipped_batches"]})
    objective.validate(folds)
    for fold in folds:
        if not np.isfinite(fold.best_loss):  # in steps the latest counts, finite or not
            raise DataError(
                f"{fold.label}: expected a finite validation loss, found {fold.best_loss} after epoch {fold.epoch + 1}: the weights "
                "have run away; lower training.learning_rate or training.clip"
            )
        if not in_steps:
            fold.scheduler.step()
        fold.epoch += 1
        fold.progress = {"batches": 0, "skipped_batches": 0, "sums": {}}


KEPT = ("epoch", "step", "progress", "best_epoch", "best_loss", "best_weights", "history")
"""What a checkpoint holds beside the states of model, optimiser and schedule."""


def stateful(fold: Fold) -> tuple[str, ...]:
    """The parts of a fold that have a state of their own."""
    return ("model", "optimiser", "scheduler") + (() if fold.average is None else ("average",))


def save_checkpoint(fold: Fold, path: Path, fingerprint: str) -> None:
    """Write all that the fold needs to go on as if nothing had happened."""
    state = {name: getattr(fold, name) for name in KEPT}
    state |= {name: getattr(fold, name).state_dict() for name in stateful(fold)}
    content = io.BytesIO()
    torch.save(state | {"fingerprint": fingerprint}, content)
    with whole(path) as file:
        file.write_bytes(_digest(content.getvalue()) + content.getvalue())


def _digest(content: bytes) -> bytes:
    """The first line of a checkpoint."""
    return hashlib.sha256(content).hexdigest().encode() + b"\n"


def read_checkpoint(path: Path) -> dict | None:
    """What `save_checkpoint` wrote; None, and a warning, if the file is damaged."""
    line, _, content = path.read_bytes().partition(b"\n")
    if line + b"\n" != _digest(content):
        log.warning("%s is damaged, it is not what was written: it is not used, and training starts anew", path)
        return None
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def load_checkpoint(fold: Fold, path: Path, fingerprint: str) -> bool:
    """Put the fold where the checkpoint left it; False if there is none of the same training, or it is damaged."""
    state = read_checkpoint(path) if path.exists() else None
    if state is None:
        return False
    if state.pop("fingerprint") != fingerprint:
        log.info("%s is of another configuration or other data; training starts anew", path)
        return False
    for name in stateful(fold):
        getattr(fold, name).load_state_dict(state.pop(name))
    for name, value in state.items():
        setattr(fold, name, value)
    return True
