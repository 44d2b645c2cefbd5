"""The fast levels of the neuron: equations, no I/O."""
