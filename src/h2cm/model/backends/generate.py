"""The C++ of the model: layouts from the tables, equations and their gradient from `h2cm.model.process`.

`header` is all that the operator in ``csrc`` knows of the model. ``python -m h2cm.model.backends.generate`` prints it.
"""

from __future__ import annotations

from collections.abc import Mapping

from h2cm.model.backends.elementwise import NotElementwise, Program, Value, differentiate, record, write
from h2cm.model.h2cm import outputs_of
from h2cm.model.networks import ACTIVATIONS, GUIDANCE, Guidance
from h2cm.model.process import CARRIED, CONSTANTS, EQUATIONS, FORCING, Day, State, seen_states

SEEN = (*FORCING, *CARRIED)
"""The daily inputs of the networks, in the order in which the operator numbers them."""


def _inputs(program: Program, group: str, names) -> dict[str, Value]:
    return {name: program.input(group, k, name) for k, name in enumerate(names)}


def _state(values: Mapping) -> State:
    return State(*(values[name] for name in CARRIED), None, None)


def _function(name: str, arguments: str, lines: list[str]) -> str:
    body = "\n".join(f"  {line}" for line in ["typedef Vec<R> V;", *lines])
    return f"template <class R>\ninline __attribute__((always_inline)) void {name}({arguments}) {{\n{body}\n}}\n"


def _of_seen(guidance: Guidance) -> list[str]:
    """What the networks see of the state, and its gradient."""
    program = Program()
    before = _inputs(program, "state", CARRIED)
    fixed = _inputs(program, "parameters", guidance.static_parameters)

    def function(given):
        return seen_states(_state({name: given[f"before_{name}"] for name in CARRIED}), given)

    found = record(program, function, {f"before_{name}": v for name, v in before.items()} | fixed)
    given = "const R* state, const R* parameters"
    forward = write(program, {f"seen[{k}] =": found[name] for k, name in enumerate(CARRIED)})
    results = [(found[name], program.input("grad_seen", k, f"grad_{name}")) for k, name in enumerate(CARRIED)]
    gradients = differentiate(program, results, [*before.values(), *fixed.values()])
    targets = [f"grad_state[{k}] +=" for k in range(len(before))] + [
        f"grad_parameters[{k}] +=" for k in range(len(fixed))
    ]
    backward = write(program, {t: g for t, g in zip(targets, gradients, strict=True) if g is not None})
    used = ["(void)state, (void)parameters, (void)grad_parameters;"]
    return [
        "// The carried quantities at the end of the day before as the networks see them.",
        _function("see", f"{given}, Vec<R>* seen", ["(void)state, (void)parameters;", *forward]),
        _function(
            "see_gradient",
            f"{given}, const Vec<R>* grad_seen, Vec<R>* grad_state, Vec<R>* grad_parameters",
            used + backward,
        ),
    ]


def _of_day(guidance: Guidance, outputs: tuple[str, ...]) -> list[str]:
    """The activations and equations of a day, and their gradient."""
    program = Program()
    raw = _inputs(program, "raw", guidance.parameters)
    forcing = _inputs(program, "forcing", FORCING)
    before = _inputs(program, "state", CARRIED)
    fixed = _inputs(program, "parameters", guidance.static_parameters)
    constants = _inputs(program, "constants", CONSTANTS)
    kinds = {name: kind for row in guidance.daily for name, kind in row.outputs.items()}

    def function(given):
        known = {name: given[name] for name in (*FORCING, *fixed, *constants)}
        known |= {name: ACTIVATIONS[kind](given[f"raw_{name}"]) for name, kind in kinds.items()}
        day = Day(known)
        for part in EQUATIONS:
            part(day, _state({name: given[f"before_{name}"] for name in CARRIED}))
        return {name: day.__dict__[name] for name in outputs}

    given = {f"raw_{name}": v for name, v in raw.items()} | {f"before_{name}": v for name, v in before.items()}
    found = record(program, function, given | forcing | fixed | constants)
    names = {value.index: name for name, value in found.items()}
    forward = write(program, {f"out[{k}] =": found[name] for k, name in enumerate(outputs)}, names)
    results = [(found[name], program.input("grad_out", k, f"grad_{name}")) for k, name in enumerate(outputs)]
    sources = {"raw": raw, "state": before, "parameters": fixed, "constants": constants}
    gradients = iter(differentiate(program, results, [v for group in sources.values() for v in group.values()]))
    stored = {}
    for group, members in sources.items():
        for k in range(len(members)):
            gradient = next(gradients)
            adds = group in ("parameters", "constants")
            if gradient is not None:
                stored[f"grad_{group}[{k}] {'+=' if adds else '='}"] = gradient
            elif not adds:
                stored[f"grad_{group}[{k}] ="] = program.number(0.0)
    backward = write(program, stored, names)
    given = "const R* raw, const R* forcing, const R* state, const R* parameters, const R* constants"
    unused = "(void)raw, (void)forcing, (void)state, (void)parameters, (void)constants;"
    return [
        "// All outputs of a day. Rows of `raw` (what the networks give), `forcing`, `state` and `parameters` are TILE apart.",
        _function("process", f"{given}, Vec<R>* out", [unused, *forward]),
        "// From the gradients of all outputs: sets those of `raw` and `state`, adds to those of `parameters` and `constants`.",
        _function(
            "process_gradient",
            f"{given}, const Vec<R>* grad_out, Vec<R>* grad_raw, Vec<R>* grad_state, Vec<R>* grad_parameters, "
            "Vec<R>* grad_constants",
            [unused, "(void)grad_parameters, (void)grad_constants;", *backward],
        ),
    ]


