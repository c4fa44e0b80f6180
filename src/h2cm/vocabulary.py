"""What every variable is called and measured in: observed, predicted, learned; and each conversion, once.

Store, outputs, figures, evaluation and loss read these tables. A variable is one row. Grams are grams of carbon
throughout, as water is measured by its depth. Standard names are those of the CF table, given only where the unit is
convertible to the canonical one (a depth of water is not a mass, so `runoff_flux` does not fit mm day-1). Nothing is
imported that takes time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

# --- conversions -----------------------------------------------------------------------------------------------------
WATER_DENSITY = 1000  # kg m-3
CARBON_MOLAR_MASS = 12.011  # g mol-1, IUPAC
FREEZING_POINT = 273.15  # K
LATENT_HEAT = 2.45  # MJ kg-1, of evaporation
MEGAJOULES_PER_WATT_DAY = 0.0864
EVAPORATION_PER_RADIATION = MEGAJOULES_PER_WATT_DAY / LATENT_HEAT  # mm day-1 per W m-2
PERCENT_PER_100_PPM = 1e4  # from ppm-1

# --- units and dimensions --------------------------------------------------------------------------------------------
CARBON_FLUX, WATER_FLUX, DEPTH, SHARE = "g m-2 day-1", "mm day-1", "mm", "1"
DAILY, MONTHLY, CELL = ("cell", "time"), ("cell", "month"), ("cell",)

GROUPS = ("carbon", "water", "vegetation")
"""What a variable belongs to, in the order in which figures show them."""

DEPARTURE, MEAN_SEASONAL_CYCLE = "departure_from", "mean seasonal cycle"
"""Attribute of a target, and its value where the target holds anomalies from its own mean seasonal cycle."""


@dataclass(frozen=True)
class Variable:
    """What a variable is.

    Attributes
    ----------
    name : str
    units : str
        UDUNITS.
    long_name : str
    standard_name : str
        CF standard name, empty if there is none.
    short : str
        As printed in figures; the name if empty.
    group : str
        One of `GROUPS`, or empty.
    role : str
        Of the model: parameter, flux, storage, static_parameter, constant. Of the store: grid, forcing, static,
        constraint, observation. Else coordinate.
    dims : tuple of str
    low, high : float
        Physically possible values.
    centred : bool
        Only departures from the mean are known (of observed storages): both sides are compared less their means.
    signed : bool
        Both signs are as likely: maps show it with two colours.
    reported_units, reported_scale : str, float
        Unit in which it is reported where that is not `units`, and the factor.
    observes : str
        Of a constraint or an observation: the output or ratio of the model that is compared with it.
    """

    name: str
    units: str
    long_name: str
    standard_name: str = ""
    short: str = ""
    group: str = ""
    role: str = ""
    dims: tuple[str, ...] = DAILY
    low: float = float("-inf")
    high: float = float("inf")
    centred: bool = False
    signed: bool = False
    reported_units: str = ""
    reported_scale: float = 1.0
    observes: str = ""

    @property
    def attributes(self) -> dict[str, str]:
        """CF attributes of the variable in a file."""
        attrs = {"units": self.units, "long_name": self.long_name}
        return attrs | ({"standard_name": self.standard_name} if self.standard_name else {})

    @property
    def printed_units(self) -> str:
        """The unit in which it is reported, as printed."""
        return print_units(self.reported_units or self.units)


def print_units(units: str) -> str:
    """A unit as figures print it: exponents raised, gC for grams, a dash where there is none."""
    if units == SHARE:
        return "–"
    return re.sub(r"(?<=[A-Za-z])(-?\d+)", r"$^{\1}$", re.sub(r"\bg\b", "gC", units))


def _table(*rows: Variable) -> dict[str, Variable]:
    table = {row.name: row for row in rows}
    if len(table) < len(rows):
        raise ValueError("vocabulary: a name occurs twice")
    return table


def _parameter(name, units, long_name, high=float("inf"), **more) -> Variable:
    return Variable(name, units, long_name, role="parameter", low=0, high=high, **more)


def _alpha(of: str) -> str:
    """The paper's symbol of a learned coefficient."""
    return rf"$\alpha_\mathrm{{{of}}}$"


def _water(name, long_name, standard_name="", short="", low=0.0, high=2000.0) -> Variable:
    return Variable(name, WATER_FLUX, long_name, standard_name, short, "water", "flux", low=low, high=high)


def _storage(name, long_name, standard_name="", short="", low=0.0, high=20000.0, centred=False) -> Variable:
    return Variable(
        name, DEPTH, long_name, standard_name, short, "water", "storage", low=low, high=high, centred=centred
    )


