// Forward: one sort per image (or tile of it), every spike into the lists of the patches that see it, one scan per list.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "causal_conv.hpp"
#include "causal_kernels.hpp"
#include "causal_memory.hpp"
#include "causal_sort.hpp"
#include "causal_threads.hpp"

namespace neurocircuit {
namespace {

constexpr std::size_t kListBytes = std::size_t{2} << 20;  // of the patches of a tile: they should stay in the cache

struct Span {
  std::size_t first, last;
  std::size_t size() const { return last - first; }
  bool holds(std::size_t i) const { return i >= first && i < last; }
  bool operator==(const Span&) const = default;
};

std::size_t fan_of(const ConvShape& s) {
  return ((s.kernel_height - 1) / s.stride + 1) * ((s.kernel_width - 1) / s.stride + 1);
}

std::size_t list_capacity(const ConvShape& s) { return s.taps() + 1 + kUnroll + kAhead; }

// Where a pixel is seen: patch of the tile, and kernel pixel there.
struct View {
  std::uint32_t patch, tap;
};

struct Block {  // of output channels, scanned together
  std::size_t first, vectors, lanes, offset;
};

// Weights as [block][channel, kernel pixel, lane], then those of the bias, then zeros.
template <class T>
class PackedWeights {
 public:
  PackedWeights(const ConvShape& shape, std::size_t width) : shape_(shape), width_(width) {
    std::size_t offset = 0;
    for (std::size_t first = 0; first < shape.outputs;) {
      const std::size_t left = shape.outputs - first, vectors = left > 2 * width ? 4 : left > width ? 2 : 1;
      const std::size_t lanes = std::min(left, vectors * width);
      blocks_.push_back({first, vectors, lanes, offset});
      offset += (shape.taps() + 2) * vectors * width;
      first += lanes;
    }
    packed_.resize(offset);
  }

  const std::vector<Block>& blocks() const { return blocks_; }
  const T* of(const Block& block) const { return packed_.data() + block.offset; }

  void pack(const Block& block, const T* weight, const T* bias) {
    T* target = packed_.data() + block.offset;
    for (std::size_t tap = 0; tap < shape_.taps(); ++tap, target += block.vectors * width_)
      for (std::size_t j = 0; j < block.lanes; ++j) target[j] = weight[(block.first + j) * shape_.taps() + tap];
    if (bias != nullptr) std::copy_n(bias + block.first, block.lanes, target);
  }

 private:
  ConvShape shape_;
  std::size_t width_;
  std::vector<Block> blocks_;
  Numbers<T> packed_;
};

// One thread's work on a tile of the outputs of an image.
template <class T>
class Tile {
 public:
  Tile(const ConvShape& shape, const LayerInput<T>& in, std::size_t patches)
      : shape_(shape), in_(in), fan_(fan_of(shape)), capacity_(list_capacity(shape)),
        event_(patches * capacity_ + fan_), dz_(patches * capacity_), next_(patches + fan_), count_(patches) {}

  // Lists of the spikes that reach the outputs of the tile; false where a z is not > 0.
  bool collect(std::size_t image, Span ys, Span xs) {
    if (!(ys == ys_ && xs == xs_)) place(ys, xs);
    if (!sort(in_.z + image * shape_.inputs * shape_.height * shape_.width)) return false;
    hand_out();
    finish();
    return true;
  }

  EventLists<T> lists() const { return {event_.data(), dz_.data(), count_.data(), capacity_, patches_}; }

 private:
  // Patch (oy, ox) sees a pixel of the padded image at tap (y - oy stride, x - ox stride). Every pixel gets as many
  // views as a pixel can have, the missing ones of patches that nobody reads: a branch on their number would cost more.
  void place(Span ys, Span xs) {
    ys_ = ys, xs_ = xs, patches_ = ys.size() * xs.size();
    const std::size_t kh = shape_.kernel_height, kw = shape_.kernel_width, s = shape_.stride;
    rows_ = seen(ys, kh, shape_.top, shape_.height), columns_ = seen(xs, kw, shape_.left, shape_.width);
    views_.clear();
    for (std::size_t y = rows_.first + shape_.top; y < rows_.last + shape_.top; ++y)
      for (std::size_t x = columns_.first + shape_.left; x < columns_.last + shape_.left; ++x)
        for (std::size_t j = 0; j * s < kh; ++j)
          for (std::size_t i = 0; i * s < kw; ++i) {
            const std::size_t oy = y / s - j, ox = x / s - i, ky = y % s + j * s, kx = x % s + i * s;
            const bool real = j <= y / s && ys.holds(oy) && ky < kh && i <= x / s && xs.holds(ox) && kx < kw;
            const std::size_t patch = real ? (oy - ys.first) * xs.size() + ox - xs.first : patches_ + views_.size() % fan_;
            views_.push_back({static_cast<std::uint32_t>(patch), static_cast<std::uint32_t>(real ? ky * kw + kx : 0)});
          }
    for (pixel_bits_ = 0; std::size_t{1} << pixel_bits_ < rows_.size() * columns_.size();) ++pixel_bits_;
    sorter_.reserve(rows_.size() * columns_.size() * shape_.inputs);
  }

