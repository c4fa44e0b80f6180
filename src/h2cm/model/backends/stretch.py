"""A stretch of days for several models at once, forward and backward: what `fused` is made of.

Every tensor has a leading dimension of folds: one model, its own weights, its own cells. The matrix products of all
folds and of networks of one kind are one batched product (`Products`); the rest is elementwise and is written once,
in `h2cm.model`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu, pad

from h2cm.model.h2cm import CONSTANTS, FORCING, State, network_states, process_step
from h2cm.model.networks import ACTIVATIONS, LSTMS, NETWORKS

STATES = ("soil_moisture", "swe", "groundwater", "fapar", "npp")
DAILY = STATES + FORCING
"""The daily inputs, in the order in which they are stacked; a network has zero weights for those it must not see."""

WIDTH = 12
"""Columns of the stacked inputs: `DAILY`, then zeros. With the LSTMs' state in front rows are multiples of 16 bytes."""

FCNNS = tuple(name for name, row in NETWORKS.items() if row.kind == "fcnn" and name != "static_parameters")

N_STATE = len(State._fields)


class Products(NamedTuple):
    """Something of each matrix product of a day: its matrix, its offset, its input or its result.

    Batches are (fold, LSTM) for ``gates`` and ``heads``, (fold, network) for the layers of the fully connected ones.
    Matrices are (batch, input, output), offsets and results (batch, cell, output), inputs (batch, cell, input).
    """

    gates: Tensor
    heads: Tensor
    first: Tensor
    second: Tensor
    third: Tensor


class Weights(NamedTuple):
    """All that the days have in common and that has a gradient.

    ``matrices`` and ``offsets`` (biases, and what the static attributes contribute); ``capacity`` and
    ``interception`` (fold, cell) in mm; ``constants`` (constant, fold, 1) in the order of `CONSTANTS`.
    """

    matrices: Products
    offsets: Products
    capacity: Tensor
    interception: Tensor
    constants: Tensor

    def flat(self) -> list[Tensor]:
        return [*self.matrices, *self.offsets, self.capacity, self.interception, self.constants]

    @classmethod
    def of(cls, tensors) -> Weights:
        """From what `flat` gave."""
        n = len(Products._fields)
        return cls(Products(*tensors[:n]), Products(*tensors[n : 2 * n]), *tensors[2 * n :])


def step_day(
    forcing: Tensor, normalised: Tensor, state: State, weights: Weights, outputs: tuple[str, ...]
) -> tuple[Tensor | None, State, Products]:
    """One day of all folds.

    Parameters
    ----------
    forcing : Tensor, shape (fold, cell, 5)
        In physical units.
    normalised : Tensor, shape (fold, cell, WIDTH - 5)
        Standardised, then zeros.
    state : State
        Of shape (fold, cell); ``h`` and ``c`` (fold * LSTM, cell, unit).

    Returns
    -------
    Tensor, shape (output, fold, cell)
        None if no output is wanted.
    State
        At the end of the day.
    Products
        The input of each product, from which the gradients of the matrices are made.
    """
    matrices, offsets = weights.matrices, weights.offsets
    folds, cells = state.swe.shape
    scaled = network_states(state, weights.capacity)
    daily = torch.cat([torch.stack([scaled[name] for name in STATES], -1), normalised], -1)
    shared = daily.unsqueeze(1)  # by all networks of a fold
    x = torch.cat(
        [state.h, shared.expand(folds, len(LSTMS), cells, WIDTH).reshape(folds * len(LSTMS), cells, WIDTH)], -1
    )
    i, f, g, o = torch.baddbmm(offsets.gates, x, matrices.gates).chunk(4, -1)
    c = torch.sigmoid(f) * state.c + torch.sigmoid(i) * torch.tanh(g)
    h = torch.sigmoid(o) * torch.tanh(c)
    inputs = shared.expand(folds, len(FCNNS), cells, WIDTH).reshape(folds * len(FCNNS), cells, WIDTH)
    wide = leaky_relu(torch.baddbmm(offsets.first, inputs, matrices.first), 0.01)
    narrow = leaky_relu(torch.baddbmm(offsets.second, wide, matrices.second), 0.01)
    parameters = {}
    for names, raw in (
        (LSTMS, torch.baddbmm(offsets.heads, h, matrices.heads)),
        (FCNNS, torch.baddbmm(offsets.third, narrow, matrices.third)),
    ):
        raw = raw.unflatten(0, (folds, len(names)))
        kinds = {kind for name in names for kind in NETWORKS[name].outputs.values()}
        # every activation of all columns: two operations on the whole instead of one for each output
        activated = {kind: [n.unbind(-1) for n in ACTIVATIONS[kind](raw).unbind(1)] for kind in sorted(kinds)}
        for k, name in enumerate(names):
            for column, (output, kind) in enumerate(NETWORKS[name].outputs.items()):
                parameters[output] = activated[kind][k][column]
    water, carbon = process_step(
        forcing,
        state,
        parameters,
        {"soil_moisture_capacity": weights.capacity, "alpha_interception": weights.interception},
        dict(zip(CONSTANTS, weights.constants.unbind(0), strict=True)),
    )
    values = parameters | water._asdict() | carbon._asdict()
    end = State(water.swe, water.soil_moisture, water.groundwater, parameters["fapar"], carbon.npp, h, c)
    series = torch.stack([values[name] for name in outputs]) if outputs else None
    return series, end, Products(x, h, inputs, wide, narrow)


