// Forward: one sort per image (or tile of it), every spike into the lists of the rows of outputs that see it, those of a
// row into the lists of its patches, one scan per list.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include "causal_conv.hpp"
#include "causal_kernels.hpp"
#include "causal_memory.hpp"
#include "causal_sort.hpp"
#include "causal_threads.hpp"
#include "causal_transpose.hpp"

namespace neurocircuit {
namespace {

constexpr std::size_t kTileBytes = std::size_t{2} << 20;  // of events of the patches of a tile

struct Span {
  std::size_t first, last;
  std::size_t size() const { return last - first; }
  bool holds(std::size_t i) const { return i >= first && i < last; }
  bool operator==(const Span&) const = default;
};

// Events of a patch: its inputs, the bias spikes, the arming.
std::size_t list_capacity(const ConvShape& s, std::size_t biases) { return s.taps() + biases + 1 + kUnroll + kAhead; }

int bits_for(std::size_t count) {
  int bits = 0;
  while (std::size_t{1} << bits < count) ++bits;
  return bits;
}

// One axis of a tile: its outputs and the pixels that they see.
struct Axis {
  Span outputs{0, 0}, pixels{0, 0};
  std::size_t kernel, stride, before;

  void place(Span at, std::size_t size) {
    const std::size_t last = std::min(std::max((at.last - 1) * stride + kernel, before) - before, size);
    outputs = at, pixels = {std::min(std::max(at.first * stride, before) - before, last), last};
  }
  int bits() const {
    int bits = 0;
    while (std::size_t{1} << bits < pixels.size()) ++bits;
    return bits;
  }
  // Of output `i` of the tile, in `pixels`; begins before them (modulo 2^32) where it sees padding.
  Window window(std::size_t i, int low_bits, std::size_t step) const {
    const std::size_t first = (outputs.first + i) * stride - before - pixels.first;
    return {low_bits, bits(), static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(kernel),
            static_cast<std::uint32_t>(step)};
  }
};

struct Block {  // of output channels, scanned together
  std::size_t first, vectors, lanes, offset;
};

// Weights as [block][channel, kernel pixel, lane], then those of the bias spikes, then zeros.
template <class T>
class PackedWeights {
 public:
  PackedWeights(const ConvShape& shape, std::size_t biases, std::size_t width)
      : shape_(shape), biases_(biases), width_(width) {
    std::size_t offset = 0;
    for (std::size_t first = 0; first < shape.outputs;) {
      const std::size_t left = shape.outputs - first, vectors = left > 2 * width ? 4 : left > width ? 2 : 1;
      const std::size_t lanes = std::min(left, vectors * width);
      blocks_.push_back({first, vectors, lanes, offset});
      offset += (shape.taps() + biases + 1) * vectors * width;
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
    for (std::size_t b = 0; b < biases_; ++b, target += block.vectors * width_)
      std::copy_n(bias + b * shape_.outputs + block.first, block.lanes, target);
  }

 private:
  ConvShape shape_;
  std::size_t biases_, width_;
  std::vector<Block> blocks_;
  Numbers<T> packed_;
};

// One thread's work on a tile of the outputs of an image.
template <class T>
class Tile {
 public:
  Tile(const ConvShape& shape, const LayerInput<T>& in, std::size_t columns)
      : shape_(shape), in_(in), y_{.kernel = shape.kernel_height, .stride = shape.stride, .before = shape.top},
        x_{.kernel = shape.kernel_width, .stride = shape.stride, .before = shape.left}, capacity_(list_capacity(shape, in.biases)),
        lists_(columns * capacity_ + kSlack), dz_(columns * capacity_), count_(columns), bias_order_(in.biases) {
    if (in.is_armed_late()) early_ = Spikes(columns * capacity_ + kSlack), early_count_.resize(columns);
    std::iota(bias_order_.begin(), bias_order_.end(), std::uint32_t{0});
    std::stable_sort(bias_order_.begin(), bias_order_.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return in.bias_z[a] < in.bias_z[b]; });
  }

  // The spikes of the tile in order of time; false where a z is not > 0.
  bool collect(std::size_t image, Span ys, Span xs) {
    if (!(ys == y_.outputs && xs == x_.outputs)) place(ys, xs);
    if (!sort(in_.z + image * shape_.inputs * shape_.height * shape_.width)) return false;
    const std::size_t count = static_cast<std::size_t>(sorter_.end() - sorter_.begin());
    for (std::size_t i = 0; i < count; ++i) {
      all_.z[i] = from_bits<T>(sorter_.begin()[i].key);
      all_.source[i] = sorter_.begin()[i].source;
    }
    all_count_ = count;
    return true;
  }

