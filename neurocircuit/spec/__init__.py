"""Frozen, validated descriptions of neuron, measurement and sweep; TOML in and out."""

from neurocircuit.spec.bank import Bank, WeightBank
from neurocircuit.spec.neuron import FrequencyError, Lead, NeuronSpec, Ramp, Sensitivity, StartPhases
from neurocircuit.spec.testbench import LevelName, SweepSpec, Testbench, Uniform

__all__ = [
    "Bank",
    "FrequencyError",
    "Lead",
    "LevelName",
    "NeuronSpec",
    "Ramp",
    "Sensitivity",
    "StartPhases",
    "SweepSpec",
    "Testbench",
    "Uniform",
    "WeightBank",
]
