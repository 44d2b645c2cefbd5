#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <stdexcept>

#include "causal_bindings.hpp"
#include "edge.hpp"
#include "operate.hpp"

namespace nb = nanobind;

using In2 = nb::ndarray<const double, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Out2 = nb::ndarray<double, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Out = nb::ndarray<double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Flags = nb::ndarray<bool, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Seeds = nb::ndarray<const std::uint64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

namespace {

// constants: [trial or 1, 17]: r, phase per weight, 4 omega, swing, spike width, window, 4 noise, readout q, waits for
// input, counts turns, membrane floor. state: [trial, 8] in the order of EdgeState. t, w: [trial, input]. Results: [trial].
void edge_fire(In2 constants, In2 state, In2 t, In2 w, Seeds seeds, Out fire_time, Out headroom, Flags false_fire) {
  const std::size_t trials = t.shape(0), inputs = t.shape(1);
  if (constants.shape(1) != 17 || (constants.shape(0) != 1 && constants.shape(0) != trials) || state.shape(0) != trials || state.shape(1) != 8 || w.shape(0) != trials ||
      w.shape(1) != inputs || seeds.shape(0) != trials || fire_time.shape(0) != trials ||
      headroom.shape(0) != trials || false_fire.shape(0) != trials)
    throw std::invalid_argument("edge_fire: shapes do not fit");
  const std::size_t own = constants.shape(0) == 1 ? 0 : 17;
  nb::gil_scoped_release released;
  for (std::size_t i = 0; i < trials; ++i) {
    const double* k = constants.data() + own * i;
    const neurocircuit::EdgeConstants c{k[0], k[1],  {k[2], k[3], k[4], k[5]}, k[6],         k[7],         k[8],
                                        {k[9], k[10], k[11], k[12]}, k[13] != 0.0, k[14] != 0.0, k[15] != 0.0, k[16]};
    const double* s = state.data() + 8 * i;
    const neurocircuit::EdgeState start{s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]};
    const auto decision =
        neurocircuit::edge_fire(c, start, t.data() + i * inputs, w.data() + i * inputs, inputs, seeds.data()[i]);
    fire_time.data()[i] = decision.fire_time;
    headroom.data()[i] = decision.headroom;
    false_fire.data()[i] = decision.false_fire;
  }
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

}  // namespace

NB_MODULE(_native, m) {
  m.doc() = "compiled kernels of neurocircuit";
  m.def("edge_fire", &edge_fire);
  m.def("operate", &operate);
  neurocircuit::bind_causal(m);
}
