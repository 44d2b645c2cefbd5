// Backward: images are repacked channels last, block by block; then the gradients of z are shared out by image, those
// of the weights by tap. The causal set of an output is {i: z_i < z_out}.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "causal_conv.hpp"
#include "causal_kernels.hpp"
#include "causal_memory.hpp"
#include "causal_threads.hpp"

namespace neurocircuit {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{3} << 19;  // of repacked images: they should stay in the cache
constexpr std::size_t kRowsAtOnce = 32;                    // patches summed in registers, at least
constexpr std::size_t kPatchesAtOnce = 64;                 // repacked: long reads, and writes that stay in the cache
constexpr std::size_t kTapsAtOnce = 64;                    // of one task

std::size_t rounded_up(std::size_t x, std::size_t step) { return (x + step - 1) / step * step; }

// Rows of so many numbers, an odd number of cache lines apart where they are long: else a column of them would fall
// into a few sets of the cache.
std::size_t spread(std::size_t x) { return x < 128 ? x : whole_lines(x) / 16 % 2 == 1 ? whole_lines(x) : whole_lines(x) + 16; }

struct Span {
  std::size_t first, last;
  std::size_t size() const { return last - first; }
};

// Output positions at which `tap` meets a real pixel: 0 <= o stride + tap - before < size.
Span real(std::size_t tap, std::size_t before, std::size_t size, std::size_t stride, std::size_t outputs) {
  const std::size_t first = before > tap ? (before - tap + stride - 1) / stride : 0;
  const std::size_t last = size + before > tap ? std::min((size + before - tap - 1) / stride + 1, outputs) : 0;
  return {std::min(first, last), last};
}

template <class T>
T smallest(const T* values, std::size_t count) {
  T lowest[8];
  std::fill(lowest, lowest + 8, std::numeric_limits<T>::infinity());
  for (std::size_t k = 0; k < count; ++k) lowest[k % 8] = std::min(lowest[k % 8], values[k]);
  return *std::min_element(lowest, lowest + 8);
}

struct Layout {
  Layout(const ConvShape& s, std::size_t width, std::size_t input_step)
      : padded_height(s.height + s.top + s.bottom),
        padded_width(s.width + s.left + s.right),
        pixel(spread(s.inputs)),
        image(padded_height * padded_width * pixel),
        patches(s.out_height() * s.out_width()),
        channels(spread(rounded_up(s.outputs, width))),
        input_step(input_step),
        inputs(rounded_up(s.inputs, input_step)),
        images_together((kRowsAtOnce + patches - 1) / patches) {}
  std::size_t padded_height, padded_width, pixel, image, patches, channels, input_step, inputs, images_together;
};

// Pixels of the padded image that the patches see at one tap, the real ones only.
struct TapPixels {
  std::vector<std::uint32_t> patch, pixel;
  TapPixels(const ConvShape& s, const Layout& layout, std::size_t ky, std::size_t kx) {
    const Span ys = real(ky, s.top, s.height, s.stride, s.out_height());
    const Span xs = real(kx, s.left, s.width, s.stride, s.out_width());
    for (std::size_t y = ys.first; y < ys.last; ++y)
      for (std::size_t x = xs.first; x < xs.last; ++x) {
        patch.push_back(static_cast<std::uint32_t>(y * s.out_width() + x));
        pixel.push_back(static_cast<std::uint32_t>((y * s.stride + ky) * layout.padded_width + x * s.stride + kx));
      }
  }
};

template <class T>
class Backward {
 public:
  Backward(const ConvShape& shape, const LayerInput<T>& in, const OutputGradient<T>& out, std::size_t threads,
           T* grad_z, T* grad_weight, T* grad_bias)
      : shape_(shape), in_(in), out_(out), grad_z_(grad_z), grad_weight_(grad_weight), grad_bias_(grad_bias),
        layout_(shape, k_.width, k_.input_vectors * k_.width), team_(threads) {
    const std::size_t image_bytes = (layout_.image + 3 * layout_.patches * layout_.channels) * sizeof(T);
    const std::size_t block = std::max(kBlockBytes / std::max<std::size_t>(image_bytes, 1), 2 * team_.size());
    block_ = std::min(rounded_up(block, layout_.images_together), std::max<std::size_t>(shape.images, 1));
    z_.resize(block_ * layout_.image + layout_.input_step);
    for (auto* buffer : {&z_out_, &per_slope_}) buffer->resize(block_ * layout_.patches * layout_.channels);
    if (out.grad_slope != nullptr) grad_slope_.resize(z_out_.size());
    bias_z_.resize(block_ * in.biases);
    grad_.resize((shape.taps() + in.biases) * layout_.channels);
    if (grad_z != nullptr) prepare_input_gradient();
  }