  // Pixels of an axis that outputs `at` see.
  Span seen(Span at, std::size_t kernel, std::size_t before, std::size_t size) const {
    const std::size_t last = std::min(std::max((at.last - 1) * shape_.stride + kernel, before) - before, size);
    return {std::min(std::max(at.first * shape_.stride, before) - before, last), last};
  }

  bool sort(const T* z) {
    const Bits<T> silent = bits(std::numeric_limits<T>::infinity());
    bool valid = true;
    sorter_.clear();
    for (std::size_t c = 0; c < shape_.inputs; ++c) {
      std::uint32_t source = static_cast<std::uint32_t>(c << pixel_bits_);
      for (std::size_t y = rows_.first; y < rows_.last; ++y) {
        const T* row = z + (c * shape_.height + y) * shape_.width;
        for (std::size_t x = columns_.first; x < columns_.last; ++x, ++source) {
          const Bits<T> key = bits(row[x]);
          valid &= key - 1 < silent;
          if (key != silent) sorter_.push(key, source);
        }
      }
    }
    if (valid) sorter_.sort();
    return valid;
  }

  // The spikes in order of time, each to the patches that see it.
  void hand_out() {
    for (std::size_t p = 0; p < patches_; ++p) next_[p] = p * capacity_;
    for (std::size_t i = 0; i < fan_; ++i) next_[patches_ + i] = event_.size() - fan_ + i;
    const std::size_t mask = (std::size_t{1} << pixel_bits_) - 1, patches = patches_, fan = fan_;
    const std::size_t pixels = shape_.kernel_height * shape_.kernel_width;
    bool bias_due = in_.bias != nullptr;
    for (const Spike<T>& spike : sorter_) {
      const T z = from_bits<T>(spike.key);
      if (bias_due && z >= in_.bias_z) hand_out_bias(), bias_due = false;
      const std::size_t row = (spike.source >> pixel_bits_) * pixels;
      const View* view = views_.data() + (spike.source & mask) * fan;
      for (const View* end = view + fan; view != end; ++view) {
        const std::size_t at = next_[view->patch];
        event_[at] = {z, static_cast<std::uint32_t>(row + view->tap)};
        next_[view->patch] = at + (view->patch < patches);
      }
    }
    if (bias_due) hand_out_bias();
  }

  void hand_out_bias() {
    const Event<T> event{in_.bias_z, static_cast<std::uint32_t>(shape_.taps())};
    for (std::size_t p = 0; p < patches_; ++p) event_[next_[p]++] = event;
  }

  // Differences, and rows of zeros up to the length that kTogether neighbours share.
  void finish() {
    const Event<T> nothing{T(1), static_cast<std::uint32_t>(shape_.taps() + 1)};
    for (std::size_t p = 0; p < patches_; ++p) count_[p] = static_cast<std::uint32_t>(next_[p] - p * capacity_);
    for (std::size_t first = 0; first < patches_; first += kTogether) {
      const std::size_t last = std::min(first + kTogether, patches_);
      const std::size_t longest = *std::max_element(count_.data() + first, count_.data() + last);
      const std::size_t padded = (longest + kUnroll - 1) / kUnroll * kUnroll;
      for (std::size_t p = first; p < last; ++p) {
        Event<T>* event = event_.data() + p * capacity_;
        T* dz = dz_.data() + p * capacity_;
        for (std::size_t k = 0; k + 1 < count_[p]; ++k) dz[k] = event[k + 1].z - event[k].z;
        std::fill(dz + (count_[p] > 0 ? count_[p] - 1 : 0), dz + padded, T(0));
        std::fill(event + count_[p], event + padded, nothing);
      }
    }
  }

