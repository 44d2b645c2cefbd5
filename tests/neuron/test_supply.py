"""SupplyRipple of the supply: eq. (S1) against a numerical integration, draws, cancellation, all levels alike."""

import shutil

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from neurocircuit._kernel import native
from neurocircuit.neuron import chip, edge, levels, supply
from neurocircuit.neuron.chip import NeuronErrors
from neurocircuit.spec import NeuronSpec, Supply, Tone
from neurocircuit.spec.neuron import ReadoutWindow
from tests.neuron.conftest import check_edge_and_averaged_move_together, seeds

UNLIKE = (0.1, 0.25, 0.05, 0.4)
LOOP, COMPARED = (0.3, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.3)


def spec_of(sensitivity=UNLIKE, tones=((1e7, 1e-3),), **changes):
    ripple = Supply(
        sensitivity_per_V=sensitivity, tones=tuple(Tone(frequency_Hz=f, amplitude_V=volts) for f, volts in tones)
    )
    return NeuronSpec(supply=ripple, threshold_vco_ratio=1.25).replace(**changes)


def membrane_by_integration(spec, phase_rad, end):
    """V(end) of the linear loop that has followed the ripple for 40 τ before the arming, thresholds."""
    s1, s2, s3, s4 = spec.supply.sensitivity_per_V
    cycles, r = 2 * np.pi * spec.cycles_per_tau, spec.loop_ratio

    def ripple_V(t):
        return sum(
            tone.amplitude_V * np.cos(2 * np.pi * tone.frequency_Hz * spec.tau_s * t + phase)
            for tone, phase in zip(spec.supply.tones, phase_rad, strict=True)
        )

    def flow(t, x):
        error, speed2, _ = x
        armed = t >= 0
        compared = 1.25 * (s4 - s3) / spec.threshold.lead_rad * ripple_V(t)
        rise = cycles * compared + error / spec.phase_per_weight_rad
        return [cycles * (s1 - s2) * ripple_V(t) - speed2, r * (error - speed2), rise * armed]

    before = solve_ivp(flow, (-40.0, 0.0), [0.0, 0.0, 0.0], rtol=1e-10, atol=1e-13).y[:, -1]
    return solve_ivp(flow, (0.0, end), [before[0], before[1], 0.0], rtol=1e-10, atol=1e-13).y[2, -1]


@pytest.mark.parametrize("sensitivity", [LOOP, COMPARED, UNLIKE])
@pytest.mark.parametrize("tones", [((1e6, 1e-3),), ((2e7, 1e-3),), ((3e6, 1e-3), (3.1e7, 5e-4))])
def test_the_membrane_is_that_of_the_linear_loop(sensitivity, tones):
    """Planted: a loop that is armed without phase error, which a slow tone would leave far off."""
    spec, rng = spec_of(sensitivity, tones), np.random.default_rng(2)
    for end in (0.7, 3.0):
        phase_rad = rng.uniform(0, 2 * np.pi, len(tones))
        expected = membrane_by_integration(spec, phase_rad, end)
        assert supply.course(spec).membrane(np.array([end]), phase_rad)[0] == pytest.approx(
            expected, rel=1e-5, abs=1e-9
        )


def test_the_spread_is_the_root_mean_square_over_all_phases():
    for spec in (
        spec_of(tones=((2e6, 1e-3), (2.7e7, 2e-3))),
        spec_of(readout_window=ReadoutWindow(form="ramp", armed_s=2e-8, length_s=4e-8, slope=0.5)),
    ):
        grid = 2 * np.pi * (np.arange(64) + 0.5) / 64
        phase_rad = np.stack(np.meshgrid(*[grid] * len(spec.supply.tones))).reshape(len(spec.supply.tones), -1)
        t = np.array([0.4, 1.5, 2.9])
        moved = supply.course(spec).membrane(t, phase_rad[:, :, None])
        np.testing.assert_allclose(supply.course(spec).spread(t), np.sqrt(np.mean(moved**2, axis=0)), rtol=1e-9)


