"""How fast a training step, or a prediction, is: ``python benchmarks/training.py --cells 128 --days 1096 --json``.

The step is the project's own (`h2cm.train.loop.train_step`: spin-up, forward, loss of the paper's nine constraints,
backward, optimiser) on invented weather. Beside it stands the limit of the machine: the matrix products that such a
step cannot do without (those of the three LSTMs, without what only depends on static attributes, and without any
recomputation), timed one by one with PyTorch in the same process before and after every step.

``--march native x86-64-v3`` compares builds of the native backend: each has a process of its own, in which PyTorch's
products, too, are held to those instructions, and the processes take turns, step by step.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import resource
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from h2cm.config import parse
from h2cm.model import NETWORKS, OUTPUTS
from h2cm.model.backends import BACKENDS, simulate_many
from h2cm.model.networks import HIDDEN, LSTMS
from h2cm.train import loop
from h2cm.train.data import Data
from h2cm.train.data import statistics as statistics_of

CONSTRAINTS = {
    "tws": ("tws", "monthly_centred"),
    "swe": ("swe", "monthly"),
    "fapar": ("fapar", "monthly"),
    "et": ("et", "mean_seasonal_cycle"),
    "runoff": ("runoff", "mean_seasonal_cycle"),
    "gpp": ("gpp", "mean_seasonal_cycle"),
    "nee_oco2": ("nee", "monthly"),
    "nee_carboscope": ("nee", "spatial_mean_anomaly"),
    "cue": ("cue", "mean_ratio"),
}


PRODUCTS_WITH = {  # what holds MKL and oneDNN to the instructions of a kind of processor
    "x86-64-v3": {"MKL_ENABLE_INSTRUCTIONS": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "x86-64": {"MKL_ENABLE_INSTRUCTIONS": "SSE4_2", "ONEDNN_MAX_CPU_ISA": "SSE41"},
}


def invent(cells: int, days: int, attributes: int = 30) -> Data:
    """Weather with seasons, snow and dry spells, and targets of the right shapes; deterministic."""
    rng = np.random.default_rng(0)
    time = pd.date_range("2001-01-01", periods=days).to_period("M")
    months = time.unique()
    season = np.sin(2 * np.pi * (np.arange(days) / 365.25 - 0.25)) * rng.uniform(0.2, 1.5, (cells, 1))
    forcing = np.empty((cells, days, 5), np.float32)
    forcing[..., 0] = 90 + 80 * season + rng.normal(0, 20, (cells, days))
    forcing[..., 1] = rng.gamma(0.4, 8, (cells, days)) * (rng.random((cells, days)) < 0.4)
    forcing[..., 2] = 273.15 + rng.uniform(-5, 25, (cells, 1)) + 12 * season + rng.normal(0, 3, (cells, days))
    forcing[..., 3] = np.exp(1.5 + 0.8 * season + rng.normal(0, 0.3, (cells, days)))
    forcing[..., 4] = 370 + np.arange(days) / 180
    shapes = {name: (cells,) if name == "cue" else (cells, len(months)) for name in CONSTRAINTS}
    return Data(
        forcing=torch.from_numpy(forcing),
        static=torch.from_numpy(rng.normal(size=(cells, attributes)).astype(np.float32)),
        features=tuple(f"attribute_{i}" for i in range(attributes)),
        area=torch.ones(cells),
        targets={name: torch.from_numpy(rng.gamma(2, 0.5, shape).astype(np.float32)) for name, shape in shapes.items()},
        constraints=configuration("auto").constraints,
        months=torch.from_numpy(np.stack([months.year, months.month], 1)),
        days=torch.from_numpy(months.get_indexer(time)),
    )


def configuration(backend: str):
    """The training of the paper, with one backend."""
    constraints = {k: {"prediction": p, "compare": c} for k, (p, c) in CONSTRAINTS.items()}
    values = {"run": "benchmark", "source": "twin", "constraints": constraints, "experiments": {"cv": {}}}
    return parse(values | {"model": {"backend": backend}})


class Clock:
    """Seconds by name, on a GPU up to the end of the work that was started.

    With `processor`, the seconds that the process was computing: with one thread, those of the wall clock on a machine
    that does nothing else.
    """

    def __init__(self, device: torch.device, processor: bool):
        self.device = device
        self.read = time.process_time if processor else time.perf_counter
        self.seconds: dict[str, float] = defaultdict(float)

    def now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return self.read()

    def timed(self, function, name):
        """`function`, its time counted under `name` (or under what `name` makes of the arguments)."""

        def wrapper(*args, **kwargs):
            start = self.now()
            result = function(*args, **kwargs)
            self.seconds[name(*args) if callable(name) else name] += self.now() - start
            return result

        return wrapper

    @contextmanager
    def parts_of_a_step(self, folds):
        """Count the parts of `train_step` while inside."""
        kind = type(folds[0].model)
        simulate, backward = kind.simulate_many, torch.Tensor.backward
        optimise = [fold.optimiser.step for fold in folds]
        kind.simulate_many = staticmethod(self.timed(simulate, lambda *args: "forward" if args[4] else "spin_up"))
        torch.Tensor.backward = self.timed(backward, "backward")
        for fold in folds:
            fold.optimiser.step = self.timed(fold.optimiser.step, "optimiser")
        try:
            yield
        finally:
            kind.simulate_many, torch.Tensor.backward = staticmethod(simulate), backward
            for fold, step in zip(folds, optimise, strict=True):
                fold.optimiser.step = step


def repeated(function: Callable, times: int, device: torch.device) -> Callable:
    """`function` so many times; on a GPU launched at once, so that the launches are not what is measured."""

    def run():
        for _ in range(times):
            function()

    if device.type != "cuda":
        return run
    run()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def limit(cells: int, folds: int, device: torch.device, predict: bool, clock: Clock) -> float:
    """Cell-days per second if nothing but the matrix products of the LSTMs were done, each at its measured speed."""
    stretch = 16  # days at a time in the gradient of the weights
    widths = [sum(name != "static_code" for name in NETWORKS[name_].inputs) + HIDDEN for name_ in LSTMS]
    if device.type == "cuda":  # all at once, as wide as the widest
        batch, widths = (folds * len(widths),), [max(widths)]
    else:
        batch = (folds,)
    seconds = 0.0
    for width in widths:
        shapes = {"forward": ((cells, width), (width, 4 * HIDDEN), 2, 1)}
        if not predict:
            shapes["inputs"] = ((cells, 4 * HIDDEN), (4 * HIDDEN, width), 1, 1)
            shapes["weights"] = ((4 * HIDDEN, cells * stretch), (cells * stretch, width), 1, stretch)
        for left, right, times, days in shapes.values():
            a, b = torch.randn(*batch, *left, device=device), torch.randn(*batch, *right, device=device)
            out = torch.empty(*batch, left[0], right[1], device=device)
            repeats = max(1, int(2e8 / (left[0] * left[1] * right[1] * folds)))
            run = repeated(lambda a=a, b=b, out=out: torch.bmm(a, b, out=out), repeats, device)
            best = float("inf")
            for _ in range(10):
                start = clock.now()
                run()
                best = min(best, (clock.now() - start) / repeats)
            seconds += times * best / days
    return folds * cells / seconds


def resident(peak: bool) -> int:
    """Bytes of memory of this process, now or at its peak since `forget_peak`."""
    status = Path("/proc/self/status")
    if status.exists():
        key = "VmHWM" if peak else "VmRSS"
        return int(next(x for x in status.read_text().splitlines() if x.startswith(key)).split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if platform.system() == "Darwin" else 1024)


def forget_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    elif Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")


class Measurement:
    """Steps beside the limit, one at a time, after one to warm up."""

    def __init__(self, given: argparse.Namespace):
        if given.processor_time:
            torch.set_num_threads(1)
        self.given, self.device = given, torch.device(given.device)
        config, data = configuration(given.backend), invent(given.cells, given.days)
        moments = statistics_of(data, torch.arange(given.cells))
        data = data.to(self.device)
        everything = np.arange(given.cells)
        self.trained = [
            loop.build_fold(k, config, "cv", data, moments, everything, everything) for k in range(given.folds)
        ]
        self.data, self.objective = data, loop.Objective(data, config, config.experiments["cv"])
        self.batch = [torch.arange(given.cells, device=self.device)] * given.folds
        self.clock = Clock(self.device, given.processor_time)
        self.limit_before = self.limit()
        forget_peak(self.device)
        self.memory = resident(peak=False)
        self.step()

    def limit(self) -> float:
        return limit(self.given.cells, self.given.folds, self.device, self.given.predict, self.clock)

    @torch.no_grad()
    def predict(self) -> None:
        models = [fold.model for fold in self.trained]
        forcing, static = [self.data.forcing] * len(models), [self.data.static] * len(models)
        states = [model.initial_state(self.given.cells) for model in models]
        states = [s for _, s in self.clock.timed(simulate_many, "spin_up")(models, forcing, static, states, ())]
        self.clock.timed(simulate_many, "forward")(models, forcing, static, states, OUTPUTS)

    def step(self) -> None:
        if self.given.predict:
            self.predict()
        else:
            with self.clock.parts_of_a_step(self.trained):
                if None in loop.train_step(self.trained, self.objective, self.batch):
                    raise FloatingPointError("the loss or a gradient is not finite")

    def turn(self) -> dict:
        """One step: seconds by part, memory, and the limit as the mean of that before and that after."""
        self.clock.seconds.clear()
        start = self.clock.now()
        self.step()
        seconds = {"step": self.clock.now() - start} | self.clock.seconds
        if not self.given.predict:  # what is left of the step: monthly means, loss, clipping
            seconds["loss"] = 2 * seconds["step"] - sum(seconds.values())
        on_gpu = self.device.type == "cuda"
        peak = torch.cuda.max_memory_reserved(self.device) if on_gpu else resident(peak=True)
        before, self.limit_before = self.limit_before, self.limit()
        return {
            "device": torch.cuda.get_device_name(self.device) if on_gpu else "cpu",
            "threads": torch.get_num_threads(),
            "seconds": seconds,
            "peak": peak,
            "above": peak if on_gpu else peak - self.memory,
            "limit": (before + self.limit_before) / 2,
        }


def serve(given: argparse.Namespace, connection) -> None:
    """A `Measurement` in a process of its own: a turn for every message."""
    measurement = Measurement(given)
    connection.send(None)
    while connection.recv():
        connection.send(measurement.turn())


def turns_of_processes(given: argparse.Namespace) -> list[list[dict]]:
    """The turns of each of `given.march`; one process works at a time."""
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        connections = []
        for march in given.march:
            ours, theirs = context.Pipe()
            process = context.Process(target=serve, args=(given, theirs), daemon=True)
            environment = {"H2CM_MARCH": march} | PRODUCTS_WITH.get(march, {})
            kept = dict(os.environ)
            os.environ.update(environment)
            try:
                process.start()
            finally:
                os.environ.clear()
                os.environ.update(kept)
            stack.callback(process.terminate)
            theirs.close()  # that a process that fails is noticed
            ours.recv()
            connections.append(ours)
        turns = [[] for _ in connections]
        for _ in range(given.steps):
            for mine, connection in zip(turns, connections, strict=True):
                connection.send(True)
                mine.append(connection.recv())
        return turns


def spread_of(values: list[float]) -> dict[str, float]:
    """Median, least and greatest."""
    return {
        "median": round(statistics.median(values), 3),
        "least": round(min(values), 3),
        "greatest": round(max(values), 3),
    }


def summary(given: argparse.Namespace, march: str, turns: list[dict], first: list[dict]) -> dict:
    """What is printed of one build, beside the `first` one."""
    work = given.folds * given.cells * given.days
    seconds = {name: statistics.median(t["seconds"][name] for t in turns) for name in turns[0]["seconds"]}
    row = {
        "what": "prediction" if given.predict else "training step",
        "cells": given.cells,
        "days": given.days,
        "folds": given.folds,
        "backend": given.backend,
        "march": march,
        "device": turns[0]["device"],
        "threads": turns[0]["threads"],
        "time": "processor" if given.processor_time else "wall clock",
        "cell_days_per_second": round(work / seconds["step"]),
        "seconds": {name: round(value, 5) for name, value in seconds.items()},
        "peak_memory_bytes": turns[0]["peak"],
        "memory_above_data_bytes": turns[0]["above"],
        "limit_cell_days_per_second": round(statistics.median(t["limit"] for t in turns)),
        "fraction_of_limit": spread_of([work / t["seconds"]["step"] / t["limit"] for t in turns]),
    }
    if turns is not first:
        pairs = zip(turns, first, strict=True)
        row["speed_beside_the_first"] = spread_of([b["seconds"]["step"] / a["seconds"]["step"] for a, b in pairs])
    return row


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--cells", type=int, default=128, help="cells of a batch")
    parser.add_argument("--days", type=int, default=1096)
    parser.add_argument("--backend", default="auto", choices=("auto", *BACKENDS))
    parser.add_argument("--folds", type=int, default=1, help="folds trained side by side, each on its own cells")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--predict", action="store_true", help="spin-up and all daily outputs instead of a training step"
    )
    parser.add_argument("--steps", type=int, default=5, help="steps that are timed, after one that is not")
    parser.add_argument(
        "--march",
        nargs="+",
        default=[os.environ.get("H2CM_MARCH") or "native"],
        help="kinds of processor for which the native backend is built, as the compiler names them, to be compared",
    )
    parser.add_argument(
        "--processor-time",
        action="store_true",
        help="on one thread, not counting the time that others had the processor",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per build instead of lines")
    given = parser.parse_args()
    turns = turns_of_processes(given)
    for march, mine in zip(given.march, turns, strict=True):
        row = summary(given, march, mine, turns[0])
        print(json.dumps(row) if given.json else "\n".join(f"{k}: {v}" for k, v in row.items()) + "\n")


if __name__ == "__main__":
    main()
