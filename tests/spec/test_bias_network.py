"""What bias generator and trim DACs draw, against currents added by hand."""

import pytest

from neurocircuit.errors import SpecError
from neurocircuit.process.request import slug
from neurocircuit.spec import NeuronSpec
from neurocircuit.spec.bias_network import BiasNetwork
from neurocircuit.spice.process import characterised, describe


@pytest.mark.parametrize(
    ("low", "high", "resolution", "bits"),
    [(0.5, 1.5, 1 / 1024, 10), (0.5, 1.5, 1 / 1025, 11), (0.5, 1.6, 1e-4, 14), (0.0, 2.0, 2.0**-11, 12)],
)
def test_bits_are_those_of_the_range_in_steps_of_the_resolution(low, high, resolution, bits):
    assert BiasNetwork(range_low=low, range_high=high, resolution=resolution).bits == bits


def test_power_is_that_of_the_reference_branches():
    """Range of one nominal current, 6 coarse bits: a coarse step is 1/64 of it, and each DAC draws two."""
    network = BiasNetwork(range_low=0.5, range_high=1.5, generator_branches=4, neurons_per_generator=8)
    currents = (64e-6, 64e-6, 128e-6, 128e-6)
    assert network.trim_dac_W(currents, 2.0) == pytest.approx(2.0 * 2 * (1e-6 + 1e-6 + 2e-6 + 2e-6))
    assert network.generator_W(currents, 2.0) == pytest.approx(2.0 * 4 * 1e-6 / 8)
    finer = network.replace(resolution=1e-5)
    assert finer.bits > network.bits
    assert finer.trim_dac_W(currents, 2.0) == network.trim_dac_W(currents, 2.0)  # the ladder is longer, no more


def test_a_dac_has_bits_below_its_coarse_ones():
    with pytest.raises(SpecError, match="coarse_bits must be <= 4, the bits of the DAC, got 6"):
        BiasNetwork(range_low=0.5, range_high=1.5, resolution=1 / 16)


def test_the_range_holds_every_current_that_trim_found():
    network, nominal = BiasNetwork(), describe("generic65").nominal
    for path in (characterised("generic65") / "conditions").glob("*/spec.toml"):
        circuit = NeuronSpec.from_toml(path).circuit
        for name in ("vco1_A", "vco2_A", "vco3_A", "vco4_A"):
            ratio = getattr(circuit.bias, name) / getattr(nominal, name)
            assert network.range_low + 0.2 < ratio < network.range_high - 0.2, (slug(circuit.condition), name)
