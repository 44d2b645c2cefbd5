"""Windowed neurons in transistors on generic65: blind before the arming, forced at the end, read out by a current."""

import numpy as np
import pytest

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import InputError
from neurocircuit.neuron import levels
from neurocircuit.spec import NeuronSpec
from neurocircuit.spec.neuron import ReadoutWindow
from neurocircuit.spice import process as processes
from neurocircuit.spice import readout_current, saved_states, transistor
from neurocircuit.spice.process import default_neuron
from neurocircuit.spice.transistor_deck import Input, State, Window, compose_neuron, number
from tests.command_line import LONG_s
from tests.spice.unfitted import unfitted_neuron

pytestmark = pytest.mark.xdist_group("transistor")
PHASES = np.array([[1.0, 2.0]])


def window(spec: NeuronSpec, form: str, armed: float, length: float, slope: float | None = None) -> ReadoutWindow:
    tau_s = spec.tau_s
    return ReadoutWindow(form=form, armed_s=armed * tau_s, length_s=length * tau_s, slope=slope)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def early(tmp_path_factory):
    """One early state in a cache of its own, as in test_transistor.py: what the gate does needs no lock."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(saved_states, "STATES", 1)
        yield unfitted_neuron(readout="q")
        saved_states.saved_states.cache_clear()


def fired(spec: NeuronSpec, times: tuple[float, float], weights: tuple[float, float]) -> float:
    record = levels.evaluate(
        "transistor", spec, np.array([times]), np.array([weights]), start_rad=PHASES, timeout_s=LONG_s
    )
    assert record.failures == {}
    return float(record.fire_time_over_tau[0])


@pytest.mark.long
def test_the_comparator_is_blind_until_the_arming_and_with_its_gate_removed_it_is_not(early, monkeypatch):
    """Two inputs of full scale cross after 0.9 τ; Q waits for the first edges of VCO3 after the arming."""
    spec = early.replace(readout_window=window(early, "forced", 1.2, 0.3))
    strong = (0.05, 0.05), (1.5, 1.5)
    period = 1.0 / (spec.circuit.f3_Hz * spec.tau_s)
    assert 1.2 < fired(spec, *strong) < 1.2 + 1.5 * period + 0.02  # and the flip-flop's own delay, 0.3 ns
    text = processes.cells_text

    def without_gate(*arguments):
        cells, gate = text(*arguments), "running window blind vdd nand2"
        assert gate in cells
        return cells.replace(gate, "running vdd blind vdd nand2")

    saved = transistor._states(spec, 2)
    monkeypatch.setattr(transistor, "saved_states", lambda *_: saved)
    monkeypatch.setattr(processes, "cells_text", without_gate)
    assert fired(spec, *strong) < 1.2 - 4 * period


def test_the_deck_of_a_window_has_the_signals_of_its_form(early):
    """From power-up and from a state, whose begin is the deck's zero; a free neuron's deck knows nothing of them."""

    def lines(begin_s, resistor_Ohm):
        start = State("", begin_s, (0.0, 0.0), 1) if begin_s else None
        opened = Window(50e-9, 60e-9, resistor_Ohm)
        deck = compose_neuron(early.circuit, [Input()], stop_s=61e-9, start=start, window=opened)
        return {line.split()[0]: line.split(maxsplit=3)[3] for line in deck.text.splitlines() if line.startswith("V")}

    for begin_s in (0.0, 20e-9):
        forced, ramp = lines(begin_s, None), lines(begin_s, 70e3)
        opens, closes = (f"pulse(0.0 1.0 {number(at - begin_s)} " for at in (50e-9, 60e-9))
        for signals in (forced, ramp):
            assert signals["Vwindow"].startswith(opens)
        assert (forced["Vclear"], forced["Vstop1"], ramp["Vclosing"]) == ("0.0", "0.0", "0.0")
        assert forced["Vclosing"].startswith(closes)
        assert ramp["Vreset"].startswith(closes)
        assert ramp["Vclear"].startswith(opens)
        assert ramp["Vstop2"].startswith(opens.replace("1.0", "-1.0"))
    assert "window" not in compose_neuron(early.circuit, [Input()], stop_s=61e-9).text


@pytest.mark.parametrize("bend", [0.0, 0.2])
@pytest.mark.parametrize("ahead", [0.6, 1.0, 2.5])
def test_the_resistor_is_found_where_vco4_bends(early, monkeypatch, bend, ahead):
    """A planted f(I), concave; UP's own current makes 1 unit of the conductance."""
    r4_Ohm, runs = early.circuit.components.r4_Ohm, []

    def planted_Hz(_, r5_Ohm):
        runs.append(r4_Ohm / r5_Ohm)
        return 1e7 * (4.0 * runs[-1] / (1.0 + bend * runs[-1]) - 1.0)

    monkeypatch.setattr(readout_current, "_ahead_Hz", planted_Hz)
    readout_current._resistor.cache_clear()
    r5_Ohm = readout_current._resistor(early.circuit, ahead * 1e7)
    assert planted_Hz(None, r5_Ohm) == pytest.approx(ahead * 1e7, rel=2 * readout_current.TOLERANCE)
    assert len(runs) <= readout_current.MOST_RUNS + 3
    with pytest.raises(InputError, match="slope must let VCO4 run faster"):
        readout_current._resistor(early.circuit, -2e7)
    readout_current._resistor.cache_clear()


@pytest.fixture(scope="module")
def characterised() -> NeuronSpec:
    return default_neuron("transistor")


def at_edge(spec: NeuronSpec, times: Floats, weights: Floats) -> float:
    """The edge level from the arming of the transistors' state on, whose phases it takes."""
    armed = levels.arming("transistor", spec, PHASES, len(times))
    wait = float(armed.wait_over_tau[0])
    opened = spec.readout_window
    assert opened is not None
    later = opened.replace(armed_s=opened.armed_s + wait * spec.tau_s)
    shifted = spec.replace(readout_window=later, window_s=spec.window_s + wait * spec.tau_s)
    record = levels.evaluate("edge", shifted, times[None] + wait, weights[None], start_rad=armed.start_rad)
    return float(record.fire_time_over_tau[0]) - wait


@pytest.mark.long
@pytest.mark.parametrize(("form", "slope"), [("forced", None), ("ramp", 2.0)])
@pytest.mark.parametrize("weights", [(0.8, 0.6), (0.3, -0.4)])
def test_every_level_says_what_the_transistors_do(characterised, form, slope, weights):
    """One of each form fires within its window, to the edge of VCO3 (measured: 0.001 and 0.003 τ); the other of
    `forced` at the window's end, of `ramp` never. Levels without loop or edges may be a few hundredths of τ apart."""
    spec = characterised.replace(readout_window=window(characterised, form, 1.0, 0.5, slope))
    times, codes = np.array([0.2, 0.3]), spec.weight_bank.quantise(np.array(weights))
    measured = fired(spec, tuple(times), tuple(codes))
    period = 1.0 / (spec.f0_Hz * spec.threshold_vco_ratio * spec.tau_s)
    guess = at_edge(spec, times, codes)
    others = [
        float(levels.evaluate(level, spec, times, codes, timeout_s=LONG_s).fire_time_over_tau[0])
        for level in ("ideal", "averaged", "bsource")
    ]
    if weights[1] < 0:
        silent = spec.window_over_tau if form == "forced" else np.inf
        assert [measured, guess, *others] == pytest.approx([silent] * 5)
        return
    assert 1.0 < measured < 1.5
    assert measured == pytest.approx(guess, abs=1.2 * period)
    assert others == pytest.approx([measured] * 3, abs=0.12)
