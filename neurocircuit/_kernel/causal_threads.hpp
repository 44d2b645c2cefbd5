// Threads of one call of the causal-set layer: they share out numbered tasks and meet at barriers.
#pragma once
#include <algorithm>
#include <atomic>
#include <barrier>
#include <cstddef>
#include <thread>
#include <vector>

namespace neurocircuit {

class Team {
 public:
  explicit Team(std::size_t threads)
      : size_(std::max<std::size_t>(threads, 1)), barrier_(static_cast<std::ptrdiff_t>(size_), Reset{&next_}) {}

  std::size_t size() const { return size_; }

  // Calls body(thread) in every thread; it must not throw.
  template <class Body>
  void run(Body body) {
    std::vector<std::thread> others;
    for (std::size_t thread = 1; thread < size_; ++thread) others.emplace_back(body, thread);
    body(0);
    for (auto& other : others) other.join();
  }

  // Within run, by every thread: calls task(0) ... task(count - 1) once each, and returns when all are done.
  template <class Task>
  void share(std::size_t count, Task task) {
    for (std::size_t i = next_++; i < count; i = next_++) task(i);
    barrier_.arrive_and_wait();
  }

 private:
  struct Reset {
    std::atomic<std::size_t>* next;
    void operator()() noexcept { *next = 0; }
  };
  std::size_t size_;
  std::atomic<std::size_t> next_{0};
  std::barrier<Reset> barrier_;
};

}  // namespace neurocircuit
