// Products of small matrices with a tile of cells, the cells being the lanes of the vectors.
//
// An array of a tile is [row][TILE] numbers. Weights are packed so that a kernel reads them in the order of use, and
// a block of rows times the whole tile stays in registers while the sum over the inputs runs.
#pragma once

#include <algorithm>
#include <vector>

#include "vector.h"

namespace h2cm {

// A tile is small, that a small batch fills its tiles; with few vectors in flight a processor waits for its own results.
#if defined(H2CM_AVX512)
constexpr int VECTORS = 1;                            // vectors in a tile
constexpr int ROWS = 16;                              // rows of another product at a time
constexpr int PANEL_VECTORS = 5, PANEL_COLUMNS = 5;   // vectors of rows of a weight gradient at a time, and its columns
#elif defined(H2CM_NEON)
constexpr int VECTORS = 2;
constexpr int ROWS = 8;
constexpr int PANEL_VECTORS = 4, PANEL_COLUMNS = 4;
#else  // of 16 registers 12 hold sums, 2 what is read for all of them and 1 the number that it is multiplied with
constexpr int VECTORS = 2;
constexpr int ROWS = 6;
constexpr int PANEL_VECTORS = 2, PANEL_COLUMNS = 6;
#endif
template <class R>
constexpr int TILE = VECTORS * LANES<R>;

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

// Where the LSTM of one day reads and writes; gates are [gate][unit][TILE], in PyTorch's order i, f, g, o.
template <class R>
struct LstmDay {
  const R* x;      // inputs and h of the day before
  const R* base;   // static part of the gates and their biases
  const R* c;      // of the day before, [unit][TILE] as the following
  R* h_new;
  R* c_new;
  R* gates;        // the activated gates if KEEP, else scratch
  R* tanh_c;       // only if KEEP
};

// One day of an LSTM. The activations are passes of their own: mixed into the product's blocks, or c into the pass of
// the gates, their long chains of dependent steps would stall it.
template <class R, bool KEEP>
void lstm_day(const Packed<R>& w, const LstmDay<R>& d) {
  typedef Vec<R> V;
  product(w, d.x, d.base, d.gates);
  const V one = spread(R(1));
  const int64_t gate = int64_t(w.rows / 4) * TILE<R>;
  R *gate_i = d.gates, *gate_f = gate_i + gate, *gate_g = gate_f + gate, *gate_o = gate_g + gate;
  for (int64_t at = 0; at < gate; at += LANES<R>) {
    V ei = exp_gate<1>(load(gate_i + at)), ef = exp_gate<1>(load(gate_f + at)), eg = exp_gate<2>(load(gate_g + at));
    if constexpr (KEEP) {
      V i = reciprocal(one + ei), f = reciprocal(one + ef), g = (one - eg) * reciprocal(one + eg);
      store(gate_i + at, i);
      store(gate_f + at, f);
      store(gate_g + at, g);
      store(d.c_new + at, fma(f, load(d.c + at), i * g));
    } else {  // the same over common denominators: two divisions for five
      V ig = (one + ei) * (one + eg), f1 = one + ef;
      store(d.c_new + at, fma(load(d.c + at), ig, (one - eg) * f1) * reciprocal(f1 * ig));
    }
  }
  for (int64_t at = 0; at < gate; at += LANES<R>) {
    V eo = exp_gate<1>(load(gate_o + at)), ec = exp_gate<2>(load(d.c_new + at));
    if constexpr (KEEP) {
      V o = reciprocal(one + eo), tanh_c = (one - ec) * reciprocal(one + ec);
      store(gate_o + at, o);
      store(d.tanh_c + at, tanh_c);
      store(d.h_new + at, o * tanh_c);
    } else {
      store(d.h_new + at, (one - ec) * reciprocal((one + eo) * (one + ec)));
    }
  }
}

// One day of an LSTM back: from the activated `gates` the gradients of their arguments, which are also added to `base`;
// `dc` turns from the gradient of c at the end of the day into that at its start.
template <class R>
void lstm_gradient(int hidden, const R* dh, const R* c, const R* tanh_c, const R* gates, R* dc, R* dgates,
                   R* base) {
  typedef Vec<R> V;
  const V one = spread(R(1));
  const int64_t gate = int64_t(hidden) * TILE<R>;
  for (int64_t at = 0; at < gate; at += LANES<R>) {
    V i = load(gates + at), f = load(gates + gate + at), g = load(gates + 2 * gate + at), o = load(gates + 3 * gate + at);
    V t = load(tanh_c + at), h = load(dh + at);
    V cell = fma(h * o, fma(-t, t, one), load(dc + at));
    V d[4] = {cell * g * (i * (one - i)), cell * load(c + at) * (f * (one - f)), cell * i * fma(-g, g, one),
              h * t * (o * (one - o))};
    store(dc + at, cell * f);
    for (int k = 0; k < 4; k++) {
      store(dgates + k * gate + at, d[k]);
      store(base + k * gate + at, load(base + k * gate + at) + d[k]);
    }
  }
}

// For the gradients of weights, sums over cells and days, the rows of a matrix become the lanes. Transposed, a day is
// [panel][TILE][rows of the panel], padded with rows of 0; a panel stays in the cache while it is read for all columns.
template <class R>
struct Panels {
  static constexpr int ROWS_OF_ONE = PANEL_VECTORS * LANES<R>;
  static int padded(int rows) { return (rows + LANES<R> - 1) / LANES<R> * LANES<R>; }
  static int vectors_from(int row, int width) { return std::min(PANEL_VECTORS, (width - row) / LANES<R>); }

