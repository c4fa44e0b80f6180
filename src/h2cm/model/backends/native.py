"""The CPU backend: the whole time loop as one C++ operator, built for this machine on first use.

The networks and the process equations of a day run in one pass over a tile of cells that stays in the cache; tiles are
shared out to the threads. What the static attributes contribute to the networks is computed once, outside the loop, by
PyTorch. Of the forward pass only the state every `STRETCH` days is kept; the backward pass recomputes each stretch. The
results do not depend on the number of threads.

All that is of the model (its layout, equations and their gradient) is generated from `h2cm.model.process` and
`h2cm.model.networks` when the operator is built (`h2cm.model.backends.generate`); what stands in ``csrc`` is the machinery. Once
for each build, the operator is compared with `eager` (`h2cm.model.backends.check`), and not used if they differ.

`python -m h2cm.model.backends.native` builds the operators of all variants ahead of their first use. The environment variable
``H2CM_NATIVE_FLAGS`` has further flags for the compiler.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import warnings
from functools import cache, partial
from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor
from torch.autograd.function import once_differentiable

from h2cm import files
from h2cm.model.backends import check
from h2cm.model.backends.elementwise import NotElementwise
from h2cm.model.backends.generate import daily_inputs, header
from h2cm.model.networks import GUIDANCES, Guidance

STRETCH = 8
"""Days between two states that are kept for the backward pass."""

SOURCES = Path(__file__).parent / "csrc"

FLAGS = ("-O3", "-std=c++20", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math")
"""How the operator is compiled. Contraction stays off because exact ties of minima and maxima must stay exact."""


def _tuning() -> tuple[str, str]:
    """What makes it fast but not every compiler knows: the instructions of this processor, and threads.

    The environment variable ``H2CM_MARCH`` names another kind of processor (``x86-64-v3``: with AVX2), which this one must
    understand. OpenMP's library is not linked: PyTorch has brought its own, and two would not know of each other's threads.
    """
    return f"-march={os.environ.get('H2CM_MARCH') or 'native'}", "-fopenmp"


def _processor() -> str:
    """What ``-march=native`` depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    return "\n".join(sorted({x for x in lines if x.startswith(("model name", "flags", "Features", "CPU part"))}))


def _flags() -> list[str]:
    return [*FLAGS, *os.environ.get("H2CM_NATIVE_FLAGS", "").split()]


def _compiler() -> str:
    """What the compiler says of itself."""
    try:
        return subprocess.run([os.environ.get("CXX", "c++"), "--version"], capture_output=True, text=True).stdout
    except OSError:
        return ""


def _hash(*parts: bytes | str) -> str:
    key = hashlib.sha256()
    for part in parts:
        key.update(part if isinstance(part, bytes) else part.encode())
        key.update(b"\0")
    return key.hexdigest()[:16]


def _library(text: str) -> Path:
    """Where the operator of this generated text, these sources, this processor, compiler and PyTorch is cached."""
    sources = [file.read_bytes() for file in sorted(SOURCES.iterdir())]
    host = repr((_flags(), _tuning(), torch.__version__, sys.version_info[:2], _processor(), _compiler()))
    return files.cache() / f"native_{_hash(text, host, *sources)}.so"


def _build(library: Path, text: str) -> None:
    """Compile the operator, unless another process has done so or is about to."""
    compiler = os.environ.get("CXX", "c++")
    if shutil.which(compiler.split()[0]) is None:  # PyTorch would say so in a page of warnings
        raise OSError(
            f"there is no C++ compiler ({compiler}): install g++ (Debian, Ubuntu: apt install g++; macOS: xcode-select --install)"
        )
    from torch.utils import cpp_extension  # slow to import, and only needed here

    library.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(library.with_suffix(".lock")):  # given up by the system if the process dies
        if library.exists():
            return
        with tempfile.TemporaryDirectory(dir=library.parent) as folder:
            Path(folder, "generated.h").write_text(text)
            attempts = [[*_flags(), *_tuning()[:n]] for n in (2, 1, 0)]  # not every compiler knows threads, or -march
            if os.environ.get("H2CM_MARCH"):  # asked for by name: that or nothing
                attempts.pop()
            while not (built := list(Path(folder).glob("*.so"))):
                try:
                    cpp_extension.load(
                        "h2cm_native",
                        [str(SOURCES / "native.cpp")],
                        extra_cflags=attempts.pop(0),
                        extra_include_paths=[folder, str(SOURCES)],
                        build_directory=folder,
                        is_python_module=False,
                        is_standalone=False,
                    )
                except RuntimeError:
                    if not attempts:
                        raise
            os.replace(built[0], library)


def _differences(module, library: Path, guidance: Guidance) -> str:
    """How the operator differs from the equations, in words; remembered beside the library for this code."""
    here = Path(__file__).parent
    code = [here.parent / f"{name}.py" for name in ("h2cm", "networks", "process")] + sorted(here.glob("*.py"))
    verdict = library.with_suffix(f".{_hash(*(file.read_bytes() for file in code))}.checked")
    if verdict.exists():
        return verdict.read_text()
    found = "; ".join(check.differences(partial(_simulate, module), guidance)[:3])
    part = verdict.with_suffix(f".{os.getpid()}")
    part.write_text(found)
    os.replace(part, verdict)
    return found


