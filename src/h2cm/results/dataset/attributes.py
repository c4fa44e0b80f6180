"""What the variables and files of the data set say of themselves: CF 1.11, and ACDD where it adds something."""

from __future__ import annotations

import json
from pathlib import Path

from h2cm import netcdf
from h2cm.config import Config
from h2cm.results.evaluate.intervals import EDGES
from h2cm.results.paths import main_experiment
from h2cm.vocabulary import CARBON_FLUX, OUTPUTS
from h2cm.workflow.provenance import record, versions

STATISTICS = {"": "median", "_min": "minimum", "_max": "maximum"}
"""Suffix of a variable's name, and how the folds are combined in it (the words of CF's cell methods)."""

QUANTILES = {f"_q{round(100 * level):02d}": level for level in EDGES}
"""Suffix of a variable's name, and the calibrated quantile in it: of monthly means."""

ORIGINS = {
    False: "Calibrated by what was observed at cells that the model had not seen (split conformal prediction).",
    True: "Not calibrated, as nothing observes it: spread of the folds times what the observed fluxes need of theirs.",
}
"""What is said of the quantiles of a variable, by whether they are carried over from others."""

STEPS = {"daily": ("day", "time"), "monthly": ("month", "month")}
"""How often: length of a step, and the axis of time in the files of predictions."""

SOURCES = {
    "twin": "A synthetic Earth made by this software: no observation of the real Earth is in these numbers.",
    "towers": "Constrained by eddy-covariance towers.",
    "products": "Constrained by the observational products named in the configuration.",
    "published": "Constrained by the inputs and targets that the study published.",
}

MASS_NAMES = {
    "snowfall": "snowfall_flux",
    "rainfall": "rainfall_flux",
    "snow_melt": "surface_snow_melt_flux",
    "interception": "water_evaporation_flux_from_canopy",
    "soil_evaporation": "water_evaporation_flux_from_soil",
    "transpiration": "transpiration_flux",
    "et": "water_evapotranspiration_flux",
    "fast_runoff": "surface_runoff_flux",
    "slow_runoff": "subsurface_runoff_flux",
    "runoff": "runoff_flux",
    "corrected_precipitation": "precipitation_flux",
    "swe": "surface_snow_amount",
    "groundwater": "groundwater_amount",
    "tws": "land_water_amount",
}
"""CF standard names of water as a mass: most of what the model gives has one, few have one as a depth."""

REFERENCE = "Baghirov et al., H2CM (v1.0), EGUsphere, https://doi.org/10.5194/egusphere-2025-3123"


def variable_attributes(name: str, suffix: str, transferred: bool = False) -> dict[str, str]:
    """Attributes of one statistic, or quantile, of an output of the model.

    Water is given as a mass, ``kg m-2``, for which CF has standard names; the number is that of millimetres.
    """
    attrs = dict(OUTPUTS[name].attributes)
    if attrs["units"].startswith("mm"):
        attrs["units"] = attrs["units"].replace("mm", "kg m-2", 1)
        attrs["comment"] = "Mass of water: 1 kg m-2 is a depth of 1 mm."
        attrs.pop("standard_name", None)
        if name in MASS_NAMES:
            attrs["standard_name"] = MASS_NAMES[name]
    elif attrs["units"] == CARBON_FLUX:
        attrs["comment"] = "Mass of carbon: 1 g m-2 day-1 is 1 gC m-2 day-1."
    if suffix in QUANTILES:
        attrs["long_name"] += f", quantile {QUANTILES[suffix]:g}" + (
            " of departures from the mean" if OUTPUTS[name].centred else ""
        )
        attrs["comment"] = " ".join([*([attrs["comment"]] if "comment" in attrs else []), ORIGINS[transferred]])
        attrs.pop("standard_name", None)
        attrs["cell_methods"] = "time: mean"
        return attrs
    method = STATISTICS[suffix]
    attrs["long_name"] += f", {method} of the folds"
    attrs["cell_methods"] = f"time: mean realization: {method}"
    return attrs


def precision(digits: int) -> tuple[int, str]:
    """Bits of the mantissa that are kept for so many decimal digits, and what that means in words."""
    bits = -(-digits * 3321928094887362 // 10**15)  # digits · log2(10), rounded up
    return (
        bits,
        f"rounded to {bits} significant bits, {digits} decimal digits: relative error at most {2.0 ** -(bits + 1):.1e}",
    )


def global_attributes(config: Config, files: list[str | Path], code: str) -> dict[str, str]:
    """What every file says of its origin: licence, citation, configuration, versions, hashes of the inputs.

    Parameters
    ----------
    config : Config
    files : list of path
        Predictions of the folds: their hashes are written, and those of their own inputs.
    code : str
        Hash of the code.
    """
    experiment = main_experiment(config)
    provenance = record(files, code)
    for path in files:
        with netcdf.opened(path) as data:
            provenance["inputs"] |= json.loads(getattr(data, "provenance", "{}")).get("inputs", {})
    return {
        "Conventions": "CF-1.11, ACDD-1.3",
        "title": title(config),
        "summary": f"Median, minimum and maximum over models trained on different folds (experiment {experiment}). {SOURCES[config.source]}",
        "source": f"h2cm {versions()['h2cm']}, hybrid model of the land's water and carbon cycles",
        "history": "combined over the folds by h2cm.results.dataset",
        "references": REFERENCE,
        "citation": citation(config),
        "license": config.dataset.license,
        "product_version": versions()["h2cm"],
        "configuration": json.dumps(config.model_dump(mode="json"), sort_keys=True),
        "provenance": json.dumps(provenance, sort_keys=True),
    }


def title(config: Config) -> str:
    """Title of the data set."""
    what = {"twin": "a synthetic Earth", "towers": "eddy-covariance towers"}.get(config.source, "the land")
    first, last = config.period.start, config.period.end
    return f"H2CM: water and carbon cycles of {what}, {first:%Y-%m-%d} to {last:%Y-%m-%d} (run {config.run})"


def citation(config: Config) -> str:
    """How the data set is cited."""
    return f"{title(config)}, made with h2cm {versions()['h2cm']}. Method: {REFERENCE}"
