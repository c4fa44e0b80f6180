"""A stretch of days for several models at once, forward and backward: what `fused` is made of.

Every tensor has a leading dimension of folds: one model, its own weights, its own cells. The matrix products of all
folds and of networks of one kind are one batched product (`Products`); the rest is elementwise and is written once,
in `h2cm.model`. ``grad_x`` is the gradient with respect to x.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu, pad

from h2cm.model.networks import ACTIVATIONS, Guidance
from h2cm.model.process import CARRIED, CONSTANTS, FORCING, State, process_step, seen_states

DAILY = (*CARRIED, *FORCING)
"""The daily inputs, in the order in which they are stacked; a network has zero weights for those it must not see."""

WIDTH = -(-len(DAILY) // 4) * 4
"""Columns of the stacked inputs: `DAILY`, then zeros. With the LSTMs' state in front rows are multiples of 16 bytes."""

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


class Common(NamedTuple):
    """All that the days have in common and that has a gradient.

    ``matrices`` and ``offsets`` (biases, and what the static attributes contribute); ``static_parameters`` (parameter,
    fold, cell) in the order of the table; ``constants`` (constant, fold, cell) in the order of `CONSTANTS`. All but the
    matrices are spread over the cells, so that no day has a sum to make in the backward pass.
    """

    matrices: Products
    offsets: Products
    static_parameters: Tensor
    constants: Tensor

    def flat(self) -> list[Tensor]:
        return [*self.matrices, *self.offsets, self.static_parameters, self.constants]

    @classmethod
    def of(cls, tensors) -> Common:
        """From what `flat` gave."""
        n = len(Products._fields)
        return cls(Products(*tensors[:n]), Products(*tensors[n : 2 * n]), *tensors[2 * n :])


N_COMMON = 2 * len(Products._fields) + 2
"""Number of tensors of `Common.flat`."""


def product(offset: Tensor, x: Tensor, matrix: Tensor) -> Tensor:
    """`x` times `matrix` plus `offset`; a half-precision matrix rounds `x` and the product to its own precision.

    Not ``baddbmm``: that copies the offset first, while a compiler merges the addition with what follows.
    """
    return torch.bmm(x.to(matrix.dtype), matrix).to(x.dtype) + offset


def rounded(matrices: Sequence[Tensor], precision: str) -> list[Tensor]:
    """The matrices of the products in the precision of the configuration (TF32 is a mode of the device)."""
    return [m.to(torch.bfloat16) for m in matrices] if precision == "bf16" else list(matrices)


def step_day(
    guidance: Guidance,
    forcing: Tensor,
    mean: Tensor,
    std: Tensor,
    state: State,
    common: Common,
    outputs: tuple[str, ...],
) -> tuple[Tensor | None, State, Products]:
    """One day of all folds.

    Parameters
    ----------
    guidance : Guidance
    forcing : Tensor, shape (fold, cell, 5)
        In physical units.
    mean, std : Tensor, shape (fold, 1, 5)
        Of the forcing.
    state : State
        Of shape (fold, cell); ``h`` and ``c`` (fold * LSTM, cell, unit).
    common : Common
    outputs : tuple of str

    Returns
    -------
    Tensor, shape (output, fold, cell)
        None if no output is wanted.
    State
        At the end of the day.
    Products
        The input of each product, from which the gradients of the matrices are made; without a gradient itself.
    """
    matrices, offsets = common.matrices, common.offsets
    folds, cells = state[0].shape
    static_parameters = dict(zip(guidance.static_parameters, common.static_parameters.unbind(0), strict=True))
    constants = dict(zip(CONSTANTS, common.constants.unbind(0), strict=True))
    seen = list(seen_states(state, static_parameters).values()) + list(((forcing - mean) / std).unbind(-1))
    daily = torch.stack(seen + [torch.zeros_like(seen[0])] * (WIDTH - len(seen)), -1)
    shared = daily.unsqueeze(1)  # by all networks of a fold

    def of_each(networks):
        return shared.expand(folds, len(networks), cells, WIDTH).reshape(folds * len(networks), cells, WIDTH)

    parameters = {}

    def learn(networks, raw):
        raw = raw.unflatten(0, (folds, len(networks)))
        kinds = {kind for row in networks for kind in row.outputs.values()}
        # every activation of all columns: two operations on the whole instead of one for each output
        activated = {kind: [n.unbind(-1) for n in ACTIVATIONS[kind](raw).unbind(1)] for kind in sorted(kinds)}
        for k, row in enumerate(networks):
            for column, (output, kind) in enumerate(row.outputs.items()):
                parameters[output] = activated[kind][k][column]

    x = torch.cat([state.h, of_each(guidance.lstms)], -1)
    i, f, g, o = product(offsets.gates, x, matrices.gates).chunk(4, -1)
    c = torch.sigmoid(f) * state.c + torch.sigmoid(i) * torch.tanh(g)
    h = torch.sigmoid(o) * torch.tanh(c)
    if guidance.lstms:
        learn(guidance.lstms, product(offsets.heads, h, matrices.heads))
    inputs = of_each(guidance.fcnns)
    wide = leaky_relu(product(offsets.first, inputs, matrices.first), 0.01)
    narrow = leaky_relu(product(offsets.second, wide, matrices.second), 0.01)
    if guidance.fcnns:
        learn(guidance.fcnns, product(offsets.third, narrow, matrices.third))
    values = parameters | process_step(forcing, state, parameters | static_parameters | constants)
    # contiguous, so that a compiled step meets one layout only
    end = State(*(values[name].contiguous() for name in CARRIED), h, c)
    series = torch.stack([values[name] for name in outputs]) if outputs else None
    return series, end, Products(*(seen.detach() for seen in (x, h, inputs, wide, narrow)))


