"""What the model's own tables and equations say of who makes what of what, for the figures that draw the model.

The equations (`h2cm.model.process.EQUATIONS`) are run once on symbols that remember what they were made of and how that
is written; nothing about them is repeated here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from h2cm.model.networks import GUIDANCE, Guidance
from h2cm.model.process import CARRIED, CONSTANTS, EQUATIONS, FORCING, Day, State
from h2cm.vocabulary import short

BEFORE = "before."
"""What stands before the name of a quantity at the end of the day before."""

_SUM, _PRODUCT, _ATOM = 1, 2, 3
_EMPTY = (torch.zeros_like, torch.ones_like)


class Symbol:
    """Stands for a number in the equations.

    Attributes
    ----------
    text : str
        How it is written, without the dollars of mathtext.
    names : frozenset of str
        The named quantities that it was made of.
    level : int
        How strongly its parts hold together.
    """

    def __init__(self, text: str, names=(), level: int = _ATOM):
        self.text, self.names, self.level = text, frozenset(names), level

    def at(self, level: int) -> str:
        """The text, in brackets where its parts hold together less than `level`."""
        return self.text if self.level >= level else f"({self.text})"

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        parts = [part for part in (*args, *(kwargs or {}).values()) if isinstance(part, Symbol)]
        names = () if function in _EMPTY else frozenset().union(*(part.names for part in parts))
        return cls(rf"\mathrm{{{function.__name__}}}({', '.join(part.text for part in parts)})", names)

    def __neg__(self):
        return Symbol(f"-{self.at(_PRODUCT)}", self.names, _SUM)

    def __le__(self, other):
        return _join(self, other, r" \leq ", _SUM, _SUM)


def _symbol(value) -> Symbol:
    return value if isinstance(value, Symbol) else Symbol(f"{value:g}")


def _join(a, b, sign: str, level: int, level_right: int) -> Symbol:
    a, b = _symbol(a), _symbol(b)
    return Symbol(f"{a.at(level)}{sign}{b.at(level_right)}", a.names | b.names, level)


def _divide(a, b) -> Symbol:
    a, b = _symbol(a), _symbol(b)
    return Symbol(rf"{a.at(_PRODUCT)}\,/\,{b.at(_ATOM)}", a.names | b.names, _PRODUCT)


def _raise(a, b) -> Symbol:
    a, b = _symbol(a), _symbol(b)
    return Symbol(f"{{{a.at(_ATOM)}}}^{{{b.text}}}", a.names | b.names, _ATOM)


def _operators() -> None:
    """Give `Symbol` the operators of arithmetic, each from both sides."""
    operators: dict[str, Callable] = {
        "add": lambda a, b: _join(a, b, " + ", _SUM, _SUM),
        "sub": lambda a, b: _join(a, b, " - ", _SUM, _PRODUCT),
        "mul": lambda a, b: _join(a, b, r" \cdot ", _PRODUCT, _PRODUCT),
        "truediv": _divide,
        "pow": _raise,
    }
    for name, operator in operators.items():
        setattr(Symbol, f"__{name}__", operator)
        setattr(Symbol, f"__r{name}__", lambda self, other, operator=operator: operator(other, self))


_operators()


def symbol_text(name: str) -> str:
    """The printed name of a quantity for use inside mathtext, without dollars."""
    text = short(name)
    if text.startswith("$") and text.endswith("$"):
        return text[1:-1]
    parts = text.split("$")
    return "".join(
        rf"\mathrm{{{part}}}".replace(" ", r"\ ") if i % 2 == 0 else part for i, part in enumerate(parts) if part
    )


@dataclass(frozen=True)
class Equation:
    """One equation: what it gives, in which of the two cycles, of what, and how it is written (mathtext without dollars)."""

    name: str
    cycle: str
    made_of: frozenset[str]
    text: str


class _Recorded(Day):
    """A day that keeps each equation as it is assigned."""

    def __init__(self, known, found: dict[str, tuple[str, Symbol]]):
        super().__init__(known)
        self.__dict__["_found"] = found

    def __setattr__(self, name, value):
        self._found[name] = value
        self.__dict__[name] = Symbol(symbol_text(name), (name,))


def equations(guidance: Guidance = GUIDANCE, cycles=EQUATIONS) -> dict[str, Equation]:
    """All equations of the model by what they give, in their order.

    `Equation.made_of` holds the quantities that stand in it: forcing, learned parameters, constants, results of
    equations before it, and with `BEFORE` in front what is carried from the day before.
    """
    names = (*FORCING, *guidance.static_parameters, *guidance.parameters, *CONSTANTS)
    found: dict[str, Symbol] = {}
    day = _Recorded({name: Symbol(symbol_text(name), (name,)) for name in names}, found)
    before = State(*(Symbol(symbol_text(name), (BEFORE + name,)) for name in CARRIED), None, None)
    cycle_of = {}
    for cycle in cycles:
        cycle(day, before)
        cycle_of |= {name: cycle.__name__ for name in found if name not in cycle_of}
    return {name: Equation(name, cycle_of[name], value.names, value.text) for name, value in found.items()}


def kind(name: str, guidance: Guidance = GUIDANCE) -> str:
    """What a quantity is to the equations: forcing, learned, constant or carried; else output."""
    if name.startswith(BEFORE):
        return "carried"
    if name in FORCING:
        return "forcing"
    if name in guidance.parameters or name in guidance.static_parameters:
        return "learned"
    return "constant" if name in CONSTANTS else "output"


def learner(name: str, guidance: Guidance = GUIDANCE) -> str | None:
    """The network that learns a parameter, or None."""
    return next((row.name for row in guidance.rows.values() if name in row.outputs), None)
