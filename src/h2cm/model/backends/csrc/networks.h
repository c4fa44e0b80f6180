// The guided networks' weights, packed for the kernels, and the sums of their gradients. `grad_x` is the gradient with
// respect to x.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "generated.h"
#include "kernels.h"

namespace h2cm {

constexpr double LEAK = 0.01;

// How many of the inputs of a network (numbers of its daily inputs, in order) are forcing; those have no gradient.
inline int forcing_among(const std::vector<int>& inputs) {
  int n = 0;
  while (n < int(inputs.size()) && inputs[n] < N_FORCING) n++;
  return n;
}

// A row-major matrix (rows, columns), packed for a product, and without its first columns for the one that goes back.
template <class R>
Packed<R> packed(const R* w, int rows, int columns) {
  return Packed<R>(rows, columns, ROWS, [&](int r, int k) { return w[r * columns + k]; });
}
template <class R>
Packed<R> packed_back(const R* w, int rows, int columns, int from = 0) {
  return Packed<R>(columns - from, rows, ROWS, [&](int r, int k) { return w[k * columns + from + r]; });
}

// Weights of one call, in PyTorch's layout and packed. `base` is what bias and static code contribute, of each cell.
template <class R>
struct Lstm {
  int inputs, forcing, outputs, first;  // `first` is the number of the first output among the parameters
  const R *gates, *base, *head, *head_bias;  // (4 hidden, inputs + hidden), (cell, 4 hidden), (out, hidden), (out,)
  Packed<R> gates_packed, gates_back, head_packed, head_back;
};
template <class R>
struct Fcnn {
  int inputs, forcing, outputs, first;
  const R *w1, *base, *w2, *bias2, *w3, *bias3;  // (wide, inputs), (cell, wide), (narrow, wide), (narrow,), ...
  Packed<R> packed1, packed2, packed3, back1, back2, back3;
};

template <class R>
struct Networks {
  int hidden = 0, wide = 0, narrow = 0;
  std::array<Lstm<R>, N_LSTM> lstm;
  std::array<Fcnn<R>, N_FCNN> fcnn;

  Networks() {
    for (int j = 0; j < N_LSTM; j++) {
      const auto& inputs = LSTM_INPUTS[j];
      lstm[j].inputs = int(inputs.size()), lstm[j].forcing = forcing_among(inputs);
      lstm[j].outputs = LSTM_OUTPUTS[j], lstm[j].first = LSTM_FIRST[j];
    }
    for (int j = 0; j < N_FCNN; j++) {
      const auto& inputs = FCNN_INPUTS[j];
      fcnn[j].inputs = int(inputs.size()), fcnn[j].forcing = forcing_among(inputs);
      fcnn[j].outputs = FCNN_OUTPUTS[j], fcnn[j].first = FCNN_FIRST[j];
    }
  }
  int columns(int j) const { return lstm[j].inputs + hidden; }

  void pack(bool gradient) {
    for (int j = 0; j < N_LSTM; j++) {
      Lstm<R>& l = lstm[j];
      l.gates_packed = packed(l.gates, 4 * hidden, columns(j));
      l.head_packed = packed(l.head, l.outputs, hidden);
      if (!gradient) continue;
      l.gates_back = packed_back(l.gates, 4 * hidden, columns(j), l.forcing);
      l.head_back = packed_back(l.head, l.outputs, hidden);
    }
    for (Fcnn<R>& f : fcnn) {
      f.packed1 = packed(f.w1, wide, f.inputs);
      f.packed2 = packed(f.w2, narrow, wide);
      f.packed3 = packed(f.w3, f.outputs, narrow);
      if (!gradient) continue;
      f.back1 = packed_back(f.w1, wide, f.inputs, f.forcing);
      f.back2 = packed_back(f.w2, narrow, wide);
      f.back3 = packed_back(f.w3, f.outputs, narrow);
    }
  }
};

// Gradients summed over cells and days by one worker, [columns][padded rows] as Panels makes them. Those with one
// value per lane are summed over the lanes at the end.
template <class R>
struct Sums {
  std::array<Buffer<R>, N_LSTM> gates, head;
  std::array<Buffer<R>, N_FCNN> w1, w2, w3, bias2;
  Buffer<R> head_bias, constants;

  explicit Sums(const Networks<R>& n) {
    auto pad = Panels<R>::padded;
    for (int j = 0; j < N_LSTM; j++) {
      gates[j].resize(int64_t(n.columns(j)) * pad(4 * n.hidden));
      head[j].resize(n.hidden * pad(N_PARAMETERS));  // all rows, of which some are this network's
    }
    for (int j = 0; j < N_FCNN; j++) {
      w1[j].resize(n.fcnn[j].inputs * pad(n.wide));
      w2[j].resize(n.wide * pad(n.narrow));
      w3[j].resize(n.narrow * pad(N_PARAMETERS));
      bias2[j].resize(n.narrow * LANES<R>);
    }
    head_bias.resize(N_PARAMETERS * LANES<R>);
    constants.resize(N_CONSTANTS * LANES<R>);
  }

  void add(const Sums& other) {
    auto into = [](Buffer<R>& a, const Buffer<R>& b) {
      for (int64_t i = 0; i < a.size(); i++) a.get()[i] += b.get()[i];
    };
    for (int j = 0; j < N_LSTM; j++) {
      into(gates[j], other.gates[j]);
      into(head[j], other.head[j]);
    }
    for (int j = 0; j < N_FCNN; j++) {
      into(w1[j], other.w1[j]);
      into(w2[j], other.w2[j]);
      into(w3[j], other.w3[j]);
      into(bias2[j], other.bias2[j]);
    }
    into(head_bias, other.head_bias);
    into(constants, other.constants);
  }
};

}  // namespace h2cm
