"""The reference backend: plain PyTorch, one day after the other."""

from __future__ import annotations

import torch
from torch import Tensor


def unavailable(model, forcing: Tensor) -> str | None:
    """Why this backend cannot run here, or None."""
    return None


def simulate(model, forcing: Tensor, static: Tensor, state, outputs: tuple[str, ...]):
    """See `h2cm.model.H2CM.forward`."""
    static_parameters, code = model.static_parameters(static)
    constants = model.constants()
    normalised = (forcing - model.forcing_mean) / model.forcing_std
    days = []
    for day in range(forcing.shape[1]):
        values, state = model.step(forcing[:, day], normalised[:, day], state, static_parameters, code, constants)
        if outputs:
            days.append(torch.stack([values[name] for name in outputs]))
    series = torch.stack(days, dim=-1) if days else []
    return dict(zip(outputs, series, strict=True)), state
