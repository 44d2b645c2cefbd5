import numpy as np
import pytest

from neurocircuit.characterize.synapse import APART, MIDDLE, PHASES, TOGETHER, LAG_s, crowding, over_phase


def test_planted_pairs_give_their_crowding_and_widths_back() -> None:
    codes = np.arange(1, 16)
    plus, minus = 0.06 * codes, 0.07 * codes
    planted = {
        "sources": (0.25, 1e-9),
        "sinks": (0.1, 0.8e-9),
        "sink_later": (0.25, 3e-9),
        "source_later": (0.25, 2e-9),
    }

    def together(pair: tuple[int, int], kind: str, lag_s: float) -> float:
        a, b = (plus[k - 1] if k > 0 else -minus[-k - 1] for k in pair)
        amplitude, width_s = planted[kind]
        return float(a + b - amplitude * (1 - lag_s / width_s) * a * b)

    kinds = ("sources", "sinks", "sink_later", "source_later")
    pairs = [together(pair, kind, 0.0) for pair, kind in zip(TOGETHER, kinds, strict=False)]
    pairs += [together(pair, kind, LAG_s) for pair, kind in zip(APART, kinds, strict=True)]
    second = np.array([plus[b - 1] if b > 0 else -minus[-b - 1] for _, b in APART])
    found = {q.key: q.value for q in crowding(np.array(pairs), plus, minus, second)}
    assert found["crowding"] == pytest.approx(0.25)
    assert found["crowding_sinks"] == pytest.approx(0.1)
    for kind in kinds:
        assert found[f"width_{kind}"] == pytest.approx(planted[kind][1])


def test_a_planted_dependence_on_phase_leaves_the_mean() -> None:
    """Jumps measured at phase 0 of 1 + 0.03 cos 5x + 0.02 sin x: 3 % too large; its standard deviation is known."""
    mean = 0.06 * np.arange(1, 16)
    phase = 2 * np.pi * np.arange(1, PHASES) / PHASES
    found, spread = over_phase(mean * 1.03, mean[MIDDLE - 1] * (1 + 0.03 * np.cos(5 * phase) + 0.02 * np.sin(phase)))
    assert found == pytest.approx(mean, rel=1e-9)
    assert spread == pytest.approx(np.sqrt((0.03**2 + 0.02**2) / 2), rel=1e-9)
