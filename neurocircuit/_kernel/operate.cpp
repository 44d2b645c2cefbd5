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

constexpr std::size_t kRowsTogether = 16;

// An input that counts, of a neuron with a readout window: when it comes after the arming (<= 0), z = e^t there.
struct Heard {
  std::size_t input;
  double t, z;
  double decay;  // e^-t for the last spike of its instant, else 0
};

void collect_heard(const double* t, std::size_t n, double armed, bool on_ramp, std::vector<Heard>& heard) {
  heard.clear();
  for (std::size_t i = 0; i < n; ++i)
    if (on_ramp ? t[i] < armed : t[i] <= armed) heard.push_back({i, t[i] - armed, std::exp(t[i] - armed), 0.0});
  std::sort(heard.begin(), heard.end(),
            [](const Heard& a, const Heard& b) { return a.t != b.t ? a.t < b.t : a.input < b.input; });
  for (std::size_t k = 0; k < heard.size(); ++k)
    if (k + 1 == heard.size() || heard[k + 1].t > heard[k].t) heard[k].decay = std::exp(-heard[k].t);
}

// Sums over the inputs that count, of up to kRowsTogether rows side by side.
using Lanes = double[kRowsTogether];

// w: [input][rows], from the first of these rows on.
void operate_rows(const std::vector<Heard>& heard, const double* w, std::size_t rows, std::size_t count, double armed,
                  double closes, double ramp, double* out, std::size_t step) {
  Lanes total{}, moment{}, peak{}, squares{}, tau{}, synapse{}, since{}, decay{};
  for (const Heard& h : heard) {
    const double* of_input = w + h.input * rows;
    for (std::size_t r = 0; r < count; ++r) {
      total[r] += of_input[r];
      moment[r] += of_input[r] * h.z;
      squares[r] += of_input[r] * of_input[r];
      const double current = std::fabs(moment[r]) * h.decay;
      peak[r] = current > peak[r] ? current : peak[r];
    }
  }
  const bool on_ramp = !std::isnan(ramp);
  const double length = closes - armed;
  for (std::size_t r = 0; r < count; ++r) {
    const double at_arming = total[r] - moment[r];
    const double at_end = on_ramp ? at_arming + ramp * length : total[r] - moment[r] * std::exp(-length);
    const bool above = at_arming >= 1.0, fired = above || at_end >= 1.0;
    double slope = ramp, delay = length;
    if (!on_ramp) slope = fired ? total[r] - 1.0 : std::max(moment[r] * std::exp(-length), 0.0);
    if (above) {
      delay = 0.0;
    } else if (fired) {
      const bool rises = on_ramp || (moment[r] > 0.0 && slope > 0.0);
      delay = on_ramp ? (1.0 - at_arming) / ramp : rises ? std::log(moment[r] / slope) : 0.0;
      delay = std::clamp(delay, 0.0, length);
    }
    since[r] = on_ramp ? 0.0 : delay;
    decay[r] = std::exp(-since[r]);
    const double lowest = std::min({at_arming, fired ? 1.0 : at_end, 0.0});
    const double highest = fired ? 1.0 : std::max({at_arming, at_end, 0.0});
    const double head[7] = {fired ? 1.0 : 0.0, armed + delay, slope, length - delay, peak[r], lowest, highest};
    std::copy(head, head + 7, out + r * step);
  }
  for (const Heard& h : heard) {
    const double* of_input = w + h.input * rows;
    for (std::size_t r = 0; r < count; ++r) {
      const double left = h.z * decay[r], gained = of_input[r] * (1.0 - left);
      tau[r] += of_input[r] * (since[r] - h.t) * left;
      synapse[r] += gained * gained;
    }
  }
  for (std::size_t r = 0; r < count; ++r) {
    out[r * step + 7] = (on_ramp ? total[r] - moment[r] : 1.0) - tau[r];
    out[r * step + 8] = std::sqrt(synapse[r]);
    out[r * step + 9] = std::sqrt(squares[r]);
  }
}

}  // namespace

void operate_in_window(const double* t, std::size_t trains, const double* w, std::size_t rows, std::size_t n,
                       double armed, double closes, double ramp, double* out) {
  std::vector<double> by_input(rows * n);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t i = 0; i < n; ++i) by_input[i * rows + r] = w[r * n + i];
  std::vector<Heard> heard;
  for (std::size_t k = 0; k < trains; ++k) {
    collect_heard(t + k * n, n, armed, !std::isnan(ramp), heard);
    for (std::size_t r = 0; r < rows; r += kRowsTogether)
      operate_rows(heard, by_input.data() + r, rows, std::min(kRowsTogether, rows - r), armed, closes, ramp,
                   out + (r * trains + k) * kOperatingColumns, trains * kOperatingColumns);
  }
}

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
