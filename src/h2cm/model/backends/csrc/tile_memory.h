// The memory of one tile of cells, and the moves between it and PyTorch's layouts.
#pragma once

#include <cstring>

#include "networks.h"

namespace h2cm {

// What one call works on, in PyTorch's layouts.
template <class R>
struct Problem {
  int64_t cells, days;
  int stretch;          // days between two kept states
  const R* forcing;     // (cell, day, 5)
  const R *mean, *std;  // (5,)
  const R *capacity, *alpha_interception;
  R constants[N_CONSTANTS];
  Networks<R> networks;
  std::vector<int> outputs;
  const R* state[N_STATE];  // (cell,)
  const R *h, *c;           // (lstm, cell, hidden)

  int64_t tiles() const { return (cells + TILE<R> - 1) / TILE<R>; }
  int64_t stretches() const { return (days + stretch - 1) / stretch; }
  int64_t state_size() const { return int64_t(N_STATE + 2 * N_LSTM * networks.hidden) * TILE<R>; }
};

// Where things lie in the memory of one day.
template <class R>
struct Layout {
  int64_t x[N_LSTM], h[N_LSTM], gates[N_LSTM], c[N_LSTM], tanh_c[N_LSTM];
  int64_t inputs, wide, narrow, raw, state, wide_panels, narrow_panels, raw_panels, size = 0;

  explicit Layout(const Networks<R>& n) {
    auto take = [&](int64_t rows) {
      int64_t at = size;
      size += rows * TILE<R>;
      return at;
    };
    for (int j = 0; j < N_LSTM; j++) {
      x[j] = take(n.lstm_inputs[j].size());
      h[j] = take(n.hidden);  // follows the inputs: together they are the columns of the product
      c[j] = take(n.hidden);
    }
    inputs = take(n.coupling_inputs.size());
    wide = take(n.wide);
    narrow = take(n.narrow);
    raw = take(N_PARAMETERS);
    state = take(N_STATE);
    for (int j = 0; j < N_LSTM; j++) {
      gates[j] = take(Panels<R>::padded(4 * n.hidden));  // on the way back, their gradients in panels
      tanh_c[j] = take(n.hidden);
    }
    wide_panels = take(Panels<R>::padded(n.wide));
    narrow_panels = take(Panels<R>::padded(n.narrow));
    raw_panels = take(Panels<R>::padded(N_PARAMETERS));
  }
};

// Arrays are [row][T]; those of a day lie together, one day after the other.
template <class R>
class TileMemory {
 public:
  typedef Vec<R> V;
  static constexpr int T = TILE<R>;

  TileMemory(const Problem<R>& problem, bool gradient)
      : p(problem), n(problem.networks), at(problem.networks),
        days_((gradient ? problem.stretch + 1 : 2) * at.size), forcing_(int64_t(problem.stretch) * 2 * N_FORCING * T),
        series_(int64_t(problem.stretch) * problem.outputs.size() * T), capacity_(T), alpha_interception_(T),
        bias_((N_PARAMETERS + n.narrow) * T), wide_base_(n.wide * T) {
    for (int j = 0; j < N_LSTM; j++) {
      base_[j].resize(4 * n.hidden * T);
      for (int o = 0; o < n.lstm[j].outputs; o++) fill(bias(FIRST_OUTPUT[j] + o), n.lstm[j].head_bias[o]);
    }
    for (int o = 0; o < 2; o++) fill(bias(COUPLING_OUTPUT + o), n.coupling.third_bias[o]);
    for (int o = 0; o < n.narrow; o++) fill(bias(N_PARAMETERS + o), n.coupling.second_bias[o]);
    if (!gradient) return;
    for (int j = 0; j < N_LSTM; j++) {
      dh_[j].resize((n.lstm_inputs[j].size() + n.hidden) * T);
      dc_[j].resize(n.hidden * T);
      base_gradient_[j].resize(4 * n.hidden * T);
    }
    gates_gradient_.resize(4 * n.hidden * T);
    wide_gradient_.resize(n.wide * T);
    narrow_gradient_.resize(n.narrow * T);
    raw_gradient_.resize(N_PARAMETERS * T);
    dh_total_.resize(n.hidden * T);
    wide_base_gradient_.resize(n.wide * T);
    input_gradient_.resize(n.coupling_inputs.size() * T);
    state_gradient_.resize(N_STATE * T);
    capacity_gradient_.resize(T);
    alpha_interception_gradient_.resize(T);
  }

