#include "operate.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace neurocircuit {
namespace {

struct Input {
  double t, w, z;
};

// Terms at the instant `at` over the first `count` inputs.
void sensitivities(const std::vector<Input>& inputs, std::size_t count, double at, double* out) {
  const double inverse = std::exp(-at);
  double tau_term = 0.0, synapse = 0.0, squares = 0.0;
  for (std::size_t i = 0; i < count; ++i) {
    const double decay = inputs[i].z * inverse, w = inputs[i].w, gained = w * (1.0 - decay);
    tau_term += gained - w * (at - inputs[i].t) * decay;
    synapse += gained * gained;
    squares += w * w;
  }
  out[7] = tau_term;
  out[8] = std::sqrt(synapse);
  out[9] = std::sqrt(squares);
}

}  // namespace

void operate(const double* t, const double* w, std::size_t n, double window, double* out) {
  thread_local std::vector<Input> inputs;
  inputs.clear();
  for (std::size_t i = 0; i < n; ++i)
    if (t[i] < window && w[i] != 0.0) inputs.push_back({t[i], w[i], 0.0});
  std::sort(inputs.begin(), inputs.end(), [](const Input& a, const Input& b) { return a.t < b.t; });
  double total = 0.0, moment = 0.0, peak = 0.0, lowest = 0.0, highest = 0.0;
  double top_at = inputs.empty() ? window : inputs[0].t, top_slope = 0.0;
  std::size_t top_count = 0;
  if (!inputs.empty()) inputs[0].z = std::exp(inputs[0].t);
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    total += inputs[k].w;
    moment += inputs[k].w * inputs[k].z;
    peak = std::max(peak, std::fabs(moment / inputs[k].z));
    const bool last = k + 1 == inputs.size();
    const double next = last ? window : inputs[k + 1].t, next_z = std::exp(next);
    if (!last) inputs[k + 1].z = next_z;
    const double left = moment / next_z, reached = total - left;
    if (reached >= 1.0) {
      const double slope = total - 1.0;
      const double at = std::clamp(std::log(moment / slope), inputs[k].t, next);
      const double head[7] = {1.0, at, slope, next - at, peak, lowest, 1.0};
      std::copy(head, head + 7, out);
      sensitivities(inputs, k + 1, at, out);
      return;
    }
    lowest = std::min(lowest, reached);
    if (reached > highest) {
      highest = reached;
      top_at = next;
      top_slope = std::max(left, 0.0);
      top_count = k + 1;
    }
  }
  const double head[7] = {0.0, top_at, top_slope, window - top_at, peak, lowest, highest};
  std::copy(head, head + 7, out);
  sensitivities(inputs, top_count, top_at, out);
}

}  // namespace neurocircuit