def test_phases_are_uniform_and_those_of_a_seed_alone():
    spec = spec_of(tones=((1e6, 1e-3), (2e6, 1e-3)))
    drawn = supply.phases(spec, seeds(4000))
    for tone in drawn / (2 * np.pi):
        # Σ cos and Σ sin of n uniform phases are normal with variance n/2: 5.3 of them are missed once in 10⁷.
        assert max(abs(np.cos(2 * np.pi * tone).sum()), abs(np.sin(2 * np.pi * tone).sum())) < 5.3 * np.sqrt(2000)
    assert abs(np.cos(drawn[0] - drawn[1]).sum()) < 5.3 * np.sqrt(2000)
    np.testing.assert_array_equal(supply.phases(spec, seeds(3, 100)), drawn[:, 100:103])


def test_all_neurons_of_an_image_share_the_ripple_which_goes_on_between_layers():
    spec = spec_of(tones=((1e6, 1e-3), (2.5e6, 1e-3)))
    began = chip.draw_supply(spec, 1, 0, 7)
    np.testing.assert_array_equal(chip.draw_supply(spec, 1, 0, 7), began)
    assert not np.array_equal(chip.draw_supply(spec, 1, 0, 8), began)
    assert not np.array_equal(chip.draw_supply(spec, 1, 1, 7), began)
    np.testing.assert_allclose(supply.later(spec, began, 1e-6) - began, [2 * np.pi, 5 * np.pi])
    t, w = np.tile([0.3, 0.6], (20, 1)), np.tile([0.9, 0.9], (20, 1))
    alike = levels.evaluate("averaged", spec, t, w, supply_rad=began[:, None]).fire_time_over_tau
    assert np.ptp(alike) == 0.0
    assert np.ptp(levels.evaluate("averaged", spec, t, w).fire_time_over_tau) > 1e-4


@pytest.mark.parametrize("level", ["averaged", "edge"])
def test_equal_sensitivities_cancel_and_unlike_ones_leave_their_difference(level):
    """30 mV move all frequencies by 0.9 %; edges of a period of 1.31 ns come earlier or later by up to 0.012 ns.

    Fire times stay within what the shift of an edge makes; the same ripple on VCO4 alone moves them by far more.
    """
    t, w = np.tile([0.3, 0.6], (40, 1)), np.tile([0.9, 0.9], (40, 1))
    start = np.tile([0.4, 0.0], (40, 1))
    quiet = levels.evaluate(level, spec_of().without_noise(), t, w, start_rad=start).fire_time_over_tau
    alike, unlike = (
        levels.evaluate(level, spec_of(each, ((5e6, 30e-3),)), t, w, start_rad=start).fire_time_over_tau
        for each in ((0.3,) * 4, COMPARED)
    )
    assert supply.course(spec_of((0.3,) * 4)).spread(np.array([1.0]))[0] == 0.0
    np.testing.assert_allclose(alike, quiet, atol=1e-9 if level == "averaged" else 0.01)
    assert np.std(unlike) > 0.1
    of_difference = levels.evaluate(level, spec_of((0.3, 0.3, 0.3, 0.6), ((5e6, 30e-3),)), t, w, start_rad=start)
    np.testing.assert_allclose(of_difference.fire_time_over_tau, unlike, atol=1e-9 if level == "averaged" else 0.05)


@pytest.mark.parametrize("level", ["averaged", "edge"])
def test_sensitivities_without_a_tone_move_nothing(level):
    spec, t, w = spec_of(tones=()), np.tile([0.3, 0.6], (4, 1)), np.tile([0.9, 0.9], (4, 1))
    assert (spec.ripple, spec.is_noisy, spec.without_noise()) == (None, False, spec)
    assert NeuronSpec.from_dict(spec.to_dict()) == spec
    assert supply.course(spec).spread(np.array([1.0]))[0] == 0.0
    known, without = (levels.evaluate(level, each, t, w) for each in (spec, spec.replace(supply=None)))
    np.testing.assert_array_equal(known.fire_time_over_tau, without.fire_time_over_tau)
    assert "supply ripple" not in levels.not_modelled("ideal", spec)


