from types import SimpleNamespace

import numpy as np
import pytest

from neurocircuit.process.measurements import synapse
from neurocircuit.process.measurements.synapse import MIDDLE, PHASES, over_phase
from neurocircuit.process.spike_pairs import KINDS, LAGS, overlap, rings, triangle

TURN_s = 1.3e-9 / PHASES


def test_planted_pairs_give_height_and_width_of_each_kind() -> None:
    """Spikes whose jump depends on VCO1's phase and whose pairs lose a triangle of the product, one for each kind."""
    turn = np.arange(PHASES)
    alone = np.stack([0.5 * (1 + 0.03 * np.cos(turn)), -0.6 * (1 + 0.02 * np.sin(turn))])
    planted = dict(zip(KINDS, ((0.2, 2.3e-9), (0.1, 1.1e-9), (0.15, 1.8e-9)), strict=True))
    pairs = []
    for (height, width_s), (a, b) in zip(planted.values(), KINDS.values(), strict=True):
        for lag in LAGS:
            first, second = (alone[0 if sign > 0 else 1, at % PHASES] for sign, at in ((a, 0), (b, lag)))
            lost = height * max(1 - lag * TURN_s / width_s, 0.0)
            pairs.append(first + second - lost * first * second)
    found = {q.key: q.value for q in overlap(np.array(pairs), alone, TURN_s)}
    for kind, (height, width_s) in planted.items():
        assert found[f"overlap_{kind}"] == pytest.approx(height, rel=0.02)
        assert found[f"overlap_width_{kind}"] == pytest.approx(width_s, rel=0.02)  # the grid of widths


def test_rings_come_in_the_order_in_which_pairs_are_read() -> None:
    given = rings(MIDDLE)
    assert len(given) == len(KINDS) * len(LAGS)
    assert given[0] == ((MIDDLE, 0), (MIDDLE, 0))
    assert given[2 * len(LAGS) + 1] == ((MIDDLE, 0), (-MIDDLE, LAGS[1]))


def test_nothing_lost_is_no_overlap() -> None:
    assert triangle(TURN_s * np.array(LAGS), np.zeros(len(LAGS)))[0] == 0.0


def test_a_planted_dependence_on_phase_leaves_the_mean() -> None:
    """Jumps measured at phase 0 of 1 + 0.03 cos 5x + 0.02 sin x: 3 % too large; its standard deviation is known."""
    mean = 0.06 * np.arange(1, 16)
    phase = 2 * np.pi * np.arange(1, PHASES) / PHASES
    found, spread = over_phase(mean * 1.03, mean[MIDDLE - 1] * (1 + 0.03 * np.cos(5 * phase) + 0.02 * np.sin(phase)))
    assert found == pytest.approx(mean, rel=1e-9)
    assert spread == pytest.approx(np.sqrt((0.03**2 + 0.02**2) / 2), rel=1e-9)


@pytest.mark.parametrize(("synapses", "copies"), [(2, ["1"]), (3, ["2", "1"])])
def test_idle_synapses_fill_up_to_the_processs_own(synapses: int, copies: list[str]) -> None:
    """Rings with one and with two spikes; none is left idle where both of two spike (ngspice refuses a count of 0)."""
    bench = SimpleNamespace(
        rings=lambda currents: SimpleNamespace(bias_V=[0.6]),
        standing=lambda *_: (0.5, 0.4, 0.7, 0.3),
        enable=lambda: "",
        supply_V=1.0,
        installed=SimpleNamespace(process=SimpleNamespace(synapses=synapses)),
    )
    body = synapse._body(bench, synapse._Plan((((15, 0),), ((15, 0), (1, 0))), 1e-9), 1e-5, 1e-6)
    lines = [line for line in body.splitlines() if line.startswith("+ units=15")]
    assert [line.split("copies=")[1] for line in lines] == copies
    assert (".ic v(xidle1." in body) == (synapses > 2)