def normalise(forcing: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """The standardised forcing (..., 5), and zeros up to the width of the stacked inputs."""
    return pad((forcing - mean) / std, (0, WIDTH - len(DAILY)))


def forward(
    step: Callable, outputs: tuple[str, ...], varying: Sequence[Tensor], constant: Sequence[Tensor]
) -> list[Tensor]:
    """A stretch of days without gradient.

    Parameters
    ----------
    step : function
        `step_day`, or a faster version of it.
    varying : sequence of Tensor
        The forcing (day, fold, cell, 5) of the stretch, then the parts of the state before it.
    constant : sequence of Tensor
        Mean and standard deviation (fold, 1, 5) of the forcing, then the weights (`Weights.flat`).

    Returns
    -------
    list of Tensor
        The parts of the state after the stretch, then the series (day, output, fold, cell) if outputs are wanted.
    """
    forcing, *state = varying
    mean, std, *weights = constant
    state, weights, days = State(*state), Weights.of(weights), []
    for today, normalised in zip(forcing.unbind(0), normalise(forcing, mean, std).unbind(0), strict=True):
        series, state, _ = step(today, normalised, state, weights, outputs)
        days.append(series)
    return [*state, torch.stack(days)] if outputs else [*state]


def backward(
    step: Callable, outputs: tuple[str, ...], varying: Sequence[Tensor], constant: Sequence[Tensor]
) -> list[Tensor]:
    """Run a stretch again, now with gradient, and differentiate it.

    The gradients of the matrices are not summed up day by day: every day gets offsets of its own, whose gradients
    are those of the results of the products, and one product over all days makes the gradient of a matrix from them.

    Parameters
    ----------
    step, outputs, constant
        As in `forward`.
    varying : sequence of Tensor
        As in `forward`, then the gradient of each thing that `forward` returns.

    Returns
    -------
    list of Tensor
        Gradients with respect to the parts of the state before the stretch, then the weights.
    """
    mean, std, *weights = constant
    forcing, parts, gradients = varying[0], varying[1 : 1 + N_STATE], varying[1 + N_STATE :]
    of_end, of_series = gradients[:N_STATE], gradients[N_STATE].unbind(0) if outputs else []
    weights = Weights.of(weights)
    with torch.enable_grad():
        start = State(*(part.detach().requires_grad_() for part in parts))
        matrices = Products(*(m.detach() for m in weights.matrices))
        rest = [w.detach().requires_grad_() for w in (weights.capacity, weights.interception, weights.constants)]
        series, inputs, offsets, end = [], [], [], start
        for today, normalised in zip(forcing.unbind(0), normalise(forcing, mean, std).unbind(0), strict=True):
            offsets.append(Products(*(o.detach().requires_grad_() for o in weights.offsets)))  # of shared memory
            of_day, end, seen = step(today, normalised, end, Weights(matrices, offsets[-1], *rest), outputs)
            series.append(of_day)
            inputs.append([x.detach() for x in seen])
        sources = [*start, *rest, *(o for day in offsets for o in day)]
        results = [*zip(end, of_end, strict=True), *zip(series if outputs else [], of_series, strict=True)]
        # rain, for one, depends on none of the sources
        results, of_results = zip(*((r, g) for r, g in results if r.requires_grad), strict=True)
        found = torch.autograd.grad(results, sources, of_results, allow_unused=True)
    found = [torch.zeros_like(s) if g is None else g for g, s in zip(found, sources, strict=True)]
    of_start, of_rest, of_offsets = found[:N_STATE], found[N_STATE:][: len(rest)], found[N_STATE + len(rest) :]
    n = len(Products._fields)
    of_matrices, sums = [], []
    for k in range(n):
        result = torch.stack(of_offsets[k::n], 1)  # (batch, day, cell, output)
        seen = torch.stack([day[k] for day in inputs], 1)
        of_matrices.append(seen.flatten(1, 2).mT @ result.flatten(1, 2))
        sums.append(result.sum(1))
    return [*of_start, *of_matrices, *sums, *of_rest]


def widen(matrix: Tensor, names: tuple[str, ...], columns: dict[str, int]) -> Tensor:
    """Columns of a matrix (..., output, input) by the names of `names`, zeros for those it has not, transposed."""
    index = [columns.get(name, matrix.shape[-1]) for name in names] + [matrix.shape[-1]] * (WIDTH - len(names))
    return pad(matrix, (0, 1)).index_select(-1, torch.tensor(index, device=matrix.device)).mT
