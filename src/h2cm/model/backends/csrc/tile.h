// One tile of cells, stepped forward through the days and, for the gradient, back.
#pragma once

#include "tile_memory.h"

namespace h2cm {

template <class R>
class Tile : public TileMemory<R> {
  typedef TileMemory<R> M;
  using M::alpha_interception_, M::alpha_interception_gradient_, M::at, M::base_, M::base_gradient_, M::bias,
      M::capacity_, M::capacity_gradient_, M::cell, M::clear_gradients, M::day, M::days_, M::dc_, M::dh_,
      M::dh_total_, M::forcing_, M::gates_gradient_, M::input_gradient_, M::live_, M::n, M::narrow_gradient_, M::p,
      M::raw_gradient_, M::read_forcing, M::read_series_gradient, M::restore_state, M::save_state, M::series_,
      M::state_gradient_, M::T, M::wide_base_, M::wide_base_gradient_, M::wide_gradient_, M::write_series;
  typedef Vec<R> V;

 public:
  using M::M;

  // All days, keeping the state at the start of each stretch if `kept` (stretch, state) is given. `series` is
  // (output, cell, day); the state at the end goes to `state`, `h` and `c` in PyTorch's layout.
  void forward(R* kept, R* series, R* const* state, R* h, R* c) {
    R* today = days_.get();
    R* tomorrow = today + at.size;
    for (int i = 0; i < T; i++) {
      for (int s = 0; s < N_STATE; s++) today[at.state + s * T + i] = p.state[s][cell(i)];
      for (int j = 0; j < N_LSTM; j++)
        for (int u = 0; u < n.hidden; u++) {
          today[at.h[j] + u * T + i] = p.h[(j * p.cells + cell(i)) * n.hidden + u];
          today[at.c[j] + u * T + i] = p.c[(j * p.cells + cell(i)) * n.hidden + u];
        }
    }
    for (int64_t s = 0; s < p.stretches(); s++) {
      if (kept) save_state(today, kept + s * p.state_size());
      const int64_t start = s * p.stretch;
      const int length = int(std::min<int64_t>(p.stretch, p.days - start));
      read_forcing(start, length);
      for (int d = 0; d < length; d++) {
        step<false>(today, tomorrow, d);
        std::swap(today, tomorrow);
      }
      write_series(series, start, length);
    }
    for (int i = 0; i < live_; i++) {
      for (int s = 0; s < N_STATE; s++) state[s][cell(i)] = today[at.state + s * T + i];
      for (int j = 0; j < N_LSTM; j++)
        for (int u = 0; u < n.hidden; u++) {
          h[(j * p.cells + cell(i)) * n.hidden + u] = today[at.h[j] + u * T + i];
          c[(j * p.cells + cell(i)) * n.hidden + u] = today[at.c[j] + u * T + i];
        }
    }
  }

  // The gradient of all days from that of the series; adds to `sums` and writes what belongs to this tile's cells.
  void backward(const R* kept, const R* series_gradient, Sums<R>& sums, R* capacity, R* alpha_interception,
                const std::array<R*, N_LSTM>& base, R* wide_base) {
    clear_gradients();
    for (int64_t s = p.stretches() - 1; s >= 0; s--) {
      const int64_t start = s * p.stretch;
      const int length = int(std::min<int64_t>(p.stretch, p.days - start));
      read_forcing(start, length);
      restore_state(kept + s * p.state_size(), days_.get());
      for (int d = 0; d < length; d++) step<true>(day(d), day(d + 1), d);
      read_series_gradient(series_gradient, start, length);
      for (int d = length - 1; d >= 0; d--) step_back(day(d), d, sums);
      sum_weights(length, sums);
    }
    for (int i = 0; i < live_; i++) {
      capacity[cell(i)] = capacity_gradient_.get()[i];
      alpha_interception[cell(i)] = alpha_interception_gradient_.get()[i];
      for (int j = 0; j < N_LSTM; j++)
        for (int r = 0; r < 4 * n.hidden; r++)
          base[j][cell(i) * 4 * n.hidden + r] = base_gradient_[j].get()[r * T + i];
      for (int r = 0; r < n.wide; r++) wide_base[cell(i) * n.wide + r] = wide_base_gradient_.get()[r * T + i];
    }
  }

