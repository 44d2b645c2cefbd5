// Forward: one sort per image (or band of it), every spike handed to the patches that see it, one scan per patch.
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "causal_conv.hpp"
#include "causal_kernels.hpp"
#include "causal_threads.hpp"

namespace neurocircuit {
namespace {

constexpr std::size_t kListBytes = std::size_t{2} << 20;  // of a band's event lists: they should stay in the cache

// Positive floats order like their bits.
template <class T>
using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

template <class T>
Bits<T> bits(T x) {
  Bits<T> result;
  std::memcpy(&result, &x, sizeof x);
  return result;
}

template <class T>
T from_bits(Bits<T> x) {
  T result;
  std::memcpy(&result, &x, sizeof result);
  return result;
}

template <class T>
struct Spike {
  Bits<T> key;
  std::uint32_t source;  // channel << pixel_bits | pixel of the band
};

template <class T>
class Sorter {
 public:
  explicit Sorter(std::size_t capacity) : a_(capacity), b_(capacity) {}

  void clear() { size_ = 0, lowest_ = ~Bits<T>{0}, highest_ = 0; }
  void push(Bits<T> key, std::uint32_t source) {
    a_[size_++] = {key, source};
    lowest_ = std::min(lowest_, key);
    highest_ = std::max(highest_, key);
  }

  // In order of time; radix sort on the bits that differ.
  void sort() {
    if (size_ < 64) {
      std::sort(begin(), end(), [](const Spike<T>& x, const Spike<T>& y) { return x.key < y.key; });
      return;
    }
    int width = 0;
    for (Bits<T> span = highest_ - lowest_; span != 0; span >>= 1) ++width;
    const int passes = (width + kDigit - 1) / kDigit;
    for (int pass = 0, done = 0; pass < passes; ++pass) {
      const int digit = (width - done) / (passes - pass);
      scatter(done, digit);
      done += digit;
    }
  }
  const Spike<T>* begin() const { return a_.data(); }
  const Spike<T>* end() const { return a_.data() + size_; }

 private:
  static constexpr int kDigit = 11;
  Spike<T>* begin() { return a_.data(); }
  Spike<T>* end() { return a_.data() + size_; }

  void scatter(int shift, int digit) {
    std::uint32_t starts[1 << kDigit] = {};
    const Bits<T> mask = (Bits<T>{1} << digit) - 1;
    for (const Spike<T>* s = begin(); s != end(); ++s) ++starts[((s->key - lowest_) >> shift) & mask];
    std::uint32_t total = 0;
    for (std::size_t i = 0; i <= mask; ++i) total += std::exchange(starts[i], total);
    for (const Spike<T>* s = begin(); s != end(); ++s) b_[starts[((s->key - lowest_) >> shift) & mask]++] = *s;
    a_.swap(b_);
  }

  std::vector<Spike<T>> a_, b_;
  std::size_t size_ = 0;
  Bits<T> lowest_ = 0, highest_ = 0;
};

struct Block {  // of output channels, scanned together
  std::size_t first, vectors, lanes, offset;
};

// Weights as [block][tap, bias, zero][lane], taps in the order y, x, channel.
template <class T>
class PackedWeights {
 public:
  PackedWeights(const ConvShape& shape, const Kernels<T>& kernels) : shape_(shape) {
    std::size_t offset = 0;
    for (std::size_t first = 0; first < shape.outputs;) {
      const std::size_t left = shape.outputs - first, width = kernels.width;
      const std::size_t vectors = left > 2 * width ? 4 : left > width ? 2 : 1;
      const std::size_t lanes = std::min(left, vectors * width);
      blocks_.push_back({first, vectors, lanes, offset});
      offset += (shape.taps() + 2) * vectors * width;
      first += lanes;
    }
    width_ = kernels.width;
    packed_.resize(offset);
  }

  const std::vector<Block>& blocks() const { return blocks_; }
  const T* of(const Block& block) const { return packed_.data() + block.offset; }

  void pack(const Block& block, const T* weight, const T* bias) {
    const std::size_t pixels = shape_.kernel_height * shape_.kernel_width, lanes = block.vectors * width_;
    T* target = packed_.data() + block.offset;
    for (std::size_t pixel = 0; pixel < pixels; ++pixel)
      for (std::size_t c = 0; c < shape_.inputs; ++c, target += lanes)
        for (std::size_t j = 0; j < block.lanes; ++j)
          target[j] = weight[((block.first + j) * shape_.inputs + c) * pixels + pixel];
    if (bias != nullptr)
      for (std::size_t j = 0; j < block.lanes; ++j) target[j] = bias[block.first + j];
  }

