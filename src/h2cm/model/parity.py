"""Compare our model with a reference case of the published model: ``python -m h2cm.model.parity FILE.npz``.

The file holds inputs, weights, outputs, states, loss terms and gradients of the published code (v1.0.1). The loss
here is the published one, evaluated as published also where the project's own differs (MODEL.md §6: its gaps, its
regularisation that is always on). A case cut down by ``--cut DAYS OUT.npz`` holds the first days of the run that counts, with
the published state from which they start: enough for outputs, not for the loss of the whole. Prints the largest relative difference of each kind; the exit status is 1 if
outputs, states or losses differ by more than 1e-8, or gradients by more than 1e-7.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from h2cm.model import CONSTANTS, FORCING, H2CM, OUTPUTS, State
from h2cm.model.backends import BACKENDS
from h2cm.model.networks import LSTMS
from h2cm.store import DataError

LIMITS = {"outputs": 1e-8, "states": 1e-8, "losses": 1e-8, "gradients": 1e-7}

NETWORK_NAMES = {
    "static_parameters": "fc_static",
    "hydrology": "lstm_fc_win_partition_smelt",
    "coupling": "fc_static_wue_alpha_T",
    "vegetation": "lstm_fc_cue_fapar",
    "surface": "lstm_fc_rb_alpha_Es",
}
CONSTANT_NAMES = {"beta_snow": "beta_snow", "beta_baseflow": "beta_baseflow", "q10": "beta_q10", "beta_co2": "beta_co2"}
STATIC_NAMES = {"soil_moisture_capacity": "sm_max", "alpha_interception": "alpha_Ei"}
STATE_NAMES = {"swe": "swe_t", "soil_moisture": "SM_t", "groundwater": "GW_t", "fapar": "fAPAR_nn_t", "npp": "npp_t"}
OUTPUT_NAMES = {
    "alpha_snow_melt": "pred_nn/alpha_snow_melt_ts",
    "alpha_soil_evaporation": "pred_nn/alpha_Es_ts",
    "alpha_transpiration": "pred_nn/alpha_T_ts",
    "alpha_soil_recharge": "pred_nn/alpha_r_soil_ts",
    "alpha_groundwater_recharge": "pred_nn/alpha_r_gw_ts",
    "fapar": "pred_nn/fAPAR_nn_ts",
    "alpha_wue": "pred_nn/wue_ts",
    "cue": "pred_nn/cue_ts",
    "basal_respiration": "pred_nn/basal_resp_rate_ts",
    "snowfall": "pred_hybrid/snow_acc_ts",
    "snow_melt": "pred_hybrid/snow_melt_ts",
    "swe": "pred_hybrid/swe_ts",
    "interception": "pred_hybrid/Ei_ts",
    "soil_evaporation": "pred_hybrid/Es_ts",
    "transpiration": "pred_hybrid/T_ts",
    "et": "pred_hybrid/ET_ts",
    "water_input": "pred_hybrid/water_input_ts",
    "soil_recharge_fraction": "pred_hybrid/r_soil_t_fractions",
    "soil_recharge": "pred_hybrid/r_soil_ts",
    "groundwater_recharge_fraction": "pred_hybrid/r_gw_fraction_ts",
    "groundwater_recharge": "pred_hybrid/r_gw_ts",
    "soil_moisture": "pred_hybrid/SM_ts",
    "relative_soil_moisture": "pred_hybrid/rel_SM_ts",
    "fast_runoff_fraction": "pred_hybrid/runoff_surface_fraction_ts",
    "fast_runoff": "pred_hybrid/runoff_surface_ts",
    "slow_runoff": "pred_hybrid/baseflow_ts",
    "runoff": "pred_hybrid/runoff_total_ts",
    "groundwater": "pred_hybrid/GW_ts",
    "tws": "pred_hybrid/tws_ts",
    "corrected_precipitation": "pred_hybrid/prec_actual_ts",
    "gpp": "pred_hybrid/gpp_ts",
    "npp": "pred_hybrid/npp_ts",
    "autotrophic_respiration": "pred_hybrid/Ra_ts",
    "heterotrophic_respiration": "pred_hybrid/Rh_ts",
    "ter": "pred_hybrid/ter_ts",
    "nep": "pred_hybrid/nep_ts",
    "nee": "pred_hybrid/nee_ts",
}
# published name of a loss term: our output, the target, the statistics, how it is compared
TERMS = {
    "tws": ("tws", "tws", "tws", "centred"),
    "et": ("et", "et_xbase", "et", "cycle"),
    "runoff": ("runoff", "q_v2", "q", "cycle"),
    "swe": ("swe", "swe_bc", "swe", "monthly"),
    "fapar": ("fapar", "fapar", "fapar", "monthly"),
    "gpp": ("gpp", "gpp", "gpp", "cycle"),
    "nee": ("nee", "nee", "nee", "monthly"),
    "nee_iav": ("nee", "nee_iav", "nee_iav", "anomaly"),
}


def parameter_names() -> dict[str, str]:
    """Our parameter names by the published ones."""
    names = {published: f"raw.{ours}" for ours, published in CONSTANT_NAMES.items()}
    model = H2CM()
    for ours, published in NETWORK_NAMES.items():
        for name, _ in model.networks[ours].named_parameters():
            theirs = name.replace("cell.", "lstm_cell.").replace("head.", "fc.")
            names[f"{published}.{theirs}"] = f"networks.{ours}.{name}"
    return names


def build(case: Mapping[str, np.ndarray], backend: str = "eager") -> H2CM:
    """Our model, in float64, with the weights and the normalisation of a reference case."""
    model = H2CM(case["in/static"].shape[1], backend).double()
    model.set_normalisation(
        *(case[f"norm/{k}"] for k in ("means_forcing", "stds_forcing", "means_static", "stds_static"))
    )
    weights = {ours: torch.as_tensor(case[f"weight/{theirs}"]).double() for theirs, ours in parameter_names().items()}
    model.load_state_dict(weights, strict=False)
    return model


def monthly_mean(values: Tensor, months: np.ndarray, kept: np.ndarray) -> Tensor:
    """Mean of the days of each month of `kept`, missing days left out: (cell, time) to (cell, month)."""
    members = torch.as_tensor(months[:, None] == kept[None, :], dtype=values.dtype)
    present = torch.isfinite(values)
    count = present.to(values.dtype) @ members
    return torch.where(count > 0, torch.nan_to_num(values) @ members / count.clamp(min=1), torch.nan)


def published_loss(
    case: Mapping[str, np.ndarray], daily: dict[str, Tensor], constants: dict[str, Tensor]
) -> dict[str, Tensor]:
    """The loss terms as the published code has them, gaps and all."""
    days = case["in/months"]
    area = torch.as_tensor(case["in/grid_area"]).double()
    losses = {}
    for term, (output, target_name, moments, how) in TERMS.items():
        mean, std = float(case[f"norm/mean_{moments}"]), float(case[f"norm/std_{moments}"])
        steps = case[f"target_months/{target_name}"]
        kept = np.intersect1d(days, steps)
        target = monthly_mean(torch.as_tensor(case[f"target/{target_name}"]).double(), steps, kept)
        prediction = monthly_mean(daily[output], days, kept)
        mean = 0.0 if how == "centred" else mean
        prediction, target = (prediction - mean) / std, (target - mean) / std
        calendar_month = torch.as_tensor(kept % 12)
        if how == "centred":
            prediction = prediction - prediction.mean(1, keepdim=True)
            target = target - target.nanmean(1, keepdim=True)
        elif how == "cycle":
            prediction = torch.stack([prediction[:, calendar_month == m].mean(1) for m in range(12)], 1)
            target = torch.stack([target[:, calendar_month == m].nanmean(1) for m in range(12)], 1)
        elif how == "anomaly":
            # the target is taken as an anomaly already; months without a value count as 0
            cycle = torch.stack([prediction[:, calendar_month == m].mean(1) for m in range(12)], 1)
            anomaly = prediction - cycle[:, calendar_month] - mean / std
            series = [(x * area[:, None]).sum(0) / area.sum() for x in (anomaly, torch.nan_to_num(target))]
            losses[term] = ((series[0] - series[1]) ** 2).mean()
            continue
        valid = torch.isfinite(target)
        square = torch.where(valid, prediction - torch.nan_to_num(target), torch.zeros_like(prediction)) ** 2
        losses[term] = (square.sum(1) / valid.sum(1).clamp(min=1)).mean()
    mean, std = float(case["norm/mean_cue"]), float(case["norm/std_cue"])
    gpp, npp = daily["gpp"].mean(1), daily["npp"].mean(1)
    cue = torch.where(gpp < 0.1, torch.full_like(gpp, 0.5), npp / torch.where(gpp < 0.1, torch.ones_like(gpp), gpp))
    target = torch.as_tensor(case["target/cue"]).double()
    error = torch.where(torch.isfinite(target), cue - torch.nan_to_num(target), torch.zeros_like(cue)) / std
    losses["cue"] = (error**2).mean()
    losses["beta_co2"] = ((constants["beta_co2"] - 0.0015) / 0.0005) ** 2
    losses["beta_q10"] = ((constants["q10"] - 1.5) / 0.3) ** 2
    losses["loss_sum"] = sum(losses.values())
    return losses


def difference(ours: Tensor, theirs: np.ndarray) -> float:
    """Largest difference relative to the largest entry of the reference."""
    ours, theirs = ours.detach().double().numpy().ravel(), np.asarray(theirs, dtype=np.float64).ravel()
    if ours.shape != theirs.shape:
        raise DataError(f"expected {theirs.size} values as in the reference, got {ours.size}")
    scale = np.abs(theirs).max()
    worst = np.abs(ours - theirs).max() / (scale if scale > 0 else 1.0)
    return float(worst) if np.isfinite(worst) else float("inf")


def states_of(state: State) -> dict[str, Tensor]:
    """The parts of a state by their published names."""
    parts = {theirs: getattr(state, ours) for ours, theirs in STATE_NAMES.items()}
    for k, name in enumerate(LSTMS):
        suffix = NETWORK_NAMES[name].removeprefix("lstm_fc_")
        parts |= {f"h_t_{suffix}": state.h[k], f"c_t_{suffix}": state.c[k]}
    return parts


def compare(case: Mapping[str, np.ndarray], backend: str = "eager") -> dict[str, dict[str, float]]:
    """Differences of outputs, states, losses and gradients from a reference case, by name.

    Raises
    ------
    DataError
        If the file lacks an array of the layout.
    """
    try:
        return _compare(case, backend)
    except KeyError as error:
        raise DataError(f"reference case: expected the array {error}, not there") from None
    except RuntimeError as error:
        raise DataError(f"reference case: the arrays do not fit each other: {error}") from None


def is_cut(case: Mapping[str, np.ndarray]) -> bool:
    """Whether a case holds only what `cut` leaves."""
    return not any(name.startswith("grad/") for name in case)


def cut(case: Mapping[str, np.ndarray], days: int) -> dict[str, np.ndarray]:
    """The first days of the second pass of a case, and the state after the first, from which they follow exactly."""
    kept = {name: case[name] for name in case if name.startswith(("weight/", "const/", "pred_static/", "spinup/"))}
    kept |= {f"norm/{k}": case[f"norm/{k}"] for k in ("means_forcing", "stds_forcing", "means_static", "stds_static")}
    daily = ["in/forcing", *(name for name in case if name.startswith(("pred_nn/", "pred_hybrid/")))]
    return kept | {"in/static": case["in/static"]} | {name: case[name][:, :days] for name in daily}


def start_of(case: Mapping[str, np.ndarray]) -> State:
    """The published state after the first pass."""
    found = {ours: torch.as_tensor(case[f"spinup/{theirs}"]).flatten() for ours, theirs in STATE_NAMES.items()}
    for part in ("h", "c"):
        names = (NETWORK_NAMES[name].removeprefix("lstm_fc_") for name in LSTMS)
        found[part] = torch.stack([torch.as_tensor(case[f"spinup/{part}_t_{name}"]) for name in names])
    return State(**found)


def _compare(case, backend):
    model = build(case, backend)
    forcing, static = (torch.as_tensor(case[k]).double() for k in ("in/forcing", "in/static"))
    if forcing.ndim != 3 or forcing.shape[2] != len(FORCING):
        raise DataError(f"reference case: in/forcing: expected (cell, day, {len(FORCING)}), got {tuple(forcing.shape)}")
    spun_up = start_of(case) if is_cut(case) else model.spin_up(forcing, static)
    daily, final = model(forcing, static, spun_up, OUTPUTS)
    constants = model.constants()
    static_parameters, _ = model.static_parameters(static)
    found = {"outputs": {}}
    for ours, theirs in OUTPUT_NAMES.items():
        found["outputs"][ours] = difference(daily[ours], case[theirs])
    for ours, theirs in STATIC_NAMES.items():
        found["outputs"][ours] = difference(static_parameters[ours], case[f"pred_static/{theirs}"])
    for name in CONSTANTS:
        found["outputs"][name] = difference(constants[name], case[f"const/{CONSTANT_NAMES[name]}"])
    if is_cut(case):
        return found
    losses = published_loss(case, daily, constants)
    losses["loss_sum"].backward()
    states = {"spinup": spun_up, "final": final}
    found["states"] = {
        f"{when}/{name}": difference(values, case[f"{when}/{name}"])
        for when, state in states.items()
        for name, values in states_of(state).items()
    }
    found["losses"] = {name: difference(value, case[f"loss/{name}"]) for name, value in losses.items()}
    parameters = dict(model.named_parameters())
    found["gradients"] = {
        ours: difference(parameters[ours].grad, case[f"grad/{theirs}"]) for theirs, ours in parameter_names().items()
    }
    return found


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m h2cm.model.parity", description=__doc__.split("\n\n")[0])
    parser.add_argument("file", help="reference case (npz)")
    parser.add_argument("--backend", default="eager", choices=BACKENDS)
    parser.add_argument("--cut", nargs=2, metavar=("DAYS", "OUT"), help="write the first days of the case instead")
    options = parser.parse_args(arguments)
    try:
        with np.load(options.file) as case:
            if options.cut:
                np.savez_compressed(options.cut[1], **cut(case, int(options.cut[0])))
                return 0
            found = compare(case, options.backend)
    except (OSError, ValueError) as error:
        print(f"{options.file}: {error}", file=sys.stderr)
        return 1
    status = 0
    for kind, differences in found.items():
        worst = max(differences, key=differences.get)
        good = differences[worst] <= LIMITS[kind]
        status |= not good
        print(
            f"{kind:10} {differences[worst]:.1e} (limit {LIMITS[kind]:.0e}), {len(differences)} compared, worst: {worst}"
        )
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
