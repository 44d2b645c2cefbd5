#include "edge.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

namespace neurocircuit {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// splitmix64 finaliser: a well-mixed 64-bit function of its argument.
inline std::uint64_t mix(std::uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ULL;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

// Two standard normal numbers as a pure function of (seed, stream, index), so that noise does not depend on the
// order of evaluation; neurocircuit/neuron/edge_numpy.py holds the same function.
inline std::pair<double, double> normal_pair(std::uint64_t seed, std::uint64_t stream, std::uint64_t index) {
  const std::uint64_t key = mix(seed + 0x9e3779b97f4a7c15ULL * (2 * index + stream + 1));
  const double radius = std::sqrt(-2.0 * std::log((static_cast<double>(key >> 11) + 0.5) * 0x1p-53));
  const double angle = 2.0 * kPi * (static_cast<double>(mix(key + 0x9e3779b97f4a7c15ULL) >> 11) * 0x1p-53);
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

// Sort what comes unsorted, then merge the starts of the pulses and their ends.
void collect_corners(const EdgeConstants& c, const double* t, const double* w, std::size_t n, EdgeInputs& inputs) {
  auto& [spikes, corners] = inputs;
  spikes.clear();
  corners.clear();
  bool sorted = true;
  for (std::size_t i = 0; i < n; ++i) {
    if (!(t[i] < c.window)) continue;
    sorted = sorted && (spikes.empty() || spikes.back().t <= t[i]);
    spikes.push_back({t[i], c.phase_per_weight * w[i]});
  }
  const auto earlier = [](const auto& a, const auto& b) { return a.t < b.t; };
  if (!sorted) std::stable_sort(spikes.begin(), spikes.end(), earlier);
  if (c.spike_width > 0) {
    for (EdgeSpike& spike : spikes) spike.phase /= c.spike_width;  // from here on a frequency
    auto ending = spikes.cbegin();
    for (const EdgeSpike& spike : spikes) {
      for (; ending != spikes.cend() && ending->t + c.spike_width <= spike.t; ++ending)
        corners.push_back({ending->t + c.spike_width, 0.0, -ending->phase, -1, false});
      corners.push_back({spike.t, 0.0, spike.phase, 1, false});
    }
    for (; ending != spikes.cend(); ++ending)
      corners.push_back({ending->t + c.spike_width, 0.0, -ending->phase, -1, false});
  } else {
    for (const EdgeSpike& spike : spikes) corners.push_back({spike.t, spike.phase, 0.0, 0, false});
  }
  const EdgeCorner arming{c.armed, 0.0, 0.0, 0, true};
  if (c.armed > 0) corners.insert(std::upper_bound(corners.begin(), corners.end(), arming, earlier), arming);
  if (c.waits_for_input && !corners.empty()) corners.front().arms = true;
}

// The flip-flop compares phases modulo 2 pi: it sees VCO4 ahead for a difference in [0, pi); a counter for any > 0.
inline bool looks_ahead(const EdgeConstants& c, double membrane) {
  if (c.counts_turns) return membrane >= 0.0;
  return membrane - 2 * kPi * std::floor(membrane / (2 * kPi)) < kPi;
}

struct Neuron {
  const EdgeConstants& c;
  EdgeState s;
  std::uint64_t seed;
  bool noisy;
  bool comparing;
  double inverse_r;
  bool on_ramp = false;                    // armed, and VCO4 cut off from UP
  double base = 0.0;                       // multiple of 2 pi below which the crossing is looked for
  double pulse = 0.0;                      // frequency of VCO1 due to inputs
  int pulses = 0;
  double g[4] = {0.0, 0.0, 0.0, 0.0};      // frequency noise in force
  std::uint64_t draws[2] = {0, 0};
  EdgeDecision decision{kInfinity, 0.0, false};

  void draw(int stream) {  // stream 0 renews VCO1 and VCO3 at VCO1's edges, stream 1 VCO2 and VCO4 at VCO2's
    if (noisy) {
      const auto [first, second] = normal_pair(seed, stream, draws[stream]++);
      g[stream] = c.noise[stream] * first;
      g[stream + 2] = c.noise[stream + 2] * second;
    } else if (c.tones > 0) {
      g[stream] = g[stream + 2] = 0.0;
    }
    if (c.tones > 0) follow_ripple(stream);
  }

  // Add what the ripple makes of two frequencies in the middle of the half period that begins now.
  void follow_ripple(int stream) {
    const double middle = s.t + kPi / c.omega[0] / 2.0;
    for (std::size_t k = 0; k < c.tones; ++k) {
      const double* tone = c.ripple + 6 * k;
      const double wave = std::cos(tone[0] * middle + tone[1]);
      g[stream] += tone[2 + stream] * wave;
      g[stream + 2] += tone[4 + stream] * wave;
    }
  }

  // VCO2 while UP stays: phase2(x) = phase2 + speed x + (relaxing/r) (1 - e^{-rx}), relaxing = pi (filter - up).
  struct Course {
    double phase2, speed, relaxing, r, share;  // share = relaxing/r
    double phase_after(double x, double decay) const { return phase2 + speed * x + share * (1.0 - decay); }
  };

  Course course() const {
    const double relaxing = kPi * (s.filter - s.up);
    return {s.phase2, c.omega[1] + g[1] + kPi * (s.up - 0.5), relaxing, c.r, relaxing * inverse_r};
  }

  double error() const { return s.cycles * kPi + s.phase1 - s.phase2 - kPi / 2; }

  void watch() { decision.headroom = std::max(decision.headroom, std::fabs(error())); }

  // The largest |phase error| after the present state up to `length` later, `decay` = e^{-r length} there. Its slope
  // is `drift` - relaxing e^{-rx}, drift = speed1 - speed, so it turns at most once. A tangent bounds the turn.
  void watch_until(const Course& k, double speed1, double length, double decay) {
    const double begin = error(), drift = speed1 - k.speed;
    const double end = begin + drift * length - k.share * (1.0 - decay);
    double largest = std::max(std::fabs(begin), std::fabs(end));
    const double first = drift - k.relaxing, last = drift - k.relaxing * decay;
    if (first * last < 0.0 && std::fabs(begin + first * length) > decision.headroom) {
      const double at_turn = drift / k.relaxing;  // e^{-rx}
      largest = std::max(largest, std::fabs(begin - drift * std::log(at_turn) * inverse_r - k.share * (1.0 - at_turn)));
    }
    decision.headroom = std::max(decision.headroom, largest);
  }

  // Time to VCO2's next edge by Halley's iteration from x; its speed varies by little and stays > 0. Leaves e^{-rx} in
  // `decay`. One exponential an iteration: what the last, tiny step changes in it follows from its series.
  static double time_to_edge2(const Course& k, double x, double longest, double& decay) {
    for (int iteration = 0; iteration < 60; ++iteration) {
      decay = std::exp(-k.r * x);
      const double inverse = 1.0 / (k.speed + k.relaxing * decay);
      const double newton = (k.phase_after(x, decay) - kPi) * inverse;
      const double bend = -0.5 * k.r * k.relaxing * decay * inverse;  // acceleration over twice the speed
      const double moved = std::clamp(x - newton * (1.0 + newton * bend), 0.0, longest);
      const double z = k.r * (x - moved);
      x = moved;
      if (std::fabs(z) < 1e-5) {
        decay *= 1.0 + z * (1.0 + 0.5 * z);
        return x;
      }
    }
    decay = std::exp(-k.r * x);
    return x;
  }

  bool fire_at(double delay, double membrane) {
    decision.fire_time = s.t + delay;
    decision.false_fire = membrane < -1e-9 || (membrane >= kPi && !c.counts_turns);
    return true;
  }

  // Does the comparator decide within the next `length`, in which the membrane moves at `slope`?
  bool decides(double length, double slope) {
    if (!c.readout_q) {
      const double end = std::max(s.membrane + slope * length, c.floor);
      if (end >= base) return fire_at((base - s.membrane) / slope, base);
      if (end < base - kPi && !c.counts_turns) return fire_at((base - kPi - s.membrane) / slope, base - kPi);
      return false;
    }
    const double speed3 = c.omega[2] + g[2];
    for (double x = (2 * kPi - s.phase3) / speed3; x <= length; x += 2 * kPi / speed3) {
      const double membrane = std::max(s.membrane + slope * x, c.floor);
      if (looks_ahead(c, membrane)) return fire_at(x, membrane);
    }
    return false;
  }

  bool fires_when_armed() {
    comparing = true;
    on_ramp = !std::isnan(c.ramp);
    if (!c.counts_turns) base = 2 * kPi * std::floor((s.membrane + kPi) / (2 * kPi));
    return !c.readout_q && looks_ahead(c, s.membrane) && fire_at(0.0, s.membrane);
  }

  // Does VCO2 reach its edge within `length`? If so, shorten it to that. Leaves e^{-r length} in `decay`.
  static bool edge2_within(const Course& k, double& length, double& decay) {
    const double inverse = 1.0 / (k.speed + k.relaxing), straight = (kPi - k.phase2) * inverse;
    const double guess = straight * (1.0 + 0.5 * straight * k.r * k.relaxing * inverse);
    if (guess > 0.0 && guess < length) {
      const double x = time_to_edge2(k, guess, length, decay);
      if (x < length) {
        length = x;
        return true;
      }
    }
    decay = std::exp(-k.r * length);
    const double reached = k.phase_after(length, decay);
    if (reached < kPi) return false;
    length = time_to_edge2(k, length * (kPi - k.phase2) / (reached - k.phase2), length, decay);
    return true;
  }

  // Advance to the next edge or to `limit`, whichever comes first. True when the neuron decided.
  bool step(double limit) {
    const double speed1 = c.omega[0] + g[0] + pulse;
    double x1 = kInfinity;
    if (speed1 > 0) x1 = std::max((kPi - s.phase1) / speed1, 0.0);
    if (speed1 < 0) x1 = std::max(s.phase1 / -speed1, 0.0);
    double length = std::min(x1, limit - s.t), decay;
    bool edge1 = x1 <= limit - s.t;
    const Course k = course();
    const bool edge2 = edge2_within(k, length, decay);
    if (edge2) edge1 = false;
    const double driven = on_ramp ? c.ramp : c.swing * (s.up - 0.5);
    const double slope = c.omega[3] + g[3] - c.omega[2] - g[2] + driven;
    if (comparing && decides(length, slope)) {
      const double delay = decision.fire_time - s.t;
      if (!on_ramp) watch_until(k, speed1, delay, std::exp(-k.r * delay));
      return true;
    }
    if (!on_ramp) watch_until(k, speed1, length, decay);
    s.phase2 = edge2 ? kPi : k.phase_after(length, decay);
    s.filter = s.up + (s.filter - s.up) * decay;
    s.phase1 += speed1 * length;
    s.membrane = std::max(s.membrane + slope * length, c.floor);
    s.t = (edge1 || edge2) ? s.t + length : limit;
    if (c.readout_q) s.phase3 = std::fmod(s.phase3 + (c.omega[2] + g[2]) * length, 2 * kPi);
    if (edge1) {
      const double forward = speed1 > 0 ? 1.0 : -1.0;
      s.phase1 = speed1 > 0 ? 0.0 : kPi;
      s.cycles += forward;
      s.up = 1.0 - s.up;
      draw(0);
    } else if (edge2) {
      s.phase2 = 0.0;
      s.cycles -= 1.0;
      s.up = 1.0 - s.up;
      draw(1);
    }
    return false;
  }

  void jump(double phase) {
    if (phase == 0.0) return;
    const double total = s.phase1 + phase;
    const double edges = std::floor(total / kPi);
    s.phase1 = total - edges * kPi;
    s.cycles += edges;
    if (std::fmod(std::fabs(edges), 2.0) == 1.0) s.up = 1.0 - s.up;
  }

  bool run_until(double limit) {
    while (s.t < limit) {
      if (step(limit)) return true;
    }
    return false;
  }

  void take_pulse(const EdgeCorner& corner) {
    pulses += corner.pulses;
    pulse = pulses == 0 ? 0.0 : pulse + corner.rate;  // no residue after the last one
  }
};

// A neuron whose comparator is off, and what it has done since the arming.
struct Trace {
  Neuron neuron;
  std::vector<EdgeSample>& samples;
  double half2 = 0.0;              // edges of VCO2
  double phase3 = neuron.s.phase3;
  double up = neuron.s.up;         // of the last sample
  double cycles = neuron.s.cycles; // at the arming

  EdgeSample sample() const {
    const EdgeState& s = neuron.s;
    const double phase1 = (s.cycles - cycles + half2) * kPi + s.phase1;
    return {s.t, phase1, phase1 - neuron.error() - kPi / 2, s.filter, s.up, s.membrane, phase3};
  }

  void note() {
    EdgeSample after = sample();
    if (after.up != up) {
      samples.push_back(after);
      samples.back().up = up;
    }
    samples.push_back(after);
    up = after.up;
  }

  void step(double limit) {
    const double before = neuron.s.t, speed3 = neuron.c.omega[2] + neuron.g[2], cycles_before = neuron.s.cycles;
    neuron.step(limit);
    phase3 += speed3 * (neuron.s.t - before);
    if (neuron.s.phase2 == 0.0 && neuron.s.cycles < cycles_before) half2 += 1.0;
  }

  // The sample at `limit` is left to the corner there, if one comes.
  void run_until(double limit, bool corner) {
    while (neuron.s.t < limit) {
      step(limit);
      if (neuron.s.t < limit || !corner) note();
    }
  }
};

bool is_noisy(const EdgeConstants& c) {
  return std::any_of(c.noise, c.noise + 4, [](double sigma) { return sigma > 0; });
}

}  // namespace

EdgeDecision edge_fire(const EdgeConstants& constants, EdgeState state, const double* t, const double* w,
                       std::size_t n, std::uint64_t seed, EdgeInputs& inputs) {
  collect_corners(constants, t, w, n, inputs);
  const bool comparing = !constants.waits_for_input && !(constants.armed > 0);
  Neuron neuron{constants, state, seed, is_noisy(constants), comparing, 1.0 / constants.r};
  neuron.draw(0);
  neuron.draw(1);
  neuron.watch();
  for (const EdgeCorner& corner : inputs.corners) {
    if (neuron.run_until(std::min(corner.t, constants.window))) return neuron.decision;
    if (corner.arms && corner.t < constants.window && neuron.fires_when_armed()) return neuron.decision;
    neuron.jump(corner.phase);
    if (!neuron.on_ramp) neuron.watch();
    neuron.take_pulse(corner);
  }
  neuron.run_until(constants.window);
  return neuron.decision;
}

void edge_trace(const EdgeConstants& constants, EdgeState state, const double* t, const double* w, std::size_t n,
                std::uint64_t seed, EdgeInputs& inputs, std::vector<EdgeSample>& samples) {
  collect_corners(constants, t, w, n, inputs);
  samples.clear();
  Trace trace{Neuron{constants, state, seed, is_noisy(constants), false, 1.0 / constants.r}, samples};
  trace.neuron.draw(0);
  trace.neuron.draw(1);
  trace.samples.push_back(trace.sample());
  for (const EdgeCorner& corner : inputs.corners) {
    if (!(corner.t < constants.window)) break;
    trace.run_until(corner.t, true);
    if (corner.arms) trace.neuron.on_ramp = !std::isnan(constants.ramp);
    trace.neuron.jump(corner.phase);
    trace.neuron.take_pulse(corner);
    trace.note();
  }
  trace.run_until(constants.window, false);
}

}  // namespace neurocircuit
