"""Which models an experiment can train: H2CM, and the competitors that are given the same data.

Nothing here needs PyTorch, as the configuration, the rules and the evaluation read it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from h2cm.comparisons import COMPARISONS, mean_square
from h2cm.config import Config, Constraint
from h2cm.vocabulary import OUTPUTS, RATIOS


@dataclass(frozen=True)
class Kind:
    """What may be trained.

    Attributes
    ----------
    title : str
        Its name in figures and tables.
    equations : bool
        Whether it has the process equations, and so all their outputs and constants.
    daily : bool
        Whether it predicts days; else months only.
    """

    title: str
    equations: bool
    daily: bool = True


MODELS: dict[str, Kind] = {
    "h2cm": Kind("H2CM", equations=True),
    "process_only": Kind("process equations only", equations=True),
    "gradient_boosting": Kind("gradient boosting", equations=False, daily=False),
    "lstm": Kind("LSTM", equations=False),
}

DEFINITIONS: dict[str, tuple[tuple[str, ...], Callable]] = {
    "npp": (("gpp", "cue"), lambda gpp, cue: gpp * cue),
    "autotrophic_respiration": (("gpp", "npp"), lambda gpp, npp: gpp - npp),
    "ter": (("nee", "gpp"), lambda nee, gpp: nee + gpp),
    "heterotrophic_respiration": (("nee", "npp"), lambda nee, npp: nee + npp),
    "nep": (("nee",), lambda nee: -nee),
}
"""What follows from other outputs by definition, without a process: the fluxes' budget of carbon."""


def kind_of(config: Config, experiment: str) -> Kind:
    """What an experiment trains."""
    return MODELS[config.experiments[experiment].model]


def constraints_of(config: Config, experiment: str) -> dict[str, Constraint]:
    """The constraints that an experiment trains on.

    One that compares means over many cells says nothing to a model that learns from cells one by one.
    """
    row = config.experiments[experiment]
    used = {name: config.constraints[name] for name in row.constraints or config.constraints}
    if not kind_of(config, experiment).daily:
        used = {name: c for name, c in used.items() if COMPARISONS[c.compare].loss is mean_square}
    return used


def learned(config: Config, experiment: str) -> tuple[str, ...]:
    """The outputs that a model without equations learns from targets, in the order of the constraints."""
    return tuple(dict.fromkeys(c.prediction for c in constraints_of(config, experiment).values()))


def with_definitions(names: Iterable[str]) -> tuple[str, ...]:
    """Some outputs and all that follow from them by definition."""
    known = list(dict.fromkeys(names))
    for name, (needs, _) in DEFINITIONS.items():
        if name not in known and set(needs) <= set(known):
            known.append(name)
    return tuple(known)


def complete(series: Mapping) -> dict:
    """Series of some outputs, and of all that follow from them by definition."""
    found = dict(series)
    for name, (needs, make) in DEFINITIONS.items():
        if name not in found and set(needs) <= set(found):
            found[name] = make(*(found[n] for n in needs))
    return found


def predictable(config: Config, experiment: str) -> tuple[str, ...]:
    """The outputs that the model of an experiment gives; any other is absent for it."""
    if kind_of(config, experiment).equations:
        return tuple(OUTPUTS)
    return with_definitions(learned(config, experiment))


def contradictions(config: Config) -> list[str]:
    """What an experiment asks of a model that cannot do it."""
    lines = []
    for name, row in config.experiments.items():
        if MODELS[row.model].equations:
            continue
        path = f"experiments.{name}"
        if row.priors:
            lines.append(f"{path}.priors: expected none, as a model {row.model} has no global constants")
        if row.fix:
            lines.append(
                f"{path}.fix: expected nothing, as a model {row.model} has no constants and parameters to hold"
            )
        if row.start and not MODELS[row.model].daily:
            lines.append(f"{path}.start: expected none, as a model {row.model} is not trained in steps")
        outputs = learned(config, name)
        if not outputs:
            lines.append(f"{path}: expected a constraint with values of single cells, which {row.model} learns from")
        for ratio in set(outputs) & set(RATIOS):
            below = RATIOS[ratio].denominator
            if below not in outputs:
                lines.append(f"{path}: expected a constraint on {below}, as {ratio} is compared per {below}")
    return lines
