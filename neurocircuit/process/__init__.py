"""From a process to what its neuron does: trim, datasheet, and the NeuronSpec with which the fast levels predict it."""
