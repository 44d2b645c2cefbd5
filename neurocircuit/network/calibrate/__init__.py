"""Operating points of a mapped network, the noise table at a level, and the noise budget."""

from neurocircuit.network.calibrate.points import EVERYWHERE, Points, Within, collect, simulate_points
from neurocircuit.network.calibrate.result import CalibratedTable, Calibration, calibrate
from neurocircuit.network.calibrate.table import fit_table

__all__ = [
    "EVERYWHERE",
    "CalibratedTable",
    "Calibration",
    "Points",
    "Within",
    "calibrate",
    "collect",
    "fit_table",
    "simulate_points",
]