 private:
  ConvShape shape_;
  std::size_t width_ = 0;
  std::vector<Block> blocks_;
  std::vector<T> packed_;
};

// One thread's work on a band of output rows of an image.
template <class T>
class Band {
 public:
  Band(const ConvShape& shape, const LayerInput<T>& in, std::size_t rows)
      : shape_(shape),
        in_(in),
        out_width_(shape.out_width()),
        capacity_(shape.taps() + 2 + kUnroll),
        sorter_(std::min((rows - 1) * shape.stride + shape.kernel_height, shape.height) * shape.width * shape.inputs),
        z_(rows * out_width_ * capacity_),
        dz_(z_.size()),
        row_(z_.size()),
        count_(rows * out_width_) {}

  // Event lists of output rows first ... last - 1; false where a z is not > 0.
  bool collect(std::size_t image, std::size_t first, std::size_t last) {
    if (first != first_ || last != last_) place(first, last);
    if (!sort(in_.z + image * shape_.inputs * shape_.height * shape_.width)) return false;
    std::fill(count_.begin(), count_.end(), 0);
    const std::uint32_t pixel_mask = (std::uint32_t{1} << pixel_bits_) - 1;
    bool bias_due = in_.bias != nullptr;
    for (const Spike<T>& spike : std::as_const(sorter_)) {
      const T z = from_bits<T>(spike.key);
      if (bias_due && z >= in_.bias_z) push_bias(), bias_due = false;
      push(z, views_[spike.source & pixel_mask], spike.source >> pixel_bits_);
    }
    if (bias_due) push_bias();
    finish();
    return true;
  }

  EventLists<T> lists() { return {z_.data(), dz_.data(), row_.data(), count_.data(), capacity_, patches_}; }

 private:
  struct View {  // the patches that see a pixel: `rows` times `columns` from `patch` on, which sees it at `tap`
    std::uint32_t patch, tap, rows, columns;
  };

  // Patch (oy, ox) sees a pixel of the padded image at tap (y - oy stride, x - ox stride).
  void place(std::size_t first, std::size_t last) {
    const std::size_t kh = shape_.kernel_height, kw = shape_.kernel_width, s = shape_.stride;
    first_ = first, last_ = last, patches_ = (last - first) * out_width_;
    y_first_ = std::max(first * s, shape_.top) - shape_.top;
    const std::size_t y_last = std::min(std::max((last - 1) * s + kh, shape_.top) - shape_.top, shape_.height);
    views_.clear();
    for (std::size_t y = y_first_ + shape_.top; y < y_last + shape_.top; ++y)
      for (std::size_t x = shape_.left; x < shape_.width + shape_.left; ++x) {
        const std::size_t oy = std::max(y >= kh ? (y - kh) / s + 1 : 0, first), ox = x >= kw ? (x - kw) / s + 1 : 0;
        const std::size_t oy_end = std::min(y / s + 1, last), ox_end = std::min(x / s + 1, out_width_);
        const bool seen = oy < oy_end && ox < ox_end;
        const std::size_t tap = seen ? ((y - oy * s) * kw + x - ox * s) * shape_.inputs : 0;
        views_.push_back({static_cast<std::uint32_t>((oy - first) * out_width_ + ox), static_cast<std::uint32_t>(tap),
                          static_cast<std::uint32_t>(seen ? oy_end - oy : 0),
                          static_cast<std::uint32_t>(seen ? ox_end - ox : 0)});
      }
    for (pixel_bits_ = 0; std::size_t{1} << pixel_bits_ < views_.size();) ++pixel_bits_;
  }

  bool sort(const T* z) {
    const Bits<T> silent = bits(std::numeric_limits<T>::infinity());
    bool valid = true;
    sorter_.clear();
    for (std::size_t c = 0; c < shape_.inputs; ++c) {
      const T* channel = z + (c * shape_.height + y_first_) * shape_.width;
      for (std::size_t pixel = 0; pixel < views_.size(); ++pixel) {
        const Bits<T> key = bits(channel[pixel]);
        if (key == silent) continue;
        valid &= key - 1 < silent;
        sorter_.push(key, static_cast<std::uint32_t>(c << pixel_bits_ | pixel));
      }
    }
    if (valid) sorter_.sort();
    return valid;
  }

  void push_to(std::size_t patch, T z, std::size_t row) {
    const std::size_t at = patch * capacity_ + count_[patch]++;
    z_[at] = z;
    row_[at] = static_cast<std::uint32_t>(row);
  }

