"""The GPU backend: several models at once, stepped through the days with few, large operations.

The models (folds) are stacked: one batched matrix product serves the LSTMs of all of them (`stretch`). Of the forward
pass only the state every `STRETCH` days is kept; the backward pass recomputes each stretch. On a GPU the day is
compiled and a stretch is captured as a CUDA graph and replayed (`capture`); on a CPU the same functions simply run.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from h2cm.model.backends import capture
from h2cm.model.backends.stretch import DAILY, FCNNS, N_STATE, Products, Weights, backward, forward, widen
from h2cm.model.h2cm import State
from h2cm.model.networks import LSTMS, NETWORKS, STATIC_CODE

STRETCH = 16
"""Days between two states that are kept for the backward pass."""

CELL_MULTIPLE = 32
"""On a GPU the cells of a model are filled up to a multiple of this, so that few shapes are compiled and captured."""


def unavailable(model, forcing: Tensor) -> str | None:
    """Why this backend cannot run here, or None."""
    if forcing.dtype not in (torch.float32, torch.float64) or forcing.dtype != model.forcing_mean.dtype:
        return f"it takes float32 or float64 like the model's weights, and the forcing is {forcing.dtype}"
    return None


def columns(name: str) -> tuple[dict[str, int], list[int]]:
    """Of the inputs of a network: the column of each daily one, and the columns of the static code."""
    daily, code, column = {}, [], 0
    for given in NETWORKS[name].inputs:
        width = STATIC_CODE if given == "static_code" else 1
        if given == "static_code":
            code = list(range(column, column + width))
        else:
            daily[given] = column
        column += width
    return daily, code


def stack(models, names: Sequence[str], parameter: str) -> Tensor:
    """A parameter of some networks of all models, (model, network, ...); with zeros for outputs that one has not."""
    tensors = [[model.networks[name].get_parameter(parameter) for name in names] for model in models]
    rows = max(t.shape[0] for t in tensors[0])

    def filled(tensor):
        if tensor.shape[0] == rows:
            return tensor
        return torch.cat([tensor, tensor.new_zeros(rows - tensor.shape[0], *tensor.shape[1:])])

    return torch.stack([torch.stack([filled(t) for t in row]) for row in tensors])


def fill(tensor: Tensor, cells: int) -> Tensor:
    """Repeat the last cell (first dimension) until there are `cells`."""
    missing = cells - tensor.shape[0]
    return torch.cat([tensor, tensor[-1:].expand(missing, *tensor.shape[1:])]) if missing else tensor


def pack(models, static: list[Tensor], cells: int) -> Weights:
    """The weights of all models as `stretch` takes them; differentiable.

    Parameters
    ----------
    static : list of Tensor, shape (cell, attribute)
        Of each model.
    cells : int
        To which the cells of each model are filled up, by repeating the last one.
    """
    of_static = [model.static_parameters(s) for model, s in zip(models, static, strict=True)]
    capacity, interception = (
        torch.stack([fill(p[name], cells) for p, _ in of_static])
        for name in ("soil_moisture_capacity", "alpha_interception")
    )
    code = torch.stack([fill(z, cells) for _, z in of_static])

    def inputs(names, weight, bias):
        """Matrices of the daily inputs, and offsets from bias and static code."""
        matrices, offsets = [], []
        for k, name in enumerate(names):
            daily, of_code = columns(name)
            rows = stack(models, [name], weight)[:, 0]
            matrices.append(widen(rows, DAILY, daily))
            offsets.append(torch.baddbmm(bias[:, k, None], code, rows[..., of_code].mT))
        return torch.stack(matrices, 1), torch.stack(offsets, 1)

    def spread(bias):
        return bias.unsqueeze(2).expand(*bias.shape[:2], cells, bias.shape[2])

    biases = stack(models, LSTMS, "cell.bias_ih") + stack(models, LSTMS, "cell.bias_hh")
    daily, base = inputs(LSTMS, "cell.weight_ih", biases)
    first, first_base = inputs(FCNNS, "fc1.weight", stack(models, FCNNS, "fc1.bias"))
    matrices = Products(
        torch.cat([stack(models, LSTMS, "cell.weight_hh").mT, daily], 2),
        stack(models, LSTMS, "head.weight").mT,
        first,
        stack(models, FCNNS, "fc2.weight").mT,
        stack(models, FCNNS, "fc3.weight").mT,
    )
    offsets = Products(
        base,
        spread(stack(models, LSTMS, "head.bias")),
        first_base,
        spread(stack(models, FCNNS, "fc2.bias")),
        spread(stack(models, FCNNS, "fc3.bias")),
    )
    constants = torch.stack([torch.stack(list(model.constants().values())) for model in models], 1)
    return Weights(
        Products(*(m.flatten(0, 1) for m in matrices)),
        Products(*(o.flatten(0, 1) for o in offsets)),
        capacity,
        interception,
        constants.unsqueeze(-1).expand(*constants.shape, cells),
    )


class _TimeLoop(torch.autograd.Function):
    """All days of all models; differentiable with respect to the weights and the state at either end."""

    @staticmethod
    def forward(ctx, outputs, precision, keep, forcing, mean, std, *tensors):
        state, constant = list(tensors[:N_STATE]), [mean, std, *tensors[N_STATE:]]
        days, folds, cells = forcing.shape[:3]
        series = forcing.new_empty(days, len(outputs), folds, cells)
        starts, prepared = [], set()
        run = capture.runner(forward, outputs, precision, constant)
        for stretch, of_stretch in zip(forcing.split(STRETCH), series.split(STRETCH), strict=True):
            if keep:
                starts += state
                # here, as the backward pass runs in another thread
                if capture.worthwhile(forcing.device) and len(stretch) not in prepared:
                    of_results = [torch.ones_like(s) for s in state] + [torch.ones_like(of_stretch)] * bool(outputs)
                    capture.prepare(backward, outputs, precision, [stretch, *state, *of_results], constant)
                    prepared.add(len(stretch))
            found = run([stretch, *state])
            state = found[:N_STATE]
            if outputs:
                of_stretch.copy_(found[N_STATE])
        if keep:
            ctx.outputs, ctx.precision = outputs, precision
            ctx.save_for_backward(forcing, *constant, *starts)
        return series, *state

    @staticmethod
    @once_differentiable
    def backward(ctx, of_series, *of_state):
        forcing, *saved = ctx.saved_tensors
        n = 2 + 2 * len(Products._fields) + 3  # mean, standard deviation, `Weights.flat`
        constant, starts = saved[:n], saved[n:]
        of_weights = None
        run = capture.runner(backward, ctx.outputs, ctx.precision, constant)
        stretches = list(zip(forcing.split(STRETCH), of_series.contiguous().split(STRETCH), strict=True))
        for k, (stretch, of_stretch) in reversed(list(enumerate(stretches))):
            start = starts[k * N_STATE : (k + 1) * N_STATE]
            found = run([stretch, *start, *of_state, *([of_stretch] if ctx.outputs else [])])
            of_state, found = found[:N_STATE], found[N_STATE:]
            if of_weights is None:
                of_weights = found
            else:
                torch._foreach_add_(of_weights, found)
        return None, None, None, None, None, None, *of_state, *of_weights


def simulate_many(models, forcing, static, states, outputs: tuple[str, ...]):
    """See `h2cm.model.backends.simulate_many`. Models with fewer cells than others repeat their last cell.

    Raises
    ------
    ValueError
        If a gradient with respect to the forcing is asked for, which this backend does not have.
    """
    if torch.is_grad_enabled() and any(f.requires_grad for f in forcing):
        raise ValueError("the fused backend has no gradient with respect to the forcing: use eager")
    sizes = [f.shape[0] for f in forcing]
    multiple = CELL_MULTIPLE if capture.worthwhile(forcing[0].device) else 1
    cells = -(-max(sizes) // multiple) * multiple
    weights = pack(models, static, cells).flat()
    days = torch.stack([fill(f.detach(), cells).transpose(0, 1) for f in forcing], 1)
    mean, std = (torch.stack([getattr(m, f"forcing_{k}") for m in models]).unsqueeze(1) for k in ("mean", "std"))
    storages = [torch.stack([fill(s, cells) for s in part]) for part in list(zip(*states, strict=True))[:-2]]
    lstms = [
        torch.cat([fill(s.transpose(0, 1), cells).transpose(0, 1) for s in part])
        for part in list(zip(*states, strict=True))[-2:]
    ]
    start = [*storages, *lstms]
    keep = torch.is_grad_enabled() and any(t.requires_grad for t in (*start, *weights))
    series, *end = _TimeLoop.apply(outputs, models[0].precision, keep, days, mean, std, *start, *weights)
    of_models = series.permute(2, 1, 3, 0).unbind(0)  # each (output, cell, day)
    end = [part.unbind(0) for part in end[:-2]] + [part.unflatten(0, (len(models), -1)).unbind(0) for part in end[-2:]]
    results = []
    for k, size in enumerate(sizes):
        daily = dict(zip(outputs, of_models[k][:, :size].unbind(0), strict=True))
        state = State(*(part[k][:size] for part in end[:-2]), *(part[k][:, :size] for part in end[-2:]))
        results.append((daily, state))
    return results


def simulate(model, forcing: Tensor, static: Tensor, state, outputs: tuple[str, ...]):
    """See `h2cm.model.H2CM.forward`."""
    return simulate_many([model], [forcing], [static], [state], outputs)[0]
