"""What the model's outputs are called and measured in: the attributes of every file that holds them."""

from __future__ import annotations

CARBON = "g m-2 day-1"
WATER = "mm day-1"


def _attrs(units: str, long_name: str, standard_name: str = "") -> dict[str, str]:
    attrs = {"units": units, "long_name": long_name}
    return attrs | ({"standard_name": standard_name} if standard_name else {})


OUTPUT_ATTRS: dict[str, dict[str, str]] = {
    "alpha_snow_melt": _attrs("mm day-1 K-1", "snow melt per degree above freezing"),
    "alpha_soil_recharge": _attrs("1", "share of the water input that the soil takes while it has room"),
    "alpha_groundwater_recharge": _attrs("1", "share of the water not taken by the soil that reaches the groundwater"),
    "alpha_wue": _attrs("g kg-1", "water-use efficiency without CO2 fertilisation, carbon per water"),
    "alpha_transpiration": _attrs("1", "transpiration coefficient"),
    "cue": _attrs("1", "carbon-use efficiency"),
    "fapar": _attrs("1", "fraction of absorbed photosynthetically active radiation"),
    "basal_respiration": _attrs(CARBON, "heterotrophic respiration at 15 degC"),
    "alpha_soil_evaporation": _attrs("1", "soil evaporation coefficient"),
    "snowfall": _attrs(WATER, "snowfall, corrected", "lwe_snowfall_rate"),
    "rainfall": _attrs(WATER, "rainfall"),
    "snow_melt": _attrs(WATER, "snow melt"),
    "interception": _attrs(WATER, "evaporation of intercepted rain"),
    "soil_evaporation": _attrs(WATER, "soil evaporation"),
    "transpiration": _attrs(WATER, "transpiration"),
    "et": _attrs(WATER, "evapotranspiration", "lwe_water_evaporation_rate"),
    "water_input": _attrs(WATER, "rain and snow melt less interception"),
    "soil_recharge_fraction": _attrs("1", "share of the water input that the soil takes"),
    "soil_recharge": _attrs(WATER, "soil recharge"),
    "groundwater_recharge_fraction": _attrs("1", "share of the water input that reaches the groundwater"),
    "groundwater_recharge": _attrs(WATER, "groundwater recharge"),
    "fast_runoff_fraction": _attrs("1", "share of the water input that runs off at once"),
    "fast_runoff": _attrs(WATER, "fast runoff"),
    "slow_runoff": _attrs(WATER, "slow runoff from groundwater"),
    "runoff": _attrs(WATER, "runoff"),
    "corrected_precipitation": _attrs(WATER, "precipitation with corrected snowfall", "lwe_precipitation_rate"),
    "swe": _attrs("mm", "snow water equivalent", "lwe_thickness_of_surface_snow_amount"),
    "soil_moisture": _attrs("mm", "soil moisture"),
    "relative_soil_moisture": _attrs("1", "soil moisture per capacity"),
    "groundwater": _attrs("mm", "groundwater"),
    "tws": _attrs("mm", "terrestrial water storage"),
    "gpp": _attrs(CARBON, "gross primary productivity, carbon"),
    "npp": _attrs(CARBON, "net primary productivity, carbon"),
    "autotrophic_respiration": _attrs(CARBON, "autotrophic respiration, carbon"),
    "heterotrophic_respiration": _attrs(CARBON, "heterotrophic respiration, carbon"),
    "ter": _attrs(CARBON, "terrestrial ecosystem respiration, carbon"),
    "nep": _attrs(CARBON, "net ecosystem productivity, carbon"),
    "nee": _attrs(CARBON, "net ecosystem exchange, carbon, negative where the land takes it up"),
}
STATIC_ATTRS: dict[str, dict[str, str]] = {
    "soil_moisture_capacity": _attrs("mm", "capacity of the soil for moisture"),
    "alpha_interception": _attrs("mm", "interception capacity of full vegetation cover"),
}
CONSTANT_ATTRS: dict[str, dict[str, str]] = {
    "beta_snow": _attrs("1", "snowfall correction"),
    "beta_baseflow": _attrs("day-1", "slow runoff per groundwater"),
    "q10": _attrs("1", "temperature sensitivity of heterotrophic respiration"),
    "beta_co2": _attrs("ppm-1", "CO2 fertilisation"),
}

RATIOS = {"cue": ("npp", "gpp")}
"""Quantities that are compared as a ratio of two means: numerator and denominator."""

COORDINATE_ATTRS: dict[str, dict[str, str]] = {
    "lat": _attrs("degrees_north", "latitude", "latitude"),
    "lon": _attrs("degrees_east", "longitude", "longitude"),
    "area": _attrs("m2", "area of the cell", "cell_area"),
    "time": {"long_name": "day", "standard_name": "time", "units_metadata": "leap_seconds: none"},
    "month": {"long_name": "first day of the month", "standard_name": "time", "units_metadata": "leap_seconds: none"},
}
