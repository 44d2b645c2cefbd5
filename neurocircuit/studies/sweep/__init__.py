"""Sweeps of one neuron over jitter and weight bits: plan, execution, ledger, and the files of a run."""
