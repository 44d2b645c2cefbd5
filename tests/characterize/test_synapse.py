import numpy as np
import pytest

from neurocircuit.characterize.synapse import MIDDLE, PHASES, TOGETHER, crowding, over_phase


def test_planted_curvature_gives_crowding_and_width() -> None:
    """Rectangular spikes of 1.8 ns into f = k I + q I²: jumps, pairs and the triangle over the lag are known."""
    gain, bend, width_s = 45e12, -2e18, 1.8e-9  # Hz/A, Hz/A²

    def jump(current_A: float) -> float:
        return 2 * np.pi * width_s * (gain * current_A + bend * current_A**2)

    unit_A = np.arange(1, 16) * 0.1e-6
    plus, minus = np.array([jump(i) for i in unit_A]), -np.array([jump(-i) for i in unit_A])
    pairs = np.array([jump((a + b) * 0.1e-6) for a, b in TOGETHER])
    found = {q.key: q.value for q in crowding(pairs, plus, minus, 2 * bend / gain**2)}
    expected = -2 * bend / (2 * np.pi * gain**2 * width_s)
    # Second order in the bend is left: 2 q I/k is 13 % at full scale.
    assert found["crowding"] == pytest.approx(expected, rel=0.1)
    assert found["crowding_width"] == pytest.approx(width_s, rel=0.1)


def test_a_planted_dependence_on_phase_leaves_the_mean() -> None:
    """Jumps measured at phase 0 of 1 + 0.03 cos 5x + 0.02 sin x: 3 % too large; its standard deviation is known."""
    mean = 0.06 * np.arange(1, 16)
    phase = 2 * np.pi * np.arange(1, PHASES) / PHASES
    found, spread = over_phase(mean * 1.03, mean[MIDDLE - 1] * (1 + 0.03 * np.cos(5 * phase) + 0.02 * np.sin(phase)))
    assert found == pytest.approx(mean, rel=1e-9)
    assert spread == pytest.approx(np.sqrt((0.03**2 + 0.02**2) / 2), rel=1e-9)