  void push_bias() {
    for (std::size_t patch = 0; patch < patches_; ++patch) push_to(patch, in_.bias_z, shape_.taps());
  }

  void push(T z, const View& view, std::size_t channel) {
    const std::size_t right = shape_.stride * shape_.inputs, down = right * shape_.kernel_width;
    for (std::size_t y = 0; y < view.rows; ++y)
      for (std::size_t x = 0; x < view.columns; ++x)
        push_to(view.patch + y * out_width_ + x, z, view.tap + channel - y * down - x * right);
  }

  // Differences, and rows of zeros up to the length that kTogether neighbours share.
  void finish() {
    for (std::size_t patch = 0; patch < patches_; patch += kTogether) {
      const std::size_t end = std::min(patch + kTogether, patches_);
      const std::size_t longest = *std::max_element(count_.begin() + patch, count_.begin() + end);
      const std::size_t padded = (longest + kUnroll - 1) / kUnroll * kUnroll;
      for (std::size_t p = patch; p < end; ++p) {
        T *z = z_.data() + p * capacity_, *dz = dz_.data() + p * capacity_;
        const std::size_t count = count_[p];
        for (std::size_t k = 0; k + 1 < count; ++k) dz[k] = z[k + 1] - z[k];
        for (std::size_t k = count > 0 ? count - 1 : 0; k < padded; ++k) dz[k] = 0;
        std::fill(row_.begin() + p * capacity_ + count, row_.begin() + p * capacity_ + padded, shape_.taps() + 1);
      }
    }
  }

  ConvShape shape_;
  LayerInput<T> in_;
  std::size_t out_width_, capacity_;
  std::size_t first_ = 0, last_ = 0, patches_ = 0, y_first_ = 0;
  std::uint32_t pixel_bits_ = 0;
  std::vector<View> views_;
  Sorter<T> sorter_;
  std::vector<T> z_, dz_;
  std::vector<std::uint32_t> row_, count_;
};

}  // namespace

template <class T>
bool causal_forward(const ConvShape& shape, const LayerInput<T>& in, std::size_t threads, T* z_out, T* slope) {
  const Kernels<T>& k = kernels<T>();
  const std::size_t height = shape.out_height(), width = shape.out_width();
  const std::size_t row_bytes = width * (shape.taps() + 2 + kUnroll) * (2 * sizeof(T) + 4);
  const std::size_t bands = (height + std::max<std::size_t>(kListBytes / row_bytes, 1) - 1) /
                            std::max<std::size_t>(kListBytes / row_bytes, 1);
  const std::size_t rows = (height + bands - 1) / bands, lanes = 4 * k.width;
  PackedWeights<T> weights(shape, k);
  Team team(std::min(threads, std::max(shape.images * bands, std::size_t{1})));
  std::vector<Band<T>> work;
  for (std::size_t i = 0; i < team.size(); ++i) work.emplace_back(shape, in, rows);
  std::vector<T> results(team.size() * 2 * rows * width * lanes);
  std::atomic<bool> valid{true};
  team.run([&](std::size_t thread) {
    team.share(weights.blocks().size(), [&](std::size_t i) { weights.pack(weights.blocks()[i], in.weight, in.bias); });
    T* times = results.data() + thread * 2 * rows * width * lanes;
    T* slopes = times + rows * width * lanes;
    team.share(shape.images * bands, [&](std::size_t task) {
      const std::size_t image = task / bands, first = task % bands * rows, last = std::min(first + rows, height);
      if (first >= last) return;
      if (!work[thread].collect(image, first, last)) {
        valid = false;
        return;
      }
      const EventLists<T> lists = work[thread].lists();
      for (const Block& block : weights.blocks()) {
        k.scan(lists, weights.of(block), block.vectors, block.lanes, times, slopes);
        for (std::size_t j = 0; j < block.lanes; ++j) {
          const std::size_t target = ((image * shape.outputs + block.first + j) * height + first) * width;
          for (std::size_t p = 0; p < lists.patches; ++p) {
            z_out[target + p] = times[p * block.vectors * k.width + j];
            slope[target + p] = slopes[p * block.vectors * k.width + j];
          }
        }
      }
    });
  });
  return valid;
}

template bool causal_forward(const ConvShape&, const LayerInput<float>&, std::size_t, float*, float*);
template bool causal_forward(const ConvShape&, const LayerInput<double>&, std::size_t, double*, double*);

}  // namespace neurocircuit
