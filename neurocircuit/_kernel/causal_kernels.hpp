// Hot loops of the causal-set layer, compiled once per instruction set and chosen at run time.
// The equations stand in neurocircuit/snn/functional/. Every instruction set gives the same bits: fused
// multiply-adds are explicit, and no sum depends on the vector width.
#pragma once
#include <cstddef>
#include <cstdint>

namespace neurocircuit {

constexpr std::size_t kUnroll = 4;    // events between two looks at the threshold
constexpr std::size_t kTogether = 4;  // event lists that share a length, so that they can be scanned together
constexpr std::size_t kAhead = 8;     // events by which weights are fetched ahead

// Events (input spikes) of patch p in order of time, from p * capacity on: z, the row of the packed weights that it
// brings, and the time dz to the next one (0 behind the last). `count` events are real; up to the longest list of
// kTogether neighbours, rounded up to kUnroll, follow events with dz = 0 and a row of zeros; kAhead more can be read.
template <class T>
struct EventLists {
  const T* z;
  const std::uint32_t* row;
  const T* dz;
  const std::uint32_t* count;
  std::size_t capacity, patches;
};

// Where neurons are armed late: C = 1 - W and R = z (1 - V) of each patch and channel at the arming z, [patch, vectors *
// width]. Lists then begin with an event at the arming that brings a row of zeros. A null C: armed before the first input.
template <class T>
struct AtArming {
  const T* C;
  const T* R;
  T z;
};

// A number of three fields [high, middle, low], and those of it that a window of `size` from `first` on sees.
struct Window {
  int low_bits, middle_bits;
  std::uint32_t first, size;
  std::uint32_t step;  // by which a place within the window counts
};

constexpr std::size_t kSlack = 16;  // `see` may write so many numbers behind the last that it keeps

// The patches over which a gradient of the weights is summed: `images` times height times width of them, inputs at
// z + image * z_image + y * z_row + x * z_column, outputs at (image * image_patches + y * row_patches + x) * channels.
// With grad_slope, times are e^t; without it, of each image some constant is taken off.
template <class T>
struct PatchRows {
  std::size_t images, height, width;
  const T* z;
  std::size_t z_image, z_row, z_column;
  const T* z_out;
  const T* per_slope;   // dL/dz_out / slope, 0 where silent
  const T* grad_slope;  // or nullptr
  std::size_t image_patches, row_patches, channels;
};

// Patches whose input pixel is a real one, for one tap: their numbers and those pixels.
struct PatchPixels {
  const std::uint32_t* patch;
  const std::uint32_t* pixel;
  std::size_t count;
};

template <class T>
struct Kernels {
  std::size_t width;          // channels in a vector
  std::size_t input_vectors;  // vectors of input channels that input_gradient takes at once

  // Of `count` spikes, those whose middle field the window sees, in the same order; their sources become
  // [high + (middle - first) * step, low]. Returns how many.
  std::size_t (*see)(const T* z, const std::uint32_t* source, std::size_t count, Window window, T* z_seen,
                     std::uint32_t* source_seen);

  // dz[k] = z[k + 1] - z[k] for k < count.
  void (*differences)(const T* z, std::size_t count, T* dz);

  // C and R [patch, vectors * width] at z, which no event follows; weights [row, vectors * width].
  void (*charge)(const EventLists<T>& lists, const T* weights, std::size_t vectors, T z, T* C, T* R);

  // z_out and slope [patch, vectors * width] of `lanes` channels, weights [row, vectors * width], vectors 1, 2 or 4.
  void (*scan)(const EventLists<T>& lists, const AtArming<T>& arming, const T* weights, std::size_t vectors,
               std::size_t lanes, T* z_out, T* slope);

  // grad[tap, vectors * width] += sums over rows for `taps` neighbouring inputs.
  void (*weight_gradient)(const PatchRows<T>& rows, std::size_t taps, std::size_t vectors, std::size_t grad_stride,
                          T* grad);

  // grad[pixel, input_vectors * width] += sums over outputs of w per_slope where z < z_out; weights [output, same].
  void (*input_gradient)(const PatchPixels& pixels, const T* z, std::size_t z_stride, const T* z_out,
                         const T* per_slope, std::size_t channels, std::size_t outputs, const T* weights,
                         std::size_t grad_stride, T* grad);
};

template <class T>
const Kernels<T>& kernels();  // the fastest that this processor runs

const char* instruction_set();  // "base", "avx2" or "avx512"

// False where this processor does not run it; the results do not depend on it.
bool use_instruction_set(const char* name);

}  // namespace neurocircuit
