// The vector functions and products of src/h2cm/model/backends/csrc against plain code in long double: prints the
// largest error of each beside what it may be, and ends with 1 if one is larger. See test_kernels.py.
#include <cstdio>
#include <cstring>
#include <limits>
#include <random>
#include <string>

#include "kernels.h"

using namespace h2cm;
typedef long double Exact;
template <class R>
using Wide = std::conditional_t<sizeof(R) == 4, double, Exact>;  // for long sums: fast enough where it is emulated

static bool failed = false;
static std::mt19937_64 source(1);

template <class R>
R between(R low, R high) { return std::uniform_real_distribution<R>(low, high)(source); }

template <class R>
std::vector<R> random_numbers(int64_t count, R size = 1) {
  std::vector<R> x(count);
  for (R& v : x) v = between<R>(-size, size);
  return x;
}

template <class R>
Buffer<R> aligned(const std::vector<R>& from) {
  Buffer<R> to(from.size());
  std::copy(from.begin(), from.end(), to.get());
  return to;
}

// The largest error of one function, in units of what it may be.
template <class R>
class Check {
 public:
  Check(const char* name, double tolerance, const char* unit) : name_(name), tolerance_(tolerance), unit_(unit) {}
  // `found` may be off by `tolerance` times `size`
  void add(R found, Exact expected, Exact size) {
    count_++;
    double error = double(std::fabs(Exact(found) - expected) / size);
    if (Exact(found) == expected) error = 0;  // infinities, too
    if (!(error <= worst_)) worst_ = std::isnan(error) ? INFINITY : error;
  }
  void add_relative(R found, Exact expected) {
    add(found, expected, std::fabs(expected) * Exact(std::numeric_limits<R>::epsilon()));
  }
  void add_nan(R found) { add(std::isnan(found) ? 0 : 1, 0, 1e-9L); }
  ~Check() {
    const bool bad = !(worst_ <= tolerance_) || count_ == 0;
    failed |= bad;
    std::printf("%-6s %-18s %8.3g of %-5.3g %s, %lld numbers%s\n", sizeof(R) == 4 ? "float" : "double", name_, worst_,
                tolerance_, unit_, (long long)count_, bad ? "  FAILED" : "");
  }

 private:
  const char* name_;
  double tolerance_, worst_ = 0;
  const char* unit_;
  long long count_ = 0;
};

// f of all numbers, a vector at a time
template <class R>
std::vector<R> map(const std::vector<R>& x, Vec<R> (*f)(Vec<R>)) {
  std::vector<R> y(x);
  y.resize((x.size() + LANES<R> - 1) / LANES<R> * LANES<R>, R(1));
  Buffer<R> b = aligned(y);
  for (size_t i = 0; i < y.size(); i += LANES<R>) store(b.get() + i, f(load(b.get() + i)));
  return std::vector<R>(b.get(), b.get() + x.size());
}

