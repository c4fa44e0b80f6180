// The process equations of one day (h2cm/model/process.py, term by term in the same order) and their gradient.
#pragma once

#include "vector.h"

namespace h2cm {

// The daily outputs, in the order of h2cm.model.OUTPUTS.
enum Output {
  ALPHA_SNOW_MELT, ALPHA_SOIL_RECHARGE, ALPHA_GROUNDWATER_RECHARGE, ALPHA_WUE, ALPHA_TRANSPIRATION, CUE, FAPAR,
  BASAL_RESPIRATION, ALPHA_SOIL_EVAPORATION, N_PARAMETERS,
  SNOWFALL = N_PARAMETERS, RAINFALL, SNOW_MELT, INTERCEPTION, SOIL_EVAPORATION, TRANSPIRATION, ET, WATER_INPUT,
  SOIL_RECHARGE_FRACTION, SOIL_RECHARGE, GROUNDWATER_RECHARGE_FRACTION, GROUNDWATER_RECHARGE, FAST_RUNOFF_FRACTION,
  FAST_RUNOFF, SLOW_RUNOFF, RUNOFF, CORRECTED_PRECIPITATION, SWE, SOIL_MOISTURE, RELATIVE_SOIL_MOISTURE, GROUNDWATER,
  TWS, GPP, NPP, AUTOTROPHIC_RESPIRATION, HETEROTROPHIC_RESPIRATION, TER, NEP, NEE, N_OUTPUTS
};

// What is carried from day to day, in the order of h2cm.model.State.
enum StateVariable { S_SWE, S_SOIL_MOISTURE, S_GROUNDWATER, S_FAPAR, S_NPP, N_STATE };

enum ForcingVariable { NET_RADIATION, PRECIPITATION, AIR_TEMPERATURE, VAPOUR_PRESSURE_DEFICIT, CO2, N_FORCING };

enum Constant { BETA_SNOW, BETA_BASEFLOW, Q10, BETA_CO2, N_CONSTANTS };

constexpr double FREEZING_POINT = 273.15;
constexpr double EVAPORATION_PER_RADIATION = 0.0864 / 2.45;
constexpr double REFERENCE_TEMPERATURE = 15;
constexpr double SMALLEST_WATER_INPUT = 1e-8;

// What a day needs besides the parameters that the networks learn.
template <class R>
struct Cell {
  typedef Vec<R> V;
  V net_radiation, precipitation, celsius, co2;
  V swe, soil_moisture, groundwater;
  V capacity, alpha_interception;
  R constants[N_CONSTANTS];
};

// Values between the outputs that the gradient asks for again.
template <class R>
struct Between {
  typedef Vec<R> V;
  V possible_melt, snow_before_floor, canopy, wetted, energy, energy1, energy2, limit1, limit2, soil1, soil2, divisor,
      room, filled, exponent, power, one_less_recharge;
};

// Writes all outputs after the parameters; `out` holds the parameters.
template <class R>
inline __attribute__((always_inline)) void process_step(const Cell<R>& c, Vec<R>* out, Between<R>& b) {
  typedef Vec<R> V;
  const V zero = spread(R(0)), one = spread(R(1));
  const V fapar = out[FAPAR];
  auto frozen = c.celsius <= zero;

  out[SNOWFALL] = frozen ? c.precipitation * c.constants[BETA_SNOW] : zero;
  out[RAINFALL] = frozen ? zero : c.precipitation;
  b.possible_melt = maximum(c.celsius, zero) * out[ALPHA_SNOW_MELT];
  out[SNOW_MELT] = minimum(c.swe, b.possible_melt);
  b.snow_before_floor = c.swe + out[SNOWFALL] - out[SNOW_MELT];
  out[SWE] = maximum(b.snow_before_floor, zero);

  b.energy = maximum(c.net_radiation * R(EVAPORATION_PER_RADIATION), zero);
  b.canopy = fapar * c.alpha_interception;
  b.wetted = minimum(out[RAINFALL], b.canopy);
  out[INTERCEPTION] = minimum(b.wetted, b.energy);
  b.energy1 = b.energy - out[INTERCEPTION];
  b.limit1 = minimum(b.energy1, c.soil_moisture);
  out[SOIL_EVAPORATION] = (one - fapar) * b.limit1 * out[ALPHA_SOIL_EVAPORATION];
  b.energy2 = b.energy1 - out[SOIL_EVAPORATION];
  b.soil1 = c.soil_moisture - out[SOIL_EVAPORATION];
  b.limit2 = minimum(b.energy2, b.soil1);
  out[TRANSPIRATION] = fapar * b.limit2 * out[ALPHA_TRANSPIRATION];
  b.soil2 = b.soil1 - out[TRANSPIRATION];
  out[ET] = out[INTERCEPTION] + out[SOIL_EVAPORATION] + out[TRANSPIRATION];

  const V water = out[RAINFALL] + out[SNOW_MELT] - out[INTERCEPTION];
  out[WATER_INPUT] = water;
  b.divisor = maximum(water, spread(R(SMALLEST_WATER_INPUT)));
  b.room = (c.capacity - b.soil2) / b.divisor;
  b.filled = minimum(one, b.room);
  out[SOIL_RECHARGE_FRACTION] = b.filled * out[ALPHA_SOIL_RECHARGE];
  out[SOIL_RECHARGE] = out[SOIL_RECHARGE_FRACTION] * water;
  out[SOIL_MOISTURE] = b.soil2 + out[SOIL_RECHARGE];
  b.one_less_recharge = one - out[SOIL_RECHARGE_FRACTION];
  out[GROUNDWATER_RECHARGE_FRACTION] = b.one_less_recharge * out[ALPHA_GROUNDWATER_RECHARGE];
  out[GROUNDWATER_RECHARGE] = out[GROUNDWATER_RECHARGE_FRACTION] * water;
  out[FAST_RUNOFF_FRACTION] = b.one_less_recharge * (one - out[ALPHA_GROUNDWATER_RECHARGE]);
  out[FAST_RUNOFF] = out[FAST_RUNOFF_FRACTION] * water;
  out[SLOW_RUNOFF] = c.groundwater * c.constants[BETA_BASEFLOW];
  out[GROUNDWATER] = c.groundwater + out[GROUNDWATER_RECHARGE] - out[SLOW_RUNOFF];
  out[RUNOFF] = out[FAST_RUNOFF] + out[SLOW_RUNOFF];
  out[CORRECTED_PRECIPITATION] = out[RAINFALL] + out[SNOWFALL];
  out[RELATIVE_SOIL_MOISTURE] = out[SOIL_MOISTURE] / c.capacity;
  out[TWS] = out[SWE] + out[SOIL_MOISTURE] + out[GROUNDWATER];

  out[GPP] = out[TRANSPIRATION] * out[ALPHA_WUE] * c.co2 * c.constants[BETA_CO2];
  out[NPP] = out[GPP] * out[CUE];
  out[AUTOTROPHIC_RESPIRATION] = out[GPP] - out[NPP];
  b.exponent = (c.celsius - R(REFERENCE_TEMPERATURE)) / R(10);
  b.power = exp<R>(b.exponent * R(std::log(c.constants[Q10])));
  out[HETEROTROPHIC_RESPIRATION] = out[BASAL_RESPIRATION] * b.power;
  out[TER] = out[AUTOTROPHIC_RESPIRATION] + out[HETEROTROPHIC_RESPIRATION];
  out[NEP] = out[GPP] - out[TER];
  out[NEE] = -out[NEP];
}

// Gradients with respect to what is not a learned parameter.
template <class R>
struct CellGradient {
  typedef Vec<R> V;
  V capacity, alpha_interception, constants[N_CONSTANTS];  // added to
};

// From the gradients g of all outputs and `state` of the state at the end of the day: replaces the first N_PARAMETERS of
// g by the gradients of the parameters and `state` by those of the state at the end of the day before.
template <class R>
inline __attribute__((always_inline)) void process_gradient(const Cell<R>& c, const Vec<R>* out, const Between<R>& b,
                                                            Vec<R>* g, Vec<R>* state, CellGradient<R>& sum) {
  typedef Vec<R> V;
  const V zero = spread(R(0)), one = spread(R(1));
  const V fapar = out[FAPAR], water = out[WATER_INPUT];

  // carbon, from the last equation to the first
  V nep = g[NEP] - g[NEE];
  V ter = g[TER] - nep;
  V autotrophic = g[AUTOTROPHIC_RESPIRATION] + ter;
  V heterotrophic = g[HETEROTROPHIC_RESPIRATION] + ter;
  V npp = g[NPP] + state[S_NPP] - autotrophic;
  V gpp = g[GPP] + nep + autotrophic + npp * out[CUE];
  g[BASAL_RESPIRATION] += heterotrophic * b.power;
  sum.constants[Q10] += heterotrophic * out[BASAL_RESPIRATION] * b.exponent * b.power / c.constants[Q10];
  g[CUE] += npp * out[GPP];
  V co2_effect = c.co2 * c.constants[BETA_CO2];
  g[ALPHA_WUE] += gpp * out[TRANSPIRATION] * co2_effect;
  sum.constants[BETA_CO2] += gpp * out[TRANSPIRATION] * out[ALPHA_WUE] * c.co2;
  V transpiration = g[TRANSPIRATION] + g[ET] + gpp * out[ALPHA_WUE] * co2_effect;

  // storages
  V relative = g[RELATIVE_SOIL_MOISTURE] / c.capacity;
  V swe = g[SWE] + g[TWS] + state[S_SWE];
  V soil = g[SOIL_MOISTURE] + g[TWS] + state[S_SOIL_MOISTURE] + relative;
  V groundwater = g[GROUNDWATER] + g[TWS] + state[S_GROUNDWATER];
  sum.capacity -= relative * out[RELATIVE_SOIL_MOISTURE];

  // runoff and recharge
  V slow = g[SLOW_RUNOFF] + g[RUNOFF] - groundwater;
  V fast = g[FAST_RUNOFF] + g[RUNOFF];
  V groundwater_recharge = g[GROUNDWATER_RECHARGE] + groundwater;
  V soil_recharge = g[SOIL_RECHARGE] + soil;
  state[S_GROUNDWATER] = groundwater + slow * c.constants[BETA_BASEFLOW];
  sum.constants[BETA_BASEFLOW] += slow * c.groundwater;
  V fast_fraction = g[FAST_RUNOFF_FRACTION] + fast * water;
  V groundwater_fraction = g[GROUNDWATER_RECHARGE_FRACTION] + groundwater_recharge * water;
  V to_groundwater = out[ALPHA_GROUNDWATER_RECHARGE];
  V soil_fraction = g[SOIL_RECHARGE_FRACTION] + soil_recharge * water -
                    (groundwater_fraction * to_groundwater + fast_fraction * (one - to_groundwater));
  g[ALPHA_GROUNDWATER_RECHARGE] += (groundwater_fraction - fast_fraction) * b.one_less_recharge;
  g[ALPHA_SOIL_RECHARGE] += soil_fraction * b.filled;
  V room = soil_fraction * out[ALPHA_SOIL_RECHARGE] * share_of_lesser<R>(b.room, one) / b.divisor;
  sum.capacity += room;
  V soil2 = soil - room;
  V water_input = g[WATER_INPUT] + fast * out[FAST_RUNOFF_FRACTION] +
                  groundwater_recharge * out[GROUNDWATER_RECHARGE_FRACTION] +
                  soil_recharge * out[SOIL_RECHARGE_FRACTION] -
                  room * b.room * share_of_lesser<R>(spread(R(SMALLEST_WATER_INPUT)), water);
  V melt = g[SNOW_MELT] + water_input;
  V interception = g[INTERCEPTION] + g[ET] - water_input;

  // transpiration, soil evaporation, interception
  transpiration -= soil2;
  V fapar_sum = state[S_FAPAR] + transpiration * b.limit2 * out[ALPHA_TRANSPIRATION];
  g[ALPHA_TRANSPIRATION] += transpiration * fapar * b.limit2;
  V limit2 = transpiration * fapar * out[ALPHA_TRANSPIRATION];
  V share = share_of_lesser<R>(b.energy2, b.soil1);
  V energy = limit2 * share;
  V soil1 = soil2 + limit2 * (one - share);
  V evaporation = g[SOIL_EVAPORATION] + g[ET] - energy - soil1;
  fapar_sum -= evaporation * b.limit1 * out[ALPHA_SOIL_EVAPORATION];
  g[ALPHA_SOIL_EVAPORATION] += evaporation * (one - fapar) * b.limit1;
  V limit1 = evaporation * (one - fapar) * out[ALPHA_SOIL_EVAPORATION];
  share = share_of_lesser<R>(b.energy1, c.soil_moisture);
  energy += limit1 * share;
  state[S_SOIL_MOISTURE] = soil1 + limit1 * (one - share);
  interception -= energy;
  V canopy = interception * share_of_lesser<R>(b.wetted, b.energy) * share_of_lesser<R>(b.canopy, out[RAINFALL]);
  g[FAPAR] += fapar_sum + canopy * c.alpha_interception;
  sum.alpha_interception += canopy * fapar;

  // snow
  V before_floor = swe * share_of_lesser<R>(zero, b.snow_before_floor);
  V snowfall = g[SNOWFALL] + g[CORRECTED_PRECIPITATION] + before_floor;
  sum.constants[BETA_SNOW] += c.celsius <= zero ? snowfall * c.precipitation : zero;
  melt -= before_floor;
  share = share_of_lesser<R>(c.swe, b.possible_melt);
  state[S_SWE] = before_floor + melt * share;
  g[ALPHA_SNOW_MELT] += melt * (one - share) * maximum(c.celsius, zero);
  state[S_FAPAR] = zero;
  state[S_NPP] = zero;
}

}  // namespace h2cm
