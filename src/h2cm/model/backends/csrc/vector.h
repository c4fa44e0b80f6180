// Vectors of as many numbers as the processor handles at once, and the functions of them that the model needs.
//
// The vectors are those of GCC and Clang (vector_size), so one source serves AVX-512, AVX2, NEON and plain code; only
// what the compiler does not find by itself is spelled out. Contraction into fused multiply-adds is off in the build
// (exact ties of min and max must stay exact), so they are asked for by name where they are wanted.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>

#if defined(__AVX512F__)
#define H2CM_AVX512
#elif defined(__AVX2__) && defined(__FMA__)
#define H2CM_AVX2
#elif defined(__aarch64__)
#define H2CM_NEON
#endif
#if defined(H2CM_AVX512) || defined(H2CM_AVX2)
#include <immintrin.h>
#elif defined(H2CM_NEON)
#include <arm_neon.h>
#endif
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace h2cm {

#if defined(H2CM_AVX512)
constexpr int VECTOR_BYTES = 64, REGISTERS = 32;
#elif defined(H2CM_AVX2)
constexpr int VECTOR_BYTES = 32, REGISTERS = 16;
#elif defined(H2CM_NEON)
constexpr int VECTOR_BYTES = 16, REGISTERS = 32;
#else
constexpr int VECTOR_BYTES = 16, REGISTERS = 16;
#endif

template <class R>
struct Traits;

template <>
struct Traits<float> {
  typedef float V __attribute__((vector_size(VECTOR_BYTES), may_alias));
  typedef int32_t I __attribute__((vector_size(VECTOR_BYTES), may_alias));
  static constexpr float GATE_LIMIT = 28;  // e^(3 * 28) is still finite, and sigmoid(28) is 1 to rounding
  static constexpr float LOWEST = -87, HIGHEST = 88;
  static constexpr float LN2_HIGH = 0.693359375f, LN2_LOW = -2.12194440e-4f;
  // 1.5 * 2^23 + 127: adding it rounds to an integer, which is in the low bits as the exponent of a float
  static constexpr float MAGIC = 12583039.0f;
  static constexpr int MANTISSA = 23;
  typedef int32_t Integer;
};

template <>
struct Traits<double> {
  typedef double V __attribute__((vector_size(VECTOR_BYTES), may_alias));
  typedef int64_t I __attribute__((vector_size(VECTOR_BYTES), may_alias));
  static constexpr double GATE_LIMIT = 230;
  static constexpr double LOWEST = -708, HIGHEST = 709;
  static constexpr double LN2_HIGH = 6.93145751953125e-1, LN2_LOW = 1.42860682030941723212e-6;
  static constexpr double MAGIC = 6755399441056767.0;  // 1.5 * 2^52 + 1023
  static constexpr int MANTISSA = 52;
  typedef int64_t Integer;
};

template <class R>
using Vec = typename Traits<R>::V;
template <class R>
constexpr int LANES = VECTOR_BYTES / sizeof(R);

template <class R>
inline Vec<R> load(const R* p) { return *reinterpret_cast<const Vec<R>*>(p); }
template <class R>
inline void store(R* p, Vec<R> v) { *reinterpret_cast<Vec<R>*>(p) = v; }

// What the compiler does not find by itself:
// fma         a * b + c with one rounding, where the processor has it
// lower       of hi and x the lesser, x if it is NaN; the same for `upper` and the greater
// reciprocal  of a float whose reciprocal is a normal number
//             an estimate and a step of Newton's or (`e + e * e`) one order higher: off by a unit in the last place at
//             the most, at a fraction of the cost of a division
#if defined(H2CM_AVX512)
inline Vec<float> spread(float x) { return (Vec<float>)_mm512_set1_ps(x); }
inline Vec<double> spread(double x) { return (Vec<double>)_mm512_set1_pd(x); }
inline Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
  return (Vec<float>)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
inline Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
  return (Vec<double>)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
}
inline Vec<float> lower(Vec<float> hi, Vec<float> x) { return (Vec<float>)_mm512_min_ps((__m512)hi, (__m512)x); }
inline Vec<float> upper(Vec<float> lo, Vec<float> x) { return (Vec<float>)_mm512_max_ps((__m512)lo, (__m512)x); }
inline Vec<double> lower(Vec<double> hi, Vec<double> x) { return (Vec<double>)_mm512_min_pd((__m512d)hi, (__m512d)x); }
inline Vec<double> upper(Vec<double> lo, Vec<double> x) { return (Vec<double>)_mm512_max_pd((__m512d)lo, (__m512d)x); }
inline Vec<float> reciprocal(Vec<float> x) {
  Vec<float> r = (Vec<float>)_mm512_rcp14_ps((__m512)x);
  return fma(r, fma(-x, r, spread(1.0f)), r);
}
#elif defined(H2CM_AVX2)
inline Vec<float> spread(float x) { return (Vec<float>)_mm256_set1_ps(x); }
inline Vec<double> spread(double x) { return (Vec<double>)_mm256_set1_pd(x); }
inline Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
  return (Vec<float>)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
