"""neurocircuit: mixed-signal modelling and co-design of temporal-coded spiking neural networks."""

__version__ = "0.1.0"
