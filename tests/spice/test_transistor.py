"""The transistor level on generic65: one short neuron, from a state that is made once for this file."""

import os
from dataclasses import replace as changed

import numpy as np
import pytest

from neurocircuit.core import taskstore
from neurocircuit.core.provenance import machine_identity
from neurocircuit.errors import InputError, SimulatorTimeout
from neurocircuit.neuron import levels
from neurocircuit.spice import ngspice, saved_states, transistor
from neurocircuit.spice.process import load
from tests.command_line import LONG_s
from tests.spice.unfitted import unfitted_neuron

pytestmark = pytest.mark.xdist_group("transistor")  # one worker makes the states
TIMES, PHASES = np.array([[0.05, 0.05]]), np.array([[1.0, 2.0]])


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    """A cache of its own, and one early state: 15 ns of lock are enough to fire."""
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    patch.setattr(saved_states, "STATES", 1)
    yield
    patch.undo()
    saved_states.saved_states.cache_clear()


@pytest.fixture(scope="module")
def spec():
    neuron = unfitted_neuron()
    return neuron.replace(circuit=neuron.circuit.replace(synapses=2))


@pytest.fixture(scope="module")
def course(spec, own_cache):
    """The run behind the tests: both inputs at full scale."""
    found = saved_states.saved_states(spec.circuit, 2, 300.0)
    placed = transistor.nearest_placement(PHASES, found.saved_rad, found.f1_Hz, found.f3_Hz)
    codes = np.array([15, 15])
    return placed, transistor._run(spec, found, placed, 0, TIMES[0], codes, 300.0, 1)


@pytest.fixture
def ran(monkeypatch, course):
    """fire() and waveforms() on that run instead of a new one."""
    monkeypatch.setattr(transistor, "_run", lambda *arguments: course[1])


def test_two_inputs_at_full_scale_fire_and_stop_the_run(spec, course, ran):
    record = levels.evaluate("transistor", spec, TIMES, np.full((1, 2), 1.5), start_rad=PHASES)
    assert record.failures == {}
    assert record.engine == levels.engine("transistor")
    crossing = record.fire_time_over_tau[0] * spec.tau_s
    assert 4e-9 < crossing < 30e-9
    q = levels.evaluate("transistor", spec.replace(readout="q"), TIMES, np.full((1, 2), 1.5), start_rad=PHASES)
    # Q waits for an edge of VCO3, of which there is one every 1.07 ns, with VCO4 ahead by the flip-flop's setup time.
    assert crossing < q.fire_time_over_tau[0] * spec.tau_s < crossing + 4e-9
    assert course[1].time_s[-1] < q.fire_time_over_tau[0] * spec.tau_s + 1e-9
    assert not record.false_fire[0]
    assert 0.5 < record.headroom[0] < 1.2


def test_the_phases_told_are_those_in_the_run(spec, course, ran):
    run = course[1]
    record = levels.evaluate("transistor", spec, TIMES, np.full((1, 2), 1.5), start_rad=PHASES)
    assert record.start_rad is not None
    for k, name in enumerate(("o1", "o3")):
        edges = run.edges_s[name]
        # The origin may lie before the first edge of the run: VCO1 keeps its pace until the first input at 1 ns.
        period = edges[1] - edges[0]
        seen = 2 * np.pi * ((-edges[0] / period) % 1.0)
        off = (seen - record.start_rad[0, k] + np.pi) % (2 * np.pi) - np.pi
        assert abs(off) < 0.1
    assert abs((record.start_rad[0, 0] - PHASES[0, 0] + np.pi) % (2 * np.pi) - np.pi) < 1e-9
    armed = levels.arming("transistor", spec, PHASES, 2)
    turned = armed.start_rad + 2 * np.pi * armed.wait_over_tau[:, None] * spec.tau_s * np.array([[750e6, 937.5e6]])
    apart = (turned - record.start_rad + np.pi) % (2 * np.pi) - np.pi
    assert np.abs(apart).max() < 0.3  # by the target frequencies, over some 6 ns


def test_waveforms_end_with_the_spike(spec, course, ran):
    shown = levels.waveforms("transistor", spec, TIMES[0], np.array([1.5, 1.5]), PHASES[0])
    assert shown.time_over_tau[0] >= 0
    assert all(np.isfinite(getattr(shown, name)).all() for name in ("vco_rad", "up", "loop_filter", "membrane", "q"))
    # Ripple of UP, and the drift since the state of an untrimmed circuit; without its lead it would start at 1.
    assert shown.membrane[0] == pytest.approx(0.0, abs=0.25)
    assert shown.membrane.max() > 0.95
    assert (shown.q[0], shown.q[-1]) == (0.0, 1.0)
    assert (np.diff(shown.time_over_tau) > 0).all()
    assert shown.vco_rad.shape == (4, len(shown.time_over_tau))


