// Spikes in order of time: radix sort on the bits of positive floats.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

namespace neurocircuit {

// Positive floats order like their bits.
template <class T>
using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

template <class T>
inline Bits<T> bits(T x) {
  Bits<T> result;
  std::memcpy(&result, &x, sizeof x);
  return result;
}

template <class T>
inline T from_bits(Bits<T> x) {
  T result;
  std::memcpy(&result, &x, sizeof result);
  return result;
}

template <class T>
struct Spike {
  Bits<T> key;
  std::uint32_t source;
};

template <class T>
class Sorter {
 public:
  void reserve(std::size_t capacity) {
    if (a_.size() < capacity) a_.resize(capacity), b_.resize(capacity);
  }
  void clear() { size_ = 0, lowest_ = ~Bits<T>{0}, highest_ = 0; }
  void push(Bits<T> key, std::uint32_t source) {
    a_[size_++] = {key, source};
    lowest_ = std::min(lowest_, key);
    highest_ = std::max(highest_, key);
  }

  // In order of time; radix sort on the bits that differ.
  void sort() {
    if (size_ < 64) {
      std::sort(a_.begin(), a_.begin() + static_cast<std::ptrdiff_t>(size_), [](const Spike<T>& x, const Spike<T>& y) { return x.key < y.key; });
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

}  // namespace neurocircuit
