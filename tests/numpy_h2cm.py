"""H2CM in float64 NumPy, written from the paper's equations for one cell and one day at a time: the tests' referee."""

from __future__ import annotations

import math

import numpy as np


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
    z_raw, z = fully_connected(w, "static_parameters", (static - w["static_mean"]) / w["static_std"])
    sm_max, a_ei = softplus(z_raw[0] + 100) + 1, softplus(z_raw[1])
    b_snow, b_base = sigmoid(w["raw.beta_snow"]), sigmoid(w["raw.beta_baseflow"])
    q10, b_co2 = 1 + 9 * sigmoid(w["raw.q10"]), softplus(w["raw.beta_co2"])

    swe = sm = gw = fapar = 0.0
    npp = 1.1738447874691162
    h = [np.zeros(100) for _ in range(3)]
    c = [np.zeros(100) for _ in range(3)]
    days = []
    for round_ in range(passes + 1):
        for today in forcing:
            rn_raw, p, ta, _vpd, co2 = today
            rn, pr, t, vpd, co = (today - w["forcing_mean"]) / w["forcing_std"]
            rsm, s, g = sm / sm_max, swe / 100, gw / 200
            y, h[0], c[0] = lstm(w, "hydrology", np.r_[rn, pr, rsm, s, g, fapar, z], h[0], c[0])
            a_melt, a_rsoil, a_rgw = softplus(y[0]), sigmoid(y[1]), sigmoid(y[2])
            y, _code = fully_connected(w, "coupling", np.r_[rn, vpd, rsm, z])
            a_wue, a_t = softplus(y[0]), sigmoid(y[1])
            y, h[1], c[1] = lstm(w, "vegetation", np.r_[rn, t, vpd, co, rsm, fapar, npp, z], h[1], c[1])
            cue, fapar_new = sigmoid(y[0]), sigmoid(y[1])
            y, h[2], c[2] = lstm(w, "surface", np.r_[rn, pr, npp, fapar, z], h[2], c[2])
            rb, a_es = softplus(y[0]), sigmoid(y[1])
            fapar = fapar_new

            tc = ta - 273.15
            snowfall, rain = (p * b_snow, 0.0) if tc <= 0 else (0.0, p)
            melt = min(swe, max(tc, 0) * a_melt)
            swe = max(swe + snowfall - melt, 0)
            e0 = max(rn_raw * 0.0864 / 2.45, 0)
            ei = min(rain, fapar * a_ei, e0)
            es = (1 - fapar) * min(e0 - ei, sm) * a_es
            tr = fapar * min(e0 - ei - es, sm - es) * a_t
            sm2 = sm - es - tr
            win = rain + melt - ei
            f_soil = a_rsoil * min(1, (sm_max - sm2) / max(win, 1e-8))
            f_gw = (1 - f_soil) * a_rgw
            q_fast, q_slow = (1 - f_soil) * (1 - a_rgw) * win, gw * b_base
            sm, gw = sm2 + f_soil * win, gw + f_gw * win - q_slow
            gpp = tr * a_wue * co2 * b_co2
            npp = gpp * cue
            rh = rb * math.pow(q10, (tc - 15) / 10)
            ter = gpp - npp + rh
            if round_ == passes:
                days.append(
                    {
                        "alpha_snow_melt": a_melt,
                        "alpha_soil_recharge": a_rsoil,
                        "alpha_groundwater_recharge": a_rgw,
                        "alpha_wue": a_wue,
                        "alpha_transpiration": a_t,
                        "cue": cue,
                        "fapar": fapar,
                        "basal_respiration": rb,
                        "alpha_soil_evaporation": a_es,
                        "snowfall": snowfall,
                        "rainfall": rain,
                        "snow_melt": melt,
                        "interception": ei,
                        "soil_evaporation": es,
                        "transpiration": tr,
                        "et": ei + es + tr,
                        "water_input": win,
                        "soil_recharge_fraction": f_soil,
                        "soil_recharge": f_soil * win,
                        "groundwater_recharge_fraction": f_gw,
                        "groundwater_recharge": f_gw * win,
                        "fast_runoff_fraction": (1 - f_soil) * (1 - a_rgw),
                        "fast_runoff": q_fast,
                        "slow_runoff": q_slow,
                        "runoff": q_fast + q_slow,
                        "corrected_precipitation": rain + snowfall,
                        "swe": swe,
                        "soil_moisture": sm,
                        "relative_soil_moisture": sm / sm_max,
                        "groundwater": gw,
                        "tws": swe + sm + gw,
                        "gpp": gpp,
                        "npp": npp,
                        "autotrophic_respiration": gpp - npp,
                        "heterotrophic_respiration": rh,
                        "ter": ter,
                        "nep": gpp - ter,
                        "nee": ter - gpp,
                    }
                )
    return {name: np.array([day[name] for day in days]) for name in days[0]}
