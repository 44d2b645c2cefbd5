import numpy as np
import pytest

from neurocircuit.process import waveforms
from neurocircuit.process.measurements.trim import ARM_s, STOP_s, lag_of, read_idle


def test_edges_frequency_and_phase() -> None:
    time = np.arange(0.0, 20e-9, 5e-12)
    wave = 0.5 + 0.5 * np.sin(2 * np.pi * 750e6 * time - 1.0)
    rising, falling = waveforms.edges(time, wave, 0.5), waveforms.edges(time, wave, 0.5, falling=True)
    assert rising[0] == pytest.approx(1.0 / (2 * np.pi * 750e6), abs=2e-14)
    assert (falling - rising[: len(falling)]) == pytest.approx(0.5 / 750e6, abs=2e-14)
    assert waveforms.frequency_Hz(rising) == pytest.approx(750e6, rel=1e-5)
    assert np.isnan(waveforms.frequency_Hz(rising[:1]))
    at = np.array([0.0, rising[2], (rising[2] + rising[3]) / 2])
    assert waveforms.phase_rad(rising, at)[1:] == pytest.approx([4 * np.pi, 5 * np.pi])
    assert np.isnan(waveforms.phase_rad(rising, at)[0])


def test_mean_and_energy_between_two_instants() -> None:
    time = np.array([0.0, 1.0, 1.5, 4.0])
    assert waveforms.mean_between(time, 2.0 * time, 0.25, 3.25) == pytest.approx(3.5)
    assert waveforms.integral_between(time, 2.0 * time, 0.25, 3.25) == pytest.approx(3.25**2 - 0.25**2)
    assert waveforms.edges(np.array([0.0, 1.0, 2.0]), np.array([-1.0, -0.5, 0.5]), 0.0) == pytest.approx([1.5])


SWING = 7e7


def planted_idle(lag_rad: float, drift: float, lead: float, fired: bool = False) -> dict[str, np.ndarray]:
    """A locked neuron from power-up: VCO4 drifts and follows UP, whose ripple stands on the membrane."""
    time = np.arange(0.0, STOP_s, 5e-12)
    f1, f3 = 750e6, 940e6
    phase1, phase3 = 2 * np.pi * f1 * time, 2 * np.pi * f3 * (time - ARM_s - 0.3e-9)
    phase2 = phase1 - lag_rad
    up = ((np.sin(phase1) > 0) != (np.sin(phase2) > 0)).astype(float)
    since = np.maximum(time - ARM_s, 0.0)
    # UP is high over the share lag/π of each half period of VCO1: its integral, exactly.
    half, turns, share = 0.5 / f1, time * 2 * f1, lag_rad / np.pi
    high_s = half * (np.floor(turns) * share + np.minimum(turns % 1.0, share))
    moved = 2 * np.pi * SWING * (time > ARM_s) * (high_s - np.interp(ARM_s, time, high_s) - since / 2)
    phases = {"o1": phase1, "o2": phase2, "o3": phase3, "o4": phase3 - lead + drift * since + moved}
    waves_V = {f"v({name})": 0.5 + 0.5 * np.tanh(20 * np.sin(phase)) for name, phase in phases.items()}
    for name in ("o3", "o4"):
        waves_V[f"v({name})"] = np.where(phases[name] > 0.0, waves_V[f"v({name})"], 0.0)
    ended = np.where(time > ARM_s + 3e-9, 1.0, 0.0) * fired
    return {"time": time, "v(fired)": ended, "v(q)": ended, "v(up)": up, **waves_V}


@pytest.mark.parametrize("lag_rad", [np.pi / 2, 1.5])
def test_planted_idle_run_is_read(lag_rad: float) -> None:
    found = read_idle(planted_idle(lag_rad, 2e6, 1.8), 1.0, SWING)
    assert found.lag_rad == pytest.approx(lag_rad, abs=2e-3)
    # A lag beside π/2 drifts VCO4 by the swing.
    assert found.drift_rad_per_s == pytest.approx(2e6 + 2 * SWING * (lag_rad - np.pi / 2), abs=2e5)
    assert found.lead_rad == pytest.approx(1.8, abs=0.06)  # half of the ripple, 0.037 rad, is no part of the lead
    assert found.frequency_Hz[2] == pytest.approx(940e6, rel=1e-4)


def test_idle_run_that_fires_at_once_tells_no_drift() -> None:
    found = read_idle(planted_idle(1.5, 2e6, 1.8, fired=True), 1.0, SWING)
    assert np.isnan(found.drift_rad_per_s)
    assert found.lag_rad == pytest.approx(1.5, abs=2e-3)


def test_a_slipping_loop_has_no_lag() -> None:
    planted = planted_idle(1.5, 2e6, 1.8)
    planted["v(o2)"] = 0.5 + 0.5 * np.tanh(20 * np.sin(2 * np.pi * 720e6 * planted["time"]))
    assert np.isnan(read_idle(planted, 1.0, SWING).lag_rad)


def test_means_over_a_period_leave_no_ripple() -> None:
    fine = np.arange(0.0, 20e-9, 5e-12)
    rippled = 3.0 * fine / 20e-9 + 0.05 * np.sin(2 * np.pi * 1.5e9 * fine)
    at = np.arange(2e-9, 18e-9, 1e-9)
    assert waveforms.mean_around(fine, rippled, at, 1 / 750e6) == pytest.approx(3.0 * at / 20e-9, abs=1e-5)


def test_lag_from_edges() -> None:
    e1, e2 = np.arange(20) / 750e6, np.arange(20) / 750e6 + 0.25 / 750e6
    assert lag_of(e1, e2)[1] == pytest.approx(np.pi / 2, abs=1e-9)
