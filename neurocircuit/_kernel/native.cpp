#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>

#include <bit>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "causal_bindings.hpp"
#include "edge.hpp"
#include "noise_move.hpp"
#include "operate.hpp"

namespace nb = nanobind;

using In2 = nb::ndarray<const double, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Out2 = nb::ndarray<double, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Out = nb::ndarray<double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Flags = nb::ndarray<bool, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Seeds = nb::ndarray<const std::uint64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

namespace {

constexpr std::size_t kConstants = 19, kTone = 6, kSample = 7;

bool are_constants(std::size_t columns) { return columns >= kConstants && (columns - kConstants) % kTone == 0; }

neurocircuit::EdgeConstants constants_from(const double* k, std::size_t columns) {
  return {k[0], k[1], {k[2], k[3], k[4], k[5]}, k[6], k[7], k[8], {k[9], k[10], k[11], k[12]}, k[13] != 0.0,
          k[14] != 0.0, k[15] != 0.0, k[16], k[17], k[18], k + kConstants, (columns - kConstants) / kTone};
}

neurocircuit::EdgeState state_from(const double* s) { return {s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]}; }

// constants: [trial or 1, 19], and 6 more for each tone of the supply's ripple (EdgeConstants::ripple): r, phase per weight, 4 omega, swing, spike width, window, 4 noise, readout q, waits for
// input, counts turns, membrane floor, armed, ramp. state: [trial, 8] in the order of EdgeState. t, w: [trial, input]. Results: [trial].
void edge_fire(In2 constants, In2 state, In2 t, In2 w, Seeds seeds, Out fire_time, Out headroom, Flags false_fire) {
  const std::size_t trials = t.shape(0), inputs = t.shape(1);
  const std::size_t columns = constants.shape(1);
  if (!are_constants(columns) || (constants.shape(0) != 1 && constants.shape(0) != trials) || state.shape(0) != trials || state.shape(1) != 8 || w.shape(0) != trials ||
      w.shape(1) != inputs || seeds.shape(0) != trials || fire_time.shape(0) != trials ||
      headroom.shape(0) != trials || false_fire.shape(0) != trials)
    throw std::invalid_argument("edge_fire: shapes do not fit");
  const std::size_t own = constants.shape(0) == 1 ? 0 : columns;
  nb::gil_scoped_release released;
  neurocircuit::EdgeInputs memory;
  for (std::size_t i = 0; i < trials; ++i) {
    const double* k = constants.data() + own * i;
    const neurocircuit::EdgeConstants c = constants_from(k, columns);
    const neurocircuit::EdgeState start = state_from(state.data() + 8 * i);
    const auto decision = neurocircuit::edge_fire(c, start, t.data() + i * inputs, w.data() + i * inputs, inputs,
                                                  seeds.data()[i], memory);
    fire_time.data()[i] = decision.fire_time;
    headroom.data()[i] = decision.headroom;
    false_fire.data()[i] = decision.false_fire;
  }
}

// Arguments as those of edge_fire for one trial. Returns [sample, 7]: t, total phases of VCO1 and VCO2, filter, UP,
// membrane, total phase of VCO3, at both sides of every event.
nb::ndarray<nb::numpy, double, nb::ndim<2>> edge_trace(In2 constants, In2 state, In2 t, In2 w, Seeds seeds) {
  const std::size_t columns = constants.shape(1);
  if (!are_constants(columns) || constants.shape(0) != 1 || state.shape(0) != 1 || state.shape(1) != 8 ||
      t.shape(0) != 1 || w.shape(0) != 1 || w.shape(1) != t.shape(1) || seeds.shape(0) != 1)
    throw std::invalid_argument("edge_trace: shapes do not fit");
  static_assert(sizeof(neurocircuit::EdgeSample) == kSample * sizeof(double));
  auto samples = std::make_unique<std::vector<neurocircuit::EdgeSample>>();
  neurocircuit::EdgeInputs memory;
  neurocircuit::edge_trace(constants_from(constants.data(), columns), state_from(state.data()), t.data(), w.data(),
                           t.shape(1), seeds.data()[0], memory, *samples);
  double* values = reinterpret_cast<double*>(samples->data());
  const std::size_t rows = samples->size();
  nb::capsule owner(samples.release(), [](void* p) noexcept { delete static_cast<std::vector<neurocircuit::EdgeSample>*>(p); });
  return {values, {rows, kSample}, owner};
}

