"""Running a stretch of days on a GPU: the day compiled, the stretch captured as a CUDA graph and replayed.

A day is some hundred small operations; launched one by one they take longer than they compute. `torch.compile` merges
the elementwise ones, and a CUDA graph launches all of a stretch at once. Both are checked against the plain functions
on the first stretch of each shape, gradients included, and given up with a warning where they fail. Environment
variables switch them off: ``H2CM_NO_COMPILE`` and ``H2CM_NO_GRAPHS``.
"""

from __future__ import annotations

import os
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache

import torch
from torch import Tensor

from h2cm.model.backends.stretch import Kind, step_day

KEPT = 64
"""Shapes for which a captured stretch is kept: more than a training of some folds meets, so that none is captured twice."""

TOLERANCE = 0.01
"""Sum of the differences from the plain functions, relative to the sum of the values. It is a check against wrong code,
not of rounding: where a compiler was wrong, gradients were off by 38 to 128 % (the tests hold both to 2e-5)."""


class Captured:
    """A function of tensors, recorded once and replayed on new values.

    Parameters
    ----------
    function : callable
        Of (varying, constant), two lists of tensors; returns a list of tensors.
    varying, constant : sequence of Tensor
        Examples of the arguments: what changes from call to call, and what often stays.
    record : callable
        Given a function without arguments, runs it and returns a function that repeats it in place, and its results.
    """

    def __init__(self, function, varying: Sequence[Tensor], constant: Sequence[Tensor], record: Callable):
        self.varying, self.constant = (
            [t.detach().clone(memory_format=torch.contiguous_format) for t in group] for group in (varying, constant)
        )
        self.replay, self.results = record(lambda: function(self.varying, self.constant))
        self.call = None

    def __call__(self, varying: Sequence[Tensor], constant: Sequence[Tensor], call: object) -> list[Tensor]:
        """Results for new arguments; `constant` is copied in only if `call` is not that of the last time."""
        torch._foreach_copy_(self.varying, list(varying))
        if call is not self.call:
            torch._foreach_copy_(self.constant, list(constant))
            self.call = call
        self.replay()
        # the next replay overwrites the results
        results = [torch.empty_like(r) for r in self.results]
        torch._foreach_copy_(results, self.results)
        return results


@cache
def pool(device: int):
    """Memory that all graphs of a GPU share: one runs at a time, and its results are copied before the next."""
    return torch.cuda.graph_pool_handle()


def record_cuda_graph(function: Callable) -> tuple[Callable, list[Tensor]]:
    """Record a function as a CUDA graph, after some runs that compile and choose kernels."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            function()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    # the stream is set again afterwards, also where the capture fails
    with (
        torch.cuda.stream(torch.cuda.current_stream()),
        torch.cuda.graph(graph, pool=pool(torch.cuda.current_device())),
    ):
        results = function()
    return graph.replay, results


@cache
def compiled_step() -> Callable:
    """`step_day` compiled for any number of folds and cells.

    Buffers are not reused in place: with that the gradients of such steps were wrong (PyTorch 2.13). The columns that are
    stacked are written by one kernel, not by one each.
    """
    options = {"inplace_buffers": False, "force_pointwise_cat": True}
    return torch.compile(step_day, dynamic=True, fullgraph=True, options=options)


def worthwhile(device: torch.device) -> bool:
    """Whether stretches are compiled or captured on this device."""
    return device.type == "cuda"


@contextmanager
def _on(device: torch.device, precision: str) -> Iterator[None]:
    """Streams and graphs belong to the current GPU; TF32 is allowed while inside if it is wanted."""
    if device.type != "cuda":
        yield
        return
    settings = torch.backends.cuda.matmul
    before = settings.allow_tf32
    settings.allow_tf32 = precision == "tf32"
    try:
        with torch.cuda.device(device):
            yield
    finally:
        settings.allow_tf32 = before


def agree(found: Sequence[Tensor], expected: Sequence[Tensor]) -> bool:
    """Whether two lists of tensors are the same but for rounding."""
    return all(
        torch.equal(f.isfinite(), e.isfinite())
        and float((f - e).abs().nan_to_num().sum()) <= TOLERANCE * float(e.abs().nan_to_num().sum())
        for f, e in zip(found, expected, strict=True)
    )


_kept: OrderedDict[tuple, Callable] = OrderedDict()


def _first_that_works(function: Callable, kind: Kind, varying, constant) -> Callable:
    """The fastest way to run `function` that gives what the plain functions give."""

    def plain(varying, constant, call=None):
        return function(step_day, kind, varying, constant)

    expected = plain(varying, constant)
    steps = [step_day] if os.environ.get("H2CM_NO_COMPILE") else [compiled_step(), step_day]
    ways = [(step, graph) for graph in (True, False) for step in steps]
    if os.environ.get("H2CM_NO_GRAPHS"):
        ways = [way for way in ways if not way[1]]
    for step, graph in ways:
        name = " and ".join(["compiled"] * (step is not step_day) + ["captured"] * graph)
        if not name:
            break

        def run(varying, constant, call=None, step=step):
            return function(step, kind, varying, constant)

        try:
            # a version for each set of outputs, with and without gradient, of one fold and of several; the constants of
            # the equations stay constants, or each would be an input on the CPU
            settings = {"recompile_limit": 64, "specialize_float": True}
            with nullcontext() if step is step_day else torch._dynamo.config.patch(settings):
                way = Captured(run, varying, constant, record_cuda_graph) if graph else run
                good = agree(way(varying, constant, object()), expected)
            if good:
                return way
            reason = "its results differ"
        except Exception as error:  # compiler, driver and PyTorch raise many kinds; the plain functions still work
            reason = (str(error).strip() or repr(error)).splitlines()[0]
        warnings.warn(f"The fused backend cannot be {name} here ({reason}); it is slower.", stacklevel=2)
    return plain


def prepare(function: Callable, kind: Kind, varying: Sequence[Tensor], constant: Sequence[Tensor]):
    """The way to run `function` on tensors of these shapes, made on first use."""
    key = (function, kind, *((t.shape, t.dtype, t.device) for t in (*varying, *constant)))
    if key not in _kept:
        with _on(varying[0].device, kind.precision):
            _kept[key] = _first_that_works(function, kind, varying, constant)
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    _kept.move_to_end(key)
    return _kept[key]


def runner(function: Callable, kind: Kind, constant: Sequence[Tensor]) -> Callable:
    """A function of the varying tensors that runs `function` (`stretch.forward` or `stretch.backward`)."""
    call = object()

    def run(varying: Sequence[Tensor]) -> list[Tensor]:
        with _on(varying[0].device, kind.precision):
            if not worthwhile(varying[0].device):
                return function(step_day, kind, varying, constant)
            return prepare(function, kind, varying, constant)(varying, constant, call)

    return run