  // Lists of the patches of a row of outputs, counted from the first of the tile; with a late arming, what follows it.
  EventLists<T> lists(std::size_t row) {
    const std::size_t count = k_.see(all_.z.data(), all_.source.data(), all_count_, y_.window(row, x_.bits(), shape_.kernel_width),
                                     row_.z.data(), row_.source.data());
    std::size_t early = 0, early_biases = 0;  // not after the arming
    if (in_.is_armed_late()) {
      early = static_cast<std::size_t>(std::upper_bound(row_.z.data(), row_.z.data() + count, in_.arming_z) - row_.z.data());
      while (early_biases < in_.biases && in_.bias_z[bias_order_[early_biases]] <= in_.arming_z) ++early_biases;
    }
    for (std::size_t p = 0; p < x_.outputs.size(); ++p) {
      const std::size_t at = p * capacity_;
      const Window window = x_.window(p, 0, 1);
      std::size_t first = 0;
      if (in_.is_armed_late()) {
        early_count_[p] = merge({0, early}, {0, early_biases}, window, early_.z.data() + at, early_.source.data() + at);
        lists_.z[at] = in_.arming_z, lists_.source[at] = zeros(), first = 1;
      }
      count_[p] = merge({early, count}, {early_biases, in_.biases}, window, lists_.z.data() + at + first,
                        lists_.source.data() + at + first);
      count_[p] += static_cast<std::uint32_t>(first);
    }
    finish();
    return {lists_.z.data(), lists_.source.data(), dz_.data(), count_.data(), capacity_, x_.outputs.size()};
  }

  // What of that row came until the arming.
  EventLists<T> early_lists() const {
    return {early_.z.data(), early_.source.data(), nullptr, early_count_.data(), capacity_, x_.outputs.size()};
  }

 private:
  struct Spikes {
    Spikes() = default;
    explicit Spikes(std::size_t capacity) : z(capacity), source(capacity) {}
    std::vector<T> z;
    std::vector<std::uint32_t> source;  // [tap, y, x], [tap, x] or tap: that of the channel, of the kernel row, its own
  };

  std::uint32_t zeros() const { return static_cast<std::uint32_t>(shape_.taps() + in_.biases); }  // row of the weights

  // Spikes of the row that a patch sees, and bias spikes among them, in order of time; returns how many.
  std::uint32_t merge(Span spikes, Span biases, const Window& window, T* z, std::uint32_t* tap) const {
    std::size_t n = 0, from = spikes.first;
    for (std::size_t b = biases.first; b < biases.last; ++b) {
      const std::uint32_t bias = bias_order_[b];
      const T* at = std::lower_bound(row_.z.data() + from, row_.z.data() + spikes.last, in_.bias_z[bias]);
      const std::size_t to = static_cast<std::size_t>(at - row_.z.data());
      n += k_.see(row_.z.data() + from, row_.source.data() + from, to - from, window, z + n, tap + n);
      z[n] = in_.bias_z[bias], tap[n] = static_cast<std::uint32_t>(shape_.taps()) + bias, ++n;
      from = to;
    }
    n += k_.see(row_.z.data() + from, row_.source.data() + from, spikes.last - from, window, z + n, tap + n);
    return static_cast<std::uint32_t>(n);
  }

  void place(Span ys, Span xs) {
    y_.place(ys, shape_.height), x_.place(xs, shape_.width);
    const std::size_t row = x_.pixels.size() * shape_.inputs, all = y_.pixels.size() * row;
    sorter_.reserve(all);
    if (all_.z.size() < all) all_ = Spikes(all);
    const std::size_t seen = std::min(shape_.kernel_height, y_.pixels.size()) * row + kSlack;
    if (row_.z.size() < seen) row_ = Spikes(seen);
  }

  bool sort(const T* z) {
    const Bits<T> silent = bits(std::numeric_limits<T>::infinity());
    const int y_bits = y_.bits(), x_bits = x_.bits();
    bool valid = true;
    sorter_.clear();
    const std::size_t channel_taps = shape_.kernel_height * shape_.kernel_width;
    for (std::size_t c = 0, first_tap = 0; c < shape_.inputs; ++c, first_tap += channel_taps)
      for (std::size_t y = y_.pixels.first; y < y_.pixels.last; ++y) {
        const T* row = z + (c * shape_.height + y) * shape_.width;
        std::uint32_t source = static_cast<std::uint32_t>((first_tap << y_bits | (y - y_.pixels.first)) << x_bits);
        for (std::size_t x = x_.pixels.first; x < x_.pixels.last; ++x, ++source) {
          const Bits<T> key = bits(row[x]);
          valid &= key - 1 < silent;
          if (key != silent) sorter_.push(key, source);
        }
      }
    if (valid) sorter_.sort();
    return valid;
  }