def _share(name, long_name, group="water", high=1.0, **more) -> Variable:
    return Variable(name, SHARE, long_name, group=group, role="flux", low=0, high=high, **more)


def _carbon(name, long_name, standard_name="", short="", low=-10.0, high=60.0, signed=False) -> Variable:
    return Variable(
        name, CARBON_FLUX, long_name, standard_name, short, "carbon", "flux", low=low, high=high, signed=signed
    )


_UP = "surface_upward_mass_flux_of_carbon_dioxide_expressed_as_carbon_due_to_"

OUTPUTS: dict[str, Variable] = _table(
    _parameter("alpha_snow_melt", "mm day-1 K-1", "snow melt per degree above freezing", short=_alpha("smelt")),
    _parameter(
        "alpha_soil_recharge",
        SHARE,
        "share of the water input that the soil takes while it has room",
        1,
        short=_alpha("rsoil"),
    ),
    _parameter(
        "alpha_groundwater_recharge",
        SHARE,
        "share of the water not taken by the soil that reaches the groundwater",
        1,
        short=_alpha("rgw"),
    ),
    _parameter(
        "alpha_wue",
        "g kg-1",
        "water-use efficiency without CO2 fertilisation, carbon per water",
        short=_alpha("WUE"),
    ),
    _parameter("alpha_transpiration", SHARE, "transpiration coefficient", 1, short=_alpha("T")),
    _parameter("cue", SHARE, "carbon-use efficiency", 1, short="CUE", group="carbon"),
    _parameter(
        "fapar",
        SHARE,
        "fraction of absorbed photosynthetically active radiation",
        1,
        standard_name="fraction_of_surface_downwelling_photosynthetic_radiative_flux_absorbed_by_vegetation",
        short="fAPAR",
        group="vegetation",
    ),
    _parameter("basal_respiration", CARBON_FLUX, "heterotrophic respiration at 15 degC", short="$R_\\mathrm{b}$"),
    _parameter("alpha_soil_evaporation", SHARE, "soil evaporation coefficient", 1, short=_alpha("Es")),
    _water("snowfall", "snowfall, corrected", "lwe_snowfall_rate", "Snowfall"),
    _water("rainfall", "rainfall", "rainfall_rate", "Rainfall"),
    _water("snow_melt", "snow melt", short="Snow melt"),
    _water("interception", "evaporation of intercepted rain", short="Interception"),
    _water("soil_evaporation", "soil evaporation", short="Soil evaporation"),
    _water("transpiration", "transpiration", short="Transpiration"),
    _water("et", "evapotranspiration", "lwe_water_evaporation_rate", "ET", low=-5, high=50),
    _water("water_input", "rain and snow melt less interception", short="Water input"),
    _share("soil_recharge_fraction", "share of the water input that the soil takes"),
    _water("soil_recharge", "soil recharge", short="Soil recharge"),
    _share("groundwater_recharge_fraction", "share of the water input that reaches the groundwater"),
    _water("groundwater_recharge", "groundwater recharge", short="Groundwater recharge"),
    _share("fast_runoff_fraction", "share of the water input that runs off at once"),
    _water("fast_runoff", "fast runoff", short="Fast runoff"),
    _water("slow_runoff", "slow runoff from groundwater", short="Slow runoff"),
    _water("runoff", "runoff", short="Runoff", high=500),
    _water(
        "corrected_precipitation", "precipitation with corrected snowfall", "lwe_precipitation_rate", "Precipitation"
    ),
    _storage("swe", "snow water equivalent", "lwe_thickness_of_surface_snow_amount", "SWE", high=5000),
    _storage("soil_moisture", "soil moisture", "lwe_thickness_of_soil_moisture_content", "Soil moisture", centred=True),
    _share("relative_soil_moisture", "soil moisture per capacity"),
    _storage("groundwater", "groundwater", short="Groundwater", centred=True),
    _storage("tws", "terrestrial water storage", short="TWS", low=-20000, centred=True),
    _carbon(
        "gpp",
        "gross primary productivity, carbon",
        "gross_primary_productivity_of_biomass_expressed_as_carbon",
        "GPP",
    ),
    _carbon(
        "npp", "net primary productivity, carbon", "net_primary_productivity_of_biomass_expressed_as_carbon", "NPP"
    ),
    _carbon("autotrophic_respiration", "autotrophic respiration, carbon", _UP + "plant_respiration", "$R_\\mathrm{a}$"),
    _carbon(
        "heterotrophic_respiration",
        "heterotrophic respiration, carbon",
        _UP + "heterotrophic_respiration",
        "$R_\\mathrm{h}$",
    ),
    _carbon("ter", "terrestrial ecosystem respiration, carbon", short="TER"),
    _carbon(
        "nep",
        "net ecosystem productivity, carbon",
        "net_ecosystem_production_expressed_as_carbon_per_unit_area",
        "NEP",
        low=-60,
        signed=True,
    ),
    _carbon(
        "nee",
        "net ecosystem exchange, carbon, negative where the land takes it up",
        short="NEE",
        low=-60,
        signed=True,
    ),
)
"""The daily outputs of the model; `h2cm.model.OUTPUTS` has the same names in the same order."""

