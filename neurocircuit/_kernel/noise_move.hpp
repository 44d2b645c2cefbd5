// Spikes of one layer moved by a noise table: what snn/hardware/move.py does in torch, in one pass.
#pragma once
#include <cstddef>
#include <cstdint>

namespace neurocircuit {

// numbers: cell number times stride by the upper bits of the value; null where the table has no such axis.
struct NoiseAxis {
  const std::int32_t* numbers;
  float low, high;  // beyond them the table does not speak
};

struct NoiseLayer {
  NoiseAxis slope, time;
  const float* disturbance;  // [cell, grid]
  float grid;
  int shift;            // bits of a float that are dropped
  std::uint32_t cells;  // entries of `numbers`, a power of two
  float latest;         // z at the window's end
  bool ideal_outside;   // no disturbance beyond the table
};

struct NoiseShape {
  std::size_t chips, images, neurons;
  bool shared;       // all chips have the same z and slope
  bool same_term;    // all chips have the same term
};

struct NoiseMoved {
  float* z;                // [chip, image, neuron]; inf: silent
  float* factor;           // dz'/dz
  float* slope_factor;     // dz'/ds, or null
  std::int64_t* silent;    // places of neurons silent under eq. (4), at most all of them
};

struct NoiseCounts {
  std::size_t silent, outside;
};

// z, slope: [1 or chip, image, neuron]; even: [chip, image, neuron]; term: [1 or chip, neuron] or null.
NoiseCounts noise_move(const NoiseLayer& layer, const NoiseShape& shape, const float* z, const float* slope,
                       const float* even, const float* term, const NoiseMoved& out);

}  // namespace neurocircuit
