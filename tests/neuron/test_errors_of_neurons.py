"""A neuron with errors of its own is the neuron of the erroneous spec, at every level; counter and clamp."""

import numpy as np
import pytest

from neurocircuit.neuron import edge, edge_numpy, edge_state, levels
from neurocircuit.neuron.chip import NeuronErrors
from neurocircuit.spec import Lead, NeuronSpec

SPEC = NeuronSpec(threshold=Lead(lead_rad=1.2), window_s=120e-9)


def _case(rng, trials=12, inputs=8):
    t = rng.uniform(0, 2.5, (trials, inputs))
    w = rng.normal(0.3, 0.4, (trials, inputs))
    tau, gain, threshold = rng.normal(0, 0.05, (3, trials))
    errors = NeuronErrors(tau, gain, threshold, tuple(rng.normal(0, 1e-3, (4, trials))))
    return t, w, errors, rng.uniform(0, 2 * np.pi, (trials, 2))


@pytest.mark.parametrize("level", ["ideal", "averaged", "edge"])
def test_errors_mean_what_the_spec_of_that_neuron_means(rng, level):
    t, w, errors, start = _case(rng)
    if level == "ideal":  # eq. (4) knows no frequency errors
        errors = NeuronErrors(errors.tau, errors.gain, errors.threshold, (np.zeros(len(t)),) * 4)
    together = levels.evaluate(level, SPEC, t, w, start_rad=start, errors=errors).fire_time_over_tau
    for k in range(len(t)):
        own = errors.spec_of(SPEC, k)
        scale = own.tau_s / SPEC.tau_s
        alone = levels.evaluate(level, own, t[[k]] / scale, w[[k]], start_rad=start[[k]])
        assert together[k] == pytest.approx(alone.fire_time_over_tau[0] * scale, rel=1e-9)
    assert np.isfinite(together).sum() > 4


def test_no_errors_change_nothing(rng):
    t, w, _, start = _case(rng)
    none = NeuronErrors(*np.zeros((3, len(t))), tuple(np.zeros((4, len(t)))))
    for level in ("ideal", "averaged", "edge"):
        plain = levels.evaluate(level, SPEC, t, w, start_rad=start).fire_time_over_tau
        np.testing.assert_array_equal(
            levels.evaluate(level, SPEC, t, w, start_rad=start, errors=none).fire_time_over_tau, plain
        )


@pytest.mark.parametrize("readout", ["continuous", "q"])
@pytest.mark.parametrize("alternative", [{"comparator": "phase_counter"}, {"membrane_floor_rad": -2.0}])
def test_counter_and_clamp_do_not_wrap_and_kernel_agrees_with_numpy(rng, readout, alternative):
    spec = SPEC.replace(readout=readout, **alternative)
    t, w = np.array([[0.1, 0.2, 2.0]] * 6), np.array([[-2.0, -2.0, 9.0]] * 6)
    start = rng.uniform(0, 2 * np.pi, (6, 2))
    wrapping = levels.evaluate("edge", SPEC.replace(readout=readout), t, w, start_rad=start)
    assert wrapping.false_fire.all()
    record = levels.evaluate("edge", spec, t, w, start_rad=start)
    assert not record.false_fire.any()
    assert (record.fire_time_over_tau > 2.0).all()
    constants = edge_state.Constants.of(spec)
    state = edge_state.start_state(constants, t, start)
    fire_time, _, false_fire = edge_numpy.fire(constants, state, t, w, np.arange(6, dtype=np.uint64))
    np.testing.assert_allclose(fire_time, record.fire_time_over_tau, atol=1e-9)
    assert not false_fire.any()


def test_a_counter_takes_leads_beyond_pi(rng):
    """Eq. (3) with a threshold of 3 turns: the edge level meets the ideal one in first order of cycles and r."""
    spec = NeuronSpec(
        cycles_per_tau=400.0,
        loop_filter_rad_per_s=2e10,
        comparator="phase_counter",
        threshold=Lead(lead_rad=19.0),
        phase_per_weight_rad=0.25,
        vco4_swing_Hz=19.0 / (2 * 0.25 * 20e-9),
        spike_width_s=0.0,
    )
    t, w, _, start = _case(rng, trials=10)
    ideal = levels.evaluate("ideal", spec, t, w).fire_time_over_tau
    found = levels.evaluate("edge", spec, t, w, start_rad=start).fire_time_over_tau
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(ideal))
    np.testing.assert_allclose(found[np.isfinite(found)], ideal[np.isfinite(ideal)], atol=0.02)


def test_kernel_and_numpy_agree_on_neurons_with_errors(rng, monkeypatch):
    t, w, errors, start = _case(rng)
    noisy = SPEC.replace(phase_noise=(1e3, 1e3, 1e3, 1e3))
    with_kernel = levels.evaluate("edge", noisy, t, w, start_rad=start, errors=errors)
    monkeypatch.setattr(edge, "native", None)
    without = levels.evaluate("edge", noisy, t, w, start_rad=start, errors=errors)
    np.testing.assert_allclose(without.fire_time_over_tau, with_kernel.fire_time_over_tau, rtol=1e-9)