  // to [panel][TILE][rows of the panel] = from [rows][TILE]
  static void transpose(const R* from, int rows, R* to) {
    const int width = padded(rows);
    for (int row = 0; row < width; row += LANES<R>) {
      const int first = row / ROWS_OF_ONE * ROWS_OF_ONE, pitch = vectors_from(first, width) * LANES<R>;
      for (int cell = 0; cell < TILE<R>; cell += LANES<R>) {
        Vec<R> v[LANES<R>];
#pragma GCC unroll 16
        for (int i = 0; i < LANES<R>; i++) v[i] = row + i < rows ? load(from + (row + i) * TILE<R> + cell) : spread(R(0));
        transpose_square<R>(v);
        R* out = to + first * TILE<R> + cell * pitch + row - first;
#pragma GCC unroll 16
        for (int i = 0; i < LANES<R>; i++) store(out + i * pitch, v[i]);
      }
    }
  }

  // out [columns][padded rows] += sum over cells and days of a (transposed) times b [columns][TILE]; from one day to the
  // next it is `stride` numbers in both.
  static void add_products(const R* a, int rows, const R* b, int columns, int days, int64_t stride, R* out) {
    const int width = padded(rows);
    for (int row = 0; row < width; row += ROWS_OF_ONE)
      dispatch<PANEL_VECTORS>(vectors_from(row, width), [&](auto v) {
        for (int k = 0; k < columns; k += PANEL_COLUMNS)
          dispatch<PANEL_COLUMNS>(std::min(PANEL_COLUMNS, columns - k), [&](auto n) {
            kernel<v, n>(a + row * TILE<R>, b + k * TILE<R>, days, stride, out + int64_t(k) * width + row, width);
          });
      });
  }

 private:
  template <int V, int N>
  static void kernel(const R* a, const R* b, int days, int64_t stride, R* out, int width) {
    Vec<R> acc[N][V];
#pragma GCC unroll 32
    for (int i = 0; i < N * V; i++) acc[i / V][i % V] = load(out + (i / V) * width + (i % V) * LANES<R>);
    for (int day = 0; day < days; day++, a += stride, b += stride) {
      const R* p = a;
      for (int cell = 0; cell < TILE<R>; cell++, p += V * LANES<R>) {
        Vec<R> rows[V];
#pragma GCC unroll 8
        for (int i = 0; i < V; i++) rows[i] = load(p + i * LANES<R>);
#pragma GCC unroll 8
        for (int n = 0; n < N; n++) {
          Vec<R> x = spread(b[n * TILE<R> + cell]);
#pragma GCC unroll 8
          for (int i = 0; i < V; i++) acc[n][i] = fma(x, rows[i], acc[n][i]);
        }
      }
    }
#pragma GCC unroll 32
    for (int i = 0; i < N * V; i++) store(out + (i / V) * width + (i % V) * LANES<R>, acc[i / V][i % V]);
  }
};

}  // namespace h2cm