inline Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
  return (Vec<double>)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
}
inline Vec<float> lower(Vec<float> hi, Vec<float> x) { return (Vec<float>)_mm256_min_ps((__m256)hi, (__m256)x); }
inline Vec<float> upper(Vec<float> lo, Vec<float> x) { return (Vec<float>)_mm256_max_ps((__m256)lo, (__m256)x); }
inline Vec<double> lower(Vec<double> hi, Vec<double> x) { return (Vec<double>)_mm256_min_pd((__m256d)hi, (__m256d)x); }
inline Vec<double> upper(Vec<double> lo, Vec<double> x) { return (Vec<double>)_mm256_max_pd((__m256d)lo, (__m256d)x); }
inline Vec<float> reciprocal(Vec<float> x) {
  Vec<float> r = (Vec<float>)_mm256_rcp_ps((__m256)x);
  Vec<float> e = fma(-x, r, spread(1.0f));
  return fma(r, fma(e, e, e), r);
}
#else
inline Vec<float> spread(float x) { return x - Vec<float>{}; }  // -0, too, stays what it is
inline Vec<double> spread(double x) { return x - Vec<double>{}; }
#if defined(H2CM_NEON)
inline Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
  return (Vec<float>)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
inline Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
  return (Vec<double>)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
}
#else
inline Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) { return a * b + c; }
inline Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) { return a * b + c; }
#endif
template <class V>
inline V lower(V hi, V x) { return hi < x ? hi : x; }
template <class V>
inline V upper(V lo, V x) { return lo > x ? lo : x; }
inline Vec<float> reciprocal(Vec<float> x) { return spread(1.0f) / x; }
#endif
inline Vec<double> reciprocal(Vec<double> x) { return spread(1.0) / x; }

// x within bounds; NaN stays NaN
template <class V, class S>
inline V limit(V x, S low, S high) { return upper(spread(low), lower(spread(high), x)); }

// the lesser and the greater of two; NaN if one of them is, as PyTorch has it
template <class V>
inline V minimum(V a, V b) { return a != a ? a : lower(a, b); }
template <class V>
inline V maximum(V a, V b) { return a != a ? a : upper(a, b); }

inline Vec<float> exp_polynomial(Vec<float> r) {  // least relative error on +-ln(2)/2: 1e-7
  Vec<float> p = fma(r, spread(0.00831252511f), spread(0.041890114f));
  p = fma(p, r, spread(0.166671145f));
  p = fma(p, r, spread(0.499992318f));
  p = fma(p, r, spread(1.0f));
  return fma(p, r, spread(1.0f));
}

inline Vec<double> exp_polynomial(Vec<double> r) {  // Taylor's series: 4e-18 on +-ln(2)/2
  double factorial = 6227020800.0;                  // 13!
  Vec<double> p = spread(1 / factorial);
  for (int i = 13; i > 0; i--) {
    factorial /= i;
    p = fma(p, r, spread(1 / factorial));
  }
  return p;
}

// 2^n of the integer n that MAGIC was added to; by a product of it, unlike by a sum of bits, NaN stays NaN
template <class R>
inline Vec<R> power_of_2(Vec<R> n_and_magic) {
  return (Vec<R>)((typename Traits<R>::I)n_and_magic << Traits<R>::MANTISSA);
}

// exp of x within the limits of the type
template <class R>
inline Vec<R> exp_inside(Vec<R> x) {
  Vec<R> magic = spread(Traits<R>::MAGIC);
  Vec<R> t = fma(x, spread(R(1.44269504088896340736)), magic);
  Vec<R> n = t - magic;
  Vec<R> r = fma(n, spread(-Traits<R>::LN2_HIGH), x);
  r = fma(n, spread(-Traits<R>::LN2_LOW), r);
  return exp_polynomial(r) * power_of_2<R>(t);
}

template <class R>
inline Vec<R> exp(Vec<R> x) { return exp_inside<R>(limit(x, Traits<R>::LOWEST, Traits<R>::HIGHEST)); }

// exp(-SCALE x) of the argument of a gate, bounded such that products of three of them are finite. Most of the time
// outside the products goes here, so in float32 it is done in powers of 2, with one rounding before the polynomial.
template <int SCALE>
inline Vec<double> exp_gate(Vec<double> x) {
  constexpr double bound = Traits<double>::GATE_LIMIT;
  return exp_inside<double>(limit(-SCALE * x, -bound, bound));
}
template <int SCALE>
inline Vec<float> exp_gate(Vec<float> x) {
  constexpr float bound = Traits<float>::GATE_LIMIT / SCALE;
  const Vec<float> rate = spread(-SCALE * 1.44269504f), magic = spread(Traits<float>::MAGIC);
  x = limit(x, -bound, bound);
  Vec<float> t = fma(x, rate, magic);
  Vec<float> f = fma(x, rate, magic - t);
  Vec<float> p = fma(f, spread(0.001326472722f), spread(0.009671512665f));  // 2^f to 9e-8
  p = fma(p, f, spread(0.05550733743f));
  p = fma(p, f, spread(0.2402224208f));
  p = fma(p, f, spread(0.6931469776f));
  p = fma(p, f, spread(1.0f));
  return p * power_of_2<float>(t);
}