def days_of(forcing: Tensor) -> list[Tensor]:
    """The days of a stretch, each in memory of its own: a compiled step would be made anew for every place in it."""
    return [day.clone() for day in forcing.unbind(0)]


class Kind(NamedTuple):
    """What makes one stretch another computation than the next: the networks, the outputs wanted, the precision."""

    guidance: Guidance
    outputs: tuple[str, ...]
    precision: str  # float32, tf32 or bf16, of the products


def forward(step: Callable, kind: Kind, varying: Sequence[Tensor], constant: Sequence[Tensor]) -> list[Tensor]:
    """A stretch of days without gradient.

    Parameters
    ----------
    step : function
        `step_day`, or a faster version of it.
    kind : Kind
    varying : sequence of Tensor
        The forcing (day, fold, cell, 5) of the stretch, then the parts of the state before it.
    constant : sequence of Tensor
        Mean and standard deviation (fold, 1, 5) of the forcing, then `Common.flat`.

    Returns
    -------
    list of Tensor
        The parts of the state after the stretch, then the series (day, output, fold, cell) if outputs are wanted.
    """
    forcing, *state = varying
    mean, std, *flat = constant
    n = len(Products._fields)
    state, common, days = State(*state), Common.of([*rounded(flat[:n], kind.precision), *flat[n:]]), []
    for today in days_of(forcing):
        series, state, _ = step(kind.guidance, today, mean, std, state, common, kind.outputs)
        days.append(series)
    return [*state, torch.stack(days)] if kind.outputs else [*state]


def backward(step: Callable, kind: Kind, varying: Sequence[Tensor], constant: Sequence[Tensor]) -> list[Tensor]:
    """Run a stretch again, now with gradient, and differentiate it.

    The gradients of the matrices are not summed up day by day: every day gets offsets of its own, whose gradients
    are those of the results of the products, and one product over all days makes the gradient of a matrix from them.

    Parameters
    ----------
    step, kind, constant
        As in `forward`.
    varying : sequence of Tensor
        As in `forward`, then the gradient of each thing that `forward` returns.

    Returns
    -------
    list of Tensor
        Gradients with respect to the parts of the state before the stretch, then to `Common.flat`.
    """
    mean, std, *flat = constant
    forcing, parts, given = varying[0], varying[1 : 1 + N_STATE], varying[1 + N_STATE :]
    grad_end, grad_series = given[:N_STATE], given[N_STATE].unbind(0) if kind.outputs else []
    n = len(Products._fields)
    matrices, spread = [m.detach() for m in rounded(flat[:n], kind.precision)], flat[n:]
    with torch.enable_grad():
        start = State(*(part.detach().requires_grad_() for part in parts))
        series, inputs, daily, end = [], [], [], start
        for today in days_of(forcing):
            daily.append([w.detach().requires_grad_() for w in spread])  # all days share the memory
            common = Common.of([*matrices, *daily[-1]])
            of_day, end, seen = step(kind.guidance, today, mean, std, end, common, kind.outputs)
            series.append(of_day)
            inputs.append(seen)
        sources = [*start, *(w for day in daily for w in day)]
        results = [*zip(end, grad_end, strict=True), *zip(series if kind.outputs else [], grad_series, strict=True)]
        # rain, for one, depends on none of the sources
        results, grad_results = zip(*((r, g) for r, g in results if r.requires_grad), strict=True)
        found = torch.autograd.grad(results, sources, grad_results, allow_unused=True)
    found = [torch.zeros_like(s) if g is None else g for g, s in zip(found, sources, strict=True)]
    grad_start, found = found[:N_STATE], found[N_STATE:]
    grad_matrices, grad_spread = [], []
    for k in range(len(spread)):
        grad_days = torch.stack(found[k :: len(spread)])
        grad_spread.append(grad_days.sum(0))
        if k < n:  # an offset, whose gradient is that of the result of the product: (day, batch, cell, output)
            seen = torch.stack([day[k] for day in inputs], 1)
            grad_matrices.append(seen.flatten(1, 2).mT @ grad_days.transpose(0, 1).flatten(1, 2))
    return [*grad_start, *grad_matrices, *grad_spread]


def widen(matrix: Tensor, names: tuple[str, ...], columns: dict[str, int]) -> Tensor:
    """Columns of a matrix (..., output, input) by the names of `names`, zeros for those it has not, transposed."""
    index = [columns.get(name, matrix.shape[-1]) for name in names] + [matrix.shape[-1]] * (WIDTH - len(names))
    return pad(matrix, (0, 1)).index_select(-1, torch.tensor(index, device=matrix.device)).mT
