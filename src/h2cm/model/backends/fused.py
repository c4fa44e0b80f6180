"""The GPU backend: several models at once, stepped through the days with few, large operations.

The models (folds) are stacked: one batched matrix product serves the LSTMs of all of them (`stretch`). Of the forward
pass only the state every `STRETCH` days is kept; the backward pass recomputes each stretch. On a GPU the day is
compiled and a stretch is captured as a CUDA graph and replayed (`capture`); on a CPU the same functions simply run.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from h2cm.model.backends import capture
from h2cm.model.backends.stretch import (
    DAILY,
    N_COMMON,
    N_STATE,
    WIDTH,
    Common,
    Kind,
    Products,
    backward,
    forward,
    widen,
)
from h2cm.model.networks import HIDDEN, WIDTHS, Network
from h2cm.model.process import State

STRETCH = 16
"""Days between two states that are kept for the backward pass."""

CELL_MULTIPLE = 32
"""On a GPU the cells of a model are filled up to a multiple of this, so that few shapes are compiled and captured."""


def unavailable(model, forcing: Tensor) -> str | None:
    """Why this backend cannot run here, or None."""
    if forcing.dtype not in (torch.float32, torch.float64) or forcing.dtype != model.forcing_mean.dtype:
        return f"it takes float32 or float64 like the model's weights, and the forcing is {forcing.dtype}"
    known = model.guidance.lstms + model.guidance.fcnns
    if other := [row for row in model.guidance.daily if row not in known]:
        return f"the network {other[0].name} is of the kind {other[0].kind}, for which it has no product"
    return None


def stack(models, networks: Sequence[Network], parameter: str, empty: tuple[int, ...]) -> Tensor:
    """A parameter of some networks of all models, (model, network, ...); with zeros for outputs that one has not.

    `empty` is the shape of one where there is no network.
    """
    if not networks:
        return models[0].forcing_mean.new_zeros(len(models), 0, *empty)
    tensors = [[attrgetter(parameter)(model.networks[row.name]) for row in networks] for model in models]
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


def pack(models, static: list[Tensor], cells: int) -> Common:
    """What the days of all models have in common; differentiable.

    Parameters
    ----------
    static : list of Tensor, shape (cell, attribute)
        Of each model.
    cells : int
        To which the cells of each model are filled up, by repeating the last one.
    """
    lstms, fcnns = models[0].guidance.lstms, models[0].guidance.fcnns
    of_static = [model.static_parameters(s) for model, s in zip(models, static, strict=True)]
    static_parameters = [torch.stack([fill(v, cells) for v in p.values()]) for p, _ in of_static]
    code = torch.stack([fill(z, cells) for _, z in of_static])

    def inputs(networks, weight, bias):
        """Matrices of the daily inputs, and offsets from bias and static code."""
        matrices, offsets = [], []
        for k, row in enumerate(networks):
            daily, of_code = row.columns()
            rows = stack(models, [row], weight, ())[:, 0]
            matrices.append(widen(rows, DAILY, daily))
            offset = bias[:, k, None].expand(-1, cells, -1)
            offsets.append(torch.baddbmm(offset, code, rows[..., of_code].mT) if of_code else offset)
        if not networks:
            return bias.new_zeros(len(models), 0, WIDTH, bias.shape[2]), bias.new_zeros(
                len(models), 0, cells, bias.shape[2]
            )
        return torch.stack(matrices, 1), torch.stack(offsets, 1)

    def spread(bias):
        return bias.unsqueeze(2).expand(*bias.shape[:2], cells, bias.shape[2])

    wide, narrow = WIDTHS
    biases = sum(stack(models, lstms, f"cell.bias_{k}", (4 * HIDDEN,)) for k in ("ih", "hh"))
    daily, base = inputs(lstms, "cell.weight_ih", biases)
    first, first_base = inputs(fcnns, "fc1.weight", stack(models, fcnns, "fc1.bias", (wide,)))
    matrices = Products(
        torch.cat([stack(models, lstms, "cell.weight_hh", (4 * HIDDEN, HIDDEN)).mT, daily], 2),
        stack(models, lstms, "head.weight", (1, HIDDEN)).mT,
        first,
        stack(models, fcnns, "fc2.weight", (narrow, wide)).mT,
        stack(models, fcnns, "fc3.weight", (1, narrow)).mT,
    )
    offsets = Products(
        base,
        spread(stack(models, lstms, "head.bias", (1,))),
        first_base,
        spread(stack(models, fcnns, "fc2.bias", (narrow,))),
        spread(stack(models, fcnns, "fc3.bias", (1,))),
    )
    constants = torch.stack([torch.stack(list(model.constants().values())) for model in models], 1)
    return Common(
        Products(*(m.flatten(0, 1) for m in matrices)),
        Products(*(o.flatten(0, 1) for o in offsets)),
        torch.stack(static_parameters, 1),
        constants.unsqueeze(-1).expand(*constants.shape, cells),
    )


class _TimeLoop(torch.autograd.Function):
    """All days of all models; differentiable with respect to `Common` and the state at either end."""

    @staticmethod
    def forward(ctx, kind, keep, forcing, mean, std, *tensors):
        state, constant = list(tensors[:N_STATE]), [mean, std, *tensors[N_STATE:]]
        days, folds, cells = forcing.shape[:3]
        series = forcing.new_empty(days, len(kind.outputs), folds, cells)
        starts, prepared = [], set()
        run = capture.runner(forward, kind, constant)
        for stretch, of_stretch in zip(forcing.split(STRETCH), series.split(STRETCH), strict=True):
            if keep:
                starts += state
                # here, as the backward pass runs in another thread
                if capture.worthwhile(forcing.device) and len(stretch) not in prepared:
                    ones = [torch.ones_like(s) for s in state] + [torch.ones_like(of_stretch)] * bool(kind.outputs)
                    capture.prepare(backward, kind, [stretch, *state, *ones], constant)
                    prepared.add(len(stretch))
            found = run([stretch, *state])
            state = found[:N_STATE]
            if kind.outputs:
                of_stretch.copy_(found[N_STATE])
        if keep:
            ctx.kind = kind
            ctx.save_for_backward(forcing, *constant, *starts)
        return series, *state

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_series, *grad_state):
        forcing, *saved = ctx.saved_tensors
        n = 2 + N_COMMON  # mean and standard deviation first
        constant, starts = saved[:n], saved[n:]
        grad_common = None
        run = capture.runner(backward, ctx.kind, constant)
        stretches = list(zip(forcing.split(STRETCH), grad_series.contiguous().split(STRETCH), strict=True))
        for k, (stretch, grad_stretch) in reversed(list(enumerate(stretches))):
            start = starts[k * N_STATE : (k + 1) * N_STATE]
            found = run([stretch, *start, *grad_state, *([grad_stretch] if ctx.kind.outputs else [])])
            grad_state, found = found[:N_STATE], found[N_STATE:]
            if grad_common is None:
                grad_common = found
            else:
                torch._foreach_add_(grad_common, found)
        return None, None, None, None, None, *grad_state, *grad_common


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
    common = pack(models, static, cells).flat()
    days = torch.stack([fill(f.detach(), cells).transpose(0, 1) for f in forcing], 1)
    mean, std = (torch.stack([getattr(m, f"forcing_{k}") for m in models]).unsqueeze(1) for k in ("mean", "std"))
    storages = [torch.stack([fill(s, cells) for s in part]) for part in list(zip(*states, strict=True))[:-2]]
    lstms = [
        torch.cat([fill(s.transpose(0, 1), cells).transpose(0, 1) for s in part])
        for part in list(zip(*states, strict=True))[-2:]
    ]
    start = [*storages, *lstms]
    keep = torch.is_grad_enabled() and any(t.requires_grad for t in (*start, *common))
    kind = Kind(models[0].guidance, outputs, models[0].precision)
    series, *end = _TimeLoop.apply(kind, keep, days, mean, std, *start, *common)
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
