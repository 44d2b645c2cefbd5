"""The small mapped network of tests/network."""

from tests.network.conftest import circuit, mapping, physical, spikes, trained

__all__ = ["circuit", "mapping", "physical", "spikes", "trained"]
