"""Ways to step through the days. All give the same numbers; they differ in speed.

`eager` is the reference: the equations as they are written in `h2cm.model`. A further backend is a module with the
two functions of `eager` and a row in `BACKENDS`.
"""

from __future__ import annotations

from importlib import import_module

from torch import Tensor

BACKENDS = ("native", "fused", "eager")
"""Names of the backends (modules of this package), in the order in which ``auto`` prefers them."""


def choose(model, forcing: Tensor):
    """The module of the backend that runs `model` on `forcing`.

    Raises
    ------
    ValueError
        For a name that is not in `BACKENDS`, or a backend that cannot run here, with the reason.
    """
    if model.backend != "auto" and model.backend not in BACKENDS:
        raise ValueError(f"backend: expected auto or one of {', '.join(BACKENDS)}, got {model.backend!r}")
    for name in BACKENDS if model.backend == "auto" else (model.backend,):
        backend = import_module(f"h2cm.model.backends.{name}")
        reason = backend.unavailable(model, forcing)
        if reason is None:
            return backend
    raise ValueError(f"backend {model.backend} cannot run here: {reason}")


def simulate(model, forcing: Tensor, static: Tensor, state, outputs: tuple[str, ...]):
    """Run `model` through all days; see `h2cm.model.H2CM.forward`."""
    return choose(model, forcing).simulate(model, forcing, static, state, outputs)


def simulate_many(models, forcing, static, states, outputs: tuple[str, ...]):
    """Run several models of the same shape, each on its own cells.

    Parameters
    ----------
    models : list of H2CM
    forcing, static, states : list
        Of each model, as in `h2cm.model.H2CM.forward`; all over the same number of days.
    outputs : tuple of str

    Returns
    -------
    list
        Of what `H2CM.forward` returns, one entry a model.
    """
    backend = choose(models[0], forcing[0])
    if len(models) > 1 and hasattr(backend, "simulate_many"):
        return backend.simulate_many(models, forcing, static, states, outputs)
    return [
        backend.simulate(model, f, s, state, outputs)
        for model, f, s, state in zip(models, forcing, static, states, strict=True)
    ]