def _networks(kind: str, rows) -> list[str]:
    """Number, inputs and place of the outputs of the networks of one kind."""
    n = max(len(rows), 1)
    inputs = ", ".join("{" + ", ".join(str(SEEN.index(i)) for i in daily_inputs(row)) + "}" for row in rows)
    return [
        f"constexpr int N_{kind} = {len(rows)};  // {', '.join(row.name for row in rows) or 'none'}",
        f"static const std::vector<int> {kind}_INPUTS[{n}] = {{{inputs}}};",
    ]


def daily_inputs(row) -> list[str]:
    """The daily inputs of a network in the order of the operator: forcing first, then what has a gradient."""
    return sorted((name for name in row.inputs if name != "static_code"), key=SEEN.index)


def header(guidance: Guidance) -> str:
    """The text of ``generated.h``.

    Raises
    ------
    NotElementwise
        If the equations, or an activation, do something that cannot be generated, or there is a kind of network that
        the operator does not have. The message names it.
    """
    known = guidance.lstms + guidance.fcnns
    if other := [row for row in guidance.daily if row not in known]:
        raise NotElementwise(f"the network {other[0].name} is of the kind {other[0].kind}, which it does not have")
    outputs = outputs_of(guidance)
    sizes = {
        "FORCING": FORCING,
        "STATE": CARRIED,
        "CONSTANTS": CONSTANTS,
        "STATIC_PARAMETERS": guidance.static_parameters,
        "PARAMETERS": guidance.parameters,
        "OUTPUTS": outputs,
    }
    lines = [f"constexpr int N_{name} = {len(members)};  // {', '.join(members)}" for name, members in sizes.items()]
    places = ", ".join(str(outputs.index(name)) for name in CARRIED)
    lines.append(
        f"constexpr int STATE_OUTPUT[N_STATE] = {{{places}}};  // the output that is the state of the next day"
    )
    for kind, rows in (("LSTM", guidance.lstms), ("FCNN", guidance.fcnns)):
        lines += _networks(kind, rows)
        first = ", ".join(str(guidance.parameters.index(next(iter(row.outputs)))) for row in rows) or "0"
        count = ", ".join(str(len(row.outputs)) for row in rows) or "0"
        lines.append(f"constexpr int {kind}_FIRST[] = {{{first}}}, {kind}_OUTPUTS[] = {{{count}}};")
    top = [
        "// Made by h2cm.model.backends.generate from h2cm.model.process and h2cm.model.networks.",
        "#pragma once\n",
        "#include <vector>\n",
        '#include "elementwise.h"',
        '#include "kernels.h"\n',
        "namespace h2cm {\n",
    ]
    return "\n".join([*top, *lines, "", *_of_seen(guidance), *_of_day(guidance, outputs), "}  // namespace h2cm\n"])


if __name__ == "__main__":
    print(header(GUIDANCE))
