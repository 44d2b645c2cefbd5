"""The small mapped network of tests/mapping."""

from tests.mapping.conftest import circuit, mapping, physical, spikes, trained

__all__ = ["circuit", "mapping", "physical", "spikes", "trained"]