  // Differences, and rows of zeros up to the length that kTogether neighbours share.
  void finish() {
    for (std::size_t first = 0, patches = x_.outputs.size(); first < patches; first += kTogether) {
      const std::size_t last = std::min(first + kTogether, patches);
      const std::size_t longest = *std::max_element(count_.data() + first, count_.data() + last);
      const std::size_t padded = (longest + kUnroll - 1) / kUnroll * kUnroll;
      for (std::size_t p = first; p < last; ++p) {
        T* z = lists_.z.data() + p * capacity_;
        std::uint32_t* tap = lists_.source.data() + p * capacity_;
        std::fill(z + count_[p], z + padded + 1, count_[p] > 0 ? z[count_[p] - 1] : T(1));
        std::fill(tap + count_[p], tap + padded, zeros());
        k_.differences(z, padded, dz_.data() + p * capacity_);
      }
    }
  }

  const Kernels<T>& k_ = kernels<T>();
  ConvShape shape_;
  LayerInput<T> in_;
  Axis y_, x_;
  Sorter<T> sorter_;
  Spikes all_, row_;  // of the tile, of a row of outputs
  std::size_t all_count_ = 0, capacity_;
  Spikes lists_, early_;  // of each patch of the row
  std::vector<T> dz_;
  std::vector<std::uint32_t> count_, early_count_;
  std::vector<std::uint32_t> bias_order_;  // by time
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
      : shape_(shape), in_(in), z_out_(z_out), slope_(slope), weights_(shape, in.biases, k_.width),
        lanes_(weights_.blocks()[0].vectors * k_.width),
        tiling_(shape.out_height(), shape.out_width(),
                std::max(kTileBytes / (list_capacity(shape, in.biases) * (2 * sizeof(T) + sizeof(std::uint32_t))), std::size_t{1})),
        team_(std::min(threads, std::max(shape.images * tiling_.count, std::size_t{1}))),
        tiles_(team_.size(), Tile<T>(shape, in, tiling_.columns)),
        scratch_(team_.size() * scratch()) {}

  bool run() {
    team_.run([this](Team::Member member) {
      const auto& blocks = weights_.blocks();
      member.share(blocks.size(), [&](std::size_t i) { weights_.pack(blocks[i], in_.weight, in_.bias); });
      member.share(shape_.images * tiling_.count, [&](std::size_t task) {
        fire(task / tiling_.count, task % tiling_.count, tiles_[member.number], scratch_.data() + member.number * scratch());
      });
    });
    return valid_;
  }

 private:
  // Times and slopes, and with a late arming the state at it.
  std::size_t scratch() const { return whole_lines((in_.is_armed_late() ? 4 : 2) * tiling_.columns * lanes_); }

  void fire(std::size_t image, std::size_t number, Tile<T>& tile, T* times) {
    const Span ys = tiling_.ys(number), xs = tiling_.xs(number);
    if (!tile.collect(image, ys, xs)) {
      valid_ = false;
      return;
    }
    const std::size_t buffer = tiling_.columns * lanes_;
    T *slopes = times + buffer, *C = nullptr, *R = nullptr;
    if (in_.is_armed_late()) C = slopes + buffer, R = C + buffer;
    for (std::size_t y = ys.first; y < ys.last; ++y) {
      const EventLists<T> lists = tile.lists(y - ys.first);
      for (const Block& block : weights_.blocks()) {
        const T* weights = weights_.of(block);
        if (C != nullptr) k_.charge(tile.early_lists(), weights, block.vectors, in_.arming_z, C, R);
        k_.scan(lists, {C, R, in_.arming_z}, weights, block.vectors, block.lanes, times, slopes);
        const std::size_t stride = block.vectors * k_.width, outputs = tiling_.height * tiling_.width;
        const std::size_t to = (image * shape_.outputs + block.first) * outputs + y * tiling_.width + xs.first;
        transpose(times, stride, xs.size(), block.lanes, z_out_ + to, outputs);
        transpose(slopes, stride, xs.size(), block.lanes, slope_ + to, outputs);
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
