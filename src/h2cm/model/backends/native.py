"""The CPU backend: the whole time loop as one C++ operator, built for this machine on first use.

The three LSTMs, the coupling network and the process equations of a day run in one pass over a tile of cells that stays
in the cache; tiles are shared out to the threads. What the static attributes contribute to the networks is computed
once, outside the loop, by PyTorch. Of the forward pass only the state every `STRETCH` days is kept; the backward pass
recomputes each stretch. The results do not depend on the number of threads.

`python -m h2cm.model.backends.native` builds the operator ahead of its first use.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import subprocess
import sys
import tempfile
import warnings
from functools import cache
from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor
from torch.autograd.function import once_differentiable

from h2cm.model.networks import LSTMS, NETWORKS, STATIC_CODE

STRETCH = 8
"""Days between two states that are kept for the backward pass."""

SOURCES = Path(__file__).parent / "csrc"

FLAGS = ("-O3", "-std=c++20", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math")
"""How the operator is compiled. Contraction stays off because exact ties of minima and maxima must stay exact."""

TUNING = ("-march=native", "-fopenmp")
"""What makes it fast but not every compiler knows: the processor's own instructions, and threads. OpenMP's library is
not linked: PyTorch has brought its own, and two would not know of each other's threads."""

INPUTS = (
    "net_radiation",
    "precipitation",
    "air_temperature",
    "vapour_pressure_deficit",
    "co2",
    "soil_moisture",
    "swe",
    "groundwater",
    "fapar",
    "npp",
)
"""The daily inputs that the operator can give to a network (`Source` in networks.h)."""

LAYOUT = {
    "static_parameters": ("soil_moisture_capacity", "alpha_interception"),
    "hydrology": ("alpha_snow_melt", "alpha_soil_recharge", "alpha_groundwater_recharge"),
    "coupling": ("alpha_wue", "alpha_transpiration"),
    "vegetation": ("cue", "fapar"),
    "surface": ("basal_respiration", "alpha_soil_evaporation"),
}
"""The networks and outputs for which the operator is written; their inputs may be any of `INPUTS`."""

ACTIVATIONS = {"soil_moisture_capacity": "capacity"} | dict.fromkeys(
    ("alpha_interception", "alpha_snow_melt", "alpha_wue", "basal_respiration"), "softplus"
)
"""Activations of those outputs that are not sigmoids."""


def _changed() -> str | None:
    """What the operator does not know about `NETWORKS`, or None."""
    if {name: tuple(row.outputs) for name, row in NETWORKS.items()} != LAYOUT or list(NETWORKS) != list(LAYOUT):
        return "the table of networks or their outputs is not the one it is written for"
    for name, row in NETWORKS.items():
        if row.kind != ("fcnn" if name in ("static_parameters", "coupling") else "lstm"):
            return f"the kind of the network {name} has changed"
        if any(activation != ACTIVATIONS.get(o, "sigmoid") for o, activation in row.outputs.items()):
            return f"an activation of the network {name} has changed"
        if name != "static_parameters" and (
            "static_code" not in row.inputs or set(row.inputs) - {"static_code", *INPUTS}
        ):
            return f"the network {name} has an input that the operator cannot give it"
    return None


def _processor() -> str:
    """What ``-march=native`` depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    return "\n".join(sorted({x for x in lines if x.startswith(("model name", "flags", "Features", "CPU part"))}))


def _library() -> Path:
    """Where the operator for these sources, this processor and this PyTorch is cached."""
    key = hashlib.sha256()
    for file in sorted(SOURCES.iterdir()):
        key.update(file.read_bytes())
    key.update(repr((FLAGS, TUNING, torch.__version__, sys.version_info[:2], _processor())).encode())
    cached = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cached / "h2cm" / f"native_{key.hexdigest()[:16]}.so"


def _build(library: Path) -> None:
    """Compile the operator, unless another process has done so or is about to."""
    from torch.utils import cpp_extension  # slow to import, and only needed here

    library.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(library.with_suffix(".lock")):  # given up by the system if the process dies
        if library.exists():
            return
        with tempfile.TemporaryDirectory(dir=library.parent) as folder:
            flags = [*FLAGS, *TUNING]
            while not (built := list(Path(folder).glob("*.so"))):
                try:
                    cpp_extension.load(
                        "h2cm_native",
                        [str(SOURCES / "native.cpp")],
                        extra_cflags=flags,
                        build_directory=folder,
                        is_python_module=False,
                        is_standalone=False,
                    )
                except RuntimeError:
                    if flags == list(FLAGS):
                        raise
                    flags = list(FLAGS)
            os.replace(built[0], library)


@cache
def _operator():
    """The operator, or the reason why there is none (a str); says so once."""
    try:
        library = _library()
        if not library.exists():
            _build(library)
        spec = importlib.util.spec_from_file_location("h2cm_native", library)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except (ImportError, OSError, RuntimeError, subprocess.SubprocessError) as error:
        lines = str(error).strip().splitlines() or [repr(error)]
        reason = f"it could not be built: {next((x for x in lines if 'error: ' in x), lines[0])}"
        warnings.warn(f"The native backend is not available ({reason}); plain PyTorch is slower.", stacklevel=2)
        return reason
    return module


def unavailable(model, forcing: Tensor) -> str | None:
    """Why this backend cannot run here, or None. Builds the operator if need be."""
    if os.environ.get("H2CM_NO_NATIVE"):
        return "H2CM_NO_NATIVE is set"
    if forcing.device.type != "cpu":
        return f"it runs on a CPU, and the forcing is on {forcing.device}"
    if forcing.dtype not in (torch.float32, torch.float64) or forcing.dtype != model.forcing_mean.dtype:
        return f"it takes float32 or float64 like the model's weights, and the forcing is {forcing.dtype}"
    reason = _changed()
    if reason is None and isinstance(_operator(), str):
        reason = _operator()
    return reason


def _split(row) -> tuple[list[int], list[int], list[int]]:
    """Of a network's inputs: sources of the daily ones (forcing first), their columns, and those of the code."""
    columns, daily, code = 0, [], []
    for name in row.inputs:
        if name == "static_code":
            code = list(range(columns, columns + STATIC_CODE))
            columns += STATIC_CODE
        else:
            daily.append((INPUTS.index(name), columns))
            columns += 1
    daily.sort()
    return [source for source, _ in daily], [column for _, column in daily], code