  void run() {
    team_.run([this](Team::Member member) {
      if (grad_z_ != nullptr) member.share(shape_.outputs, [this](std::size_t j) { pack_weights(j); });
      for (std::size_t first = 0; first < shape_.images; first += block_) {
        const std::size_t count = std::min(block_, shape_.images - first);
        member.share(count, [&](std::size_t i) {
          pack(first + i, i);
          if (grad_z_ != nullptr) input_gradient(first + i, i, grad_images_.data() + member.number * grad_image());
          if (out_.grad_slope == nullptr) shift(i);
        });
        member.share(tasks(), [&](std::size_t task) { weight_gradient(task, count); });
      }
      member.share(shape_.outputs, [this](std::size_t j) { unpack_gradient(j); });
    });
  }

 private:
  std::size_t kernel_pixels() const { return shape_.kernel_height * shape_.kernel_width; }
  std::size_t grad_image() const { return layout_.padded_height * layout_.padded_width * layout_.inputs; }

  void prepare_input_gradient() {
    for (std::size_t ky = 0; ky < shape_.kernel_height; ++ky)
      for (std::size_t kx = 0; kx < shape_.kernel_width; ++kx) pixels_.emplace_back(shape_, layout_, ky, kx);
    weights_.resize(kernel_pixels() * layout_.inputs * shape_.outputs);
    grad_images_.resize(team_.size() * grad_image());
  }

  // [tap pixel][block of inputs][output][input]
  void pack_weights(std::size_t j) {
    for (std::size_t c = 0; c < shape_.inputs; ++c) {
      const std::size_t step = layout_.input_step, block = c / step;
      for (std::size_t tap = 0; tap < kernel_pixels(); ++tap)
        weights_[((tap * (layout_.inputs / step) + block) * shape_.outputs + j) * step + c % step] =
            in_.weight[(j * shape_.inputs + c) * kernel_pixels() + tap];
    }
  }

  // Image n, channels last, into place i of the block; padding is silent.
  void pack(std::size_t n, std::size_t i) {
    T* z = z_.data() + i * layout_.image;
    std::fill(z, z + layout_.image, std::numeric_limits<T>::infinity());
    const T* source = in_.z + n * shape_.inputs * shape_.height * shape_.width;
    for (std::size_t c = 0; c < shape_.inputs; ++c)
      for (std::size_t y = 0; y < shape_.height; ++y) {
        T* target = z + ((y + shape_.top) * layout_.padded_width + shape_.left) * layout_.pixel + c;
        for (std::size_t x = 0; x < shape_.width; ++x, ++source) target[x * layout_.pixel] = *source;
      }
    std::copy_n(in_.bias_z, in_.biases, bias_z_.data() + i * in_.biases);
    for (std::size_t p = 0; p < layout_.patches; p += kPatchesAtOnce)
      pack_outputs(n, i, p, std::min(kPatchesAtOnce, layout_.patches - p));
  }

