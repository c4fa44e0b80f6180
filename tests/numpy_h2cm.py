"""H2CM in float64 NumPy, the tests' referee: the networks, written from the paper for one cell and one day at a time; the
equations are those of the synthetic Earth (`h2cm.sources.twin.truth`), which share no line with the model."""

from __future__ import annotations

import numpy as np

from h2cm.sources.twin import truth


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.logaddexp(0, x)


def leaky(x):
    return np.where(x > 0, x, 0.01 * x)


def fully_connected(w, prefix, x):
    """Output and second hidden layer."""
    hidden = leaky(w[f"{prefix}.fc1.weight"] @ x + w[f"{prefix}.fc1.bias"])
    code = leaky(w[f"{prefix}.fc2.weight"] @ hidden + w[f"{prefix}.fc2.bias"])
    return w[f"{prefix}.fc3.weight"] @ code + w[f"{prefix}.fc3.bias"], code


def lstm(w, prefix, x, h, c):
    gates = w[f"{prefix}.cell.weight_ih"] @ x + w[f"{prefix}.cell.bias_ih"]
    gates = gates + w[f"{prefix}.cell.weight_hh"] @ h + w[f"{prefix}.cell.bias_hh"]
    i, f, g, o = np.split(gates, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return w[f"{prefix}.head.weight"] @ h + w[f"{prefix}.head.bias"], h, c


def run(
    weights: dict[str, np.ndarray], forcing: np.ndarray, static: np.ndarray, passes: int = 0
) -> dict[str, np.ndarray]:
    """All daily outputs (day,) of one cell: `forcing` (day, 5), `static` (attribute,), after `passes` of spin-up."""
    w = {k.removeprefix("networks."): np.asarray(v, dtype=np.float64) for k, v in weights.items()}
    raw, z = fully_connected(w, "static_parameters", (static - w["static_mean"]) / w["static_std"])
    soil = {"soil_moisture_capacity": softplus(raw[0] + 100) + 1, "alpha_interception": softplus(raw[1])}
    constants = {
        "beta_snow": sigmoid(w["raw.beta_snow"]),
        "beta_baseflow": sigmoid(w["raw.beta_baseflow"]),
        "q10": 1 + 9 * sigmoid(w["raw.q10"]),
        "beta_co2": softplus(w["raw.beta_co2"]),
    }
    h, c = ([np.zeros(100) for _ in range(3)] for _ in range(2))
    units = (forcing - w["forcing_mean"]) / w["forcing_std"]

    def learned(day, weather, before):
        rn, pr, t, vpd, co2 = units[day % len(forcing)]
        swe, gw, fapar, npp = (float(before[k][0]) for k in ("swe", "groundwater", "fapar", "npp"))
        rsm = float((before["soil_moisture"] / soil["soil_moisture_capacity"])[0])
        y, h[0], c[0] = lstm(w, "hydrology", np.r_[rn, pr, rsm, swe / 100, gw / 200, fapar, z], h[0], c[0])
        found = {"alpha_snow_melt": softplus(y[0]), "alpha_soil_recharge": sigmoid(y[1])}
        found["alpha_groundwater_recharge"] = sigmoid(y[2])
        y, _ = fully_connected(w, "coupling", np.r_[rn, vpd, rsm, z])
        found |= {"alpha_wue": softplus(y[0]), "alpha_transpiration": sigmoid(y[1])}
        y, h[1], c[1] = lstm(w, "vegetation", np.r_[rn, t, vpd, co2, rsm, fapar, npp, z], h[1], c[1])
        found |= {"cue": sigmoid(y[0]), "fapar": sigmoid(y[1])}
        y, h[2], c[2] = lstm(w, "surface", np.r_[rn, pr, npp, fapar, z], h[2], c[2])
        found |= {"basal_respiration": softplus(y[0]), "alpha_soil_evaporation": sigmoid(y[1])}
        return {name: np.atleast_1d(value) for name, value in found.items()}

    names = ("net_radiation", "precipitation", "air_temperature", "vapour_pressure_deficit", "co2")
    weather = {name: np.tile(forcing[:, k], passes + 1)[None] for k, name in enumerate(names)}
    series, _ = truth.simulate(weather, learned, soil, constants)
    return {name: values[0, -len(forcing) :] for name, values in series.items()}
