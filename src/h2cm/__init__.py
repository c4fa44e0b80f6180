"""H2CM: a daily reanalysis of the water and carbon cycles of the land.

Examples
--------
>>> import h2cm
>>> model = h2cm.load("results/twin/training/cv/fold_0/model.safetensors")  # doctest: +SKIP
>>> store = h2cm.open_store("results/twin/store")  # doctest: +SKIP
>>> h2cm.predict(model, store, ["gpp", "nee"])  # doctest: +SKIP
"""

from importlib import import_module

_PUBLIC = {
    "H2CM": "h2cm.model",
    "load": "h2cm.model.weights",
    "open_store": "h2cm.store",
    "predict": "h2cm.model.prediction",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str):
    """Import the public names when they are first used: the workflow needs the configuration without PyTorch."""
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module h2cm has no attribute {name}")
