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

  // In order of time, and of source where the times are the same.
  void sort() {
    int width = 0;
    for (Bits<T> span = highest_ - std::min(lowest_, highest_); span != 0; span >>= 1) ++width;
    if (size_ > kFew) scatter(std::max(width - 2 * kDigit, 0), (std::min(width, 2 * kDigit) + 1) / 2);
    if (size_ <= kFew || width > 2 * kDigit) settle();
  }
  const Spike<T>* begin() const { return a_.data(); }
  const Spike<T>* end() const { return a_.data() + size_; }

 private:
  static constexpr int kDigit = 11;
  static constexpr std::size_t kFew = 64;

  // Radix sort on two digits above `shift`.
  void scatter(int shift, int digit) {
    std::uint32_t low[1 << kDigit] = {}, high[1 << kDigit] = {};
    const Bits<T> mask = (Bits<T>{1} << digit) - 1;
    const auto lower = [&](const Spike<T>& s) { return (s.key - lowest_) >> shift & mask; };
    const auto upper = [&](const Spike<T>& s) { return (s.key - lowest_) >> shift >> digit; };
    for (const Spike<T>* s = begin(); s != end(); ++s) ++low[lower(*s)], ++high[upper(*s)];
    std::uint32_t low_total = 0, high_total = 0;
    for (std::size_t i = 0; i <= mask; ++i) {
      low_total += std::exchange(low[i], low_total);
      high_total += std::exchange(high[i], high_total);
    }
    for (const Spike<T>* s = begin(); s != end(); ++s) b_[low[lower(*s)]++] = *s;
    a_.swap(b_);
    for (const Spike<T>* s = begin(); s != end(); ++s) b_[high[upper(*s)]++] = *s;
    a_.swap(b_);
  }

  // What is almost in order: few spikes differ in the last bits only.
  void settle() {
    std::size_t moves = 8 * size_;
    for (std::size_t i = 1; i < size_; ++i) {
      if (a_[i - 1].key <= a_[i].key) continue;
      const Spike<T> late = a_[i];
      std::size_t j = i;
      for (; j > 0 && a_[j - 1].key > late.key && moves > 0; --j, --moves) a_[j] = a_[j - 1];
      a_[j] = late;
      if (moves == 0) {
        std::stable_sort(a_.begin(), a_.begin() + static_cast<std::ptrdiff_t>(size_),
                         [](const Spike<T>& x, const Spike<T>& y) { return x.key < y.key; });
        return;
      }
    }
  }

  std::vector<Spike<T>> a_, b_;
  std::size_t size_ = 0;
  Bits<T> lowest_ = 0, highest_ = 0;
};

}  // namespace neurocircuit
