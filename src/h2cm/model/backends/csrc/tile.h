// One tile of cells, stepped forward through the days and, for the gradient, back.
#pragma once

#include "tile_memory.h"

namespace h2cm {

template <class R>
class Tile : public TileMemory<R> {
  typedef TileMemory<R> M;
  using M::at, M::base_, M::bias2_, M::cell, M::clear_gradients, M::day, M::days_, M::forcing_, M::grad_base_, M::grad_c_,
      M::grad_gates_, M::grad_h_, M::grad_inputs_, M::grad_narrow_, M::grad_parameters_, M::grad_raw_, M::grad_state_,
      M::grad_wide_, M::grad_wide_base_, M::grad_x_, M::head_bias, M::live_, M::n, M::p, M::parameters_,
      M::read_forcing, M::read_grad_series, M::restore_state, M::save_state, M::series_, M::T, M::wide_base_,
      M::write_series;
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
  void backward(const R* kept, const R* grad_series, Sums<R>& sums, R* grad_parameters,
                const std::array<R*, N_LSTM>& grad_base, const std::array<R*, N_FCNN>& grad_wide_base) {
    clear_gradients();
    for (int64_t s = p.stretches() - 1; s >= 0; s--) {
      const int64_t start = s * p.stretch;
      const int length = int(std::min<int64_t>(p.stretch, p.days - start));
      read_forcing(start, length);
      restore_state(kept + s * p.state_size(), days_.get());
      for (int d = 0; d < length; d++) step<true>(day(d), day(d + 1), d);
      read_grad_series(grad_series, start, length);
      for (int d = length - 1; d >= 0; d--) step_back(day(d), d, sums);
      sum_weights(length, sums);
    }
    for (int i = 0; i < live_; i++) {
      for (int k = 0; k < N_STATIC_PARAMETERS; k++)
        grad_parameters[k * p.cells + cell(i)] = grad_parameters_.get()[k * T + i];
      for (int j = 0; j < N_LSTM; j++)
        for (int r = 0; r < 4 * n.hidden; r++)
          grad_base[j][cell(i) * 4 * n.hidden + r] = grad_base_[j].get()[r * T + i];
      for (int j = 0; j < N_FCNN; j++)
        for (int r = 0; r < n.wide; r++) grad_wide_base[j][cell(i) * n.wide + r] = grad_wide_base_[j].get()[r * T + i];
    }
  }

 private:
  // The rows of a network's daily inputs, of the forcing of the day and of what it sees of the state.
  static void gather(const std::vector<int>& inputs, const R* standardised, const V* seen, int v, R* to) {
    for (int source : inputs) {
      store(to + v, source < N_FORCING ? load(standardised + source * T + v) : seen[source - N_FORCING]);
      to += T;
    }
  }

  // Adds the gradient of those inputs of a network that are not forcing.
  static void scatter(const std::vector<int>& inputs, const R* grad_inputs, int v, V* grad_seen) {
    for (int source : inputs)
      if (source >= N_FORCING) {
        grad_seen[source - N_FORCING] += load(grad_inputs + v);
        grad_inputs += T;
      }
  }

  static void leak(R* rows, int count) {
    for (int i = 0; i < count * T; i += LANES<R>) {
      V x = load(rows + i);
      store(rows + i, x > spread(R(0)) ? x : x * R(LEAK));
    }
  }
  static void leak_gradient(const R* rows, R* grad, int count) {
    for (int i = 0; i < count * T; i += LANES<R>) {
      V g = load(grad + i);
      store(grad + i, load(rows + i) > spread(R(0)) ? g : g * R(LEAK));
    }
  }

