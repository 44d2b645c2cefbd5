import numpy as np
import pytest

from neurocircuit.neuron import edge
from neurocircuit.process.idle_membrane import Idle, at_edges, fit_idle, ripple_rad
from neurocircuit.spec import FrequencyError, Lead, NeuronSpec

F1, SWING, LEAD, DRIFT = 750e6, 65e6, 1.9, 3e5
SPEC = NeuronSpec(
    f0_Hz=F1,
    vco4_swing_Hz=SWING,
    threshold=Lead(lead_rad=LEAD),
    threshold_vco_ratio=1.25,
    window_s=100e-9,
    frequency_error=FrequencyError(after_trim=(0.0, 0.0, 0.0, DRIFT / (2 * np.pi * 1.25 * F1))),
)


def edges_of_the_edge_level(vco1_rad: float) -> dict[str, np.ndarray]:
    """Rising edges of VCO3 and VCO4 of an idle neuron armed at 0 with VCO1 at vco1_rad."""
    waves = edge.waveforms(SPEC, np.array([np.inf]), np.array([0.0]), np.array([vco1_rad, 0.7]), 0)
    time_s = waves.time_over_tau * SPEC.tau_s
    found = {}
    for name, excess in (("o3", waves.vco_rad[2]), ("o4", waves.vco_rad[3])):
        phase = 2 * np.pi * 1.25 * F1 * time_s + excess
        turns = 2 * np.pi * np.arange(np.ceil(phase[0] / (2 * np.pi)), np.floor(phase[-1] / (2 * np.pi)))
        found[name] = np.interp(turns, phase, time_s)
    return found


@pytest.mark.parametrize("vco1_rad", [0.1, 1.6, 3.0, 5.0])
@pytest.mark.parametrize("delay_s", [0.0, 0.21e-9])
def test_lead_drift_and_delay_of_the_edge_level_are_found_again(vco1_rad: float, delay_s: float) -> None:
    # The edge level answers at once: armed at this phase, it is a circuit armed later by the delay's phase.
    at_s, membrane = at_edges(edges_of_the_edge_level(vco1_rad), LEAD)
    seen = vco1_rad + 2 * np.pi * F1 * delay_s
    found = fit_idle([Idle(at_s, membrane, 0.0, seen)], F1, SWING)
    assert found.lead_rad == pytest.approx(LEAD, abs=1e-3)
    assert found.drift_rad_per_s == pytest.approx(DRIFT, abs=2e4)
    # The ripple repeats with half a period of VCO1; the grid has 400 delays in it.
    assert np.mod(found.delay_s - delay_s + 1e-12, 0.5 / F1) < 4e-12
    assert found.residual_rad < 2e-3


def test_runs_armed_at_different_phases_give_what_they_have_in_common() -> None:
    runs = []
    for k, off_rad in enumerate((0.004, -0.004, -0.004, 0.004)):
        at_s, membrane = at_edges(edges_of_the_edge_level(1.0 + k * np.pi / 2), LEAD)
        runs.append(Idle(at_s, membrane + off_rad, 0.0, 1.0 + k * np.pi / 2))
    found = fit_idle(runs, F1, SWING)
    assert found.lead_rad == pytest.approx(LEAD, abs=1e-3)
    assert found.drift_rad_per_s == pytest.approx(DRIFT, abs=2e4)
    assert found.spread_rad == pytest.approx(0.004, abs=5e-4)
    assert found.residual_rad == pytest.approx(0.004, abs=5e-4)


def test_ripple_is_a_triangle_over_half_a_period_of_vco1() -> None:
    height = 2 * np.pi * SWING / (8 * F1)
    phases = np.array([0.0, np.pi / 4, np.pi / 2, 3 * np.pi / 4, np.pi, 3 * np.pi / 2])
    assert ripple_rad(SWING, F1, phases) == pytest.approx(height * np.array([0.0, 0.5, 1.0, 0.5, 0.0, 1.0]))
