"""A transistor neuron under noise: its times in the deck, what is read of a run, and one whole neuron (long)."""

import shutil
from math import pi
from pathlib import Path

import numpy as np
import pytest

from neurocircuit.errors import SimulatorBadOutput
from neurocircuit.process import noisy_neuron
from neurocircuit.process.drawn_noise import RingNoise
from neurocircuit.process.noisy_neuron import LOCK_over_tau, NeuronRun, arming_of, clean_run, noisy_run
from neurocircuit.spec import Flicker, NeuronSpec
from neurocircuit.spice import transistor_run
from neurocircuit.spice.control_deck import State, TransistorDeck
from neurocircuit.studies import noise_coverage as study

PUBLISHED = Path(__file__).parents[2] / "reports/published/datasheet-generic65/conditions/tt_27C_1V/spec.toml"
LOCKED_s = 20e-9
F1_Hz, F3_Hz = 750e6, 937.5e6
FIRED_over_tau = 1.7
needs_ngspice = pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")


def a_run(vco1_turns: float = 0.25) -> NeuronRun:
    spec = NeuronSpec.from_toml(PUBLISHED).without_noise()
    spec = spec.replace(window_s=3.5 * spec.tau_s)
    bank, idle = spec.weight_bank, 4
    t = np.array([0.3, 0.5] + [np.inf] * idle)
    w = bank.quantise(np.array([1.0, 1.0] + [0.0] * idle))
    return NeuronRun(spec, t, w, vco1_turns)


def rings() -> tuple[RingNoise, RingNoise]:
    flat = np.ones((1, 22))
    noise = RingNoise(F1_Hz, 0.0, (("ib", "0"),), 1e-24 * flat, 1e-18 * flat, 2 * pi * 45e12 * flat)
    return noise, noise


def plant(monkeypatch: pytest.MonkeyPatch, run: NeuronRun, fired: bool = True) -> list[TransistorDeck]:
    """Oscillators as sines: VCO3 from the arming on, VCO4 0.4 ns behind it; Q rises where it is planted."""
    decks: list[TransistorDeck] = []

    def simulate(deck: TransistorDeck, *, timeout_s: float) -> transistor_run.Outcome:
        decks.append(deck)
        since_s = np.arange(0.0, deck.t_stop_s - deck.t_start_s, 10e-12)
        running_s = np.maximum(since_s - run.settling_s, 0.0)

        def wave(turns: np.ndarray) -> np.ndarray:
            return 0.5 - 0.5 * np.cos(2 * pi * np.maximum(turns, 0.0))

        q = (since_s > run.origin_s + FIRED_over_tau * run.spec.tau_s) & fired
        vectors = {"v(o1)": wave(F1_Hz * since_s), "v(o2)": wave(F1_Hz * since_s - 0.25)}
        vectors |= {"v(o3)": wave(F3_Hz * running_s), "v(o4)": wave(F3_Hz * (running_s - 0.4e-9))}
        vectors |= {"v(en3)": (running_s > 0).astype(float), "v(q)": q.astype(float), "v(fired)": q.astype(float)}
        return transistor_run.Outcome(vectors | {"time": since_s + deck.t_start_s}, fired, None)

    monkeypatch.setattr(noisy_neuron, "_locked", lambda circuit, synapses: State("", LOCKED_s, (0.0, 0.0), synapses))
    monkeypatch.setattr(transistor_run, "simulate", simulate)
    return decks


def test_a_neuron_locks_is_armed_and_gets_its_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run()
    (decks, spec) = plant(monkeypatch, run), run.spec
    clean = clean_run(run)
    assert clean["failed"] == ""
    assert clean["fired_over_tau"] == pytest.approx(FIRED_over_tau, abs=1e-3)
    (deck,) = decks
    assert deck.t_start_s == LOCKED_s
    assert deck.t_stop_s == pytest.approx(LOCKED_s + run.origin_s + spec.window_s)
    assert spec.circuit is not None
    assert run.settling_s == pytest.approx(LOCK_over_tau * spec.tau_s + 0.25 / spec.circuit.f1_Hz)
    # Two inputs, each at its time from the origin; the arming before it. All count from the begin of the deck.
    sources = {line.split()[0]: line for line in deck.text.splitlines() if line.startswith(("Vt", "Varm"))}
    for name, at_s in (
        ("Varm", run.settling_s),
        ("Vt0", run.origin_s + 0.3 * spec.tau_s),
        ("Vt1", run.origin_s + 0.5 * spec.tau_s),
    ):
        assert float(sources[name].split()[5]) == pytest.approx(at_s, rel=1e-9)
    assert "Inoise" not in deck.text


def test_the_fast_levels_get_the_phases_at_which_vco4_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run()
    plant(monkeypatch, run)
    clean = clean_run(run)
    started_s = run.settling_s + 0.4e-9
    assert clean["started_s"] == pytest.approx(started_s, abs=2e-11)
    arming, circuit = arming_of(run, clean), run.spec.circuit
    assert circuit is not None
    assert arming.wait_over_tau[0] == pytest.approx((run.origin_s - started_s) / run.spec.tau_s, abs=1e-3)
    # Planted rings rise a quarter of a period behind their phase 0.
    turns1 = F1_Hz * (started_s - circuit.detector_delay_s) - 0.25
    turns3 = F3_Hz * 0.4e-9 - 0.25
    for got, turns in zip(arming.start_rad[0], (turns1, turns3), strict=True):
        assert np.mod(got / (2 * pi) - turns + 0.5, 1.0) - 0.5 == pytest.approx(0.0, abs=0.02)


def test_a_run_under_noise_has_sources_and_is_read_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run()
    decks = plant(monkeypatch, run)
    clean = clean_run(run)
    noisy = NeuronRun(run.spec.replace(flicker=Flicker(h=(1e-8,) * 4)), run.t_over_tau, run.weights, run.vco1_turns)
    value = noisy_run(noisy, clean, rings(), True, [1, 2])
    assert value["fired_over_tau"] == pytest.approx(FIRED_over_tau, abs=1e-3)
    assert len(value["vco3_s"]) > 20
    assert "Inoise0 0 ib1 pwl(" in decks[-1].text
    assert noisy_run(noisy, clean, rings(), True, [1, 2]) == value
    assert decks[-1].text == decks[-2].text
    noisy_run(noisy, clean, rings(), True, [1, 3])
    assert decks[-1].text != decks[-2].text
    silent = plant(monkeypatch, run, fired=False)
    assert clean_run(run)["fired_over_tau"] is None
    assert silent


def test_a_run_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(deck: TransistorDeck, *, timeout_s: float) -> transistor_run.Outcome:
        raise SimulatorBadOutput("the deck did not converge")

    run = a_run()
    plant(monkeypatch, run)
    clean = clean_run(run)
    monkeypatch.setattr(transistor_run, "simulate", broken)
    assert clean_run(run) == {"failed": "the deck did not converge"}
    assert noisy_run(run, clean, rings(), True, [1]) == {"failed": "the deck did not converge"}


@pytest.mark.long
@pytest.mark.xdist_group("transistor")
@needs_ngspice
def test_a_whole_neuron_without_noise_fires_where_edge_says() -> None:
    """40 s of processor time. Noise of nothing leaves it there, to what the other time steps change."""
    run = a_run()
    clean = clean_run(run)
    edge = float(study.predicted(run, clean, run.spec, 1, [0])[0])
    assert clean["fired_over_tau"] == pytest.approx(edge, rel=0.08)
    value = noisy_run(run, clean, rings(), False, [1])
    assert value["fired_over_tau"] == pytest.approx(clean["fired_over_tau"], abs=0.06)
