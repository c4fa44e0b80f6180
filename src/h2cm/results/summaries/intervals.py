"""Calibrated intervals of what the main experiment predicts, and whether they hold where the model never was."""

from __future__ import annotations

import numpy as np
import xarray as xr

from h2cm.config import Config
from h2cm.results.evaluate.intervals import (
    LEAST_SPREAD,
    LEVELS,
    Calibration,
    corrected,
    local_month,
    offsets,
    spread_of,
    weighted_quantiles,
)
from h2cm.results.evaluate.land_cover import classes_of
from h2cm.results.evaluate.series import aligned, centred, common
from h2cm.results.paths import folds
from h2cm.results.run import Run, shown
from h2cm.store import holds_anomalies
from h2cm.vocabulary import OUTPUTS, ordered


def without_observation(config: Config) -> list[str]:
    """The monthly fluxes of carbon and water that no constraint shows."""
    names = [
        n for n in config.prediction.monthly if OUTPUTS[n].role == "flux" and OUTPUTS[n].group in ("carbon", "water")
    ]
    return [name for name in dict.fromkeys(names) if name not in shown(config)]


def make(run: Run, experiment: str) -> xr.Dataset:
    """The calibration (`h2cm.results.evaluate.intervals.Calibration`), and what the cells of the test set say of it.

    Of these, by variable and ``reference`` (observed; of the synthetic Earth truth): ``below`` (level), the share of values
    at or below each quantile, by area, and ``below_members``, the same of the quantiles of the members as they are;
    ``crps`` and ``crps_members``, in the unit of the variable; ``width``, mean width of the central interval of 90 %, which
    ``inside`` gives for each land cover and ``inside_month`` for each month of the local year; ``cells``.
    """
    config, cells, split = run.config, run.cells(), run.split()
    numbers = list(folds(config, experiment))
    predicted = [run.monthly(experiment, fold) for fold in numbers]
    validated = [np.flatnonzero(split[f"fold_{fold}"] == "validation") for fold in numbers]
    tested = np.flatnonzero(split[f"fold_{numbers[0]}"] == "test")
    area, lat = cells["area"].values, cells["lat"].values
    classes, names = classes_of(run, cells)
    targets = {variable: run.target(name) for variable, name in shown(config).items()}
    targets = {variable: target for variable, target in targets.items() if not holds_anomalies(target)}

    found, count, transferred, least, ratios = {}, {}, {}, {}, {"carbon": [], "water": []}
    for variable, target in targets.items():
        held_out = np.concatenate(
            [_error(variable, target, p[variable])[0][v] for p, v in zip(predicted, validated, strict=True)]
        )
        where = np.concatenate(validated)
        calendar_month = target["month"].dt.month.values
        months = local_month(calendar_month, lat[where])
        found[variable], count[variable] = offsets(held_out, area[where], classes[where], months, len(names))
        transferred[variable], least[variable] = 0, np.nan
        if OUTPUTS[variable].group in ratios and OUTPUTS[variable].role == "flux":
            spread, floor = _spread(predicted, variable, area)
            spread = spread.sel(month=target["month"]).values[where]
            ratios[OUTPUTS[variable].group].append((held_out / np.maximum(spread, floor), area[where]))
    for variable in without_observation(config):
        known = ratios[OUTPUTS[variable].group]
        if known and len(numbers) > 1:
            _, least[variable] = _spread(predicted, variable, area)
            found[variable] = np.broadcast_to(_factors(known), (len(names), 12, len(LEVELS)))
            count[variable], transferred[variable] = np.zeros(len(names), int), 1
    variables = ordered(found)
    data = xr.Dataset(
        {
            "offset": (("variable", "land_cover", "local_month", "level"), np.stack([found[v] for v in variables])),
            "calibration_cells": (("variable", "land_cover"), np.stack([count[v] for v in variables])),
            "transferred": ("variable", [transferred[v] for v in variables]),
            "least_spread": ("variable", [least[v] for v in variables]),
            "class": ("cell", classes),
            "lat": ("cell", lat),
        },
        {"variable": variables, "land_cover": names, "level": list(LEVELS)},
    )
    calibration = Calibration(data)
    truth = run.truth(variables) if config.source == "twin" else xr.Dataset()
    checks = []
    for variable in variables:
        stacked = np.stack([p[variable].transpose("cell", "month").values for p in predicted]).astype("f8")
        median = predicted[0][variable].transpose("cell", "month").copy(data=np.median(stacked, 0))
        around = calibration.around(variable, stacked, median["month"].dt.month.values)
        around = xr.DataArray(around, {"month": median["month"]}, ("level", "cell", "month"))
        for reference, known in (("observed", targets), ("truth", truth)):
            if variable not in known:
                continue
            error, middle = _error(variable, known[variable], median)
            members = [_error(variable, known[variable], p[variable])[1] for p in predicted]
            one = _check(
                error[tested],
                around.sel(month=known[variable]["month"]).values[:, tested],
                np.stack(members)[:, tested] - middle[tested],
                area[tested],
                classes[tested],
                local_month(known[variable]["month"].dt.month.values, lat[tested]),
                len(names),
            )
            checks.append(one.expand_dims(variable=[variable], reference=[reference]))
    if not checks:
        return data
    joined = xr.combine_by_coords(checks, join="outer", combine_attrs="override").reindex(variable=variables)
    return xr.merge([data, joined], join="exact")


