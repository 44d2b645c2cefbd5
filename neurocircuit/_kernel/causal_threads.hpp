// Threads of one call of the causal-set layer: they share out numbered tasks and meet at barriers.
#pragma once
#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <cstddef>
#include <thread>
#include <vector>

namespace neurocircuit {

// The OpenMP runtime that torch has loaded, found by name, so that there is nothing to link with. Its threads spin for
// a while behind each parallel region: others would have to fight them for the processors.
struct OpenMP {
  void (*parallel)(void (*)(void*), void*, unsigned, unsigned);
  void (*barrier)();
  int (*thread)();
  int (*threads)();

  static const OpenMP& loaded() {  // where there is none, `parallel` is null
    static const OpenMP found = [] {
      OpenMP api{};
      const bool all = find("GOMP_parallel", api.parallel) && find("GOMP_barrier", api.barrier) &&
                       find("omp_get_thread_num", api.thread) && find("omp_get_num_threads", api.threads);
      return all ? api : OpenMP{};
    }();
    return found;
  }

 private:
  template <class Function>
  static bool find(const char* name, Function& function) {
    function = reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
    return function != nullptr;
  }
};

class Team {
 public:
  explicit Team(std::size_t threads) : size_(std::max<std::size_t>(threads, 1)) {}

  std::size_t size() const { return size_; }  // at most so many threads run

  // Calls body(member) in every thread; it must not throw.
  template <class Body>
  void run(Body body) {
    next_ = 0;
    if (size_ == 1) {
      body(Member{*this, 0, 1});
    } else if (OpenMP::loaded().parallel != nullptr) {
      Call<Body> call{this, &body};
      OpenMP::loaded().parallel(Call<Body>::enter, &call, static_cast<unsigned>(size_), 0);
    } else {
      std::barrier<> barrier(static_cast<std::ptrdiff_t>(size_));
      barrier_ = &barrier;
      std::vector<std::thread> others;
      for (std::size_t i = 1; i < size_; ++i) others.emplace_back(body, Member{*this, i, size_});
      body(Member{*this, 0, size_});
      for (auto& other : others) other.join();
      barrier_ = nullptr;
    }
  }

  class Member {
   public:
    Member(Team& team, std::size_t number, std::size_t threads) : number(number), team_(team), threads_(threads) {}

    // By every thread: calls task(0) ... task(count - 1) once each, and returns when all are done.
    template <class Task>
    void share(std::size_t count, Task task) {
      std::size_t i = team_.next_++;
      for (; i < begin_ + count; i = team_.next_++) task(i - begin_);
      begin_ += count + threads_;  // each thread asked once too often
      if (threads_ > 1) team_.wait();
    }

    const std::size_t number;

   private:
    Team& team_;
    const std::size_t threads_;
    std::size_t begin_ = 0;  // number of the first task of this share
  };

 private:
  template <class Body>
  struct Call {
    Team* team;
    Body* body;
    static void enter(void* data) {
      const Call& call = *static_cast<Call*>(data);
      const auto number = static_cast<std::size_t>(OpenMP::loaded().thread());
      (*call.body)(Member{*call.team, number, static_cast<std::size_t>(OpenMP::loaded().threads())});
    }
  };

  void wait() {
    if (barrier_ != nullptr)
      barrier_->arrive_and_wait();
    else
      OpenMP::loaded().barrier();
  }

  std::size_t size_;
  std::atomic<std::size_t> next_{0};
  std::barrier<>* barrier_ = nullptr;  // of threads of our own
};

}  // namespace neurocircuit
