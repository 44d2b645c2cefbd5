#pragma once
#include <nanobind/nanobind.h>

namespace neurocircuit {

// causal_forward, causal_backward (float32 and float64) and instruction_set
void bind_causal(nanobind::module_& m);

}  // namespace neurocircuit
