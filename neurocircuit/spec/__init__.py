"""Frozen, validated descriptions of neuron, measurement and sweep; TOML in and out."""

from neurocircuit.spec.bank import Bank, WeightBank
from neurocircuit.spec.network import LayerMapping, MappedNetwork
from neurocircuit.spec.neuron import FrequencyError, Lead, NeuronSpec, Ramp, Sensitivity, StartPhases
from neurocircuit.spec.testbench import LevelName, SweepSpec, Testbench, Uniform
from neurocircuit.spec.variation import Variation

__all__ = [
    "Bank",
    "FrequencyError",
    "LayerMapping",
    "Lead",
    "LevelName",
    "MappedNetwork",
    "NeuronSpec",
    "Ramp",
    "Sensitivity",
    "StartPhases",
    "SweepSpec",
    "Testbench",
    "Uniform",
    "Variation",
    "WeightBank",
]
