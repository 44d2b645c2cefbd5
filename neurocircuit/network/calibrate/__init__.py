"""Operating points of a mapped network, the noise table at a level, and the noise budget."""

from neurocircuit.network.calibrate.points import EVERYWHERE, Points, Within, collect
from neurocircuit.network.calibrate.result import CalibratedTable, Calibration, calibrate
from neurocircuit.network.calibrate.simulate import ChipRun, simulate_chips, simulate_points
from neurocircuit.network.calibrate.table import fit_table

__all__ = [
    "EVERYWHERE",
    "CalibratedTable",
    "Calibration",
    "ChipRun",
    "Points",
    "Within",
    "calibrate",
    "collect",
    "fit_table",
    "simulate_chips",
    "simulate_points",
]
