"""How a fold is optimised: parameters that decay, learning rate over epochs or steps, clipping, running mean of weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, StepLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from h2cm.config import Training
from h2cm.model import DailyModel


def optimiser_of(model: DailyModel, training: Training) -> torch.optim.AdamW:
    """AdamW, with the weight decay that each parameter gets: constants and biases only where it is asked for."""
    constants = {id(p) for p in model.undecayed()}
    decayed, spared = [], []
    for parameter in model.parameters():
        if parameter.requires_grad:
            constant = id(parameter) in constants
            asked = training.decay_constants if constant else training.decay_biases or parameter.ndim > 1
            (decayed if asked else spared).append(parameter)
    groups = [{"params": decayed}, {"params": spared, "weight_decay": 0.0}]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=training.learning_rate, weight_decay=training.weight_decay
    )


def share_of_rate(step: int, steps: int, warm_up: int) -> float:
    """The learning rate of a step (from 0) over its full value: a straight rise, then a cosine down to 0."""
    if step < warm_up:
        return (step + 1) / (warm_up + 1)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm_up) / max(1, steps - warm_up))))


def scheduler_of(optimiser: torch.optim.Optimizer, training: Training) -> LRScheduler:
    """The learning rate, moved on after each epoch, or after each step where the training is counted in steps."""
    if training.steps is None:
        return StepLR(optimiser, training.decay_epochs, training.decay_factor)
    return LambdaLR(optimiser, lambda step: share_of_rate(step, training.steps, training.warm_up_steps))


def averaged(model: DailyModel, training: Training) -> AveragedModel | None:
    """The running mean of the weights, or None where none is asked for."""
    if not training.averaging:
        return None
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(training.averaging))


def clip(parameters: list[nn.Parameter] | list[Tensor], training: Training) -> None:
    """Clip the gradients: first their norm, where asked for, then each value."""
    if training.clip_norm is not None:
        nn.utils.clip_grad_norm_(parameters, training.clip_norm)
    nn.utils.clip_grad_value_(parameters, training.clip)
