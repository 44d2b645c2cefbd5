import numpy as np
import pytest

from neurocircuit.neuron import levels
from neurocircuit.neuron.pulse_overlap import acting_times, overlapping_weights
from neurocircuit.spec import Bias, Circuit, Components, Condition, NeuronSpec


def spec(overlap: float) -> NeuronSpec:
    circuit = Circuit(
        process="generic65",
        condition=Condition(corner="tt", supply_V=1.0),
        components=Components(r1_Ohm=3e5, c_F=1e-14, r2_Ohm=1e6, r4_Ohm=8e4),
        bias=Bias(vco1_A=1e-5, vco2_A=1e-5, vco3_A=1e-5, vco4_A=1e-5, weight_A=1e-6),
        f1_Hz=750e6,
        f3_Hz=940e6,
        overlap=overlap,
    )
    return NeuronSpec(circuit=circuit, phase_per_weight_rad=0.75)


def phase_rad(times_s: list[float], jumps_rad: list[float], overlap: float) -> float:
    """What a tuning curve x - overlap/2 x² (x in rad per width) makes of rectangular pulses: its integral, exactly."""
    time = np.linspace(0.0, 5e-9, 500_001)
    rate = sum(jump * ((time >= at) & (time < at + 1e-9)) for at, jump in zip(times_s, jumps_rad, strict=True))
    alone = [jump - overlap / 2 * jump**2 for jump in jumps_rad]
    together = float(np.trapezoid(rate - overlap / 2 * rate**2, time) / 1e-9)
    return together - sum(alone)


@pytest.mark.parametrize("times_s", [[1e-9, 1e-9, 1e-9], [1e-9, 1.3e-9, 1.9e-9], [1e-9, 2.2e-9, 3.5e-9]])
def test_overlapping_spikes_add_up_as_on_a_quadratic_tuning_curve(times_s: list[float]) -> None:
    chosen, weights = spec(0.2), np.array([[0.8, -0.6, 0.3]])
    times = np.array([times_s]) / chosen.tau_s
    difference = (overlapping_weights(chosen, times, weights) - weights).sum() * chosen.phase_per_weight_rad
    assert difference == pytest.approx(phase_rad(times_s, (0.75 * weights[0]).tolist(), 0.2), abs=1e-4)


@pytest.mark.parametrize(
    ("weights", "lag_s", "expected"),
    [
        ((0.8, 0.6), 0.5e-9, 0.2 * 0.5),  # two sources, gone after 1 ns
        ((-0.8, -0.6), 0.3e-9, 0.1 * 0.25),  # two sinks, gone after 0.4 ns
        ((0.8, -0.6), 1.5e-9, 0.16 * 0.5),  # the sink 1.5 ns after the source, gone after 3 ns
        ((-0.8, 0.6), 1.5e-9, 0.16 * 0.25),  # the source 1.5 ns after the sink, gone after 2 ns
        ((-0.8, 0.6), 2.5e-9, 0.0),
    ],
)
def test_what_is_lost_depends_on_signs_and_order(weights: tuple[float, float], lag_s: float, expected: float) -> None:
    chosen = spec(0.2)
    assert chosen.circuit is not None
    widths = (1e-9, 0.4e-9, 3e-9, 2e-9)
    chosen = chosen.replace(
        circuit=chosen.circuit.replace(overlap_sinks=0.1, overlap_both=0.16, overlap_width_s=widths)
    )
    given = np.array([weights])
    # The order of the inputs is not that of their spikes.
    for order in ([0, 1], [1, 0]):
        times = np.array([[2e-9, 2e-9 + lag_s]])[:, order] / chosen.tau_s
        lost = (given[:, order] - overlapping_weights(chosen, times, given[:, order])).sum()
        assert lost == pytest.approx(expected * 0.75 * weights[0] * weights[1], abs=1e-12)


def test_late_or_absent_spikes_and_single_ones_stay_as_they_are() -> None:
    weights = np.array([[0.8, 0.8, 0.8]])
    times = np.array([[0.1, np.inf, np.inf]])
    assert np.array_equal(overlapping_weights(spec(0.2), times, weights), weights)
    both = np.array([[0.1, 0.1, 0.1]])
    assert overlapping_weights(spec(0.0), both, weights) is weights
    assert overlapping_weights(NeuronSpec(), both, weights) is weights


def test_many_spikes_lose_what_their_pairs_lose() -> None:
    """Each pair alone, one after another: silent inputs, weights of 0 and coinciding spikes among them."""
    chosen = spec(0.2)
    assert chosen.circuit is not None
    widths = (1e-9, 0.4e-9, 3e-9, 2e-9)
    chosen = chosen.replace(circuit=chosen.circuit.replace(overlap_sinks=0.1, overlap_width_s=widths))
    rng = np.random.default_rng(4)
    times, weights = rng.uniform(0.0, 0.5, (5, 12)).round(2), rng.normal(0.0, 0.5, (5, 12))
    times[rng.random((5, 12)) < 0.2] = np.inf
    weights[rng.random((5, 12)) < 0.2] = 0.0
    expected = weights.copy()
    for trial in range(5):
        for i in range(12):
            for j in range(i):
                pair = [i, j]
                alone = overlapping_weights(chosen, times[[trial]][:, pair], weights[[trial]][:, pair])[0]
                expected[trial, pair] += alone - weights[trial, pair]
    np.testing.assert_allclose(overlapping_weights(chosen, times, weights), expected, atol=1e-14)
    assert np.abs(expected - weights).max() > 0.01


def test_all_fast_levels_see_it() -> None:
    times, weights = np.full((1, 2), 0.2), np.full((1, 2), 0.8)
    for level in ("ideal", "averaged", "edge"):
        plain, overlapping = (
            levels.evaluate(level, spec(overlap), times, weights).fire_time_over_tau[0] for overlap in (0.0, 0.15)
        )
        lost = 0.15 * 0.75 * 0.8 * 0.8 / 2
        by_hand = levels.evaluate(level, spec(0.0), times, weights - lost).fire_time_over_tau[0]
        assert overlapping == pytest.approx(by_hand, rel=1e-12)
        assert overlapping > plain + 0.02


def test_sinks_act_earlier_at_all_fast_levels_but_not_before_arming() -> None:
    chosen = spec(0.0)
    assert chosen.circuit is not None
    early = chosen.replace(circuit=chosen.circuit.replace(sink_advance_s=0.4e-9))
    times, weights = np.array([[0.2, 0.3, 0.21]]), np.array([[0.9, -0.3, 0.9]])
    for level in ("ideal", "averaged", "edge"):
        moved = levels.evaluate(level, early, times, weights).fire_time_over_tau
        by_hand = levels.evaluate(level, chosen, times - np.array([[0.0, 0.02, 0.0]]), weights).fire_time_over_tau
        assert moved == pytest.approx(by_hand, rel=1e-12)
    assert acting_times(early, np.array([[0.01, np.inf]]), np.array([[-1.0, -1.0]])).tolist() == [[0.0, np.inf]]
    assert acting_times(chosen, times, weights) is times
