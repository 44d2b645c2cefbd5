"""What the paper prints, in one place: Table 3 and the claims of §4.2, as ratios."""

import numpy as np

from neurocircuit.spec import Testbench

SOURCE = "paper, Table 3"
TABLE_3 = {
    "jitter": {0.01: 0.00024, 0.03: 0.00189, 0.05: 0.00397, 0.07: 0.00789, 0.09: 0.00997},
    "bits": {4.0: 0.00957, 8.0: 0.00268, 16.0: 0.00008, 24.0: 0.00004, 32.0: 0.00004},
}
TABLE_4 = {  # accuracy by weight bits, retrained
    "mnist": {32: 0.9933, 8: 0.9932, 4: 0.9921, 2: 0.9911},
    "cifar10": {32: 0.9268, 8: 0.9187, 4: 0.9138, 2: 0.9093},
    "imagenet": {32: 0.688, 8: 0.661, 4: 0.652, 2: 0.600},
}
_NETWORKS = {"mnist": ("mnist_scnn",), "cifar10": ("spiking_vgg16", "windowed"), "imagenet": ("spiking_googlenet",)}
_TESTBENCHES = "paper", "paper-ideal", "transistor"
DECIBEL_PER_BIT = 6.02  # §4.2: quantisation SNR
LEFT_OPEN = (
    "Left open by the paper, and so a field of the testbench or of the neuron here: τ, f0, kvco, kpd, w_lf, the phase "
    "per weight, I_H, I_L and I_th, weights and input times, weight range and code, jitter distribution and reference, "
    "metric, number of draws, what “desired” is, Q or the continuous crossing, start phases, reset, spike width, "
    "negative weights, simulator, noise, corners, and what the energy includes."
)


def value(half: str, row: float) -> float | None:
    """Return the paper's ratio of output jitter in a row of "jitter" or "bits"; None where it has no such row."""
    return TABLE_3[half].get(row)


def measures_table_3(testbench: Testbench) -> bool:
    """Whether a sweep with this testbench measures what Table 3 does; the paper's claims are judged there alone."""
    return testbench.name in _TESTBENCHES


def table_4(network: str, data: str) -> dict[int, float]:
    """Return its row of Table 4 by bits; empty where the paper has another network for this data.

    A windowed network of CIFAR-10 stands beside the paper's VGG16.
    """
    return TABLE_4[data] if network in _NETWORKS.get(data, ()) else {}


def exponent() -> float:
    """Return the least-squares slope of log(output) over log(input) through the paper's five points of input jitter."""
    amplitudes, outputs = np.log(list(TABLE_3["jitter"])), np.log(list(TABLE_3["jitter"].values()))
    return float(np.polyfit(amplitudes, outputs, 1)[0])