STATIC_PARAMETERS: dict[str, Variable] = _table(
    Variable(
        "soil_moisture_capacity",
        DEPTH,
        "capacity of the soil for moisture",
        role="static_parameter",
        dims=CELL,
        low=0,
        short="Soil moisture capacity",
        group="water",
    ),
    Variable(
        "alpha_interception",
        DEPTH,
        "interception capacity of full vegetation cover",
        role="static_parameter",
        dims=CELL,
        low=0,
        short="Interception capacity",
        group="water",
    ),
)


def _constant(name, units, long_name, short, low=0.0, high=float("inf"), **more) -> Variable:
    return Variable(name, units, long_name, short=short, role="constant", dims=(), low=low, high=high, **more)


CONSTANTS: dict[str, Variable] = _table(
    _constant("q10", SHARE, "temperature sensitivity of heterotrophic respiration", "$Q_{10}$", 1, 10, group="carbon"),
    _constant(
        "beta_co2",
        "ppm-1",
        "CO2 fertilisation",
        r"$\beta_{\mathrm{CO}_2}$",
        group="carbon",
        reported_units="% per 100 ppm",
        reported_scale=PERCENT_PER_100_PPM,
    ),
    _constant("beta_snow", SHARE, "snowfall correction", r"$\beta_\mathrm{snow}$", 0, 1, group="water"),
    _constant(
        "beta_baseflow", "day-1", "slow runoff per groundwater", r"$\beta_\mathrm{baseflow}$", 0, 1, group="water"
    ),
)
"""The learned global constants, in the order in which they are reported."""


def _forcing(name, units, long_name, low, high, standard_name, short) -> Variable:
    return Variable(name, units, long_name, standard_name, short, role="forcing", low=low, high=high)


def _target(of: str, name: str = "", **other) -> Variable:
    """A constraint: the observed side of an output, with its unit, names and range unless `other` says otherwise."""
    return replace(OUTPUTS[of], name=name or of, **({"role": "constraint", "dims": MONTHLY, "observes": of} | other))


def _measured(of: str, name: str, long_name: str, **other) -> Variable:
    """Measured day by day, kept to evaluate an output with: no product feeds it and no constraint compares it."""
    return _target(of, name, **({"long_name": long_name, "role": "observation", "dims": DAILY} | other))


VARIABLES: dict[str, Variable] = _table(
    Variable("area", "m2", "area of the cell", "cell_area", role="grid", dims=CELL, low=0, high=1.3e13),
    _forcing(
        "net_radiation", "W m-2", "net radiation", -400, 800, "surface_net_downward_radiative_flux", "Net radiation"
    ),
    _forcing("precipitation", WATER_FLUX, "precipitation", 0, 2000, "lwe_precipitation_rate", "Precipitation"),
    _forcing("air_temperature", "K", "air temperature at 2 m", 180, 340, "air_temperature", "Air temperature"),
    _forcing(
        "vapour_pressure_deficit",
        "hPa",
        "vapour pressure deficit",
        0,
        150,
        "water_vapor_saturation_deficit_in_air",
        "VPD",
    ),
    _forcing("co2", "ppm", "mole fraction of CO2 in air", 300, 700, "mole_fraction_of_carbon_dioxide_in_air", "CO$_2$"),
    Variable("static", SHARE, "static attributes", role="static", dims=("cell", "feature")),
    _target("tws", long_name="terrestrial water storage anomaly"),
    _target("swe"),
    _target("fapar"),
    _target("et"),
    _target("runoff"),
    _target("gpp"),
    _target("nee", long_name="net ecosystem exchange of towers, negative: sink"),
    _target("nee", "nee_oco2", short="NEE (OCO-2)", long_name="net ecosystem exchange, OCO-2 MIP less fire"),
    _target(
        "nee", "nee_carboscope", short="NEE (CarboScope)", long_name="net ecosystem exchange, CarboScope less fire"
    ),
    _target("cue", long_name="mean annual carbon-use efficiency", dims=CELL),
    _measured("nee", "nee_daily", "net ecosystem exchange measured on the day, negative: sink", low=-100, high=100),
    _measured("nee", "nee_daily_uncertainty", "standard uncertainty of it", low=0, high=100, signed=False),
    _measured("et", "et_daily", "evapotranspiration measured on the day", low=-10),
    _measured("et", "et_daily_uncertainty", "standard uncertainty of it", low=0, standard_name=""),
)
"""The variables of the store."""

