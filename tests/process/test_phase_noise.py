"""Phase noise from device noise: closed forms, and a planted current source on an ideal oscillator."""

import shutil

import numpy as np
import pytest
from scipy.constants import Boltzmann

from neurocircuit.process import phase_noise
from neurocircuit.process.diffusion import analytic_diffusion
from neurocircuit.spice.noise import noise_by_element
from neurocircuit.spice.process import load
from tests.command_line import PATIENCE_s

GAIN_Hz_per_A, F0_Hz = 45e12, 750e6
R_Ohm, CURRENT_A, KF = 20e3, 1e-5, 3.3e-8


@pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")
def test_planted_current_source_gives_its_diffusion_flicker_and_corner() -> None:
    """A resistor is the load of a current source: its thermal and flicker noise are known, and so is the gain."""
    body = f"I1 0 x {CURRENT_A!r}\nR1 x y load {R_Ohm!r}\n.model load r(kf={KF!r} af=2 ef=1)\nVy y 0 0.0\n"
    # Held at both ends, so that all of its noise current flows to the output.
    body += f"Vx x 0 {CURRENT_A * R_Ohm!r}\nFout 0 out Vy 1\nRout out 0 1.0 noisy=0"
    installed = load("generic65")
    spectrum = noise_by_element(installed, installed.condition(), body, timeout_s=PATIENCE_s)["r1"]
    flicker_A2 = spectrum.flicker[0] * spectrum.frequency_Hz[0]
    sensitivity = np.full((1, 8), 2 * np.pi * GAIN_Hz_per_A)
    diffusion = float(phase_noise.white_diffusion(sensitivity, np.full((1, 8), spectrum.white[0]))[0])
    flicker = float(phase_noise.flicker_coefficient(sensitivity, np.full((1, 8), flicker_A2), F0_Hz)[0])
    thermal = 4 * Boltzmann * 300.15 / R_Ohm
    assert diffusion == pytest.approx(analytic_diffusion(GAIN_Hz_per_A, thermal / 2), rel=1e-4)
    assert flicker == pytest.approx(KF * CURRENT_A**2 * (GAIN_Hz_per_A / F0_Hz) ** 2, rel=1e-4)
    # With one gain for both the corner is that of the current itself.
    assert phase_noise.corner_Hz(diffusion, flicker, F0_Hz) == pytest.approx(KF * CURRENT_A**2 / thermal, rel=1e-4)


def test_a_sensitivity_of_mean_zero_has_white_noise_and_no_flicker() -> None:
    turns = np.arange(16) / 16
    sensitivity = 3e14 * np.sin(2 * np.pi * turns)[None, :]
    flat = np.full((1, 16), 2e-24)
    assert phase_noise.white_diffusion(sensitivity, flat)[0] == pytest.approx((3e14) ** 2 / 2 * 2e-24 / 2)
    assert phase_noise.flicker_coefficient(sensitivity, flat, F0_Hz)[0] < 1e-40
    # A flicker that is on in one half of the period only has a mean: 1/π of the amplitude.
    half = np.where(turns < 0.5, 2e-24, 0.0)[None, :]
    expected = (3e14 * np.sqrt(2e-24) / np.pi / (2 * np.pi * F0_Hz)) ** 2
    assert phase_noise.flicker_coefficient(sensitivity, half, F0_Hz)[0] == pytest.approx(expected, rel=0.03)


def test_white_density_is_that_of_a_phase_that_walks() -> None:
    """Planted: the variance of the mean frequency over T is D/((2π f0)² T), and that of white y is S_y/(2 T)."""
    rng, diffusion, span_s = np.random.default_rng(3), 1.8e5, 20e-9
    y = rng.normal(0.0, np.sqrt(diffusion * span_s), 20000) / (2 * np.pi * F0_Hz * span_s)
    # 20000 draws: relative standard deviation of the variance 1 %; 4 of them.
    assert np.var(y) == pytest.approx(phase_noise.white_density(diffusion, F0_Hz) / (2 * span_s), rel=0.04)


def test_common_devices_correlate_two_oscillators() -> None:
    first, second = {"bias": 3e-9, "own": 1e-9}, {"bias": 6e-9, "own": 2e-9}
    assert phase_noise.shared_flicker(first, second, ("bias",)) == pytest.approx(0.75)
    assert phase_noise.shared_flicker(first, second, ()) == 0.0
    assert phase_noise.shared_flicker(first, second, ("bias", "own")) == pytest.approx(1.0)
    assert phase_noise.shared_flicker({"a": 0.0}, {"a": 0.0}, ("a",)) == 0.0


def test_limits_of_ring_oscillators_are_those_of_the_papers() -> None:
    """L at 1 MHz of a 1 mW oscillator of 1 GHz at 300 K, by 10 log10(c kT/P 10^6) with kT/P = 4.142e-18/Hz."""
    for limit, decibel in ((phase_noise.NAVID, -105.2), (phase_noise.ABIDI, -107.1)):
        diffusion = phase_noise.least_diffusion(1e9, 1e-3, 300.0, limit)
        spot = phase_noise.single_sideband_dBc(diffusion, 0.0, 1e9, 1e6)
        assert spot == pytest.approx(decibel, abs=0.05)
        # 20 dB a decade, and 30 where flicker is all there is.
        assert phase_noise.single_sideband_dBc(diffusion, 0.0, 1e9, 1e5) == pytest.approx(spot + 20)
    steep = [phase_noise.single_sideband_dBc(1e-9, 1e-8, 1e9, offset) for offset in (1e5, 1e6)]
    assert steep[0] - steep[1] == pytest.approx(30, abs=1e-3)


def test_a_flicker_of_another_exponent_has_the_h_of_its_variance_in_the_band() -> None:
    """Of S = a/f^0.84 the variance from 1 Hz to 5 MHz is a (5e6^0.16 - 1)/0.16, in closed form."""
    frequency_Hz, a = np.logspace(0, 6, 7), np.array([1e-9, 4e-9, 0.0])
    h = phase_noise.over_band(frequency_Hz, a * frequency_Hz[:, None] ** 0.16, 1.0, 5e6)
    np.testing.assert_allclose(h * np.log(5e6), a * (5e6**0.16 - 1) / 0.16, rtol=1e-3)
    assert h[2] == 0.0
    flat = phase_noise.over_band(frequency_Hz, np.tile(a, (7, 1)), 1.0, 5e6)
    np.testing.assert_allclose(flat, a, rtol=1e-12)