template <class R>
R nan_with_payload() {
  typename Traits<R>::Integer bits;
  const R nan = std::numeric_limits<R>::quiet_NaN();
  std::memcpy(&bits, &nan, sizeof bits);
  bits |= 0x155;
  R x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

// f against `exact` on random numbers within `low` and `high`, on edges, and on NaN, which must stay NaN
template <class R>
void compare(const char* name, double tolerance, R low, R high, Vec<R> (*f)(Vec<R>), Exact (*exact)(Exact)) {
  Check<R> check(name, tolerance, "epsilon");
  std::vector<R> x = {low, high, std::nextafter(low, high), std::nextafter(high, low)};
  for (R v : {R(0), R(-0.0), R(1), R(-1), std::numeric_limits<R>::min(), std::numeric_limits<R>::denorm_min(), R(20),
              std::nextafter(R(20), R(21)), R(1e-3), R(-1e-3), R(1) + std::numeric_limits<R>::epsilon()})
    if (v >= low && v <= high) x.push_back(v);
  for (int i = 0; i < 20000; i++) x.push_back(between<R>(low, high));
  for (int i = 0; i < 5000; i++)
    if (R v = std::min(std::max(between<R>(-2, 2), low), high); true) x.push_back(v);
  std::vector<R> y = map<R>(x, f);
  for (size_t i = 0; i < x.size(); i++) check.add_relative(y[i], exact(Exact(x[i])));
  for (R nan : {std::numeric_limits<R>::quiet_NaN(), -std::numeric_limits<R>::quiet_NaN(), nan_with_payload<R>()})
    for (R v : map<R>(std::vector<R>(LANES<R>, nan), f)) check.add_nan(v);
}

template <class R>
void functions() {
  typedef Vec<R> V;
  constexpr R low = Traits<R>::LOWEST, high = Traits<R>::HIGHEST, gate = Traits<R>::GATE_LIMIT;
  const R largest = std::numeric_limits<R>::max(), inf = std::numeric_limits<R>::infinity();
  constexpr bool single = sizeof(R) == 4;
  compare<R>("exp", 2, low, high, [](V x) { return h2cm::exp<R>(x); }, [](Exact x) { return std::exp(x); });
  // one rounding of a constant times x: the error grows with x, where it does not matter to a gate
  compare<R>("exp of a gate", single ? 2.5 : 2, -2, 2, [](V x) { return exp_gate<1>(x); }, [](Exact x) { return std::exp(-x); });
  compare<R>("exp of a gate, far", single ? 20 : 2, -gate, gate, [](V x) { return exp_gate<1>(x); }, [](Exact x) { return std::exp(-x); });
  compare<R>("exp of -2 x", single ? 20 : 2, -gate / 2, gate / 2, [](V x) { return exp_gate<2>(x); }, [](Exact x) { return std::exp(-2 * x); });
  compare<R>("sigmoid", 4, low + 2, high - 2, [](V x) { return sigmoid<R>(x); }, [](Exact x) { return 1 / (1 + std::exp(-x)); });
  compare<R>("log near 1", 2, R(0.5), R(2), [](V x) { return h2cm::log<R>(x); }, [](Exact x) { return std::log(x); });
  {
    Check<R> check("log", 2, "epsilon");
    std::vector<R> x = {R(1), largest, std::numeric_limits<R>::min()};
    for (int i = 0; i < 20000; i++) x.push_back(std::exp(between<R>(low, high)));
    std::vector<R> y = map<R>(x, [](V v) { return h2cm::log<R>(v); });
    for (size_t i = 0; i < x.size(); i++) check.add_relative(y[i], std::log(Exact(x[i])));
  }
  compare<R>("softplus", 4, low, R(20), [](V x) { return softplus<R>(x); }, [](Exact x) { return std::log1p(std::exp(x)); });
  compare<R>("softplus above 20", 0, std::nextafter(R(20), R(21)), largest, [](V x) { return softplus<R>(x); }, [](Exact x) { return x; });
  {
    Check<R> check("reciprocal", 1, "epsilon");
    std::vector<R> x;
    for (int i = 0; i < 20000; i++) x.push_back(std::ldexp(between<R>(1, 2), i % 250 - 125) * (i % 2 ? 1 : -1));
    std::vector<R> y = map<R>(x, [](V v) { return reciprocal(v); });
    for (size_t i = 0; i < x.size(); i++) check.add_relative(y[i], 1 / Exact(x[i]));
  }
  {
    Check<R> check("beyond the limits", 2, "epsilon");  // as at them
    for (R x : {inf, largest, high * 2}) {
      const std::vector<R> up(LANES<R>, x), down(LANES<R>, -x);
      check.add_relative(map<R>(up, [](V v) { return h2cm::exp<R>(v); })[0], std::exp(Exact(high)));
      check.add_relative(map<R>(down, [](V v) { return h2cm::exp<R>(v); })[0], std::exp(Exact(low)));
      check.add(map<R>(up, [](V v) { return reciprocal(R(1) + exp_gate<1>(v)); })[0], 1, std::numeric_limits<R>::epsilon());
      check.add(map<R>(down, [](V v) { return reciprocal(R(1) + exp_gate<1>(v)); })[0], 0, 1e-12L);
      check.add(map<R>(up, [](V v) { return sigmoid<R>(v); })[0], 1, std::numeric_limits<R>::epsilon());
      check.add(map<R>(down, [](V v) { return sigmoid<R>(v); })[0], 0, 1e-36L);
      check.add(map<R>(down, [](V v) { return softplus<R>(v); })[0], 0, 1e-36L);
    }
  }
}

template <class R>
void comparisons() {
  typedef Vec<R> V;
  Check<R> check("min, max, limit", 0, "error");
  const R inf = std::numeric_limits<R>::infinity(), tiny = std::numeric_limits<R>::denorm_min();
  std::vector<R> edges = {R(0), R(-0.0), R(1), std::nextafter(R(1), R(2)), R(-1), tiny, -tiny, inf, -inf,
                          std::numeric_limits<R>::quiet_NaN(), nan_with_payload<R>()};
  for (int i = 0; i < 40; i++) edges.push_back(between<R>(-3, 3));
  for (R a : edges)
    for (R b : edges) {
      const V x = spread(a), y = spread(b);
      const V results[] = {minimum(x, y), maximum(x, y), limit(x, R(-2), R(2))};
      for (int i = 0; i < LANES<R>; i++) {
        if (std::isnan(a) || std::isnan(b)) {
          check.add_nan(results[0][i]);
          check.add_nan(results[1][i]);
        } else {
          check.add(results[0][i], std::min(a, b), 1e-300L);
          check.add(results[1][i], std::max(a, b), 1e-300L);
        }
        if (std::isnan(a)) check.add_nan(results[2][i]);
        else check.add(results[2][i], std::min(std::max(a, R(-2)), R(2)), 1e-300L);
      }
    }
}

template <class R>
void roundings() {
#if defined(H2CM_AVX512) || defined(H2CM_AVX2) || defined(H2CM_NEON)
  constexpr bool fused = true;
#else
  constexpr bool fused = false;
#endif
  Check<R> one(fused ? "fma: one rounding" : "fma: two roundings", 0, "error"), two("a * b - c", 0, "error");
  constexpr int n = LANES<R>;
  for (int i = 0; i < 2000; i++) {
    Buffer<R> a(n), b(n), c(n);
    for (int lane = 0; lane < n; lane++) {
      a.get()[lane] = between<R>(1, 2);
      b.get()[lane] = between<R>(1, 2);
      volatile R product = a.get()[lane] * b.get()[lane];  // rounded
      c.get()[lane] = product;
    }
    const Vec<R> found = fma(load(a.get()), load(b.get()), -load(c.get()));
    const Vec<R> plain = load(a.get()) * load(b.get()) - load(c.get());  // contracted, it would not be 0
    for (int lane = 0; lane < n; lane++) {
      one.add(found[lane], fused ? std::fma(a.get()[lane], b.get()[lane], -c.get()[lane]) : R(0), 1e-300L);
      two.add(plain[lane], 0, 1e-300L);
    }
  }
}

template <class R>
void transposes() {
  constexpr int n = LANES<R>, T = TILE<R>;
  Check<R> square("transposed square", 0, "error"), panel("transposed panels", 0, "error");
  Vec<R> v[n];
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) v[i][j] = R(i * n + j);
  transpose_square<R>(v);
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) square.add(v[i][j], j * n + i, 1e-300L);
  for (int rows : {1, 9, 12, 100, 400}) {
    const int width = Panels<R>::padded(rows);
    Buffer<R> from = aligned(random_numbers<R>(width * T + T)), to(width * T);
    std::fill(to.get(), to.get() + width * T, R(7));
    Panels<R>::transpose(from.get(), rows, to.get());
    for (int row = 0; row < width; row++)
      for (int cell = 0; cell < T; cell++) {
        const int first = row / Panels<R>::ROWS_OF_ONE * Panels<R>::ROWS_OF_ONE;
        const int pitch = Panels<R>::vectors_from(first, width) * n;
        panel.add(to.get()[first * T + cell * pitch + row - first], row < rows ? from.get()[row * T + cell] : R(0), 1e-300L);
      }
  }
}