// t, w: [neuron, input]; out: [neuron, column].
void operate(In2 t, In2 w, double window, Out2 out) {
  const std::size_t neurons = t.shape(0), inputs = t.shape(1);
  if (w.shape(0) != neurons || w.shape(1) != inputs || out.shape(0) != neurons ||
      out.shape(1) != neurocircuit::kOperatingColumns)
    throw std::invalid_argument("operate: shapes do not fit");
  nb::gil_scoped_release released;
  for (std::size_t i = 0; i < neurons; ++i)
    neurocircuit::operate(t.data() + i * inputs, w.data() + i * inputs, inputs, window,
                          out.data() + i * neurocircuit::kOperatingColumns);
}

// t: [train, input]; w: [row, input]; out: [row · train, column]. ramp: nan for none.
void operate_in_window(In2 t, In2 w, double armed, double closes, double ramp, Out2 out) {
  const std::size_t trains = t.shape(0), inputs = t.shape(1), rows = w.shape(0);
  if (w.shape(1) != inputs || out.shape(0) != rows * trains || out.shape(1) != neurocircuit::kOperatingColumns)
    throw std::invalid_argument("operate_in_window: shapes do not fit");
  nb::gil_scoped_release released;
  neurocircuit::operate_in_window(t.data(), trains, w.data(), rows, inputs, armed, closes, ramp, out.data());
}

using Floats1 = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Floats2 = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Floats3 = nb::ndarray<const float, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Moved3 = nb::ndarray<float, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Numbers = nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Places = nb::ndarray<std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// slope, time: numbers of an axis or none; ranges: [4], both ends of slope and time. z, s: [1 or chip, image, neuron];
// even and results: [chip, image, neuron]; term: [1 or chip, neuron]; silent: [chip · image · neuron]. Returns how many
// are silent, and how many fired beyond the table.
std::pair<std::size_t, std::size_t> noise_move(std::optional<Numbers> slope, std::optional<Numbers> time,
                                               Floats1 ranges, Floats2 disturbance, int shift, float latest,
                                               bool ideal_outside, Floats3 z, Floats3 s, Floats3 even,
                                               std::optional<Floats2> term, Moved3 moved, Moved3 factor,
                                               std::optional<Moved3> slope_factor, Places silent) {
  const neurocircuit::NoiseShape shape{even.shape(0), even.shape(1), even.shape(2), z.shape(0) == 1,
                                       !term || term->shape(0) == 1};
  const auto like_even = [&](const auto& array) {
    return array.shape(0) == shape.chips && array.shape(1) == shape.images && array.shape(2) == shape.neurons;
  };
  const std::size_t cells = slope ? slope->shape(0) : time ? time->shape(0) : 1;
  const bool fits = (shape.shared || z.shape(0) == shape.chips) && z.shape(1) == shape.images &&
                    z.shape(2) == shape.neurons && s.shape(0) == z.shape(0) && s.shape(1) == z.shape(1) &&
                    s.shape(2) == z.shape(2) && like_even(moved) && like_even(factor) &&
                    (!slope_factor || like_even(*slope_factor)) && silent.shape(0) == even.size() &&
                    (!term || ((term->shape(0) == 1 || term->shape(0) == shape.chips) && term->shape(1) == shape.neurons)) &&
                    (!time || time->shape(0) == cells) && std::has_single_bit(cells) && ranges.shape(0) == 4 &&
                    shift >= 0 && shift < 32;
  if (!fits) throw std::invalid_argument("noise_move: shapes do not fit");
  const float* r = ranges.data();
  const neurocircuit::NoiseLayer layer{{slope ? slope->data() : nullptr, r[0], r[1]},
                                       {time ? time->data() : nullptr, r[2], r[3]},
                                       disturbance.data(),
                                       static_cast<float>(disturbance.shape(1)),
                                       shift,
                                       static_cast<std::uint32_t>(cells),
                                       latest,
                                       ideal_outside};
  const neurocircuit::NoiseMoved out{moved.data(), factor.data(), slope_factor ? slope_factor->data() : nullptr,
                                     silent.data()};
  nb::gil_scoped_release released;
  const auto counts = neurocircuit::noise_move(layer, shape, z.data(), s.data(), even.data(),
                                               term ? term->data() : nullptr, out);
  return {counts.silent, counts.outside};
}

}  // namespace

NB_MODULE(_native, m) {
  using nb::literals::operator""_a;
  m.doc() = "compiled kernels of neurocircuit";
  m.def("edge_fire", &edge_fire);
  m.def("edge_trace", &edge_trace);
  m.def("operate", &operate);
  m.def("operate_in_window", &operate_in_window);
  m.def("noise_move", &noise_move, "slope"_a.none(), "time"_a.none(), "ranges"_a, "disturbance"_a, "shift"_a,
        "latest"_a, "ideal_outside"_a, "z"_a, "s"_a, "even"_a, "term"_a.none(), "moved"_a, "factor"_a,
        "slope_factor"_a.none(), "silent"_a);
  neurocircuit::bind_causal(m);
}