def test_a_state_is_taken_from_the_disk_and_a_damaged_one_is_made_anew(spec, course, monkeypatch):
    files = list((saved_states.Path(os.environ["XDG_CACHE_HOME"]) / "neurocircuit" / "states").iterdir())
    assert len(files) == 1
    kept = saved_states.saved_states(spec.circuit, 2, 300.0)
    saved_states.saved_states.cache_clear()
    monkeypatch.setattr(saved_states.transistor_run, "simulate", lambda *_, **__: pytest.fail("no run is needed"))
    assert saved_states.saved_states(spec.circuit, 2, 300.0) == kept
    assert saved_states._read(files[0]) == kept
    (files[0].parent / "bad.json").write_text(files[0].read_text()[:500])
    assert saved_states._read(files[0].parent / "bad.json") is None


def test_a_state_of_other_code_is_not_taken(spec, course, monkeypatch):
    class Simulated(Exception):
        pass

    def simulate(*arguments, **options):
        raise Simulated

    saved_states.saved_states.cache_clear()
    monkeypatch.setattr(saved_states.transistor_run, "simulate", simulate)
    saved_states.saved_states(spec.circuit, 2, 300.0)
    saved_states.saved_states.cache_clear()
    monkeypatch.setattr(taskstore, "machine_identity", lambda: machine_identity() | {"code_sha256": "another"})
    with pytest.raises(Simulated):
        saved_states.saved_states(spec.circuit, 2, 300.0)


def test_a_run_that_times_out_is_recorded_with_its_reason(spec, course, monkeypatch):
    def slow(*arguments):
        raise SimulatorTimeout("ngspice ran longer than 30 s and was killed; deck and log kept in /tmp/x")

    monkeypatch.setattr(transistor, "_run", slow)
    record = levels.evaluate("transistor", spec, TIMES, np.full((1, 2), 1.5), start_rad=PHASES)
    assert np.isnan(record.fire_time_over_tau[0])
    assert record.failures == {0: "ngspice ran longer than 30 s and was killed"}


def test_a_state_that_cannot_be_made_fails_every_trial(spec, monkeypatch):
    def broken(*arguments):
        raise ngspice.SimulatorBadOutput("VCO3 after arming must show at least 3 rising edges, got 0")

    monkeypatch.setattr(transistor, "saved_states", broken)
    record = levels.evaluate("transistor", spec, np.repeat(TIMES, 2, axis=0), np.full((2, 2), 1.5))
    assert set(record.failures) == {0, 1}


@pytest.mark.parametrize(
    ("change", "weights", "words"),
    [
        ({"circuit": None}, 1.5, "level transistor needs a NeuronSpec with circuit"),
        ({}, 0.77, "weights must be on the bank's codes at level transistor"),
    ],
)
def test_what_the_level_cannot_do_is_refused(spec, change, weights, words):
    with pytest.raises(InputError, match=words):
        levels.evaluate("transistor", spec.replace(**change), TIMES, np.full((1, 2), weights))


def test_idle_synapses_fill_up_to_the_number_that_was_characterised(spec):
    circuit = spec.circuit.replace(synapses=6, standing_V=(0.456, 0.544, 0.718, 0.337))
    assert saved_states.idle(circuit, 6) == ""
    lines = saved_states.idle(circuit, 2, from_power_up=True).splitlines()
    assert lines[1] == "xidle tidle 0 0 0 0 0 0 0 0 ib1 wbp wbn vdd_synapse synapse copies=4"
    assert ".ic v(xidle.x3.sp)=0.718" in lines
    assert len(saved_states.idle(circuit, 2).splitlines()) == 2  # a saved state holds the rest


def test_the_identity_follows_netlists_and_models(spec, monkeypatch):
    before = levels.identity("transistor", spec, 2)
    assert levels.identity("transistor", spec, 2) == before
    installed = load("generic65")
    monkeypatch.setattr(transistor, "load", lambda name: changed(installed, toml_sha256="0" * 64))
    assert levels.identity("transistor", spec, 2) != before
    assert levels.identity("edge", spec, 2) == ""


@pytest.mark.long
def test_halving_the_step_moves_the_spike_by_less_than_a_hundredth_of_tau(spec):
    coarse, fine = (
        levels.evaluate(
            "transistor", spec, TIMES, np.full((1, 2), 1.5), start_rad=PHASES, refined=refined, timeout_s=LONG_s
        )
        for refined in (False, True)
    )
    assert abs(coarse.fire_time_over_tau - fine.fire_time_over_tau)[0] < 0.01


@pytest.mark.long
def test_a_neuron_stays_silent_with_one_input_missing(spec):
    times = np.array([[0.05, np.inf]])
    record = levels.evaluate("transistor", spec, times, np.full((1, 2), 0.6), start_rad=PHASES, timeout_s=LONG_s)
    assert np.isinf(record.fire_time_over_tau[0])