// Sums of n terms may be off by n roundings of the sum of their sizes.
template <class R>
void products() {
  constexpr int T = TILE<R>;
  Check<R> check("product", 0.5, "epsilon of a term");
  for (int rows : {1, 2, 3, 4, 5, 6, 7, 8, 13, 17, 100})
    for (int inputs : {1, 12, 107, 400})
      for (bool with_start : {false, true}) {
        auto w = random_numbers<R>(rows * inputs);
        Buffer<R> x = aligned(random_numbers<R>(inputs * T)), start = aligned(random_numbers<R>(rows * T)), out(rows * T);
        Packed<R> packed(rows, inputs, ROWS, [&](int r, int k) { return w[r * inputs + k]; });
        product<R>(packed, x.get(), with_start ? start.get() : nullptr, out.get());
        for (int r = 0; r < rows; r++)
          for (int i = 0; i < T; i++) {
            Wide<R> sum = with_start ? start.get()[r * T + i] : R(0), size = std::fabs(sum);
            for (int k = 0; k < inputs; k++) {
              const Wide<R> term = Wide<R>(w[r * inputs + k]) * x.get()[k * T + i];
              sum += term;
              size += std::fabs(term);
            }
            check.add(out.get()[r * T + i], sum, (2 * inputs + 1) * size * std::numeric_limits<R>::epsilon());
          }
      }
}

template <class R>
void weight_gradients() {
  constexpr int T = TILE<R>;
  Check<R> check("weight gradient", 0.5, "epsilon of a term");
  for (int rows : {1, 9, 12, 100})
    for (int columns : {1, 2, 3, 4, 5, 6, 7, 13})
      for (int days : {1, 3}) {
        const int width = Panels<R>::padded(rows);
        const int64_t stride = int64_t(width + columns + 3) * T;
        Buffer<R> memory = aligned(random_numbers<R>(days * stride)), out = aligned(random_numbers<R>(columns * width));
        std::vector<Wide<R>> sum(out.get(), out.get() + columns * width), size(columns * width);
        for (size_t i = 0; i < sum.size(); i++) size[i] = std::fabs(sum[i]);
        for (int day = 0; day < days; day++) {
          Buffer<R> a = aligned(random_numbers<R>(rows * T));
          Panels<R>::transpose(a.get(), rows, memory.get() + day * stride);
          const R* b = memory.get() + day * stride + width * T;
          for (int k = 0; k < columns; k++)
            for (int row = 0; row < rows; row++)
              for (int i = 0; i < T; i++) {
                const Wide<R> term = Wide<R>(a.get()[row * T + i]) * b[k * T + i];
                sum[k * width + row] += term;
                size[k * width + row] += std::fabs(term);
              }
        }
        Panels<R>::add_products(memory.get(), rows, memory.get() + width * T, columns, days, stride, out.get());
        for (size_t i = 0; i < sum.size(); i++)
          check.add(out.get()[i], sum[i], (2 * days * T + 1) * size[i] * std::numeric_limits<R>::epsilon());
      }
}

