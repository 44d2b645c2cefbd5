#include "noise_move.hpp"

#include <algorithm>
#include <bit>
#include <limits>

namespace neurocircuit {
namespace {

bool beyond(const NoiseAxis& axis, float value) {
  return axis.numbers != nullptr && (value < axis.low || value > axis.high);
}

}  // namespace

NoiseCounts noise_move(const NoiseLayer& layer, const NoiseShape& shape, const float* z, const float* slope,
                       const float* even, const float* term, const NoiseMoved& out) {
  const float silence = std::numeric_limits<float>::infinity();
  const auto cell = [&](const NoiseAxis& axis, float value) {
    return axis.numbers == nullptr ? 0 : axis.numbers[(std::bit_cast<std::uint32_t>(value) >> layer.shift) & (layer.cells - 1)];
  };
  NoiseCounts counts{0, 0};
  const std::size_t per_chip = shape.images * shape.neurons;
  for (std::size_t chip = 0; chip < shape.chips; ++chip) {
    const std::size_t shift = shape.shared ? 0 : chip * per_chip;
    const float* own_term = term == nullptr ? nullptr : term + (shape.same_term ? 0 : chip * shape.neurons);
    for (std::size_t image = 0; image < shape.images; ++image) {
      const std::size_t first = chip * per_chip + image * shape.neurons, source = shift + image * shape.neurons;
      for (std::size_t neuron = 0; neuron < shape.neurons; ++neuron) {
        const std::size_t i = first + neuron;
        const float spike = z[source + neuron], s = slope[source + neuron];
        out.factor[i] = 0.0f;
        if (out.slope_factor != nullptr) out.slope_factor[i] = 0.0f;
        if (!(spike < layer.latest)) {
          out.z[i] = silence;
          out.silent[counts.silent++] = static_cast<std::int64_t>(i);
          continue;
        }
        const auto place = static_cast<std::int32_t>(even[i] * layer.grid);
        float m = layer.disturbance[cell(layer.slope, s) + cell(layer.time, spike) + place];
        if (own_term != nullptr) m += own_term[neuron];
        if (beyond(layer.slope, s) || beyond(layer.time, spike)) {
          ++counts.outside;
          if (layer.ideal_outside) m = 0.0f;
        }
        const float left = s - m, share = m / left, moved = spike + spike * share;
        if (!(left > 0.0f && moved < layer.latest)) {
          out.z[i] = silence;
          continue;
        }
        out.z[i] = std::max(moved, 1.0f);
        out.factor[i] = share + 1.0f;
        if (out.slope_factor != nullptr) out.slope_factor[i] = -share * moved / s;
      }
    }
  }
  return counts;
}

}  // namespace neurocircuit