def _error(variable: str, target: xr.DataArray, prediction: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    """Target less prediction, and the prediction, (cell, month); of storages without a level both as departures from their mean."""
    p, o = common(*aligned(prediction, target, variable))
    if OUTPUTS[variable].centred:
        p, o = centred(p), centred(o)
    return o - p, p


def _spread(predicted: list[xr.Dataset], variable: str, area: np.ndarray) -> tuple[xr.DataArray, float]:
    """The spread of the members (cell, month), and the least that it counts as."""
    one = predicted[0][variable].transpose("cell", "month")
    members = np.stack([p[variable].transpose("cell", "month").values for p in predicted]).astype("f8")
    spread = spread_of(members, one["month"].dt.month.values)
    return one.copy(data=spread), LEAST_SPREAD * float(np.average(spread.mean(1), weights=area))


def _factors(known: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Quantiles (level,) of errors over spreads; every variable weighs the same."""
    values, weights, least = [], [], []
    for ratio, area in known:
        observed = np.isfinite(ratio)
        weight = np.broadcast_to(area[:, None], ratio.shape)[observed]
        values.append(ratio[observed])
        weights.append(weight / weight.sum())
        least.append(int(observed.any(1).sum()))
    return weighted_quantiles(np.concatenate(values), np.concatenate(weights), corrected(LEVELS, min(least)))


def _check(error, around, members, area, classes, months, number: int) -> xr.Dataset:
    """What cells say of their intervals: see `make`. All less the median: errors (cell, month), quantiles (level, cell, month),
    members (member, cell, month)."""
    import scoringrules

    levels = np.array(LEVELS)
    possible = np.isfinite(around).all((1, 2)) if around.size else np.zeros(levels.size, bool)
    observed = np.isfinite(error)
    weights = np.broadcast_to(np.asarray(area, "f8")[:, None], error.shape)[observed]
    e, m = error[observed], members[:, observed]
    raw = np.quantile(m, levels, axis=0)

    def mean(values: np.ndarray, chosen: np.ndarray | slice = slice(None)) -> float:
        return float(np.average(values[chosen], weights=weights[chosen])) if np.size(weights[chosen]) else np.nan

    below = np.array([mean(e <= q) if ok else np.nan for q, ok in zip(around[:, observed], possible, strict=True)])
    low, high = around[LEVELS.index(0.05)][observed], around[LEVELS.index(0.95)][observed]
    outer = possible[[LEVELS.index(0.05), LEVELS.index(0.95)]].all()
    inside = np.where(outer, (e >= low) & (e <= high), np.nan)
    of_class, of_month = np.broadcast_to(classes[:, None], error.shape)[observed], months[observed]
    crps = np.nan
    if possible.any() and e.size:
        crps = mean(scoringrules.crps_quantile(e, around[possible][:, observed].T, levels[possible]))
    return xr.Dataset(
        {
            "below": ("level", below),
            "below_members": ("level", np.array([mean(e <= q) for q in raw])),
            "crps": crps,
            "crps_members": mean(scoringrules.crps_ensemble(e, m.T)) if e.size else np.nan,
            "width": mean(high - low) if outer else np.nan,
            "inside": ("land_cover", [mean(inside, of_class == k) for k in range(number)]),
            "inside_month": ("local_month", [mean(inside, of_month == k) for k in range(12)]),
            "cells": int(observed.any(1).sum()),
        },
        {"level": levels},
    )
