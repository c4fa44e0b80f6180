// Products of small matrices with a tile of cells, the cells being the lanes of the vectors.
//
// An array of a tile is [row][TILE] numbers. Weights are packed so that a kernel reads them in the order of use, and
// a block of rows times the whole tile stays in registers while the sum over the inputs runs.
#pragma once

#include <algorithm>
#include <vector>

#include "vector.h"

namespace h2cm {

constexpr int VECTORS = 2;  // vectors in a tile
template <class R>
constexpr int TILE = VECTORS * LANES<R>;

constexpr int UNITS = MANY_REGISTERS ? 3 : 1;         // units of an LSTM (4 gates each) at a time
constexpr int ROWS = MANY_REGISTERS ? 12 : 4;         // rows of another product at a time
constexpr int PANEL_VECTORS = MANY_REGISTERS ? 5 : 3; // vectors of rows of a weight gradient at a time
constexpr int PANEL_COLUMNS = MANY_REGISTERS ? 5 : 3; // and its columns

// Calls f(std::integral_constant<int, n>) for n in 1..N known only at run time.
template <int N, class F>
inline void dispatch(int n, F f) {
  if constexpr (N > 0) {
    if (n == N) f(std::integral_constant<int, N>());
    else dispatch<N - 1>(n, f);
  }
}

// acc[M][VECTORS] += packed weights [inputs][M] * x [inputs][TILE]
template <class R, int M>
inline __attribute__((always_inline)) void multiply(const R* __restrict w, const R* __restrict x, int inputs,
                                                    Vec<R> (&acc)[M][VECTORS]) {
  for (int k = 0; k < inputs; k++) {
    Vec<R> v[VECTORS];
#pragma GCC unroll 8
    for (int j = 0; j < VECTORS; j++) v[j] = load(x + k * TILE<R> + j * LANES<R>);
#pragma GCC unroll 16
    for (int m = 0; m < M; m++) {
      Vec<R> s = spread(w[k * M + m]);
#pragma GCC unroll 8
      for (int j = 0; j < VECTORS; j++) acc[m][j] = fma(s, v[j], acc[m][j]);
    }
  }
}

// A weight matrix packed for `multiply` in blocks of `block` rows.
template <class R>
class Packed {
 public:
  Packed() = default;
  template <class Get>
  Packed(int rows, int inputs, int block, Get get) : rows(rows), inputs(inputs), data_(int64_t(rows) * inputs) {
    R* p = data_.get();
    for (int r = 0; r < rows; r += block)
      for (int k = 0; k < inputs; k++)
        for (int m = r; m < std::min(r + block, rows); m++) *p++ = get(m, k);
  }
  const R* at_row(int row) const { return data_.get() + int64_t(row) * inputs; }
  int rows = 0, inputs = 0;