// c and h of one unit after a day
static void unit(const Exact* gates, Exact c, Exact& c_new, Exact& h_new) {
  auto s = [](Exact x) { return 1 / (1 + std::exp(-x)); };
  c_new = s(gates[1]) * c + s(gates[0]) * std::tanh(gates[2]);
  h_new = s(gates[3]) * std::tanh(c_new);
}

// A day of an LSTM, and its gradient against differences.
template <class R>
void lstm() {
  constexpr int T = TILE<R>, hidden = 7, inputs = 11;
  const Exact epsilon = std::numeric_limits<R>::epsilon();
  Check<R> day("day of an LSTM", 4, "epsilon"), back("its gradient", 4, "epsilon");
  for (R size : {R(0.3), R(4)}) {
    auto w = random_numbers<R>(4 * hidden * inputs, size);
    Packed<R> packed(4 * hidden, inputs, ROWS, [&](int r, int k) { return w[r * inputs + k]; });
    Buffer<R> x = aligned(random_numbers<R>(inputs * T)), base = aligned(random_numbers<R>(4 * hidden * T));
    Buffer<R> c = aligned(random_numbers<R>(hidden * T)), gates(4 * hidden * T), tanh_c(hidden * T);
    Buffer<R> c_new(hidden * T), h_new(hidden * T), c_kept(hidden * T), h_kept(hidden * T);
    lstm_day<R, false>(packed, {x.get(), base.get(), c.get(), h_new.get(), c_new.get(), gates.get(), nullptr});
    lstm_day<R, true>(packed, {x.get(), base.get(), c.get(), h_kept.get(), c_kept.get(), gates.get(), tanh_c.get()});
    Buffer<R> arguments(4 * hidden * T);
    product<R>(packed, x.get(), base.get(), arguments.get());
    Buffer<R> dh = aligned(random_numbers<R>(hidden * T)), dc_end = aligned(random_numbers<R>(hidden * T)), dc(hidden * T);
    std::copy(dc_end.get(), dc_end.get() + hidden * T, dc.get());
    Buffer<R> dgates(4 * hidden * T), sum(4 * hidden * T);
    std::fill(sum.get(), sum.get() + 4 * hidden * T, R(1));
    lstm_gradient<R>(hidden, dh.get(), c.get(), tanh_c.get(), gates.get(), dc.get(), dgates.get(), sum.get());
    for (int at = 0; at < hidden * T; at++) {
      Exact a[5], c_exact, h_exact;  // arguments of the gates, c
      for (int k = 0; k < 4; k++) a[k] = arguments.get()[k * hidden * T + at];
      a[4] = c.get()[at];
      unit(a, a[4], c_exact, h_exact);
      for (R found : {c_new.get()[at], c_kept.get()[at]}) day.add(found, c_exact, epsilon);
      for (R found : {h_new.get()[at], h_kept.get()[at]}) day.add(found, h_exact, epsilon);
      for (int k = 0; k < 5; k++) {
        Exact end[2];
        for (int side = 0; side < 2; side++) {
          Exact moved[5], c_moved, h_moved;
          std::copy(a, a + 5, moved);
          moved[k] += side ? 1e-6L : -1e-6L;
          unit(moved, moved[4], c_moved, h_moved);
          end[side] = c_moved * dc_end.get()[at] + h_moved * dh.get()[at];
        }
        const Exact slope = (end[1] - end[0]) / 2e-6L, size = std::max(epsilon, Exact(1e-12));  // what differences resolve
        back.add(k < 4 ? dgates.get()[k * hidden * T + at] : dc.get()[at], slope, size);
        if (k < 4) back.add(sum.get()[k * hidden * T + at] - R(1), slope, size);
      }
    }
  }
}

template <class R>
void all() {
  functions<R>();
  comparisons<R>();
  roundings<R>();
  transposes<R>();
  products<R>();
  weight_gradients<R>();
  lstm<R>();
}

int main() {
  std::printf("vectors of %d bytes, %d registers\n", VECTOR_BYTES, REGISTERS);
  all<float>();
  all<double>();
  return failed;
}
