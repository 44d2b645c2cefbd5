import numpy as np
import pytest

from neurocircuit.characterize import waves
from neurocircuit.characterize.trim import ARM_s, lag_of, membrane_of, read_idle


def square(time: np.ndarray, edge_s: np.ndarray) -> np.ndarray:
    """1 for half a period after each rising edge, with ramps of 20 ps around the crossing."""
    period = np.diff(edge_s).mean()
    phase = np.interp(time, edge_s, np.arange(len(edge_s)), left=-0.25, right=len(edge_s) - 0.75)
    return 0.5 + np.clip(np.sin(2 * np.pi * phase) * period / (2 * np.pi * 20e-12), -0.5, 0.5)


def test_edges_frequency_and_phase() -> None:
    time = np.arange(0.0, 20e-9, 5e-12)
    wave = 0.5 + 0.5 * np.sin(2 * np.pi * 750e6 * time - 1.0)
    rising, falling = waves.edges(time, wave, 0.5), waves.edges(time, wave, 0.5, falling=True)
    assert rising[0] == pytest.approx(1.0 / (2 * np.pi * 750e6), abs=2e-14)
    assert (falling - rising[: len(falling)]) == pytest.approx(0.5 / 750e6, abs=2e-14)
    assert waves.frequency_Hz(rising) == pytest.approx(750e6, rel=1e-5)
    assert np.isnan(waves.frequency_Hz(rising[:1]))
    at = np.array([0.0, rising[2], (rising[2] + rising[3]) / 2])
    assert waves.phase_rad(rising, at)[1:] == pytest.approx([4 * np.pi, 5 * np.pi])
    assert np.isnan(waves.phase_rad(rising, at)[0])


def test_mean_and_energy_between_two_instants() -> None:
    time = np.array([0.0, 1.0, 1.5, 4.0])
    assert waves.mean_between(time, 2.0 * time, 0.25, 3.25) == pytest.approx(3.5)
    assert waves.integral_between(time, 2.0 * time, 0.25, 3.25) == pytest.approx(3.25**2 - 0.25**2)
    assert waves.edges(np.array([0.0, 1.0, 2.0]), np.array([-1.0, -0.5, 0.5]), 0.0) == pytest.approx([1.5])


def planted_idle(lag_rad: float, drift: float, lead: float, fired: bool = False) -> dict[str, np.ndarray]:
    """Edges of a neuron whose VCO2 settles with 11 ns and whose membrane follows: known in closed form."""
    time = np.arange(0.0, 34e-9, 5e-12)
    fine = np.arange(0.0, 40e-9, 1e-12)
    f1, f3, per_lag, tau, off = 750e6, 940e6, 1.4e8, 11e-9, 0.2
    excess = off * np.exp(-fine / tau)
    phase1, phase3 = 2 * np.pi * f1 * fine, 2 * np.pi * f3 * (fine - ARM_s - 0.3e-9)
    phase2 = phase1 - lag_rad - excess
    start = off * tau * np.exp(-ARM_s / tau)
    membrane = -lead + drift * (fine - ARM_s) + per_lag * (start - tau * excess)
    edge = {}
    for name, phase in (("o1", phase1), ("o2", phase2), ("o3", phase3), ("o4", phase3 + membrane)):
        turns = np.arange(np.ceil(phase[0] / (2 * np.pi)), np.floor(phase[-1] / (2 * np.pi)))
        edge[name] = np.interp(2 * np.pi * turns, phase, fine)
    waves_V = {f"v({name})": square(time, edge[name]) for name in ("o1", "o2")}
    for name in ("o3", "o4"):
        started = edge[name][edge[name] > ARM_s]
        waves_V[f"v({name})"] = np.where(time > ARM_s, square(time, started), 0.0)
    return {"time": time, "v(fired)": np.where(time > ARM_s + 3e-9, 1.0, 0.0) * fired, **waves_V}


def test_planted_idle_run_is_read() -> None:
    found = read_idle(planted_idle(1.5, 2e6, 1.8), 1.0, 1.4e8)
    assert found.lag_rad == pytest.approx(1.5, abs=2e-3)
    assert found.drift_rad_per_s == pytest.approx(2e6, abs=2e5)
    assert found.lead_rad == pytest.approx(1.8, abs=0.02)
    assert found.frequency_Hz[2] == pytest.approx(940e6, rel=1e-4)


def test_idle_run_that_fires_at_once_tells_no_drift() -> None:
    found = read_idle(planted_idle(1.5, 2e6, 1.8, fired=True), 1.0, 1.4e8)
    assert np.isnan(found.drift_rad_per_s)
    assert found.lag_rad == pytest.approx(1.5, abs=2e-3)


def test_lag_and_membrane_from_edges() -> None:
    e1, e2 = np.arange(20) / 750e6, np.arange(20) / 750e6 + 0.25 / 750e6
    assert lag_of(e1, e2)[1] == pytest.approx(np.pi / 2, abs=1e-9)
    membrane = membrane_of(e1, e2)[1]
    assert membrane == pytest.approx(-np.pi / 2, abs=1e-9)
    assert len(membrane_of(e1[:1], e2)[0]) == 0
