"""H2CM: a daily reanalysis of the water and carbon cycles of the land.

Examples
--------
>>> import h2cm
>>> store = h2cm.open("results/synthetic/store")  # doctest: +SKIP
>>> h2cm.predict("results/synthetic/training/cv", store, ["gpp", "nee"])  # doctest: +SKIP
"""

from importlib import import_module

_PUBLIC = {
    "H2CM": "h2cm.model",
    "load": "h2cm.model.weights",
    "open": "h2cm.inputs",
    "predict": "h2cm.model.prediction",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str):
    """Import the public names when they are first used: the workflow needs the configuration without PyTorch."""
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module h2cm has no attribute {name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
