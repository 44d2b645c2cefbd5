// Operating points of neurons of eq. (3): the equations stand in neurocircuit/neuron/operating_points.py.
#pragma once
#include <cstddef>

namespace neurocircuit {

constexpr std::size_t kOperatingColumns = 10;

// One neuron: spike times t[n] (units of tau, inf: silent), weights w[n]. `out` in the order of operating.Operating.
void operate(const double* t, const double* w, std::size_t n, double window, double* out);

}  // namespace neurocircuit
