"""Frozen, validated descriptions of neuron, measurement and sweep; TOML in and out."""

from neurocircuit.spec.bank import Bank, WeightBank
from neurocircuit.spec.circuit import Bias, Circuit, Components, Condition
from neurocircuit.spec.neuron import FrequencyError, Lead, NeuronSpec, Ramp, Sensitivity, StartPhases
from neurocircuit.spec.process import Devices, Location, Mismatch, ModelFile, Process, Sizes
from neurocircuit.spec.testbench import LevelName, SweepSpec, Testbench, Uniform

__all__ = [
    "Bank",
    "Bias",
    "Circuit",
    "Components",
    "Condition",
    "Devices",
    "FrequencyError",
    "Lead",
    "LevelName",
    "Location",
    "Mismatch",
    "ModelFile",
    "NeuronSpec",
    "Process",
    "Ramp",
    "Sensitivity",
    "Sizes",
    "StartPhases",
    "SweepSpec",
    "Testbench",
    "Uniform",
    "WeightBank",
]