@pytest.mark.parametrize("tone", [(2e6, 3e-3), (1.5e7, 1e-2), (8e7, 3e-2)])
@pytest.mark.parametrize("sensitivity", [LOOP, COMPARED])
def test_the_averaged_level_follows_the_equation(sensitivity, tone):
    """Without inputs. A frequency is held at its value in the middle of a half period: 3 % at 80 MHz, less below."""
    spec = spec_of(sensitivity, (tone,))
    for seed in range(3):
        wave = levels.waveforms("averaged", spec, np.array([np.inf]), np.array([1.0]), np.zeros(2), noise_seed=seed)
        expected = supply.course(spec).membrane(wave.time_over_tau, supply.phases(spec, seeds(1, seed)))
        size = supply.course(spec).spread(wave.time_over_tau).max()
        assert np.abs(wave.membrane - expected).max() < 0.05 * size
        assert np.abs(wave.membrane + expected).max() > size


def test_edge_and_averaged_move_together():
    check_edge_and_averaged_move_together(spec_of(LOOP, ((4e6, 1e-3),)), 60)
    check_edge_and_averaged_move_together(spec_of(COMPARED, ((2e7, 5e-3), (3e6, 5e-4))), 60)


@pytest.mark.skipif(native is None, reason="the kernel is not compiled")
def test_the_kernel_and_numpy_give_the_same_times(monkeypatch):
    """With phase noise, errors of the neurons, and two tones."""
    rng = np.random.default_rng(5)
    spec = spec_of(tones=((4e6, 5e-3), (5e7, 1e-2)), phase_noise=(5e3,) * 4)
    t, w = rng.uniform(0, 2, (12, 6)), rng.normal(0.5, 0.5, (12, 6))
    errors = NeuronErrors(*(rng.normal(0, 0.01, 12) for _ in range(3)), tuple(rng.normal(0, 1e-5, (4, 12))))
    compiled = levels.evaluate("edge", spec, t, w, errors=errors)
    monkeypatch.setattr(edge, "native", None)
    plain = levels.evaluate("edge", spec, t, w, errors=errors)
    assert np.isfinite(compiled.fire_time_over_tau).sum() > 4
    np.testing.assert_allclose(plain.fire_time_over_tau, compiled.fire_time_over_tau, rtol=1e-9)
    np.testing.assert_allclose(plain.headroom, compiled.headroom, rtol=1e-6)
    still = levels.evaluate("edge", spec.replace(supply=None), t, w, errors=errors)
    assert not np.allclose(still.fire_time_over_tau, plain.fire_time_over_tau, rtol=1e-4)


@pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")
def test_bsource_meets_the_ripple_of_the_averaged_level():
    spec, t, w = spec_of(tones=((1e7, 2e-2),)), np.tile([0.3, 0.6], (2, 1)), np.tile([0.9, 0.9], (2, 1))
    deck, average = (levels.evaluate(level, spec, t, w).fire_time_over_tau for level in ("bsource", "averaged"))
    np.testing.assert_allclose(deck, average, atol=1e-3)
    assert np.abs(average - levels.evaluate("averaged", spec.without_noise(), t, w).fire_time_over_tau).min() > 5e-3


def test_levels_say_what_they_leave_out():
    named = {level: "supply ripple" in levels.not_modelled(level, spec_of()) for level in ("ideal", "averaged", "edge")}
    assert named == {"ideal": True, "averaged": False, "edge": False}
    t, w = np.array([[0.3, 0.6]]), np.array([[0.9, 0.9]])
    assert (
        levels.evaluate("ideal", spec_of(), t, w).fire_time_over_tau
        == levels.evaluate("ideal", spec_of().without_noise(), t, w).fire_time_over_tau
    )
