"""A trained network on the circuit: unrolled, scaled layer by layer, run spike by spike at any level.

What a successor must know:

- Times count from one arming of all neurons. Eq. (4) is the yardstick with threshold 1 and bias spikes at 0; on the
  circuit a layer's bias spike comes as late as the layers before it are (`bias_delay`, the median latency of a perfect
  chip at level `edge`), so that a common latency shifts a layer instead of deforming it.
- Deviation is always taken against eq. (4) on the spikes that the neuron really received. Against the software's spikes
  a layer's lateness holds that of all layers before it; `verify` reports its median (latency) apart from its spread.
- The XOR leaves a triangular ripple of π/(8 a f0 τ) thresholds on the membrane, so a slow neuron fires early by up to
  ripple/(W_C - 1), and a silent one that comes within the ripple of the threshold fires. `ripple_guard` adds 0.75 of it
  to the lead at levels with edges. It does not depend on θ: only a larger a or faster oscillators make it smaller.
- The window is part of the network: it ends depth, wrap and cost. `map` takes 2 τ after the latest decision.
- An error of τ moves K and w_lf alike (r stays), so a neuron with errors is the nominal one on its own clock.
- A chip is (seed, number): chips.py. Calibration uses chips from 10 000 on, its budget from 20 000, single neurons of
  `verify` from 50 000, its correlations from 60 000, whole images from 0.
- Finite r adds Σ w x e^{-x}/r to the membrane: the largest systematic deviation between operating points. The noise
  model has the membrane (neuron/membrane.py), of which slope and time at the crossing of eq. (4) are a poor summary:
  where inputs are dense, a spike that comes 0.2 τ early meets other slopes than W_C - 1.
- More synapses than the spec was fitted with slow VCO1 and change its jumps: verify/transistors takes both from decks.
- A characterised circuit's weight currents stand: its bank may not be rescaled, or codes mean other weights.
"""
