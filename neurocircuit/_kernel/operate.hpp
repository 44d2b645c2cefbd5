// Operating points of neurons of eq. (3): the equations stand in neurocircuit/neuron/operating_points.py.
#pragma once
#include <cstddef>

namespace neurocircuit {

constexpr std::size_t kOperatingColumns = 10;

// One neuron: spike times t[n] (units of tau, inf: silent), weights w[n]. `out` in the order of operating.Operating.
void operate(const double* t, const double* w, std::size_t n, double window, double* out);

// Every row of the weights w[rows][n] with every train of spikes t[trains][n], neurons with a readout window; ramp: nan
// for none. `out` [rows · trains][column].
void operate_in_window(const double* t, std::size_t trains, const double* w, std::size_t rows, std::size_t n,
                       double armed, double closes, double ramp, double* out);

}  // namespace neurocircuit