 private:
  Buffer<R> data_;
};

// out [rows][TILE] = start [rows][TILE] (or 0) + packed * x
template <class R>
void product(const Packed<R>& w, const R* x, const R* start, R* out) {
  for (int r = 0; r < w.rows; r += ROWS) {
    dispatch<ROWS>(std::min(ROWS, w.rows - r), [&](auto n) {
      constexpr int M = n;
      Vec<R> acc[M][VECTORS];
#pragma GCC unroll 32
      for (int i = 0; i < M * VECTORS; i++)
        acc[i / VECTORS][i % VECTORS] = start ? load(start + r * TILE<R> + i * LANES<R>) : spread(R(0));
      multiply<R, M>(w.at_row(r), x, w.inputs, acc);
#pragma GCC unroll 32
      for (int i = 0; i < M * VECTORS; i++) store(out + r * TILE<R> + i * LANES<R>, acc[i / VECTORS][i % VECTORS]);
    });
  }
}

// Where the LSTM of one day reads and writes; all but the inputs are [unit][TILE], gates [unit][4][TILE].
template <class R>
struct LstmDay {
  const R* x;       // inputs and h of the day before
  const R* base;    // static part of the gates and their biases, [unit][4][TILE]
  const R* c;       // of the day before
  R* h_new;
  R* c_new;
  R* gates;         // kept for the gradient: activated i, f, g, o
  R* tanh_c;        // kept for the gradient
};

// Gates of one block of units from their sums, and the new states.
template <class R, int U, bool KEEP>
inline __attribute__((always_inline)) void activate_gates(Vec<R> (&acc)[4 * U][VECTORS], const LstmDay<R>& d, int unit) {
  typedef Vec<R> V;
  const V one = spread(R(1));
#pragma GCC unroll 4
  for (int u = 0; u < U; u++) {
#pragma GCC unroll 4
    for (int j = 0; j < VECTORS; j++) {
      const int at = (unit + u) * TILE<R> + j * LANES<R>;
      V ei = exp_gate<R>(acc[4 * u][j]), ef = exp_gate<R>(acc[4 * u + 1][j]);
      V g2 = acc[4 * u + 2][j];
      V eg = exp_gate<R>(g2 + g2), eo = exp_gate<R>(acc[4 * u + 3][j]);
      V c = load(d.c + at), tanh_c, h;
      if constexpr (KEEP) {
        V i = reciprocal(one + ei), f = reciprocal(one + ef), o = reciprocal(one + eo);
        V g = (one - eg) * reciprocal(one + eg);
        c = fma(f, c, i * g);
        V ec = exp_gate<R>(c + c);
        tanh_c = (one - ec) * reciprocal(one + ec);
        h = o * tanh_c;
        const int gate = (unit + u) * 4 * TILE<R> + j * LANES<R>;
        store(d.gates + gate, i);
        store(d.gates + gate + TILE<R>, f);
        store(d.gates + gate + 2 * TILE<R>, g);
        store(d.gates + gate + 3 * TILE<R>, o);
        store(d.tanh_c + at, tanh_c);
      } else {  // the same over common denominators: two divisions for five
        V ig = (one + ei) * (one + eg), f1 = one + ef;
        c = fma(c, ig, (one - eg) * f1) * reciprocal(f1 * ig);
        V ec = exp_gate<R>(c + c);
        h = (one - ec) * reciprocal((one + eo) * (one + ec));
      }
      store(d.c_new + at, c);
      store(d.h_new + at, h);
    }
  }
}

template <class R, bool KEEP>
void lstm_day(const Packed<R>& w, const LstmDay<R>& d) {
  const int hidden = w.rows / 4;
  for (int unit = 0; unit < hidden; unit += UNITS) {
    dispatch<UNITS>(std::min(UNITS, hidden - unit), [&](auto n) {
      constexpr int U = n;
      Vec<R> acc[4 * U][VECTORS];
      const R* base = d.base + unit * 4 * TILE<R>;
#pragma GCC unroll 32
      for (int i = 0; i < 4 * U * VECTORS; i++) acc[i / VECTORS][i % VECTORS] = load(base + i * LANES<R>);
      multiply<R, 4 * U>(w.at_row(4 * unit), d.x, w.inputs, acc);
      activate_gates<R, U, KEEP>(acc, d, unit);
    });
  }
}

// One day of an LSTM back: `gates` turn from the activated gates into the gradients of their arguments, which are also
// added to `base`; `dc` from the gradient of c at the end of the day to that at its start.
template <class R>
void lstm_gradient(int hidden, const R* dh, const R* c, const R* tanh_c, R* gates, R* dc, R* base) {
  typedef Vec<R> V;
  const V one = spread(R(1));
  for (int unit = 0; unit < hidden; unit++)
    for (int v = 0; v < TILE<R>; v += LANES<R>) {
      const int at = unit * TILE<R> + v, gate = unit * 4 * TILE<R> + v;
      V i = load(gates + gate), f = load(gates + gate + TILE<R>), g = load(gates + gate + 2 * TILE<R>),
        o = load(gates + gate + 3 * TILE<R>), t = load(tanh_c + at), h = load(dh + at);
      V cell = fma(h * o, fma(-t, t, one), load(dc + at));
      V d[4] = {cell * g * (i * (one - i)), cell * load(c + at) * (f * (one - f)), cell * i * fma(-g, g, one),
                h * t * (o * (one - o))};
      store(dc + at, cell * f);
      for (int k = 0; k < 4; k++) {
        store(gates + gate + k * TILE<R>, d[k]);
        store(base + gate + k * TILE<R>, load(base + gate + k * TILE<R>) + d[k]);
      }
    }
}

// Sums over cells and days: out [columns][padded rows] += sum of a [day][rows][TILE] times b [day][columns][TILE].
// The rows become the lanes, so `a` is transposed on the way, a panel of rows at a time.
template <class R>
class OuterProduct {
 public:
  explicit OuterProduct(int days) : panel_(int64_t(days) * TILE<R> * PANEL_VECTORS * LANES<R>) {}

  static int padded(int rows) { return (rows + LANES<R> - 1) / LANES<R> * LANES<R>; }

  void add(const R* a, int rows, const R* b, int columns, int days, int64_t stride, R* out) {
    const int width = padded(rows);
    for (int row = 0; row < width; row += PANEL_VECTORS * LANES<R>) {
      const int vectors = std::min(PANEL_VECTORS, (width - row) / LANES<R>);
      transpose(a + row * TILE<R>, std::min(rows - row, vectors * LANES<R>), vectors * LANES<R>, days, stride);
      dispatch<PANEL_VECTORS>(vectors, [&](auto v) {
        for (int k = 0; k < columns; k += PANEL_COLUMNS) {
          dispatch<PANEL_COLUMNS>(std::min(PANEL_COLUMNS, columns - k), [&](auto n) {
            kernel<v, n>(b + k * TILE<R>, days, stride, out + int64_t(k) * width + row, width);
          });
        }
      });
    }
  }

 private:
  void transpose(const R* a, int rows, int width, int days, int64_t stride) {
    for (int day = 0; day < days; day++) {
      R* to = panel_.get() + int64_t(day) * TILE<R> * width;
      const R* from = a + day * stride;
      for (int r = 0; r < width; r++)
        for (int cell = 0; cell < TILE<R>; cell++) to[cell * width + r] = r < rows ? from[r * TILE<R> + cell] : R(0);
    }
  }

  template <int V, int N>
  void kernel(const R* b, int days, int64_t stride, R* out, int width) const {
    Vec<R> acc[N][V];
#pragma GCC unroll 32
    for (int i = 0; i < N * V; i++) acc[i / V][i % V] = load(out + (i / V) * width + (i % V) * LANES<R>);
    const R* p = panel_.get();
    for (int day = 0; day < days; day++) {
      const R* s = b + day * stride;
      for (int cell = 0; cell < TILE<R>; cell++, p += V * LANES<R>) {
        Vec<R> rows[V];
#pragma GCC unroll 8
        for (int i = 0; i < V; i++) rows[i] = load(p + i * LANES<R>);
#pragma GCC unroll 8
        for (int n = 0; n < N; n++) {
          Vec<R> x = spread(s[n * TILE<R> + cell]);
#pragma GCC unroll 8
          for (int i = 0; i < V; i++) acc[n][i] = fma(x, rows[i], acc[n][i]);
        }
      }
    }
#pragma GCC unroll 32
    for (int i = 0; i < N * V; i++) store(out + (i / V) * width + (i % V) * LANES<R>, acc[i / V][i % V]);
  }

  Buffer<R> panel_;
};

}  // namespace h2cm
