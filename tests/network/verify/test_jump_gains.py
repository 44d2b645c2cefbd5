"""Jumps of many synapses in the prediction of transistor neurons: each by the sign and size of its code."""

import numpy as np
import pytest

from neurocircuit.core import shipped
from neurocircuit.network.verify import transistors
from neurocircuit.process.fan_in import FanIn
from neurocircuit.spec import NeuronSpec


def test_each_weight_gets_the_gain_that_was_measured_at_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: a loss of 5 % for all, of which a source gets back, and a sink loses, 0.4 % a code."""
    measured = []

    def measure(_installed: object, _condition: object, synapses: tuple[int, int], *, codes: list[int]) -> FanIn:
        measured.append((synapses, codes))
        jumps_rad = [code * np.array([1.0, 0.95 + 0.004 * code]) for code in codes]
        return FanIn(synapses, tuple(codes), np.ones(2), np.array(jumps_rad))

    monkeypatch.setattr(transistors.fan_ins, "measure", measure)
    spec = NeuronSpec.from_toml(shipped.folder("netlists") / "processes/generic65/characterised/spec.toml")
    codes = np.array([[15, 8, 4, 2, 0], [-15, -8, -3, -2, 0]])
    bank = spec.weight_bank
    sizes = [(0.0, *bank.inhibitory.weights), (0.0, *bank.excitatory.weights)]
    weights = np.array([[np.sign(code) * sizes[int(code > 0)][abs(code)] for code in row] for row in codes])
    expected = np.where(codes == 0, 1.0, 0.95 + 0.004 * codes)
    assert transistors.jump_gains(spec, 26, weights) == pytest.approx(expected, abs=1e-12)
    ((synapses, at_codes),) = measured
    assert (synapses, sorted(at_codes)) == ((6, 26), [-15, -8, -2, 2, 8, 15])
    assert np.all(transistors.jump_gains(spec, 6, weights) == 1.0)  # as many as the spec was fitted with
