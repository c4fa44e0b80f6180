// The guided networks' weights, packed for the kernels, and the sums of their gradients.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "kernels.h"
#include "process.h"

namespace h2cm {

constexpr int N_LSTM = 3;

// Daily inputs of the networks: the standardised forcing, then the scaled states.
enum Source { FROM_SOIL_MOISTURE = N_FORCING, FROM_SWE, FROM_GROUNDWATER, FROM_FAPAR, FROM_NPP };

// How a raw output of a network becomes a parameter, and whose it is, in the order of the outputs.
constexpr std::array<bool, N_PARAMETERS> IS_SOFTPLUS = {true, false, false, true, false, false, false, true, false};
constexpr std::array<int, N_LSTM> FIRST_OUTPUT = {ALPHA_SNOW_MELT, CUE, BASAL_RESPIRATION};
constexpr int COUPLING_OUTPUT = ALPHA_WUE;
constexpr double LEAK = 0.01;
constexpr double SWE_SCALE = 100, GROUNDWATER_SCALE = 200;

// The daily inputs of one network: forcing first, then states.
struct Inputs {
  std::vector<int> sources;
  int size() const { return int(sources.size()); }
  int forcing() const {
    int n = 0;
    while (n < size() && sources[n] < N_FORCING) n++;
    return n;
  }
};

// Plain row-major weights of one call; a missing part of the gradient is never asked for.
template <class R>
struct LstmWeights {
  const R *gates, *base, *head, *head_bias;  // (4 hidden, inputs + hidden), (cell, 4 hidden), (out, hidden), (out,)
  int outputs;
};
template <class R>
struct CouplingWeights {
  const R *first, *base, *second, *second_bias, *third, *third_bias;
};

template <class R>
struct Networks {
  int hidden, wide, narrow;
  std::array<Inputs, N_LSTM> lstm_inputs;
  Inputs coupling_inputs;
  std::array<LstmWeights<R>, N_LSTM> lstm;
  CouplingWeights<R> coupling;

  std::array<Packed<R>, N_LSTM> gates, gates_back, head, head_back;
  Packed<R> first, second, third, first_back, second_back, third_back;

  int columns(int j) const { return lstm_inputs[j].size() + hidden; }

  void pack(bool gradient) {
    for (int j = 0; j < N_LSTM; j++) {
      const R *w = lstm[j].gates, *v = lstm[j].head;
      const int n = columns(j), from = lstm_inputs[j].forcing(), h = hidden;
      gates[j] = Packed<R>(4 * h, n, ROWS, [&](int r, int k) { return w[r * n + k]; });
      head[j] = Packed<R>(lstm[j].outputs, h, ROWS, [&](int r, int k) { return v[r * h + k]; });
      if (!gradient) continue;
      gates_back[j] = Packed<R>(n - from, 4 * h, ROWS, [&](int r, int k) { return w[k * n + from + r]; });
      head_back[j] = Packed<R>(h, lstm[j].outputs, ROWS, [&](int r, int k) { return v[k * h + r]; });
    }
    const CouplingWeights<R>& c = coupling;
    const int n = coupling_inputs.size(), from = coupling_inputs.forcing();
    first = Packed<R>(wide, n, ROWS, [&](int r, int k) { return c.first[r * n + k]; });
    second = Packed<R>(narrow, wide, ROWS, [&](int r, int k) { return c.second[r * wide + k]; });
    third = Packed<R>(2, narrow, ROWS, [&](int r, int k) { return c.third[r * narrow + k]; });
    if (!gradient) return;
    first_back = Packed<R>(n - from, wide, ROWS, [&](int r, int k) { return c.first[k * n + from + r]; });
    second_back = Packed<R>(wide, narrow, ROWS, [&](int r, int k) { return c.second[k * wide + r]; });
    third_back = Packed<R>(narrow, 2, ROWS, [&](int r, int k) { return c.third[k * narrow + r]; });
  }
};

// Gradients summed over cells and days by one worker, [columns][padded rows] as Panels makes them. Those with one
// value per lane are summed over the lanes at the end.
template <class R>
struct Sums {
  std::array<Buffer<R>, N_LSTM> gates, head;
  Buffer<R> first, second, third, second_bias, third_bias, head_bias, constants;

  explicit Sums(const Networks<R>& n) {
    auto pad = Panels<R>::padded;
    for (int j = 0; j < N_LSTM; j++) {
      gates[j].resize(int64_t(n.columns(j)) * pad(4 * n.hidden));
      head[j].resize(n.hidden * pad(N_PARAMETERS));  // all rows, of which some are this network's
    }
    first.resize(n.coupling_inputs.size() * pad(n.wide));
    second.resize(n.wide * pad(n.narrow));
    third.resize(n.narrow * pad(N_PARAMETERS));
    second_bias.resize(n.narrow * LANES<R>);
    third_bias.resize(2 * LANES<R>);
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
    into(first, other.first);
    into(second, other.second);
    into(third, other.third);
    into(second_bias, other.second_bias);
    into(third_bias, other.third_bias);
    into(head_bias, other.head_bias);
    into(constants, other.constants);
  }
};

}  // namespace h2cm
