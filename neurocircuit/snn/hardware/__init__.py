"""A network on chips of a circuit: noise tables in torch, quantisation, margins."""
