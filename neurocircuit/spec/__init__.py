"""Frozen, validated descriptions of neuron, measurement and sweep; TOML in and out."""

from neurocircuit.spec.bank import Bank, FullScale, WeightBank
from neurocircuit.spec.network import LayerMapping, MappedNetwork
from neurocircuit.spec.neuron import (
    Flicker,
    FrequencyError,
    Lead,
    NeuronSpec,
    Ramp,
    Sensitivity,
    StartPhases,
    Supply,
    Tone,
)
from neurocircuit.spec.process import CellFile, Cells, Devices, Location, Mismatch, ModelFile, Passives, Process, Sizes
from neurocircuit.spec.testbench import LevelName, SweepSpec, Testbench, Uniform
from neurocircuit.spec.transistors import Bias, Circuit, Components, Condition
from neurocircuit.spec.variation import Variation

__all__ = [
    "Bank",
    "Bias",
    "CellFile",
    "Cells",
    "Circuit",
    "Components",
    "Condition",
    "Devices",
    "Flicker",
    "FrequencyError",
    "FullScale",
    "LayerMapping",
    "Lead",
    "LevelName",
    "Location",
    "MappedNetwork",
    "Mismatch",
    "ModelFile",
    "NeuronSpec",
    "Passives",
    "Process",
    "Ramp",
    "Sensitivity",
    "Sizes",
    "StartPhases",
    "Supply",
    "SweepSpec",
    "Testbench",
    "Tone",
    "Uniform",
    "Variation",
    "WeightBank",
]