  // One day forward; d counts within the stretch. With KEEP, what the gradient needs stays in `today`; without, the
  // outputs go to the series.
  template <bool KEEP>
  void step(R* today, R* tomorrow, int d) {
    const R* forcing = forcing_.get() + d * 2 * N_FORCING * T;
    const R* standardised = forcing + N_FORCING * T;
    for (int v = 0; v < T; v += LANES<R>) {
      V seen[N_STATE];
      see(today + at.state + v, parameters_.get() + v, seen);
      for (int j = 0; j < N_LSTM; j++) gather(LSTM_INPUTS[j], standardised, seen, v, today + at.x[j]);
      for (int j = 0; j < N_FCNN; j++) gather(FCNN_INPUTS[j], standardised, seen, v, today + at.inputs[j]);
    }
    for (int j = 0; j < N_LSTM; j++) {
      const Lstm<R>& l = n.lstm[j];
      lstm_day<R, KEEP>(l.gates_packed, {today + at.x[j], base_[j].get(), today + at.c[j], tomorrow + at.h[j],
                                         tomorrow + at.c[j], today + at.gates[j], today + at.tanh_c[j]});
      product(l.head_packed, tomorrow + at.h[j], head_bias(l.first), today + at.raw + l.first * T);
    }
    for (int j = 0; j < N_FCNN; j++) {
      const Fcnn<R>& f = n.fcnn[j];
      product(f.packed1, today + at.inputs[j], wide_base_[j].get(), today + at.wide[j]);
      leak(today + at.wide[j], n.wide);
      product(f.packed2, today + at.wide[j], bias2_[j].get(), today + at.narrow[j]);
      leak(today + at.narrow[j], n.narrow);
      product(f.packed3, today + at.narrow[j], head_bias(f.first), today + at.raw + f.first * T);
    }

    for (int v = 0; v < T; v += LANES<R>) {
      V out[N_OUTPUTS];
      process(today + at.raw + v, forcing + v, today + at.state + v, parameters_.get() + v, p.constants, out);
      for (int k = 0; k < N_STATE; k++) store(tomorrow + at.state + k * T + v, out[STATE_OUTPUT[k]]);
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
    const R* forcing = forcing_.get() + d * 2 * N_FORCING * T;
    R* grad_raw = grad_raw_.get();
    for (int v = 0; v < T; v += LANES<R>) {
      V grad_out[N_OUTPUTS], grad_of_raw[N_PARAMETERS], grad_state[N_STATE];
      V grad_parameters[N_STATIC_PARAMETERS + 1], grad_constants[N_CONSTANTS + 1];  // + 1: there may be none
      for (V& x : grad_out) x = spread(R(0));
      const R* from = series_.get() + int64_t(d) * p.outputs.size() * T + v;
      for (int o : p.outputs) {
        grad_out[o] += load(from);
        from += T;
      }
      for (int k = 0; k < N_STATE; k++) grad_out[STATE_OUTPUT[k]] += load(grad_state_.get() + k * T + v);
      for (int k = 0; k < N_STATIC_PARAMETERS; k++) grad_parameters[k] = load(grad_parameters_.get() + k * T + v);
      for (int k = 0; k < N_CONSTANTS; k++) grad_constants[k] = load(sums.constants.get() + k * LANES<R>);
      process_gradient(today + at.raw + v, forcing + v, today + at.state + v, parameters_.get() + v, p.constants,
                       grad_out, grad_of_raw, grad_state, grad_parameters, grad_constants);
      for (int k = 0; k < N_STATIC_PARAMETERS; k++) store(grad_parameters_.get() + k * T + v, grad_parameters[k]);
      for (int k = 0; k < N_CONSTANTS; k++) store(sums.constants.get() + k * LANES<R>, grad_constants[k]);
      for (int k = 0; k < N_STATE; k++) store(grad_state_.get() + k * T + v, grad_state[k]);
      for (int k = 0; k < N_PARAMETERS; k++) {
        store(grad_raw + k * T + v, grad_of_raw[k]);
        R* bias_sum = sums.head_bias.get() + k * LANES<R>;
        store(bias_sum, load(bias_sum) + grad_of_raw[k]);
      }
    }

    constexpr const R* zero = nullptr;
    Panels<R>::transpose(grad_raw, N_PARAMETERS, today + at.raw_panels);
    R *narrow = grad_narrow_.get(), *wide = grad_wide_.get(), *gates = grad_gates_.get();
    for (int j = 0; j < N_FCNN; j++) {
      const Fcnn<R>& f = n.fcnn[j];
      product(f.back3, grad_raw + f.first * T, zero, narrow);
      leak_gradient(today + at.narrow[j], narrow, n.narrow);
      product(f.back2, narrow, zero, wide);
      leak_gradient(today + at.wide[j], wide, n.wide);
      product(f.back1, wide, zero, grad_inputs_[j].get());
      add_rows(wide, n.wide, grad_wide_base_[j].get());
      add_lanes(narrow, n.narrow, sums.bias2[j].get());
      Panels<R>::transpose(narrow, n.narrow, today + at.narrow_panels[j]);
      Panels<R>::transpose(wide, n.wide, today + at.wide_panels[j]);
    }
    for (int j = 0; j < N_LSTM; j++) {
      const Lstm<R>& l = n.lstm[j];
      const int states = l.inputs - l.forcing;
      product(l.head_back, grad_raw + l.first * T, grad_x_[j].get() + states * T, grad_h_.get());
      lstm_gradient<R>(n.hidden, grad_h_.get(), today + at.c[j], today + at.tanh_c[j], today + at.gates[j],
                       grad_c_[j].get(), gates, grad_base_[j].get());
      product(l.gates_back, gates, zero, grad_x_[j].get());
      Panels<R>::transpose(gates, 4 * n.hidden, today + at.gates[j]);
    }
    for (int v = 0; v < T; v += LANES<R>) {
      V grad_seen[N_STATE], grad_state[N_STATE], grad_parameters[N_STATIC_PARAMETERS + 1];
      for (V& x : grad_seen) x = spread(R(0));
      for (int j = 0; j < N_LSTM; j++) scatter(LSTM_INPUTS[j], grad_x_[j].get(), v, grad_seen);
      for (int j = 0; j < N_FCNN; j++) scatter(FCNN_INPUTS[j], grad_inputs_[j].get(), v, grad_seen);
      for (int k = 0; k < N_STATE; k++) grad_state[k] = load(grad_state_.get() + k * T + v);
      for (int k = 0; k < N_STATIC_PARAMETERS; k++) grad_parameters[k] = load(grad_parameters_.get() + k * T + v);
      see_gradient(today + at.state + v, parameters_.get() + v, grad_seen, grad_state, grad_parameters);
      for (int k = 0; k < N_STATE; k++) store(grad_state_.get() + k * T + v, grad_state[k]);
      for (int k = 0; k < N_STATIC_PARAMETERS; k++) store(grad_parameters_.get() + k * T + v, grad_parameters[k]);
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
    for (int j = 0; j < N_FCNN; j++) {
      add(at.wide_panels[j], n.wide, first + at.inputs[j], n.fcnn[j].inputs, sums.w1[j]);
      add(at.narrow_panels[j], n.narrow, first + at.wide[j], n.wide, sums.w2[j]);
      add(at.raw_panels, N_PARAMETERS, first + at.narrow[j], n.narrow, sums.w3[j]);
    }
  }
};

}  // namespace h2cm
