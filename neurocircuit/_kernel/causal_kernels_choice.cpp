// Run-time choice among the instruction sets that the kernels were compiled for.
#include "causal_kernels.hpp"

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

Choice choose() {
#ifdef NEUROCIRCUIT_X86
  if (__builtin_cpu_supports("avx512f")) return {"avx512", &avx512::float_kernels, &avx512::double_kernels};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return {"avx2", &avx2::float_kernels, &avx2::double_kernels};
#endif
  return {"base", &base::float_kernels, &base::double_kernels};
}

const Choice chosen = choose();

}  // namespace

template <>
const Kernels<float>& kernels<float>() {
  return *chosen.of_float;
}

template <>
const Kernels<double>& kernels<double>() {
  return *chosen.of_double;
}

const char* instruction_set() { return chosen.name; }

}  // namespace neurocircuit
