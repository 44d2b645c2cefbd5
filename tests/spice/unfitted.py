"""A neuron of generic65 that is not fitted: weights count codes, the window is short, phases are the nominal ones."""

from typing import Any

from neurocircuit.spec import Bank, Circuit, Lead, NeuronSpec, WeightBank
from neurocircuit.spice.process import load


def unfitted_neuron(**fields: Any) -> NeuronSpec:
    """`fields` of the spec beside those that the circuit gives."""
    process = load("generic65").process
    circuit = Circuit(
        process="generic65",
        condition=load("generic65").condition(),
        components=process.components,
        bias=process.nominal,
        f1_Hz=process.f1_Hz,
        f3_Hz=process.f1_Hz * process.threshold_vco_ratio,
        arming_s=15e-9,
        lead_rad=1.8,
    )
    bank = Bank(bits=4, max_weight=1.5)
    return NeuronSpec(
        circuit=circuit,
        f0_Hz=circuit.f1_Hz,
        threshold_vco_ratio=1.25,
        threshold=Lead(lead_rad=1.8),
        weight_bank=WeightBank(excitatory=bank, inhibitory=bank),
        window_s=40e-9,
        **fields,
    )