  // Makes this the tile with number `index`.
  void enter(int64_t index) {
    first_ = index * T;
    live_ = int(std::min<int64_t>(T, p.cells - first_));
    for (int i = 0; i < T; i++) {
      capacity_.get()[i] = p.capacity[cell(i)];
      alpha_interception_.get()[i] = p.alpha_interception[cell(i)];
      for (int j = 0; j < N_LSTM; j++)
        for (int r = 0; r < 4 * n.hidden; r++)
          base_[j].get()[r * T + i] = n.lstm[j].base[cell(i) * 4 * n.hidden + r];
      for (int r = 0; r < n.wide; r++) wide_base_.get()[r * T + i] = n.coupling.base[cell(i) * n.wide + r];
    }
  }

 protected:
  const Problem<R>& p;
  const Networks<R>& n;
  const Layout<R> at;
  int64_t first_ = 0;
  int live_ = 0;
  Buffer<R> days_, forcing_, series_, capacity_, alpha_interception_, bias_, wide_base_;
  std::array<Buffer<R>, N_LSTM> base_, dh_, dc_, base_gradient_;
  Buffer<R> gates_gradient_, wide_gradient_, narrow_gradient_, raw_gradient_, dh_total_, wide_base_gradient_, input_gradient_, state_gradient_, capacity_gradient_,
      alpha_interception_gradient_;

  // lanes beyond the last cell repeat it; their gradients stay 0
  int64_t cell(int i) const { return first_ + std::min(i, live_ - 1); }
  R* day(int d) { return days_.get() + d * at.size; }
  R* bias(int row) { return bias_.get() + row * T; }
  void clear_gradients() {
    auto clear = [](Buffer<R>& b) { std::fill(b.get(), b.get() + b.size(), R(0)); };
    for (int j = 0; j < N_LSTM; j++) {
      clear(dh_[j]);
      clear(dc_[j]);
      clear(base_gradient_[j]);
    }
    clear(wide_base_gradient_);
    clear(state_gradient_);
    clear(capacity_gradient_);
    clear(alpha_interception_gradient_);
  }
  static void fill(R* to, R value) { std::fill(to, to + T, value); }

  void save_state(const R* from, R* to) { move_state<true>(const_cast<R*>(from), to); }
  void restore_state(const R* from, R* to) { move_state<false>(to, const_cast<R*>(from)); }
  template <bool SAVE>
  void move_state(R* today, R* kept) {
    auto block = [&](int64_t from, int64_t rows) {
      if (SAVE) std::memcpy(kept, today + from, rows * T * sizeof(R));
      else std::memcpy(today + from, kept, rows * T * sizeof(R));
      kept += rows * T;
    };
    block(at.state, N_STATE);
    for (int j = 0; j < N_LSTM; j++) {
      block(at.h[j], n.hidden);
      block(at.c[j], n.hidden);
    }
  }

  void read_forcing(int64_t start, int length) {
    for (int i = 0; i < T; i++) {
      const R* from = p.forcing + (cell(i) * p.days + start) * N_FORCING;
      for (int d = 0; d < length; d++)
        for (int f = 0; f < N_FORCING; f++) {
          R value = from[d * N_FORCING + f];
          forcing_.get()[(d * 2 * N_FORCING + f) * T + i] = value;
          forcing_.get()[((d * 2 + 1) * N_FORCING + f) * T + i] = (value - p.mean[f]) / p.std[f];
        }
    }
  }

  void write_series(R* series, int64_t start, int length) {
    const int64_t count = p.outputs.size();
    for (int64_t o = 0; o < count; o++)
      for (int i = 0; i < live_; i++) {
        R* to = series + (o * p.cells + cell(i)) * p.days + start;
        for (int d = 0; d < length; d++) to[d] = series_.get()[(d * count + o) * T + i];
      }
  }

  void read_series_gradient(const R* gradient, int64_t start, int length) {
    const int64_t count = p.outputs.size();
    std::fill(series_.get(), series_.get() + length * count * T, R(0));  // also in lanes without a cell
    for (int64_t o = 0; o < count; o++)
      for (int i = 0; i < live_; i++) {
        const R* from = gradient + (o * p.cells + cell(i)) * p.days + start;
        for (int d = 0; d < length; d++) series_.get()[(d * count + o) * T + i] = from[d];
      }
  }

};

}  // namespace h2cm
