// Edge-level phase-domain neuron: every VCO edge an event, closed form between events.
// Time in units of tau, phases in rad. The equations stand in neurocircuit/neuron/edge.py.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace neurocircuit {

struct EdgeConstants {
  double r;                    // loop-filter ratio w_lf tau
  double phase_per_weight;     // rad per unit weight
  double omega[4];             // angular frequencies of VCO1 ... VCO4, rad per tau
  double swing;                // angular frequency difference of VCO4 between UP high and low
  double spike_width;          // duration of an input pulse
  double window;               // observation window from arming
  double noise[4];             // standard deviation of the frequency noise held for half a period, rad per tau
  bool readout_q;              // decide at VCO3 edges instead of at the crossing
  bool waits_for_input;        // the comparator is off until the first input
  bool counts_turns;           // the comparator counts turns instead of comparing modulo 2 pi
  double floor;                // lowest membrane that a clamp allows; -inf: no clamp
  double armed;                // the comparator is off until then
  double ramp;                 // membrane's slope after the arming, VCO4 cut off from UP; nan: it goes on as before
  const double* ripple;        // of the supply: `tones` times omega, phase, amplitudes of VCO1 ... VCO4, rad per tau
  std::size_t tones;           // 0: no ripple
};

struct EdgeState {
  double t;         // time from arming
  double phase1;    // phase of VCO1 since its last edge, 0 ... pi
  double phase2;    // the same for VCO2
  double cycles;    // half periods by which VCO1 is ahead of VCO2 beside these phases
  double up;        // XOR output, 0 or 1
  double filter;    // loop-filter output, 0 ... 1
  double membrane;  // phase of VCO4 less that of VCO3
  double phase3;    // phase of VCO3 since its last rising edge, 0 ... 2 pi
};

struct EdgeDecision {
  double fire_time;  // inf: silent
  double headroom;   // largest |phase error| until then, rad
  bool false_fire;
};

struct EdgeSpike {
  double t;
  double phase;  // jump of VCO1
};

struct EdgeCorner {
  double t;
  double phase;  // jump of VCO1 at t
  double rate;   // change of VCO1's frequency at t
  int pulses;    // change of the number of running pulses at t
  bool arms;     // the comparator is armed at t
};

// Memory of one neuron that the next one takes over.
struct EdgeInputs {
  std::vector<EdgeSpike> spikes;
  std::vector<EdgeCorner> corners;
};

// One neuron: spike times t[n] (inf: silent) with weights w[n], fastest when sorted; `seed` of its phase noise.
EdgeDecision edge_fire(const EdgeConstants& constants, EdgeState state, const double* t, const double* w,
                       std::size_t n, std::uint64_t seed, EdgeInputs& inputs);

// What a trace shows at an instant; phases are total ones.
struct EdgeSample {
  double t, phase1, phase2, filter, up, membrane, phase3;
};

// The same neuron to the window's end with its comparator ignored: a sample at both sides of every event.
void edge_trace(const EdgeConstants& constants, EdgeState state, const double* t, const double* w, std::size_t n,
                std::uint64_t seed, EdgeInputs& inputs, std::vector<EdgeSample>& samples);

}  // namespace neurocircuit
