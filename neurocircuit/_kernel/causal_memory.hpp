// Numbers that start at a cache line: vector loads that straddle two lines cost twice.
#pragma once
#include <cstddef>
#include <new>
#include <vector>

namespace neurocircuit {

constexpr std::size_t kCacheLine = 64;

template <class T>
struct LineAllocator {
  using value_type = T;
  LineAllocator() = default;
  template <class U>
  LineAllocator(const LineAllocator<U>&) {}
  T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t{kCacheLine})); }
  void deallocate(T* p, std::size_t) { ::operator delete(p, std::align_val_t{kCacheLine}); }
  bool operator==(const LineAllocator&) const { return true; }
};

template <class T>
using Numbers = std::vector<T, LineAllocator<T>>;

constexpr std::size_t whole_lines(std::size_t n) { return (n + 15) / 16 * 16; }  // of floats, and so of doubles

}  // namespace neurocircuit
