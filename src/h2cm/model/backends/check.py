"""Whether a way of running the model gives what the equations give: on few cells and days, in float64, with edge cases.

Outputs, states at the end and gradients of all weights are compared with `h2cm.model.backends.eager`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from h2cm.model.backends import eager
from h2cm.model.h2cm import H2CM
from h2cm.model.networks import Guidance
from h2cm.model.process import CARRIED, FORCING, State
from h2cm.vocabulary import FREEZING_POINT

CELLS, DAYS, ATTRIBUTES = 37, 19, 3  # more than some tiles and stretches, and no multiple of either

LIMITS = {"output": 1e-10, "state": 1e-10, "gradient": 1e-7}
"""Of the largest difference, relative to the largest entry."""

RANGES = {
    "net_radiation": (-60.0, 200.0),
    "precipitation": (0.0, 60.0),
    "air_temperature": (FREEZING_POINT - 10, FREEZING_POINT + 25),
    "vapour_pressure_deficit": (0.0, 30.0),
    "co2": (350.0, 420.0),
}
"""What the forcing is drawn from; any other between 0 and 1."""

EDGES = {"net_radiation": 0.0, "precipitation": 0.0, "air_temperature": FREEZING_POINT}
"""Values at which the equations have ties or kinks, each met on every third day, together and alone."""


def _forcing(generator: torch.Generator) -> Tensor:
    columns = []
    for k, name in enumerate(FORCING):
        low, high = RANGES.get(name, (0.0, 1.0))
        values = low + (high - low) * torch.rand(CELLS, DAYS, generator=generator, dtype=torch.float64)
        if name in EDGES:
            day, cell = torch.arange(DAYS), torch.arange(CELLS)[:, None]
            values[(day + cell * k) % 3 == 0] = EDGES[name]
        columns.append(values)
    return torch.stack(columns, -1)


def _start(model: H2CM, static: Tensor, generator: torch.Generator) -> State:
    """Empty, part full, full and more than full, each in a quarter of the cells."""
    parameters, _ = model.static_parameters(static)
    start = model.initial_state(CELLS)
    fill = torch.rand(CELLS, generator=generator, dtype=torch.float64)
    fill[0::4], fill[2::4], fill[3::4] = 0.0, 1.0, 1.0 + fill[3::4]
    values = {}
    for name, row in CARRIED.items():
        scale = parameters[row.scale].detach() if isinstance(row.scale, str) else row.scale
        order = torch.randperm(CELLS, generator=generator) if values else torch.arange(CELLS)
        values[name] = scale * fill[order]
    return start._replace(**values)


def _results(model: H2CM, simulate: Callable, forcing: Tensor, static: Tensor, start: State) -> dict[str, Tensor]:
    model.zero_grad()
    daily, end = simulate(model, forcing, static, start, model.outputs)
    generator = torch.Generator().manual_seed(2)
    total = forcing.new_zeros(())
    for series in daily.values():
        weights = 0.5 + torch.rand(series.shape, generator=generator, dtype=torch.float64)
        sign = torch.randn((), generator=generator, dtype=torch.float64)
        total = total + sign * (weights * series).sum() / (series.detach().abs().mean() + 1e-3)
    total.backward()
    found = {f"output {name}": series.detach() for name, series in daily.items()}
    found |= {f"state {name}": part.detach() for name, part in end._asdict().items()}
    for name, weight in model.named_parameters():
        found[f"gradient {name}"] = torch.zeros_like(weight) if weight.grad is None else weight.grad
    return found


def differences(simulate: Callable, guidance: Guidance) -> list[str]:
    """What differs from the equations, largest first, in words; empty if nothing does.

    Parameters
    ----------
    simulate : callable
        As `simulate` of a backend.
    guidance : Guidance
        The networks of the model.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = H2CM(ATTRIBUTES, guidance=guidance).double()
    generator = torch.Generator().manual_seed(1)
    forcing = _forcing(generator)
    static = torch.randn(CELLS, ATTRIBUTES, generator=generator, dtype=torch.float64)
    flat = forcing.flatten(0, 1)
    model.set_normalisation(flat.mean(0), flat.std(0), static.mean(0), static.std(0))
    with torch.enable_grad():
        start = _start(model, static, generator)
        expected = _results(model, eager.simulate, forcing, static, start)
        found = _results(model, simulate, forcing, static, start)
    off = {}
    for name, reference in expected.items():
        scale = reference.abs().max() if reference.numel() else 0.0
        error = float((found[name] - reference).abs().max() / scale) if scale > 0 else float(found[name].abs().sum())
        # also where one is not a number
        if not error <= LIMITS[name.split()[0]] and not (error != error and _same_gaps(found[name], reference)):
            off[name] = error
    return [f"{name} by {off[name]:.1g}" for name in sorted(off, key=off.get, reverse=True)]


def _same_gaps(found: Tensor, reference: Tensor) -> bool:
    """Whether two tensors are equal, missing values included."""
    return bool(torch.allclose(found, reference, rtol=1e-9, atol=0, equal_nan=True))
