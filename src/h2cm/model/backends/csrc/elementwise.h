// Functions of vectors by which the equations are generated (h2cm.model.backends.elementwise), as PyTorch has them: NaN
// stays NaN, and what is too large or too small for the type becomes infinite or 0.
#pragma once

#include <limits>

#include "vector.h"

namespace h2cm::elementwise {

template <class R>
inline Vec<R> minimum(Vec<R> a, Vec<R> b) { return h2cm::minimum(a, b); }
template <class R>
inline Vec<R> maximum(Vec<R> a, Vec<R> b) { return h2cm::maximum(a, b); }

template <class R>
inline Vec<R> abs(Vec<R> x) { return x > spread(R(0)) ? x : spread(R(0)) - x; }

template <class R>
inline Vec<R> exp(Vec<R> x) {
  Vec<R> y = h2cm::exp<R>(x);
  y = x < spread(Traits<R>::LOWEST) ? spread(R(0)) : y;
  return x > spread(Traits<R>::HIGHEST) ? spread(std::numeric_limits<R>::infinity()) : y;
}
template <class R>
inline Vec<R> sigmoid(Vec<R> x) { return h2cm::sigmoid<R>(x); }
template <class R>
inline Vec<R> softplus(Vec<R> x) { return h2cm::softplus<R>(x); }

// one number after the other, by the C library
template <class R, class F>
inline Vec<R> each(Vec<R> x, F f) {
  Vec<R> y;
  for (int i = 0; i < LANES<R>; i++) y[i] = f(x[i]);
  return y;
}
template <class R>
inline Vec<R> log(Vec<R> x) { return each<R>(x, [](R v) { return std::log(v); }); }
template <class R>
inline Vec<R> sqrt(Vec<R> x) { return each<R>(x, [](R v) { return std::sqrt(v); }); }
template <class R>
inline Vec<R> tanh(Vec<R> x) { return each<R>(x, [](R v) { return std::tanh(v); }); }
template <class R>
inline Vec<R> power(Vec<R> base, Vec<R> x) {
  Vec<R> y;
  for (int i = 0; i < LANES<R>; i++) y[i] = std::pow(base[i], x[i]);
  return y;
}
// of one base for all, a constant
template <class R>
inline Vec<R> power(R base, Vec<R> x) {
  return base > 0 ? exp<R>(x * R(std::log(base))) : power<R>(spread(base), x);
}

}  // namespace h2cm::elementwise