 private:
  // The rows of a network's daily inputs.
  void gather(const Inputs& inputs, const R* today, const R* standardised, int v, R* to) const {
    const R* s = today + at.state + v;
    for (int k = 0; k < inputs.size(); k++, to += T) {
      V value;
      switch (inputs.sources[k]) {
        case FROM_SOIL_MOISTURE: value = load(s + S_SOIL_MOISTURE * T) / load(capacity_.get() + v); break;
        case FROM_SWE: value = load(s + S_SWE * T) / R(SWE_SCALE); break;
        case FROM_GROUNDWATER: value = load(s + S_GROUNDWATER * T) / R(GROUNDWATER_SCALE); break;
        case FROM_FAPAR: value = load(s + S_FAPAR * T); break;
        case FROM_NPP: value = load(s + S_NPP * T); break;
        default: value = load(standardised + inputs.sources[k] * T + v);
      }
      store(to + v, value);
    }
  }

  // Adds the gradient of a network's state inputs (`g`, those after the forcing) to that of the state.
  void scatter(const Inputs& inputs, const R* today, const R* g, int v, V* state, V& capacity) const {
    for (int k = inputs.forcing(); k < inputs.size(); k++, g += T) {
      V value = load(g + v);
      switch (inputs.sources[k]) {
        case FROM_SOIL_MOISTURE: {
          V share = value / load(capacity_.get() + v);
          state[S_SOIL_MOISTURE] += share;
          capacity -= share * (load(today + at.state + S_SOIL_MOISTURE * T + v) / load(capacity_.get() + v));
          break;
        }
        case FROM_SWE: state[S_SWE] += value / R(SWE_SCALE); break;
        case FROM_GROUNDWATER: state[S_GROUNDWATER] += value / R(GROUNDWATER_SCALE); break;
        case FROM_FAPAR: state[S_FAPAR] += value; break;
        case FROM_NPP: state[S_NPP] += value; break;
      }
    }
  }

  static void leak(R* rows, int count) {
    for (int i = 0; i < count * T; i += LANES<R>) {
      V x = load(rows + i);
      store(rows + i, x > spread(R(0)) ? x : x * R(LEAK));
    }
  }
  static void leak_gradient(const R* rows, R* gradient, int count) {
    for (int i = 0; i < count * T; i += LANES<R>) {
      V g = load(gradient + i);
      store(gradient + i, load(rows + i) > spread(R(0)) ? g : g * R(LEAK));
    }
  }

  Cell<R> read_cell(const R* today, int d, int v) const {
    const R* f = forcing_.get() + d * 2 * N_FORCING * T + v;
    const R* s = today + at.state + v;
    Cell<R> c;
    c.net_radiation = load(f + NET_RADIATION * T);
    c.precipitation = load(f + PRECIPITATION * T);
    c.celsius = load(f + AIR_TEMPERATURE * T) - R(FREEZING_POINT);
    c.co2 = load(f + CO2 * T);
    c.swe = load(s + S_SWE * T);
    c.soil_moisture = load(s + S_SOIL_MOISTURE * T);
    c.groundwater = load(s + S_GROUNDWATER * T);
    c.capacity = load(capacity_.get() + v);
    c.alpha_interception = load(alpha_interception_.get() + v);
    for (int k = 0; k < N_CONSTANTS; k++) c.constants[k] = p.constants[k];
    return c;
  }

  static void read_parameters(const R* raw, V* out) {
    for (int k = 0; k < N_PARAMETERS; k++) {
      V x = load(raw + k * T);
      out[k] = IS_SOFTPLUS[k] ? softplus<R>(x) : sigmoid<R>(x);
    }
  }

