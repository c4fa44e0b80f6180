"""Elementwise functions as lists of operations: traced from PyTorch, differentiated, and written as C++.

A `Program` holds operations on numbers, each said once. `record` fills it with what a function of tensors does to
placeholders (torch.fx); `differentiate` adds the operations of the gradient, by one rule for each operation, with
PyTorch's choices (ties of a minimum share the gradient; a branch not taken has none, even of NaN); `write` gives the
lines of C++ that compute some of the values.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real

import torch
from torch import fx
from torch.nn import functional

COMPARISONS = {"le": "<=", "lt": "<", "ge": ">=", "gt": ">", "eq": "==", "ne": "!="}
ARITHMETIC = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
FUNCTIONS = ("minimum", "maximum", "power", "abs", "exp", "log", "sqrt", "tanh", "sigmoid", "softplus")
"""Operations that are functions of this name in csrc/elementwise.h."""


class NotElementwise(Exception):
    """An operation for which there is no rule; the message names it."""


@dataclass(frozen=True)
class Value:
    """A result of a `Program`, to write further operations with."""

    program: Program = field(compare=False, repr=False)
    index: int

    @property
    def operation(self) -> tuple:
        return self.program.operations[self.index]

    def apply(self, name: str, *others) -> Value:
        return self.program.add(name, self, *others)

    def __add__(self, other):
        return self.apply("add", other)

    def __sub__(self, other):
        return self.apply("sub", other)

    def __mul__(self, other):
        return self.apply("mul", other)

    def __truediv__(self, other):
        return self.apply("div", other)

    def __neg__(self):
        return self.operation[1] if self.operation[0] == "neg" else self.apply("neg")

    def __rsub__(self, other):
        return self.program.add("sub", other, self)


class Program:
    """Operations in order: tuples of a name and arguments, which are `Value`s or what tells an input or number."""

    def __init__(self):
        self.operations: list[tuple] = []
        self._known: dict[tuple, Value] = {}

    def add(self, name: str, *arguments) -> Value:
        """The result of an operation, which is there already if it was said before."""
        arguments = tuple(self.number(a) if isinstance(a, Real) else a for a in arguments)
        return self._say((name, *arguments))

    def number(self, value: float) -> Value:
        return self._say(("number", float(value)))

    def input(self, group: str, position: int, name: str) -> Value:
        """A value that is given: the one at `position` of an array `group`."""
        return self._say(("input", group, position, name))

    def _say(self, operation: tuple) -> Value:
        if operation not in self._known:
            self.operations.append(operation)
            self._known[operation] = Value(self, len(self.operations) - 1)
        return self._known[operation]

    def where(self, condition: Value, one, other) -> Value:
        return self.add("where", condition, one, other)


# What PyTorch's functions and methods are here


def _same(name: str, count: int) -> Callable:
    """An operation of the same name, of so many arguments."""

    def meaning(program, *arguments):
        if len(arguments) != count:
            raise TypeError(f"expected {count} arguments, got {len(arguments)}")
        return program.add(name, *arguments)

    return meaning


def _power(program: Program, base, exponent) -> Value:
    if exponent == 2 and isinstance(exponent, Real):
        return program.add("mul", base, base)
    if exponent == 0.5 and isinstance(exponent, Real):
        return program.add("sqrt", base)
    return program.add("power", base, exponent)


def _clamp(program: Program, x, min=None, max=None) -> Value:  # as torch.clamp names them
    """Unlike a maximum, `torch.clamp` gives all of the gradient at a bound."""
    for bound, name in ((min, "at_least"), (max, "at_most")):
        x = x if bound is None else program.add(name, x, bound)
    return x


_NAMED: dict[str, Callable] = {
    **{name: _same(name, 1) for name in ("neg", "abs", "exp", "log", "sqrt", "tanh", "sigmoid")},
    **{name: _same(name, 2) for name in (*ARITHMETIC, *COMPARISONS, "minimum", "maximum")},
    "pow": _power,
    "clamp": _clamp,
    "square": lambda program, x: x * x,
    "reciprocal": lambda program, x: program.add("div", 1.0, x),
    "relu": lambda program, x: program.where(x.apply("gt", 0.0), x, 0.0),
    "logical_and": _same("and", 2),
    "logical_or": _same("or", 2),
    "logical_not": _same("not", 1),
}
"""By the name of the function of PyTorch and of the method of its tensors."""

_OPERATIONS: dict[Callable, Callable] = {
    **{getattr(torch, name): meaning for name, meaning in _NAMED.items()},
    **{getattr(operator, name): _NAMED[name] for name in (*COMPARISONS, "add", "sub", "mul", "neg", "pow", "abs")},
    operator.truediv: _NAMED["div"],
    operator.and_: _same("and", 2),
    operator.or_: _same("or", 2),
    operator.invert: _same("not", 1),
    torch.where: _same("where", 3),
    torch.zeros_like: lambda program, x: program.number(0.0),
    torch.ones_like: lambda program, x: program.number(1.0),
    torch.full_like: lambda program, x, value: program.number(value),
    functional.softplus: _same("softplus", 1),
    functional.sigmoid: _NAMED["sigmoid"],
    functional.relu: _NAMED["relu"],
}


def record(program: Program, function: Callable, given: Mapping[str, Value]) -> dict[str, Value]:
    """Add what a function does to `given`.

    Parameters
    ----------
    function : callable
        Takes a dict of tensors by name and returns one.
    given : dict of Value

    Returns
    -------
    dict of Value

    Raises
    ------
    NotElementwise
        If it does something for which there is no rule.
    """
    graph = fx.Graph()
    tracer = fx.proxy.GraphAppendingTracer(graph)
    values = {}

    def proxy(name, value):
        node = graph.placeholder(name)
        values[node] = value
        return fx.Proxy(node, tracer)

    try:
        found = function({name: proxy(name, value) for name, value in given.items()})
    except (fx.proxy.TraceError, TypeError) as error:
        raise NotElementwise(f"the equations cannot be followed ({str(error).splitlines()[0]})") from None
    for node in graph.nodes:
        if node not in values:
            values[node] = _of_node(program, node, values)
    return {
        name: values[result.node] if isinstance(result, fx.Proxy) else program.number(result)
        for name, result in found.items()
    }


def _of_node(program: Program, node: fx.Node, values: Mapping[fx.Node, Value]) -> Value:
    named = node.op == "call_method"
    meaning = _NAMED.get(node.target) if named else _OPERATIONS.get(node.target)
    label = node.target if named else getattr(node.target, "__name__", str(node.target))
    arguments, keywords = fx.node.map_arg((node.args, dict(node.kwargs)), lambda n: values[n])
    if meaning is None or not all(isinstance(a, Value | Real) for a in (*arguments, *keywords.values())):
        raise NotElementwise(f"the operation {label} is not one of the elementwise ones that it knows")
    try:
        return meaning(program, *arguments, **keywords)
    except TypeError:
        raise NotElementwise(f"the operation {label} is used in a form that it does not know") from None


# The gradient: one rule an operation, of the gradient g of its result r; None where there is none


def _of_extreme(p, g, a, b, smaller, larger):
    shared = p.where(a.apply("eq", b), g * 0.5, g)
    return p.where(a.apply(larger, b), 0.0, shared), p.where(a.apply(smaller, b), 0.0, shared)


def _of_power(p, g, r, a, b):
    of_base = p.where(b.apply("eq", 0.0), 0.0, g * b * p.add("power", a, b - 1.0))
    never = p.add("and", a.apply("eq", 0.0), b.apply("ge", 0.0))
    return of_base, p.where(never, 0.0, g * r * a.apply("log"))


RULES: dict[str, Callable] = {
    "add": lambda p, g, r, a, b: (g, g),
    "sub": lambda p, g, r, a, b: (g, -g),
    "mul": lambda p, g, r, a, b: (g * b, g * a),
    "div": lambda p, g, r, a, b: (g / b, -(g * (r / b))),
    "neg": lambda p, g, r, a: (-g,),
    "minimum": lambda p, g, r, a, b: _of_extreme(p, g, a, b, "lt", "gt"),
    "maximum": lambda p, g, r, a, b: _of_extreme(p, g, a, b, "gt", "lt"),
    "at_least": lambda p, g, r, a, b: (p.where(a.apply("ge", b), g, 0.0), p.where(a.apply("lt", b), g, 0.0)),
    "at_most": lambda p, g, r, a, b: (p.where(a.apply("le", b), g, 0.0), p.where(a.apply("gt", b), g, 0.0)),
    "where": lambda p, g, r, c, a, b: (None, p.where(c, g, 0.0), p.where(c, 0.0, g)),
    "abs": lambda p, g, r, a: (g * p.where(a.apply("gt", 0.0), 1.0, p.where(a.apply("lt", 0.0), -1.0, 0.0)),),
    "exp": lambda p, g, r, a: (g * r,),
    "log": lambda p, g, r, a: (g / a,),
    "sqrt": lambda p, g, r, a: (g / (r + r),),
    "tanh": lambda p, g, r, a: (g * (1.0 - r * r),),
    "sigmoid": lambda p, g, r, a: (g * (r * (1.0 - r)),),
    "softplus": lambda p, g, r, a: (g * a.apply("sigmoid"),),
    "power": _of_power,
}


def differentiate(
    program: Program, results: Sequence[tuple[Value, Value]], sources: Sequence[Value]
) -> list[Value | None]:
    """Gradients with respect to `sources`; None where nothing depends on one.

    Parameters
    ----------
    results : sequence of (Value, Value)
        Results and the gradients with respect to them.
    sources : sequence of Value
    """
    count = 1 + max(result.index for result, _ in results)
    active = {source.index for source in sources}
    for k, (_, *arguments) in enumerate(program.operations[:count]):
        if any(isinstance(a, Value) and a.index in active for a in arguments):
            active.add(k)
    gradients: dict[int, Value] = {}

    def give(value, gradient):
        if value.index not in gradients:
            gradients[value.index] = gradient
        elif gradient.operation[0] == "neg":
            gradients[value.index] = gradients[value.index] - gradient.operation[1]
        elif gradients[value.index].operation[0] == "neg":
            gradients[value.index] = gradient - gradients[value.index].operation[1]
        else:
            gradients[value.index] = gradients[value.index] + gradient

    for result, gradient in results:
        if result.index in active:
            give(result, gradient)
    for k in range(count - 1, -1, -1):
        name, *arguments = program.operations[k]
        if k not in gradients or k not in active or name not in RULES:
            continue
        found = RULES[name](program, gradients[k], Value(program, k), *arguments)
        for argument, gradient in zip(arguments, found, strict=True):
            if gradient is not None and argument.index in active:
                give(argument, gradient)
    return [gradients.get(source.index) for source in sources]


# C++


def write(program: Program, values: Mapping[str, Value], names: Mapping[int, str] | None = None) -> list[str]:
    """Lines that compute `values` and store each at its key (an expression of C++) with ``=`` or ``+=``.

    Parameters
    ----------
    values : dict of str to Value
        The text that a line starts with, ``out[3] =`` for one, and what it ends with.
    names : dict of int to str, optional
        Names for some of the operations, for whoever reads the result.
    """
    needed, stack = set(), [value.index for value in values.values()]
    while stack:
        k = stack.pop()
        if k not in needed:
            needed.add(k)
            stack += [a.index for a in program.operations[k][1:] if isinstance(a, Value)]
    lines, text, scalar = [], {}, set()

    def vector(value):
        return f"spread({text[value.index]})" if value.index in scalar else text[value.index]

    for k in sorted(needed):
        name, *arguments = program.operations[k]
        if name == "number":
            scalar.add(k)
            text[k] = f"R({arguments[0]!r})"
            continue
        plain = name in (*ARITHMETIC, "neg") and all(a.index in scalar for a in arguments)
        if name == "input":
            group, position, what = arguments
            if group == "constants":
                scalar.add(k)
                text[k] = f"constants[{position}]"
                continue
            right = f"{group}[{position}]" if group.startswith("grad_") else f"load({group} + {position} * TILE<R>)"
            right, names = right, {**(names or {}), k: what}
        elif name in ARITHMETIC:
            right = f" {ARITHMETIC[name]} ".join(text[a.index] for a in arguments)
        elif name == "neg":
            right = f"-{text[arguments[0].index]}"
        elif name in COMPARISONS:
            right = f" {COMPARISONS[name]} ".join(map(vector, arguments))
        elif name in ("and", "or"):
            right = {"and": " & ", "or": " | "}[name].join(text[a.index] for a in arguments)
        elif name == "not":
            right = f"~{text[arguments[0].index]}"
        elif name == "where":
            right = f"{text[arguments[0].index]} ? {vector(arguments[1])} : {vector(arguments[2])}"
        elif name == "power" and arguments[0].index in scalar:
            right = f"elementwise::power<R>({text[arguments[0].index]}, {vector(arguments[1])})"
        elif name in (*FUNCTIONS, "at_least", "at_most"):
            function = {"at_least": "maximum", "at_most": "minimum"}.get(name, name)
            right = f"elementwise::{function}<R>({', '.join(map(vector, arguments))})"
        else:
            raise NotElementwise(f"the operation {name} is not one of those that it can write")
        if plain:
            scalar.add(k)
        mask = name in (*COMPARISONS, "and", "or", "not")
        text[k] = f"{(names or {}).get(k, 't')}_{k}"
        lines.append(f"const {'auto' if mask else 'R' if plain else 'V'} {text[k]} = {right};")
    return lines + [f"{left} {vector(value)};" for left, value in values.items()]
