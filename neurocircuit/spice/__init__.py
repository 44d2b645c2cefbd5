"""The neuron as a SPICE deck: composing it, running ngspice, reading what it wrote."""