  // One day forward; d counts within the stretch. With KEEP, what the gradient needs stays in `today`; without, the
  // outputs go to the series.
  template <bool KEEP>
  void step(R* today, R* tomorrow, int d) {
    const R* standardised = forcing_.get() + (d * 2 + 1) * N_FORCING * T;
    for (int v = 0; v < T; v += LANES<R>) {
      for (int j = 0; j < N_LSTM; j++) gather(n.lstm_inputs[j], today, standardised, v, today + at.x[j]);
      gather(n.coupling_inputs, today, standardised, v, today + at.inputs);
    }
    for (int j = 0; j < N_LSTM; j++) {
      lstm_day<R, KEEP>(n.gates[j], {today + at.x[j], base_[j].get(), today + at.c[j], tomorrow + at.h[j],
                                     tomorrow + at.c[j], today + at.gates[j], today + at.tanh_c[j]});
      product(n.head[j], tomorrow + at.h[j], bias(FIRST_OUTPUT[j]), today + at.raw + FIRST_OUTPUT[j] * T);
    }
    product(n.first, today + at.inputs, wide_base_.get(), today + at.wide);
    leak(today + at.wide, n.wide);
    product(n.second, today + at.wide, bias(N_PARAMETERS), today + at.narrow);
    leak(today + at.narrow, n.narrow);
    product(n.third, today + at.narrow, bias(COUPLING_OUTPUT), today + at.raw + COUPLING_OUTPUT * T);

    for (int v = 0; v < T; v += LANES<R>) {
      V out[N_OUTPUTS];
      Between<R> between;
      read_parameters(today + at.raw + v, out);
      process_step(read_cell(today, d, v), out, between);
      R* s = tomorrow + at.state + v;
      store(s + S_SWE * T, out[SWE]);
      store(s + S_SOIL_MOISTURE * T, out[SOIL_MOISTURE]);
      store(s + S_GROUNDWATER * T, out[GROUNDWATER]);
      store(s + S_FAPAR * T, out[FAPAR]);
      store(s + S_NPP * T, out[NPP]);
      if (KEEP) continue;
      R* to = series_.get() + int64_t(d) * p.outputs.size() * T + v;
      for (int o : p.outputs) {
        store(to, out[o]);
        to += T;
      }
    }
  }