template <class R>
inline Vec<R> sigmoid(Vec<R> x) { return reciprocal(spread(R(1)) + exp<R>(-limit(x, -Traits<R>::HIGHEST + 1, Traits<R>::HIGHEST - 1))); }

// log of a normal number above 0 (or NaN): twice the area tangent of (m - 1) / (m + 1), m in [sqrt(1/2), sqrt(2)]
template <class R>
inline Vec<R> log(Vec<R> u) {
  typedef typename Traits<R>::I I;
  constexpr int bits = Traits<R>::MANTISSA;
  typedef typename Traits<R>::Integer Integer;
  constexpr Integer half_root = sizeof(R) == 4 ? Integer(0x3f3504f3) : Integer(0x3fe6a09e667f3bcdLL);  // sqrt(1/2)
  I exponent = ((I)u - half_root) >> bits;
  Vec<R> m = (Vec<R>)((I)u - (exponent << bits));
  Vec<R> n = __builtin_convertvector(exponent, Vec<R>);
  Vec<R> s = (m - R(1)) / (m + R(1));
  Vec<R> s2 = s * s;
  constexpr int terms = sizeof(R) == 4 ? 5 : 12;
  Vec<R> p = spread(R(1) / (2 * terms + 1));
  for (int k = terms - 1; k >= 0; k--) p = fma(p, s2, spread(R(1) / (2 * k + 1)));
  Vec<R> tail = fma(n, spread(Traits<R>::LN2_LOW), R(2) * s * p);
  return u == u ? fma(n, spread(Traits<R>::LN2_HIGH), tail) : u;
}

// log(1 + exp(x)), and x above 20, as PyTorch has it
template <class R>
inline Vec<R> softplus(Vec<R> x) {
  Vec<R> e = exp<R>(limit(x, Traits<R>::LOWEST, R(21)));
  Vec<R> u = R(1) + e;
  Vec<R> y = log<R>(u) + (e - (u - R(1))) / u;  // the second term is what rounding took from 1 + e
  return x > spread(R(20)) ? x : y;
}

// The numbers of the first halves of a and b, or of the second ones, by turns.
template <class R, bool SECOND, int... AT>
inline Vec<R> interleave(Vec<R> a, Vec<R> b, std::integer_sequence<int, AT...>) {
  constexpr int n = LANES<R>, from = SECOND ? n / 2 : 0;
#if defined(__clang__)
  return __builtin_shufflevector(a, b, (from + AT / 2 + AT % 2 * n)...);
#else
  return __builtin_shuffle(a, b, typename Traits<R>::I{(from + AT / 2 + AT % 2 * n)...});
#endif
}

// Transposes a square of numbers: each round interleaves the first half of the rows with the second.
template <class R>
inline __attribute__((always_inline)) void transpose_square(Vec<R> (&v)[LANES<R>]) {
  constexpr int n = LANES<R>;
  constexpr auto places = std::make_integer_sequence<int, n>();
#pragma GCC unroll 4
  for (int round = 1; round < n; round *= 2) {
    Vec<R> w[n];
#pragma GCC unroll 16
    for (int i = 0; i < n / 2; i++) {
      w[2 * i] = interleave<R, false>(v[i], v[i + n / 2], places);
      w[2 * i + 1] = interleave<R, true>(v[i], v[i + n / 2], places);
    }
#pragma GCC unroll 16
    for (int i = 0; i < n; i++) v[i] = w[i];
  }
}

// Asks for large pages where memory is untouched yet: the first touch of small ones costs more than what is done there.
inline void prefer_large_pages(void* data, size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr uintptr_t page = uintptr_t(1) << 21;
  const uintptr_t from = (uintptr_t(data) + page - 1) / page * page, to = (uintptr_t(data) + bytes) / page * page;
  if (from < to) madvise(reinterpret_cast<void*>(from), to - from, MADV_HUGEPAGE);
#else
  (void)data, (void)bytes;
#endif
}

// Memory that starts at a boundary of vectors and of cache lines.
template <class R>
class Buffer {
 public:
  explicit Buffer(int64_t size = 0) { resize(size); }
  Buffer(const Buffer&) = delete;
  Buffer(Buffer&& other) noexcept : data_(other.data_), size_(other.size_) { other.data_ = nullptr; }
  ~Buffer() { std::free(data_); }
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  void resize(int64_t size) {
    std::free(data_);
    size_ = (size + 64) / 64 * 64;
    data_ = static_cast<R*>(std::aligned_alloc(64, size_ * sizeof(R)));
    if (!data_) throw std::bad_alloc();
    prefer_large_pages(data_, size_ * sizeof(R));
    for (int64_t i = 0; i < size_; i++) data_[i] = 0;
  }
  R* get() { return data_; }
  const R* get() const { return data_; }
  int64_t size() const { return size_; }

 private:
  R* data_ = nullptr;
  int64_t size_ = 0;
};

}  // namespace h2cm