  // Silent outputs become 0.
  void pack_outputs(std::size_t n, std::size_t i, std::size_t first, std::size_t count) {
    for (std::size_t j = 0; j < shape_.outputs; ++j) {
      const std::size_t from = (n * shape_.outputs + j) * layout_.patches + first;
      const T *slope = out_.slope + from, *z_out = out_.z_out + from, *grad = out_.grad_z_out + from;
      T time[kPatchesAtOnce], factor[kPatchesAtOnce];
      for (std::size_t p = 0; p < count; ++p) {
        const bool fired = slope[p] > 0;
        time[p] = fired ? z_out[p] : T(0);
        factor[p] = fired ? grad[p] / slope[p] : T(0);
      }
      const std::size_t to = (i * layout_.patches + first) * layout_.channels + j;
      for (std::size_t p = 0; p < count; ++p) {
        z_out_[to + p * layout_.channels] = time[p];
        per_slope_[to + p * layout_.channels] = factor[p];
        if (out_.grad_slope != nullptr)
          grad_slope_[to + p * layout_.channels] = slope[p] > 0 ? out_.grad_slope[from + p] : T(0);
      }
    }
  }

  void input_gradient(std::size_t n, std::size_t i, T* grad) {
    std::fill(grad, grad + grad_image(), T(0));
    const std::size_t step = layout_.input_step, blocks = layout_.inputs / step, at = i * layout_.patches;
    for (std::size_t tap = 0; tap < kernel_pixels(); ++tap) {
      const PatchPixels pixels{pixels_[tap].patch.data(), pixels_[tap].pixel.data(), pixels_[tap].patch.size()};
      for (std::size_t block = 0; block < blocks; ++block)
        k_.input_gradient(pixels, z_.data() + i * layout_.image + block * step, layout_.pixel,
                          z_out_.data() + at * layout_.channels, per_slope_.data() + at * layout_.channels,
                          layout_.channels, shape_.outputs,
                          weights_.data() + (tap * blocks + block) * shape_.outputs * step, layout_.inputs,
                          grad + block * step);
    }
    T* target = grad_z_ + n * shape_.inputs * shape_.height * shape_.width;
    for (std::size_t c = 0; c < shape_.inputs; ++c)
      for (std::size_t y = 0; y < shape_.height; ++y) {
        const T* from = grad + ((y + shape_.top) * layout_.padded_width + shape_.left) * layout_.inputs + c;
        for (std::size_t x = 0; x < shape_.width; ++x, ++target) *target = from[x * layout_.inputs];
      }
  }

  // Takes the earliest time of the image off all its times: smaller numbers, less cancellation in the sums.
  void shift(std::size_t i) {
    T* z = z_.data() + i * layout_.image;
    T earliest = smallest(z, layout_.image);
    T* bias_z = bias_z_.data() + i * in_.biases;
    for (std::size_t b = 0; b < in_.biases; ++b) earliest = std::min(earliest, bias_z[b]);
    if (!(earliest < std::numeric_limits<T>::infinity())) return;
    for (std::size_t k = 0; k < layout_.image; ++k) z[k] -= earliest;
    for (std::size_t b = 0; b < in_.biases; ++b) bias_z[b] -= earliest;
    T* z_out = z_out_.data() + i * layout_.patches * layout_.channels;
    for (std::size_t k = 0; k < layout_.patches * layout_.channels; ++k) z_out[k] -= earliest;
  }

  // With few inputs the taps of one kernel row are neighbours that share a task; else those of one kernel pixel.
  bool whole_rows() const { return shape_.inputs < 8; }
  std::size_t runs() const { return whole_rows() ? shape_.kernel_height : kernel_pixels(); }
  std::size_t run_taps() const { return whole_rows() ? shape_.kernel_width * shape_.inputs : shape_.inputs; }
  std::size_t run_tasks() const { return (run_taps() + kTapsAtOnce - 1) / kTapsAtOnce; }
  std::size_t tasks() const { return runs() * run_tasks() + in_.biases; }

