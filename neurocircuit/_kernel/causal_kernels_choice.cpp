// Run-time choice among the instruction sets that the kernels were compiled for.
#include "causal_kernels.hpp"

#include <atomic>
#include <cstring>

namespace neurocircuit {

#define NEUROCIRCUIT_DECLARE(ISA)              \
  namespace ISA {                              \
  extern const Kernels<float> float_kernels;   \
  extern const Kernels<double> double_kernels; \
  }

NEUROCIRCUIT_DECLARE(base)
#ifdef NEUROCIRCUIT_X86
NEUROCIRCUIT_DECLARE(avx2)
NEUROCIRCUIT_DECLARE(avx512)
#endif

namespace {

struct Choice {
  const char* name;
  const Kernels<float>* of_float;
  const Kernels<double>* of_double;
};

bool runs(const char* name) {
  if (std::strcmp(name, "base") == 0) return true;
#ifdef NEUROCIRCUIT_X86
  if (std::strcmp(name, "avx2") == 0) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (std::strcmp(name, "avx512") == 0) return __builtin_cpu_supports("avx512f");
#endif
  return false;
}

constexpr Choice kChoices[] = {  // the fastest first
#ifdef NEUROCIRCUIT_X86
    {"avx512", &avx512::float_kernels, &avx512::double_kernels},
    {"avx2", &avx2::float_kernels, &avx2::double_kernels},
#endif
    {"base", &base::float_kernels, &base::double_kernels},
};

const Choice* fastest() {
  const Choice* choice = kChoices;
  while (!runs(choice->name)) ++choice;
  return choice;
}

std::atomic<const Choice*> chosen{fastest()};

}  // namespace

template <>
const Kernels<float>& kernels<float>() {
  return *chosen.load()->of_float;
}

template <>
const Kernels<double>& kernels<double>() {
  return *chosen.load()->of_double;
}

const char* instruction_set() { return chosen.load()->name; }

bool use_instruction_set(const char* name) {
  for (const Choice& choice : kChoices)
    if (std::strcmp(choice.name, name) == 0 && runs(name)) {
      chosen = &choice;
      return true;
    }
  return false;
}

}  // namespace neurocircuit
