"""Operating points of a mapped network, the noise table at a level, and the noise budget."""

from neurocircuit.network.calibrate.budget import budget
from neurocircuit.network.calibrate.points import EVERYWHERE, Points, Within, collect, simulate_points
from neurocircuit.network.calibrate.table import calibrate, describe

__all__ = ["EVERYWHERE", "Points", "Within", "budget", "calibrate", "collect", "describe", "simulate_points"]
