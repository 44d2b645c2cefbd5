"""The circuit's deviations as a noise model at the operating points that a network uses; numpy only."""

from neurocircuit.noise.model import CAUSES, NoiseModel
from neurocircuit.noise.table import NoiseTable

__all__ = ["CAUSES", "NoiseModel", "NoiseTable"]