def _weights(model, static: Tensor) -> tuple[list[list[int]], list[Tensor]]:
    """What the operator takes: the inputs of each network, and all tensors that have a gradient, in its order."""
    parameters, code = model.static_parameters(static)
    sources, daily, fixed = _split(NETWORKS["coupling"])
    net = model.networks["coupling"]
    inputs = [sources]
    weights = [
        parameters["soil_moisture_capacity"],
        parameters["alpha_interception"],
        torch.stack(list(model.constants().values())),
        net.fc1.weight[:, daily],
        code @ net.fc1.weight[:, fixed].T + net.fc1.bias,
        net.fc2.weight,
        net.fc2.bias,
        net.fc3.weight,
        net.fc3.bias,
    ]
    for name in LSTMS:
        sources, daily, fixed = _split(NETWORKS[name])
        cell, head = model.networks[name].cell, model.networks[name].head
        inputs.append(sources)
        weights += [
            torch.cat([cell.weight_ih[:, daily], cell.weight_hh], 1),
            code @ cell.weight_ih[:, fixed].T + (cell.bias_ih + cell.bias_hh),
            head.weight,
            head.bias,
        ]
    return inputs, [w.contiguous() for w in weights]


class _TimeLoop(torch.autograd.Function):
    """All days; differentiable with respect to the weights, not to the state at either end."""

    @staticmethod
    def forward(ctx, forcing, mean, std, state, inputs, outputs, keep, *weights):
        series, kept, *end = _operator().forward(forcing, mean, std, weights, state, inputs, outputs, STRETCH, keep)
        if keep:
            ctx.save_for_backward(forcing, mean, std, kept, *weights)
            ctx.inputs, ctx.outputs = inputs, outputs
        ctx.mark_non_differentiable(*end)
        return series, *end

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient, *_):
        forcing, mean, std, kept, *weights = ctx.saved_tensors
        gradients = _operator().backward(
            forcing, mean, std, weights, ctx.inputs, ctx.outputs, STRETCH, kept, gradient.contiguous()
        )
        return (None,) * 7 + tuple(gradients)


def simulate(model, forcing: Tensor, static: Tensor, state, outputs: tuple[str, ...]):
    """See `h2cm.model.H2CM.forward`. The state that is returned carries no gradient.

    Raises
    ------
    ValueError
        If a gradient with respect to `state` or `forcing` is asked for, which this backend does not have.
    """
    from h2cm.model.h2cm import OUTPUTS

    if torch.is_grad_enabled() and any(t.requires_grad for t in (forcing, *state)):
        raise ValueError("the native backend has no gradient with respect to the forcing or the state: use eager")
    inputs, weights = _weights(model, static)
    keep = torch.is_grad_enabled() and bool(outputs) and any(w.requires_grad for w in weights)
    series, *end = _TimeLoop.apply(
        forcing.detach().contiguous(),
        model.forcing_mean,
        model.forcing_std,
        [s.detach().contiguous() for s in state],
        inputs,
        [OUTPUTS.index(name) for name in outputs],
        keep,
        *weights,
    )
    return dict(zip(outputs, series.unbind(0), strict=True)), type(state)(*end)


if __name__ == "__main__":
    sys.exit(_operator() if isinstance(_operator(), str) else 0)