  void weight_gradient(std::size_t task, std::size_t images) {
    const std::size_t s = shape_.stride, row = layout_.padded_width * layout_.pixel;
    const std::size_t run = task / run_tasks(), tap = task % run_tasks() * kTapsAtOnce;
    PatchRows<T> rows{};
    rows.row_patches = shape_.out_width(), rows.image_patches = layout_.patches, rows.channels = layout_.channels;
    Span ys{0, shape_.out_height()}, xs{0, shape_.out_width()};
    std::size_t taps = 1, first_tap = shape_.taps();
    if (run < runs()) {
      const std::size_t ky = whole_rows() ? run : run / shape_.kernel_width;
      const std::size_t kx = whole_rows() ? 0 : run % shape_.kernel_width;
      ys = real(ky, shape_.top, shape_.height, s, shape_.out_height());
      if (!whole_rows()) xs = real(kx, shape_.left, shape_.width, s, shape_.out_width());
      rows.z = z_.data() + (ys.first * s + ky) * row + (xs.first * s + kx) * layout_.pixel + tap;
      rows.z_image = layout_.image, rows.z_row = s * row, rows.z_column = s * layout_.pixel;
      taps = std::min(kTapsAtOnce, run_taps() - tap), first_tap = run * run_taps() + tap;
    } else {
      const std::size_t bias = task - runs() * run_tasks();
      rows.z = bias_z_.data() + bias, rows.z_image = in_.biases, first_tap += bias;
    }
    rows.height = ys.size(), rows.width = xs.size();
    const std::size_t patch = ys.first * shape_.out_width() + xs.first;
    for (std::size_t i = 0; i < images; i += layout_.images_together) {
      PatchRows<T> part = rows;
      const std::size_t at = (i * layout_.patches + patch) * layout_.channels;
      part.images = std::min(layout_.images_together, images - i);
      part.z += i * rows.z_image;
      part.z_out = z_out_.data() + at;
      part.per_slope = per_slope_.data() + at;
      part.grad_slope = out_.grad_slope != nullptr ? grad_slope_.data() + at : nullptr;
      k_.weight_gradient(part, taps, rounded_up(shape_.outputs, k_.width) / k_.width, layout_.channels,
                         grad_.data() + first_tap * layout_.channels);
    }
  }

  void unpack_gradient(std::size_t j) {
    for (std::size_t c = 0; c < shape_.inputs; ++c)
      for (std::size_t tap = 0; tap < kernel_pixels(); ++tap)
        grad_weight_[(j * shape_.inputs + c) * kernel_pixels() + tap] =
            grad_[(tap * shape_.inputs + c) * layout_.channels + j];
    for (std::size_t b = 0; b < in_.biases; ++b)
      grad_bias_[b * shape_.outputs + j] = grad_[(shape_.taps() + b) * layout_.channels + j];
  }

  const Kernels<T>& k_ = kernels<T>();
  ConvShape shape_;
  LayerInput<T> in_;
  OutputGradient<T> out_;
  T *grad_z_, *grad_weight_, *grad_bias_;
  Layout layout_;
  Team team_;
  std::size_t block_;
  Numbers<T> z_, z_out_, per_slope_, grad_slope_, bias_z_;  // of a block of images
  Numbers<T> grad_;                                             // [tap and bias][output]
  std::vector<TapPixels> pixels_;
  Numbers<T> weights_, grad_images_;
};

}  // namespace

template <class T>
void causal_backward(const ConvShape& shape, const LayerInput<T>& in, const OutputGradient<T>& out,
                     std::size_t threads, T* grad_z, T* grad_weight, T* grad_bias) {
  Backward<T>(shape, in, out, threads, grad_z, grad_weight, grad_bias).run();
}

template void causal_backward(const ConvShape&, const LayerInput<float>&, const OutputGradient<float>&, std::size_t,
                              float*, float*, float*);
template void causal_backward(const ConvShape&, const LayerInput<double>&, const OutputGradient<double>&, std::size_t,
                              double*, double*, double*);

}  // namespace neurocircuit
