"""A trained network on the circuit: unrolled, scaled layer by layer, run spike by spike at any level."""
