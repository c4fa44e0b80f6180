"""What may happen to a file: seeded damage to its bytes, and to what a netCDF file says.

Each function takes what is damaged and a random generator; the names are what a test reports.
"""

from __future__ import annotations

import netCDF4
import numpy as np


def _bit(content: bytearray, rng: np.random.Generator) -> None:
    content[rng.integers(len(content))] ^= 1 << rng.integers(8)


def _cut(content: bytearray, rng: np.random.Generator) -> None:
    del content[rng.integers(len(content)) :]


def _zeros(content: bytearray, rng: np.random.Generator) -> None:
    at, number = rng.integers(len(content)), rng.integers(1, 512)
    content[at : at + number] = bytes(min(number, len(content) - at))


def _noise(content: bytearray, rng: np.random.Generator) -> None:
    at, number = rng.integers(len(content)), rng.integers(1, 64)
    content[at : at + number] = rng.bytes(min(number, len(content) - at))


def _moved(content: bytearray, rng: np.random.Generator) -> None:
    at, number = rng.integers(len(content)), rng.integers(1, 256)
    piece = content[at : at + number]
    del content[at : at + number]
    content.extend(piece)


def _longer(content: bytearray, rng: np.random.Generator) -> None:
    content.extend(rng.bytes(rng.integers(1, 64)))


BYTES = {"bit": _bit, "cut": _cut, "zeros": _zeros, "noise": _noise, "moved": _moved, "longer": _longer}


def damaged(content: bytes, kind: str, rng: np.random.Generator) -> bytes:
    """Another content than before."""
    while True:
        other = bytearray(content)
        BYTES[kind](other, rng)
        if bytes(other) != content:
            return bytes(other)


# What a netCDF file says: `file` is open for writing, `name` its variable.


def _unit(units: str):
    def act(file, name, rng):
        file[name].units = units

    return act


def _attribute(attribute: str, value):
    def act(file, name, rng):
        file[name].setncattr(attribute, value)

    return act


def _some(value: float, share: float = 0.05):
    """A share of the values, at least one."""

    def act(file, name, rng):
        values = _plain(file[name])
        number = max(1, int(share * values.size))
        chosen = rng.choice(values.size, number, replace=False)
        values.reshape(-1)[chosen] = value if values.dtype.kind == "f" else 200  # of a byte that may be 0 to 100
        file[name][...] = values

    return act


def _all(function):
    def act(file, name, rng):
        file[name][...] = function(_plain(file[name]))

    return act


def _plain(variable: netCDF4.Variable) -> np.ndarray:
    variable.set_auto_maskandscale(False)
    return np.asarray(variable[...])


def _first_everywhere(values: np.ndarray) -> np.ndarray:
    axis = int(np.argmax(values.shape)) if values.ndim == 2 else 0
    return np.repeat(np.take(values, [values.shape[axis] // 2], axis), values.shape[axis], axis)


def _one_step(factor: float):
    def act(file, name, rng):
        values = _plain(file[name])
        at = rng.integers(len(values))
        values[at] = (values[at] * factor).astype(values.dtype)
        file[name][...] = values

    return act


def _axis(kind: str):
    """Damage to an axis of time: ``file[axis]``."""

    def act(file, axis, rng):
        values = _plain(file[axis])
        if kind == "reversed":
            values = values[::-1].copy()
        elif kind == "repeated":
            at = rng.integers(1, values.size)
            values[at] = values[at - 1]
        elif kind == "shuffled":
            values = rng.permutation(values)
        elif kind == "missing":
            values = values.astype("f8")
            values[rng.integers(values.size)] = np.nan
        elif kind == "later":
            values = values + 183
        file[axis][...] = values

    return act


FACTORS = (0.001, 0.01, 0.1, 0.2, 5.0, 10.0, 24.0, 100.0, 1000.0, 86400.0, -1.0)
VALUES = {
    **{f"times {factor:g}": _all(lambda v, f=factor: v * f) for factor in FACTORS},
    **{f"scale_factor {factor:g}": _attribute("scale_factor", factor) for factor in FACTORS},
    "add_offset": _attribute("add_offset", 273.15),
    "zeros": _all(lambda v: v * 0),
    "one field": _all(_first_everywhere),
    "NaN": _some(np.nan, 1.0),
    "infinity": _some(np.inf),
    "minus infinity": _some(-np.inf),
    "1e30": _some(3e30),
    "unit of another kind": _unit("furlong"),
    "unit no text": _attribute("units", 7),
    "upside down": _all(lambda v: v[:, ::-1] if v.ndim == 3 else v[::-1]),
    "one step times 20": _one_step(20.0),
    "one step times 0": _one_step(0.0),
}
"""Damage to a variable (time, lat, lon)."""

TIMES = {
    **{kind: _axis(kind) for kind in ("reversed", "repeated", "shuffled", "missing")},
    "half a year later": _axis("later"),
    "hours": _unit("hours since 2003-01-01"),
    "other epoch": _unit("days since 2103-07-01"),
    "no unit": lambda file, axis, rng: file[axis].delncattr("units"),
    "360 days": _attribute("calendar", "360_day"),
    "366 days": _attribute("calendar", "all_leap"),
    "unknown calendar": _attribute("calendar", "martian"),
}
"""Damage to an axis of time."""
