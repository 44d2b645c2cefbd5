import numpy as np
import pytest

from neurocircuit.errors import InputError
from neurocircuit.neuron import averaged
from neurocircuit.process.membrane_kernel import Membrane, fit, response
from neurocircuit.spec import NeuronSpec


@pytest.mark.parametrize("loop_ratio", [2.0, 4.0, 8.0, 40.0])
def test_kernel_is_the_membrane_of_the_averaged_level(loop_ratio: float) -> None:
    spec = NeuronSpec(loop_filter_rad_per_s=loop_ratio / 20e-9)
    waves = averaged.waveforms(spec, np.array([0.3]), np.array([0.7]), np.zeros(2), 0)
    assert spec.threshold_weight == pytest.approx(1.0, rel=1e-12)
    expected = 0.7 * response(waves.time_over_tau - 0.3, loop_ratio, spec.spike_width_s / spec.tau_s)
    assert waves.membrane == pytest.approx(expected, abs=1e-10)


def test_response_is_causal_and_ends_at_one() -> None:
    assert response(np.array([-1.0, 0.0]), 8.0, 0.05).tolist() == [0.0, 0.0]
    assert response(np.array([60.0]), 8.0, 0.05) == pytest.approx(1.0, abs=1e-12)


def planted(rng: np.random.Generator, noise_rad: float) -> list[Membrane]:
    runs = []
    for gain, width_s in ((0.3, 1.7e-9), (0.9, 1.7e-9), (-0.6, 1.1e-9), (1.8, 1.7e-9)):
        time = np.arange(2e-9, 60e-9, 0.2e-9)
        curve = gain * response((time - 6e-9) / 17e-9, 6.0, width_s / 17e-9)
        runs.append(Membrane(time, curve + rng.normal(0, noise_rad, len(time)), 6e-9, gain < 0))
    return runs


def test_planted_kernel_is_found() -> None:
    found = fit(planted(np.random.default_rng(1), 1e-6), tau_s=25e-9, loop_filter_rad_per_s=1e8, width_s=1e-9)
    assert found.tau_s == pytest.approx(17e-9, rel=1e-3)
    assert found.loop_filter_rad_per_s * found.tau_s == pytest.approx(6.0, rel=1e-2)
    assert found.width_s == pytest.approx(1.7e-9, rel=1e-2)
    assert found.sink_width_s == pytest.approx(1.1e-9, rel=1e-2)
    assert found.gain_rad == pytest.approx([0.3, 0.9, -0.6, 1.8], rel=1e-3)


def test_residual_is_the_noise() -> None:
    found = fit(planted(np.random.default_rng(2), 0.01), tau_s=20e-9, loop_filter_rad_per_s=4e8, width_s=1e-9)
    # 4 × 290 samples, 8 parameters: the rms of the residual has a relative standard deviation of 2 %; 5 of them.
    assert found.residual_rad == pytest.approx(0.01, rel=0.1)
    assert found.tau_s == pytest.approx(17e-9, rel=0.05)


def test_a_common_slope_stays_in_the_residual() -> None:
    """Taken as a drift it would take from the positive gains what it gives to the negative one, or back."""
    runs = planted(np.random.default_rng(3), 1e-6)
    sloped = [Membrane(run.time_s, run.membrane_rad + 1e6 * (run.time_s - 6e-9), run.input_s, run.sink) for run in runs]
    found = fit(sloped, tau_s=20e-9, loop_filter_rad_per_s=4e8, width_s=1e-9)
    assert found.gain_rad[0] > 0.3
    assert found.gain_rad[2] > -0.6
    with pytest.raises(InputError, match="at least 8 samples"):
        fit([], tau_s=20e-9, loop_filter_rad_per_s=4e8, width_s=1e-9)