  ConvShape shape_;
  LayerInput<T> in_;
  std::size_t fan_, capacity_, patches_ = 0;
  Span ys_{0, 0}, xs_{0, 0}, rows_{0, 0}, columns_{0, 0};
  std::uint32_t pixel_bits_ = 0;
  std::vector<View> views_;
  Sorter<T> sorter_;
  std::vector<Event<T>> event_;
  std::vector<T> dz_;
  std::vector<std::size_t> next_;  // where the next event of a patch goes
  std::vector<std::uint32_t> count_;
};

// Tiles of equal size, but the last of a row and of a column.
struct Tiling {
  Tiling(std::size_t height, std::size_t width, std::size_t patches)
      : height(height), width(width), columns(std::min(width, std::max(patches / height, side(patches)))),
        rows(std::min(height, std::max(patches / columns, std::size_t{1}))), across((width + columns - 1) / columns),
        count(across * ((height + rows - 1) / rows)) {}
  static std::size_t side(std::size_t patches) {
    std::size_t side = 1;
    while ((side + 1) * (side + 1) <= patches) ++side;
    return side;
  }
  Span ys(std::size_t tile) const { return span(tile / across, rows, height); }
  Span xs(std::size_t tile) const { return span(tile % across, columns, width); }
  static Span span(std::size_t i, std::size_t step, std::size_t size) {
    return {i * step, std::min((i + 1) * step, size)};
  }
  std::size_t height, width, columns, rows, across, count;
};

template <class T>
class Forward {
 public:
  Forward(const ConvShape& shape, const LayerInput<T>& in, std::size_t threads, T* z_out, T* slope)
      : shape_(shape), in_(in), z_out_(z_out), slope_(slope), weights_(shape, k_.width),
        lanes_(weights_.blocks()[0].vectors * k_.width),
        tiling_(shape.out_height(), shape.out_width(),
                std::max(kListBytes / (list_capacity(shape) * (sizeof(Event<T>) + sizeof(T))), std::size_t{1})),
        patches_(tiling_.rows * tiling_.columns),
        team_(std::min(threads, std::max(shape.images * tiling_.count, std::size_t{1}))),
        tiles_(team_.size(), Tile<T>(shape, in, patches_)),
        scratch_(team_.size() * scratch()) {}

  bool run() {
    team_.run([this](std::size_t thread) {
      const auto& blocks = weights_.blocks();
      team_.share(blocks.size(), [&](std::size_t i) { weights_.pack(blocks[i], in_.weight, in_.bias); });
      team_.share(shape_.images * tiling_.count, [&](std::size_t task) {
        fire(task / tiling_.count, task % tiling_.count, tiles_[thread], scratch_.data() + thread * scratch());
      });
    });
    return valid_;
  }

 private:
  std::size_t scratch() const { return whole_lines(2 * patches_ * lanes_); }

  void fire(std::size_t image, std::size_t number, Tile<T>& tile, T* times) {
    const Span ys = tiling_.ys(number), xs = tiling_.xs(number);
    if (!tile.collect(image, ys, xs)) {
      valid_ = false;
      return;
    }
    T* slopes = times + patches_ * lanes_;
    for (const Block& block : weights_.blocks()) {
      k_.scan(tile.lists(), weights_.of(block), block.vectors, block.lanes, times, slopes);
      const std::size_t stride = block.vectors * k_.width;
      for (std::size_t j = 0; j < block.lanes; ++j)
        for (std::size_t y = ys.first, p = j; y < ys.last; ++y) {
          const std::size_t row = (image * shape_.outputs + block.first + j) * tiling_.height + y;
          for (std::size_t x = xs.first; x < xs.last; ++x, p += stride) {
            z_out_[row * tiling_.width + x] = times[p];
            slope_[row * tiling_.width + x] = slopes[p];
          }
        }
    }
  }

  const Kernels<T>& k_ = kernels<T>();
  ConvShape shape_;
  LayerInput<T> in_;
  T *z_out_, *slope_;
  PackedWeights<T> weights_;
  std::size_t lanes_;
  Tiling tiling_;
  std::size_t patches_;
  Team team_;
  std::vector<Tile<T>> tiles_;
  Numbers<T> scratch_;
  std::atomic<bool> valid_{true};
};

}  // namespace

template <class T>
bool causal_forward(const ConvShape& shape, const LayerInput<T>& in, std::size_t threads, T* z_out, T* slope) {
  return Forward<T>(shape, in, threads, z_out, slope).run();
}

template bool causal_forward(const ConvShape&, const LayerInput<float>&, std::size_t, float*, float*);
template bool causal_forward(const ConvShape&, const LayerInput<double>&, std::size_t, double*, double*);

}  // namespace neurocircuit