  // One day back: from the gradients of the states at its end to those at its start.
  void step_back(R* today, int d, Sums<R>& sums) {
    R* state_gradient = state_gradient_.get();
    for (int v = 0; v < T; v += LANES<R>) {
      V out[N_OUTPUTS], g[N_OUTPUTS], state[N_STATE];
      Between<R> between;
      CellGradient<R> sum;
      const Cell<R> c = read_cell(today, d, v);
      read_parameters(today + at.raw + v, out);
      process_step(c, out, between);
      for (V& x : g) x = spread(R(0));
      const R* from = series_.get() + int64_t(d) * p.outputs.size() * T + v;
      for (int o : p.outputs) {
        g[o] += load(from);
        from += T;
      }
      for (int k = 0; k < N_STATE; k++) state[k] = load(state_gradient + k * T + v);
      sum.capacity = load(capacity_gradient_.get() + v);
      sum.alpha_interception = load(alpha_interception_gradient_.get() + v);
      for (int k = 0; k < N_CONSTANTS; k++) sum.constants[k] = load(sums.constants.get() + k * LANES<R>);
      process_gradient(c, out, between, g, state, sum);
      store(capacity_gradient_.get() + v, sum.capacity);
      store(alpha_interception_gradient_.get() + v, sum.alpha_interception);
      for (int k = 0; k < N_CONSTANTS; k++) store(sums.constants.get() + k * LANES<R>, sum.constants[k]);
      for (int k = 0; k < N_STATE; k++) store(state_gradient + k * T + v, state[k]);
      for (int k = 0; k < N_PARAMETERS; k++) {
        V slope = IS_SOFTPLUS[k] ? sigmoid<R>(load(today + at.raw + k * T + v)) : out[k] * (R(1) - out[k]);
        V raw = g[k] * slope;
        store(raw_gradient_.get() + k * T + v, raw);
        R* bias_sum = sums.head_bias.get() + k * LANES<R>;
        store(bias_sum, load(bias_sum) + raw);
      }
    }

    const R* raw = raw_gradient_.get();
    R *narrow = narrow_gradient_.get(), *wide = wide_gradient_.get(), *gates = gates_gradient_.get();
    constexpr const R* zero = nullptr;
    product(n.third_back, raw + COUPLING_OUTPUT * T, zero, narrow);
    leak_gradient(today + at.narrow, narrow, n.narrow);
    product(n.second_back, narrow, zero, wide);
    leak_gradient(today + at.wide, wide, n.wide);
    product(n.first_back, wide, zero, input_gradient_.get());
    add_rows(wide, n.wide, wide_base_gradient_.get());
    add_lanes(narrow, n.narrow, sums.second_bias.get());
    Panels<R>::transpose(raw, N_PARAMETERS, today + at.raw_panels);
    Panels<R>::transpose(narrow, n.narrow, today + at.narrow_panels);
    Panels<R>::transpose(wide, n.wide, today + at.wide_panels);

    for (int j = 0; j < N_LSTM; j++) {
      const int states = n.lstm_inputs[j].size() - n.lstm_inputs[j].forcing();
      product(n.head_back[j], raw + FIRST_OUTPUT[j] * T, dh_[j].get() + states * T, dh_total_.get());
      lstm_gradient<R>(n.hidden, dh_total_.get(), today + at.c[j], today + at.tanh_c[j], today + at.gates[j],
                       dc_[j].get(), gates, base_gradient_[j].get());
      product(n.gates_back[j], gates, zero, dh_[j].get());
      Panels<R>::transpose(gates, 4 * n.hidden, today + at.gates[j]);
    }
    for (int v = 0; v < T; v += LANES<R>) {
      V state[N_STATE], capacity = load(capacity_gradient_.get() + v);
      for (int k = 0; k < N_STATE; k++) state[k] = load(state_gradient + k * T + v);
      for (int j = 0; j < N_LSTM; j++) scatter(n.lstm_inputs[j], today, dh_[j].get(), v, state, capacity);
      scatter(n.coupling_inputs, today, input_gradient_.get(), v, state, capacity);
      for (int k = 0; k < N_STATE; k++) store(state_gradient + k * T + v, state[k]);
      store(capacity_gradient_.get() + v, capacity);
    }
  }

  static void add_rows(const R* rows, int count, R* to) {
    for (int i = 0; i < count * T; i += LANES<R>) store(to + i, load(to + i) + load(rows + i));
  }
  static void add_lanes(const R* rows, int count, R* to) {
    for (int r = 0; r < count; r++)
      for (int v = 0; v < T; v += LANES<R>)
        store(to + r * LANES<R>, load(to + r * LANES<R>) + load(rows + r * T + v));
  }

  // The gradients of the weights from all days of a stretch.
  void sum_weights(int length, Sums<R>& sums) {
    const R* first = day(0);
    const int64_t stride = at.size;
    auto add = [&](int64_t rows_at, int rows, const R* columns, int count, Buffer<R>& to) {
      Panels<R>::add_products(first + rows_at, rows, columns, count, length, stride, to.get());
    };
    for (int j = 0; j < N_LSTM; j++) {
      add(at.gates[j], 4 * n.hidden, first + at.x[j], n.columns(j), sums.gates[j]);
      add(at.raw_panels, N_PARAMETERS, day(1) + at.h[j], n.hidden, sums.head[j]);
    }
    add(at.wide_panels, n.wide, first + at.inputs, n.coupling_inputs.size(), sums.first);
    add(at.narrow_panels, n.narrow, first + at.wide, n.wide, sums.second);
    add(at.raw_panels, N_PARAMETERS, first + at.narrow, n.narrow, sums.third);
  }
};

}  // namespace h2cm