@cache
def _operator(guidance: Guidance):
    """The operator for these networks, or the reason why there is none (a str); says so once."""
    try:
        text = header(guidance)
        library = _library(text)
        if not library.exists():
            _build(library, text)
        # a name of its own: pybind11 would give the operator of another model that has the same one
        spec = importlib.util.spec_from_file_location(f"{library.stem}.h2cm_native", library)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        differences = _differences(module, library, guidance)
        if not differences:
            return module
        reason = f"what it gives is not what the equations give: {differences}"
    except NotElementwise as error:
        reason = f"it cannot be generated: {error}"
    except (ImportError, OSError, RuntimeError, subprocess.SubprocessError) as error:
        lines = str(error).strip().splitlines() or [repr(error)]
        reason = f"it could not be built: {next((x for x in lines if 'error: ' in x), lines[0])}"
    warnings.warn(
        f"The native backend is not available ({reason}); plain PyTorch takes four to five times as long.", stacklevel=2
    )
    return reason


def unavailable(model, forcing: Tensor) -> str | None:
    """Why this backend cannot run here, or None. Builds the operator if need be."""
    if os.environ.get("H2CM_NO_NATIVE"):
        return "H2CM_NO_NATIVE is set"
    if forcing.device.type != "cpu":
        return f"it runs on a CPU, and the forcing is on {forcing.device}"
    if forcing.dtype not in (torch.float32, torch.float64) or forcing.dtype != model.forcing_mean.dtype:
        return f"it takes float32 or float64 like the model's weights, and the forcing is {forcing.dtype}"
    operator = _operator(model.guidance)
    return operator if isinstance(operator, str) else None


def _weights(model, static: Tensor) -> list[Tensor]:
    """All tensors that have a gradient, in the order of the operator."""
    parameters, code = model.static_parameters(static)

    def split(row, weight, bias):
        """The columns of the daily inputs, and what static code and bias contribute, (cell, row)."""
        columns, of_code = row.columns()
        fixed = code @ weight[:, of_code].T if of_code else code.new_zeros(len(code), len(bias))
        return weight[:, [columns[name] for name in daily_inputs(row)]], fixed + bias

    weights = [torch.stack(list(parameters.values())), torch.stack(list(model.constants().values()))]
    for row in model.guidance.fcnns:
        net = model.networks[row.name]
        weights += [*split(row, net.fc1.weight, net.fc1.bias), net.fc2.weight, net.fc2.bias]
        weights += [net.fc3.weight, net.fc3.bias]
    for row in model.guidance.lstms:
        cell, head = model.networks[row.name].cell, model.networks[row.name].head
        daily, base = split(row, cell.weight_ih, cell.bias_ih + cell.bias_hh)
        weights += [torch.cat([daily, cell.weight_hh], 1), base, head.weight, head.bias]
    return [w.contiguous() for w in weights]


class _TimeLoop(torch.autograd.Function):
    """All days; differentiable with respect to the weights, not to the state at either end."""

    @staticmethod
    def forward(ctx, operator, forcing, mean, std, state, outputs, keep, *weights):
        series, kept, *end = operator.forward(forcing, mean, std, weights, state, outputs, STRETCH, keep)
        if keep:
            ctx.save_for_backward(forcing, mean, std, kept, *weights)
            ctx.operator, ctx.outputs = operator, outputs
        ctx.mark_non_differentiable(*end)
        return series, *end

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_series, *_):
        forcing, mean, std, kept, *weights = ctx.saved_tensors
        gradients = ctx.operator.backward(
            forcing, mean, std, weights, ctx.outputs, STRETCH, kept, grad_series.contiguous()
        )
        return (None,) * 7 + tuple(gradients)


def _simulate(operator, model, forcing: Tensor, static: Tensor, state, outputs: tuple[str, ...]):
    weights = _weights(model, static)
    keep = torch.is_grad_enabled() and bool(outputs) and any(w.requires_grad for w in weights)
    series, *end = _TimeLoop.apply(
        operator,
        forcing.detach().contiguous(),
        model.forcing_mean,
        model.forcing_std,
        [s.detach().contiguous() for s in state],
        [model.outputs.index(name) for name in outputs],
        keep,
        *weights,
    )
    return dict(zip(outputs, series.unbind(0), strict=True)), type(state)(*end)


def simulate(model, forcing: Tensor, static: Tensor, state, outputs: tuple[str, ...]):
    """See `h2cm.model.H2CM.forward`. The state that is returned carries no gradient.

    Raises
    ------
    ValueError
        If a gradient with respect to `state` or `forcing` is asked for, which this backend does not have.
    """
    if torch.is_grad_enabled() and any(t.requires_grad for t in (forcing, *state)):
        raise ValueError("the native backend has no gradient with respect to the forcing or the state: use eager")
    return _simulate(_operator(model.guidance), model, forcing, static, state, outputs)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # the reason is said below
    reasons = [found for guidance in GUIDANCES.values() if isinstance(found := _operator(guidance), str)]
    sys.exit(reasons[0] if reasons else 0)
