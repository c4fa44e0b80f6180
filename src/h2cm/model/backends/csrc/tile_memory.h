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
  const R* forcing;     // (cell, day, forcing variable)
  const R *mean, *std;  // (forcing variable,)
  const R* parameters;  // (static parameter, cell)
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
  std::array<int64_t, N_LSTM> x, h, gates, c, tanh_c;
  std::array<int64_t, N_FCNN> inputs, wide, narrow, wide_panels, narrow_panels;
  int64_t raw, state, raw_panels, size = 0;

  explicit Layout(const Networks<R>& n) {
    auto take = [&](int64_t rows) {
      int64_t at = size;
      size += rows * TILE<R>;
      return at;
    };
    for (int j = 0; j < N_LSTM; j++) {
      x[j] = take(n.lstm[j].inputs);
      h[j] = take(n.hidden);  // follows the inputs: together they are the columns of the product
      c[j] = take(n.hidden);
    }
    for (int j = 0; j < N_FCNN; j++) {
      inputs[j] = take(n.fcnn[j].inputs);
      wide[j] = take(n.wide);
      narrow[j] = take(n.narrow);
    }
    raw = take(N_PARAMETERS);
    state = take(N_STATE);
    for (int j = 0; j < N_LSTM; j++) {
      gates[j] = take(Panels<R>::padded(4 * n.hidden));  // on the way back, their gradients in panels
      tanh_c[j] = take(n.hidden);
    }
    for (int j = 0; j < N_FCNN; j++) {
      wide_panels[j] = take(Panels<R>::padded(n.wide));
      narrow_panels[j] = take(Panels<R>::padded(n.narrow));
    }
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
        series_(int64_t(problem.stretch) * problem.outputs.size() * T), parameters_(N_STATIC_PARAMETERS * T),
        head_bias_(N_PARAMETERS * T) {
    for (int j = 0; j < N_LSTM; j++) {
      base_[j].resize(4 * n.hidden * T);
      for (int o = 0; o < n.lstm[j].outputs; o++) fill(head_bias(n.lstm[j].first + o), n.lstm[j].head_bias[o]);
    }
    for (int j = 0; j < N_FCNN; j++) {
      wide_base_[j].resize(n.wide * T);
      bias2_[j].resize(n.narrow * T);
      for (int o = 0; o < n.narrow; o++) fill(bias2_[j].get() + o * T, n.fcnn[j].bias2[o]);
      for (int o = 0; o < n.fcnn[j].outputs; o++) fill(head_bias(n.fcnn[j].first + o), n.fcnn[j].bias3[o]);
    }
    if (!gradient) return;
    for (int j = 0; j < N_LSTM; j++) {
      grad_x_[j].resize((n.lstm[j].inputs + n.hidden) * T);
      grad_c_[j].resize(n.hidden * T);
      grad_base_[j].resize(4 * n.hidden * T);
    }
    for (int j = 0; j < N_FCNN; j++) {
      grad_wide_base_[j].resize(n.wide * T);
      grad_inputs_[j].resize(n.fcnn[j].inputs * T);
    }
    grad_gates_.resize(4 * n.hidden * T);
    grad_h_.resize(n.hidden * T);
    grad_wide_.resize(n.wide * T);
    grad_narrow_.resize(n.narrow * T);
    grad_raw_.resize(N_PARAMETERS * T);
    grad_state_.resize(N_STATE * T);
    grad_parameters_.resize(N_STATIC_PARAMETERS * T);
  }

  // Makes this the tile with number `index`.
  void enter(int64_t index) {
    first_ = index * T;
    live_ = int(std::min<int64_t>(T, p.cells - first_));
    for (int i = 0; i < T; i++) {
      for (int k = 0; k < N_STATIC_PARAMETERS; k++) parameters_.get()[k * T + i] = p.parameters[k * p.cells + cell(i)];
      for (int j = 0; j < N_LSTM; j++)
        for (int r = 0; r < 4 * n.hidden; r++)
          base_[j].get()[r * T + i] = n.lstm[j].base[cell(i) * 4 * n.hidden + r];
      for (int j = 0; j < N_FCNN; j++)
        for (int r = 0; r < n.wide; r++) wide_base_[j].get()[r * T + i] = n.fcnn[j].base[cell(i) * n.wide + r];
    }
  }

 protected:
  const Problem<R>& p;
  const Networks<R>& n;
  const Layout<R> at;
  int64_t first_ = 0;
  int live_ = 0;
  Buffer<R> days_, forcing_, series_, parameters_, head_bias_;
  std::array<Buffer<R>, N_LSTM> base_, grad_x_, grad_c_, grad_base_;
  std::array<Buffer<R>, N_FCNN> wide_base_, bias2_, grad_wide_base_, grad_inputs_;
  Buffer<R> grad_gates_, grad_h_, grad_wide_, grad_narrow_, grad_raw_, grad_state_, grad_parameters_;

  // lanes beyond the last cell repeat it; their gradients stay 0
  int64_t cell(int i) const { return first_ + std::min(i, live_ - 1); }
  R* day(int d) { return days_.get() + d * at.size; }
  R* head_bias(int row) { return head_bias_.get() + row * T; }
  void clear_gradients() {
    auto clear = [](Buffer<R>& b) { std::fill(b.get(), b.get() + b.size(), R(0)); };
    for (int j = 0; j < N_LSTM; j++) {
      clear(grad_x_[j]);
      clear(grad_c_[j]);
      clear(grad_base_[j]);
    }
    for (int j = 0; j < N_FCNN; j++) clear(grad_wide_base_[j]);
    clear(grad_state_);
    clear(grad_parameters_);
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

  void read_grad_series(const R* grad_series, int64_t start, int length) {
    const int64_t count = p.outputs.size();
    std::fill(series_.get(), series_.get() + length * count * T, R(0));  // also in lanes without a cell
    for (int64_t o = 0; o < count; o++)
      for (int i = 0; i < live_; i++) {
        const R* from = grad_series + (o * p.cells + cell(i)) * p.days + start;
        for (int d = 0; d < length; d++) series_.get()[(d * count + o) * T + i] = from[d];
      }
  }

};

}  // namespace h2cm