DERIVED: dict[str, Variable] = _table(
    Variable("apar", "MJ m-2 day-1", "absorbed photosynthetically active radiation", short="APAR", low=0, high=40),
)
"""What is made of others and not stored."""


def _coordinate(name, units, long_name, standard_name, dims) -> Variable:
    return Variable(name, units, long_name, standard_name, role="coordinate", dims=dims)


COORDINATES: dict[str, Variable] = _table(
    _coordinate("lat", "degrees_north", "latitude", "latitude", CELL),
    _coordinate("lon", "degrees_east", "longitude", "longitude", CELL),
)
TIME_ATTRS: dict[str, dict[str, str]] = {
    "time": {"long_name": "day", "standard_name": "time", "units_metadata": "leap_seconds: none"},
    "month": {"long_name": "first day of the month", "standard_name": "time", "units_metadata": "leap_seconds: none"},
}
"""Of the axes of time, whose unit xarray writes."""


@dataclass(frozen=True)
class Ratio:
    """A quantity that is compared as the ratio of two means over time.

    Attributes
    ----------
    name, units, long_name, short, group : str
    numerator, denominator : str
        Variables of the model or the store.
    floor : float
        In the unit of the denominator; below it the ratio means nothing.
    neutral : float
        What such a cell counts as where it is compared with an observation: near the global value.
    """

    name: str
    units: str
    long_name: str
    short: str
    numerator: str
    denominator: str
    floor: float
    neutral: float
    group: str = "carbon"

    @property
    def of_model(self) -> bool:
        """Whether both sides are outputs of the model, so that a constraint can compare it."""
        return self.numerator in OUTPUTS and self.denominator in OUTPUTS

    @property
    def printed_units(self) -> str:
        """The unit as printed."""
        return print_units(self.units)


RATIOS: dict[str, Ratio] = {
    row.name: row
    for row in (
        Ratio("cue", SHARE, "carbon-use efficiency", "CUE", "npp", "gpp", floor=0.1, neutral=0.5),
        Ratio("wue", "g kg-1", "water-use efficiency", "WUE", "gpp", "transpiration", floor=0.05, neutral=2.0),
        Ratio("pue", "g kg-1", "precipitation-use efficiency", "PUE", "npp", "precipitation", floor=0.05, neutral=0.5),
        Ratio("lue", "g MJ-1", "light-use efficiency", "LUE", "gpp", "apar", floor=0.1, neutral=0.5),
    )
}
"""Carbon per carbon, per water transpired, per precipitation, per light absorbed; all from mean annual values."""


def find(name: str) -> Variable | Ratio:
    """The row of a variable of the model or the store, or of a ratio.

    Raises
    ------
    KeyError
        If there is none.
    """
    for table in (OUTPUTS, VARIABLES, STATIC_PARAMETERS, CONSTANTS, DERIVED, COORDINATES, RATIOS):
        if name in table:
            return table[name]
    raise KeyError(f"vocabulary: {name!r} has no row")


def attributes(name: str) -> dict[str, str]:
    """CF attributes of what the model writes, or of a coordinate; none for what has no row."""
    if name in TIME_ATTRS:
        return dict(TIME_ATTRS[name])
    for table in (OUTPUTS, STATIC_PARAMETERS, CONSTANTS, COORDINATES, VARIABLES):
        if name in table:
            return table[name].attributes
    return {}


def short(name: str) -> str:
    """Name as printed."""
    return find(name).short or name


def label(name: str) -> str:
    """Name and unit as printed, for an axis."""
    return f"{short(name)} ({find(name).printed_units})"


def ordered(names: Iterable[str]) -> list[str]:
    """Names in the order in which they are shown: by `GROUPS`, then as in the tables; those without a row come last."""
    rank = {name: i for i, name in enumerate(dict.fromkeys((*OUTPUTS, *VARIABLES, *RATIOS, *CONSTANTS)))}
    groups = {name: GROUPS.index(find(name).group) if find(name).group else len(GROUPS) for name in rank}
    return sorted(names, key=lambda name: (groups.get(name, len(GROUPS) + 1), rank.get(name, len(rank))))


def reported(constants: Mapping[str, float]) -> dict[str, float]:
    """Constants in the units in which they are reported: beta_co2 in % per 100 ppm."""
    return {name: value * CONSTANTS[name].reported_scale for name, value in constants.items()}
