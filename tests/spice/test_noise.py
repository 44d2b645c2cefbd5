"""Noise analyses against closed forms: what stands at the output, element by element."""

import numpy as np
import pytest
from scipy.constants import Boltzmann

from neurocircuit.errors import SimulatorBadOutput
from neurocircuit.spice import ngspice
from neurocircuit.spice.devices import devices
from neurocircuit.spice.noise import noise_by_element
from neurocircuit.spice.process import load
from neurocircuit.spice.transistor_deck import compose_bench
from tests.command_line import PATIENCE_s

CURRENT_A, R_Ohm, KF, GAIN_S = 1e-5, 1e4, 1e-10, 1e-4
PLANTED = f"""I1 0 x {CURRENT_A!r}
R1 x 0 flickering {R_Ohm!r}
R2 x 0 1e5
.model flickering r(kf={KF!r} af=2 ef=1)
Gout 0 out x 0 {GAIN_S!r}
Rout out 0 1.0 noisy=0
"""


def test_thermal_and_flicker_of_planted_resistors():
    installed = load("generic65")
    spectra = noise_by_element(installed, installed.condition(), PLANTED, timeout_s=PATIENCE_s)
    parallel_Ohm = R_Ohm * 1e5 / (R_Ohm + 1e5)
    transfer = (parallel_Ohm * GAIN_S) ** 2
    frequency_Hz = spectra["r1"].frequency_Hz
    thermal = 4 * Boltzmann * 300.15 / R_Ohm * transfer
    np.testing.assert_allclose(spectra["r1"].white, thermal, rtol=1e-4)
    np.testing.assert_allclose(spectra["r2"].white, thermal * R_Ohm / 1e5, rtol=1e-4)
    through_A = CURRENT_A * parallel_Ohm / R_Ohm
    np.testing.assert_allclose(spectra["r1"].flicker, KF * through_A**2 / frequency_Hz * transfer, rtol=1e-4)
    assert np.all(spectra["r2"].flicker == 0)
    assert set(spectra) == {"", "r1", "r2"}


def test_a_sum_that_lacks_an_element_is_refused(monkeypatch):
    original = ngspice.run_noise

    def without_r2(*arguments, **options):
        vectors = original(*arguments, **options)
        return {name: values for name, values in vectors.items() if not name.startswith("onoise_r2")}

    monkeypatch.setattr(ngspice, "run_noise", without_r2)
    installed = load("generic65")
    with pytest.raises(SimulatorBadOutput, match="does not sum"):
        noise_by_element(installed, installed.condition(), PLANTED, timeout_s=PATIENCE_s)


def test_a_body_without_the_output_node_is_refused():
    installed = load("generic65")
    with pytest.raises(SimulatorBadOutput, match="no noise at the node out"):
        noise_by_element(installed, installed.condition(), "R1 a 0 1e3", timeout_s=PATIENCE_s)


def test_transistors_are_known_by_path_and_terminals():
    installed = load("generic65")
    body = "Vd d 0 0.5\nVg g 0 0.5\nxcell d g 0 0 nmos w={w_tail_n} l={l_bias}\nF1 0 out Vd 1\nRout out 0 1.0 noisy=0"
    (device,) = devices(compose_bench(installed, installed.condition(), body, ("v(d)",), stop_s=1e-9))
    assert device.nodes == ("d", "g", "0", "0")
    spectrum = noise_by_element(installed, installed.condition(), body, timeout_s=PATIENCE_s)[device.path]
    # White is flat, flicker falls as 1/f (ef = 1 on the card); 4 kT γ g_m, with γ g_m of 5 to 100 µS for this device.
    assert np.ptp(spectrum.white) < 1e-9 * spectrum.white[0]
    assert 5e-6 < spectrum.white[0] / (4 * Boltzmann * 300.15) < 1e-4
    np.testing.assert_allclose(spectrum.flicker * spectrum.frequency_Hz, spectrum.flicker[0], rtol=1e-6)
