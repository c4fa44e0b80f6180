"""What reduced precision does to the loss: ``python benchmarks/precision.py results/synthetic --epochs 5``.

Trains fold 0 of a finished run anew, with the products of the networks in float32, TF32 and bf16, and prints the
validation loss of every epoch and how far it is from that in float32. Float32 in another order of sums (backend native)
shows how far rounding alone takes two trainings apart. TF32 needs a GPU; elsewhere it is imitated: what is
multiplied is rounded to 10 bits, as the hardware does, and summed in float32 (the gradients of the matrices themselves
are not rounded).
"""

from __future__ import annotations

import argparse
import json
import tempfile
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from h2cm.config import Config, load
from h2cm.model.backends import stretch
from h2cm.results.paths import path
from h2cm.store import open_store
from h2cm.train import choose_device, train


class ToTF32(torch.autograd.Function):
    """Round to the 10 bits of TF32, to the nearest even; gradients pass."""

    @staticmethod
    def forward(ctx, x):
        bits = x.view(torch.int32)
        return ((bits + 0xFFF + ((bits >> 13) & 1)) & ~0x1FFF).view(torch.float32)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class RoundGradient(torch.autograd.Function):
    """Nothing forwards; the gradient, which the backward pass multiplies, is rounded."""

    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return ToTF32.apply(gradient)


@contextmanager
def imitated_tf32():
    """The products of the time loop with inputs rounded to TF32 while inside."""
    exact = stretch.product

    def product(offset, x, matrix):
        return RoundGradient.apply(torch.bmm(ToTF32.apply(x), ToTF32.apply(matrix))) + offset

    stretch.product = product
    try:
        yield
    finally:
        stretch.product = exact


def validation_losses(run: Path, config: Config, backend: str, epochs: int, **training) -> np.ndarray:
    """Validation loss after every epoch of fold 0 of the first experiment."""
    changed = config.training.model_copy(update=training | {"epochs": epochs, "patience": epochs})
    model = config.model.model_copy(update={"backend": backend})
    config = config.model_copy(update={"training": changed, "model": model})
    store, split = open_store(sorted((run / "store").glob("*.nc"))), pd.read_csv(run / "split" / "split.csv")
    with tempfile.TemporaryDirectory() as folder:
        train(store, split, config, next(iter(config.experiments)), [0], folder)
        table = pd.read_csv(Path(folder, path("losses", experiment=next(iter(config.experiments)), fold=0)))
    return table.loc[(table["cells"] == "validation") & (table["constraint"] == "total"), "loss"].to_numpy()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-cells", type=int, default=64)
    given = parser.parse_args()
    config = load(given.run / "config.yaml")
    on_gpu = choose_device(config.training.device).type == "cuda"
    exact = None
    for precision, backend in (("float32", "fused"), ("float32", "native"), ("tf32", "fused"), ("bf16", "fused")):
        if on_gpu and backend == "native":
            continue
        imitated = precision == "tf32" and not on_gpu
        with imitated_tf32() if imitated else nullcontext():
            chosen = {"precision": "float32" if imitated else precision, "batch_cells": given.batch_cells}
            losses = validation_losses(given.run, config, backend, given.epochs, **chosen)
        exact = losses if exact is None else exact
        off = [f"{value:+.1e}" for value in losses / exact - 1]
        row = {
            "precision": precision,
            "backend": backend,
            "imitated": imitated,
            "validation loss": [round(float(x), 5) for x in losses],
        }
        print(json.dumps(row | {"off float32": off}), flush=True)


if __name__ == "__main__":
    main()
