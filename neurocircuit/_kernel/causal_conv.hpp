// The causal-set layer on the CPU: output spikes, slopes and gradients of a convolution; equations in
// neurocircuit/snn/functional/. Arrays are contiguous, images [image, channel, y, x], weight [out, in, y, x]. The
// results do not depend on the number of threads.
#pragma once
#include <cstddef>

namespace neurocircuit {

struct ConvShape {
  std::size_t images, inputs, height, width;         // of z
  std::size_t outputs, kernel_height, kernel_width;  // of weight
  std::size_t stride, left, right, top, bottom;      // padding is silent
  std::size_t out_height() const { return (height + top + bottom - kernel_height) / stride + 1; }
  std::size_t out_width() const { return (width + left + right - kernel_width) / stride + 1; }
  std::size_t taps() const { return inputs * kernel_height * kernel_width; }
};

template <class T>
struct LayerInput {
  const T* z;
  const T* weight;
  const T* bias;         // [bias spike, out], weights of more inputs, which spike at bias_z
  const T* bias_z;       // [bias spike]
  std::size_t biases;    // bias spikes
  T arming_z;            // no spike before it; a membrane above threshold then fires at it, with slope 0. 0: always armed
  bool is_armed_late() const { return arming_z > T(0); }
};

// False where a z is not > 0 (nan included); the results are then undefined.
template <class T>
bool causal_forward(const ConvShape& shape, const LayerInput<T>& in, std::size_t threads, T* z_out, T* slope);

template <class T>
struct OutputGradient {
  const T* z_out;  // of forward
  const T* slope;
  const T* grad_z_out;
  const T* grad_slope;  // or nullptr
};

// grad_z may be nullptr: not wanted.
template <class T>
void causal_backward(const ConvShape& shape, const LayerInput<T>& in, const OutputGradient<T>& out,
                     std::size_t threads, T* grad_z, T* grad_weight, T* grad_bias);

}  // namespace neurocircuit
