// The time loop of H2CM for the CPU: the operator that h2cm.model.backends.native calls.
// not torch/extension.h, which takes longer to compile than all the rest
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/utils/pybind.h>

#include "tile.h"

namespace h2cm {

using at::Tensor;

// Tiles are shared out to at most this many workers, each with its own sums of the weights' gradients. The number does
// not depend on the threads, and neither do the results.
constexpr int64_t WORKERS = 64;

// Order of the tensors in `weights`; see `_weights` in native.py.
enum { W_PARAMETERS, W_CONSTANTS, W_FCNN, PER_FCNN = 6, W_LSTM = W_FCNN + PER_FCNN * N_FCNN, PER_LSTM = 4 };

template <class R>
const R* data(const Tensor& t) {
  TORCH_CHECK(t.is_contiguous() && t.scalar_type() == c10::CppTypeToScalarType<R>::value, "contiguous tensors of one type");
  return t.const_data_ptr<R>();
}

template <class R>
Problem<R> make_problem(const Tensor& forcing, const Tensor& mean, const Tensor& std, const std::vector<Tensor>& w,
                        const std::vector<int64_t>& outputs, int64_t stretch, bool gradient) {
  TORCH_CHECK(w.size() == W_LSTM + PER_LSTM * N_LSTM && forcing.size(2) == N_FORCING, "number of weights and of forcing");
  Problem<R> p;
  p.cells = forcing.size(0);
  p.days = forcing.size(1);
  p.stretch = int(stretch);
  p.forcing = data<R>(forcing);
  p.mean = data<R>(mean);
  p.std = data<R>(std);
  p.parameters = data<R>(w[W_PARAMETERS]);
  for (int k = 0; k < N_CONSTANTS; k++) p.constants[k] = data<R>(w[W_CONSTANTS])[k];
  p.outputs.assign(outputs.begin(), outputs.end());
  Networks<R>& n = p.networks;
  for (int j = 0; j < N_FCNN; j++) {
    const Tensor* t = &w[W_FCNN + PER_FCNN * j];
    Fcnn<R>& f = n.fcnn[j];
    n.wide = int(t[0].size(0)), n.narrow = int(t[2].size(0));
    TORCH_CHECK(t[0].size(1) == f.inputs && t[4].size(0) == f.outputs, "sizes of a fully connected network");
    f.w1 = data<R>(t[0]), f.base = data<R>(t[1]), f.w2 = data<R>(t[2]);
    f.bias2 = data<R>(t[3]), f.w3 = data<R>(t[4]), f.bias3 = data<R>(t[5]);
  }
  for (int j = 0; j < N_LSTM; j++) {
    const Tensor* t = &w[W_LSTM + PER_LSTM * j];
    Lstm<R>& l = n.lstm[j];
    n.hidden = int(t[2].size(1));
    TORCH_CHECK(t[0].size(1) == n.columns(j) && t[2].size(0) == l.outputs, "sizes of an LSTM");
    l.gates = data<R>(t[0]), l.base = data<R>(t[1]), l.head = data<R>(t[2]), l.head_bias = data<R>(t[3]);
  }
  n.pack(gradient);
  return p;
}

// Calls f(tile, worker, index) for all tiles, a worker's in order. A thread uses one Tile for all of its workers.
template <class R, class F>
void for_tiles(const Problem<R>& p, bool gradient, F f) {
  const int64_t workers = std::min(p.tiles(), WORKERS);
  at::parallel_for(0, workers, 1, [&](int64_t from, int64_t to) {
    Tile<R> tile(p, gradient);
    for (int64_t worker = from; worker < to; worker++)
      for (int64_t t = worker; t < p.tiles(); t += workers) {
        tile.enter(t);
        f(tile, worker, t);
      }
  });
}

template <class R>
std::vector<Tensor> forward_typed(const Problem<R>& p, const Tensor& forcing, const std::vector<Tensor>& state, bool keep) {
  auto options = forcing.options();
  Tensor series = at::empty({int64_t(p.outputs.size()), p.cells, p.days}, options);
  Tensor kept = at::empty({keep ? p.tiles() : 0, p.stretches(), p.state_size()}, options);
  prefer_large_pages(series.data_ptr(), series.nbytes());
  prefer_large_pages(kept.data_ptr(), kept.nbytes());
  std::vector<Tensor> result = {series, kept};
  for (const Tensor& s : state) result.push_back(at::empty(s.sizes(), options));
  R* ends[N_STATE];
  for (int s = 0; s < N_STATE; s++) ends[s] = result[2 + s].template data_ptr<R>();
  for_tiles<R>(p, false, [&](Tile<R>& tile, int64_t, int64_t t) {
    tile.forward(keep ? kept.data_ptr<R>() + t * p.stretches() * p.state_size() : nullptr, series.data_ptr<R>(), ends,
                 result[2 + N_STATE].template data_ptr<R>(), result[3 + N_STATE].template data_ptr<R>());
  });
  return result;
}

// Rows `first`, ... of [columns][padded rows] to PyTorch's (row, column).
template <class R>
void unpack(const Buffer<R>& from, int all_rows, int first, Tensor& to) {
  R* out = to.data_ptr<R>();
  const int64_t rows = to.size(0), columns = to.size(1), width = Panels<R>::padded(all_rows);
  for (int64_t r = 0; r < rows; r++)
    for (int64_t k = 0; k < columns; k++) out[r * columns + k] = from.get()[k * width + first + r];
}

template <class R>
void unpack_lanes(const R* from, int rows, Tensor& to) {
  for (int r = 0; r < rows; r++) {
    R sum = 0;
    for (int i = 0; i < LANES<R>; i++) sum += from[r * LANES<R> + i];
    to.data_ptr<R>()[r] = sum;
  }
}

template <class R>
std::vector<Tensor> backward_typed(const Problem<R>& p, const std::vector<Tensor>& w, const Tensor& kept,
                                   const Tensor& grad_series) {
  std::vector<Tensor> grad;
  for (const Tensor& t : w) grad.push_back(at::empty(t.sizes(), t.options()));
  const Networks<R>& n = p.networks;
  Tensor *fcnn = grad.data() + W_FCNN, *lstm = grad.data() + W_LSTM;
  std::array<R*, N_LSTM> grad_base;
  std::array<R*, N_FCNN> grad_wide_base;
  for (int j = 0; j < N_LSTM; j++) grad_base[j] = lstm[PER_LSTM * j + 1].template data_ptr<R>();
  for (int j = 0; j < N_FCNN; j++) grad_wide_base[j] = fcnn[PER_FCNN * j + 1].template data_ptr<R>();
  std::vector<Sums<R>> sums;
  for (int64_t i = 0; i < std::min(p.tiles(), WORKERS); i++) sums.emplace_back(n);
  for_tiles<R>(p, true, [&](Tile<R>& tile, int64_t worker, int64_t t) {
    tile.backward(kept.const_data_ptr<R>() + t * p.stretches() * p.state_size(), data<R>(grad_series), sums[worker],
                  grad[W_PARAMETERS].template data_ptr<R>(), grad_base, grad_wide_base);
  });
  for (size_t i = 1; i < sums.size(); i++) sums[0].add(sums[i]);
  const Sums<R>& s = sums[0];
  unpack_lanes(s.constants.get(), N_CONSTANTS, grad[W_CONSTANTS]);
  for (int j = 0; j < N_FCNN; j++, fcnn += PER_FCNN) {
    const Fcnn<R>& f = n.fcnn[j];
    unpack(s.w1[j], n.wide, 0, fcnn[0]);
    unpack(s.w2[j], n.narrow, 0, fcnn[2]);
    unpack_lanes(s.bias2[j].get(), n.narrow, fcnn[3]);
    unpack(s.w3[j], N_PARAMETERS, f.first, fcnn[4]);
    unpack_lanes(s.head_bias.get() + f.first * LANES<R>, f.outputs, fcnn[5]);
  }
  for (int j = 0; j < N_LSTM; j++, lstm += PER_LSTM) {
    const Lstm<R>& l = n.lstm[j];
    unpack(s.gates[j], 4 * n.hidden, 0, lstm[0]);
    unpack(s.head[j], N_PARAMETERS, l.first, lstm[2]);
    unpack_lanes(s.head_bias.get() + l.first * LANES<R>, l.outputs, lstm[3]);
  }
  return grad;
}

std::vector<Tensor> forward(Tensor forcing, Tensor mean, Tensor std, std::vector<Tensor> weights,
                            std::vector<Tensor> state, std::vector<int64_t> outputs, int64_t stretch, bool keep) {
  std::vector<Tensor> result;
  AT_DISPATCH_FLOATING_TYPES(forcing.scalar_type(), "h2cm forward", [&] {
    auto p = make_problem<scalar_t>(forcing, mean, std, weights, outputs, stretch, false);
    for (int s = 0; s < N_STATE; s++) p.state[s] = data<scalar_t>(state[s]);
    p.h = data<scalar_t>(state[N_STATE]);
    p.c = data<scalar_t>(state[N_STATE + 1]);
    result = forward_typed<scalar_t>(p, forcing, state, keep);
  });
  return result;
}

std::vector<Tensor> backward(Tensor forcing, Tensor mean, Tensor std, std::vector<Tensor> weights,
                             std::vector<int64_t> outputs, int64_t stretch, Tensor kept, Tensor grad_series) {
  std::vector<Tensor> result;
  AT_DISPATCH_FLOATING_TYPES(forcing.scalar_type(), "h2cm backward", [&] {
    auto p = make_problem<scalar_t>(forcing, mean, std, weights, outputs, stretch, true);
    result = backward_typed<scalar_t>(p, weights, kept, grad_series);
  });
  return result;
}

}  // namespace h2cm

PYBIND11_MODULE(h2cm_native, m) {
  m.def("forward", &h2cm::forward, pybind11::call_guard<pybind11::gil_scoped_release>());
  m.def("backward", &h2cm::backward, pybind11::call_guard<pybind11::gil_scoped_release>());
}
