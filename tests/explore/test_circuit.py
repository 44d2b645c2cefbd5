"""Dials move what they name and nothing else; the curve is that of a sweep with the same draws."""

import json

import numpy as np
import pytest

from neurocircuit.errors import InputError, SpecError, UnitError
from neurocircuit.explore import charts, circuit
from neurocircuit.explore.circuit import DRAWS, dials, saved_text, turned, view
from neurocircuit.spec import NeuronSpec
from neurocircuit.spec.neuron import Ramp, ReadoutWindow
from neurocircuit.studies.sweep.api import sweep

BASE = NeuronSpec()
DIALS = {dial.name: dial for dial in dials(BASE)}


def test_a_circuit_that_nobody_moved_is_the_circuit() -> None:
    assert turned(BASE, {}) is BASE
    assert turned(BASE, {name: dial.value for name, dial in DIALS.items()}) is BASE


@pytest.mark.parametrize("name", DIALS)
def test_a_slider_stands_at_the_circuits_value_and_goes_where_it_is_moved(name: str) -> None:
    dial = DIALS[name]
    assert dial.at(dial.position(dial.value)) == pytest.approx(dial.value)
    for position in (0.25, 0.75, 1.0):
        value = dial.at(position)
        assert dial.position(value) == pytest.approx(position, abs=0.04 if dial.is_whole else 1e-5)
        assert dial.parse(dial.text(value)) == pytest.approx(value, rel=1e-3)
    assert dial.low <= dial.at(0.25) <= dial.high


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("tau", 30e-9, lambda spec: spec.tau_s),
        ("f0", 500e6, lambda spec: spec.f0_Hz),
        ("loop_ratio", 16.0, lambda spec: spec.loop_ratio),
        ("phase_per_weight", 0.4, lambda spec: spec.phase_per_weight_rad),
        ("lead", 1.0, lambda spec: spec.threshold.lead_rad),
        ("bits", 8.0, lambda spec: spec.weight_bank.inhibitory.bits),
        ("noise", 1e4, lambda spec: spec.phase_noise[3]),
    ],
)
def test_a_dial_moves_its_quantity_and_leaves_those_of_the_other_dials(name, value, read) -> None:
    moved = turned(BASE, {name: value})
    assert read(moved) == pytest.approx(value)
    assert moved.threshold_weight == pytest.approx(1.0)
    others = {dial.name: dial.value for dial in dials(moved) if dial.name != name}
    assert others == pytest.approx({key: dial.value for key, dial in DIALS.items() if key != name}, rel=1e-5)
    assert moved.window_over_tau == pytest.approx(BASE.window_over_tau)


def test_the_threshold_moves_where_the_swing_stays() -> None:
    moved = turned(BASE, {"tau": 30e-9}, keeps_threshold=False)
    assert moved.vco4_swing_Hz == BASE.vco4_swing_Hz
    assert moved.threshold_weight == pytest.approx(2 / 3)


def test_a_readout_window_goes_with_tau_and_a_ramp_has_no_lead() -> None:
    window = ReadoutWindow(form="forced", armed_s=20e-9, length_s=40e-9)
    moved = turned(BASE.replace(readout_window=window), {"tau": 40e-9})
    assert moved.armed_over_tau == pytest.approx(1.0)
    assert moved.window_over_tau == pytest.approx(3.0)
    ramp = BASE.replace(threshold=Ramp())
    assert "lead" not in {dial.name for dial in dials(ramp)}
    assert np.isnan(view(ramp, draws=20).curve[0].ideal)


def test_noise_keeps_the_proportions_of_the_vcos() -> None:
    noisy = BASE.replace(phase_noise=(1e3, 2e3, 0.0, 4e3))
    assert turned(noisy, {"noise": 8e3}).phase_noise == (2e3, 4e3, 0.0, 8e3)
    assert turned(noisy, {"noise": 0.0}).phase_noise == (0.0, 0.0, 0.0, 0.0)


def test_bounds_are_those_of_the_spec() -> None:
    assert {dial.name: dial for dial in dials(BASE.replace(tau_s=0.5, f0_Hz=100.0, vco4_swing_Hz=3, window_s=1))}[
        "tau"
    ].high == 1.0


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"tau": 2.0}, "tau"),
        ({"phase_per_weight": -1.0}, "phase_per_weight"),
        ({"lead": 4.0}, "lead"),
        ({"f0": 1e6}, "f0"),
    ],
)
def test_a_value_that_the_spec_refuses_is_named(values, names) -> None:
    with pytest.raises(SpecError, match=names):
        turned(BASE, values)


def test_a_unit_and_a_dial_that_are_wrong_are_named() -> None:
    with pytest.raises(UnitError, match="tau must carry the unit s"):
        DIALS["tau"].parse("20 MHz")
    with pytest.raises(InputError, match="dial must be among tau, f0"):
        turned(BASE, {"K": 1.0})


def test_the_curve_is_that_of_a_sweep_with_the_same_draws() -> None:
    shown = view(BASE, draws=40)
    table = sweep(BASE, jitter=[0.01, 0.05], bits=(4,), trials=40, cross_check="none")
    for row in (shown.curve[0], shown.curve[2]):
        swept = table.row("jitter", "edge", row.jitter)
        assert (row.mean, row.fired) == (swept["mean"], swept["fired"])
        assert row.ideal == table.row("jitter", "ideal", row.jitter)["mean"]
    assert shown.rounding.mean == table.row("bits", "edge", 4)["mean"]


def test_the_waveforms_fire_when_the_sentence_says() -> None:
    shown = view(BASE, draws=20)
    waves = shown.waveforms
    assert waves.time_over_tau[np.argmax(waves.q > 0)] == pytest.approx(shown.fire_time_over_tau, abs=0.05)
    assert "fires 20.86 ns (1.043 τ)" in shown.sentence
    silent = view(BASE.replace(vco4_swing_Hz=20e6), draws=20)
    assert "stays silent" in silent.sentence
    assert "threshold is 3.75" in " ".join(silent.remarks)


def test_a_saved_circuit_is_read_back(tmp_path) -> None:
    moved, file = turned(BASE, {"tau": 30e-9}), tmp_path / "slow.toml"
    file.write_text(saved_text(moved, BASE, file))
    assert NeuronSpec.from_toml(file) == moved.replace(name="slow")
    file.write_text(saved_text(BASE, BASE, file))
    assert NeuronSpec.from_toml(file) == BASE
    with pytest.raises(SpecError, match="name"):
        saved_text(moved, BASE, tmp_path / "?.toml")


@pytest.mark.parametrize("values", [{}, {"noise": 1e4}, {"f0": 3e9}], ids=str)
def test_a_picture_is_few_neurons_and_few_bytes(monkeypatch, values) -> None:
    """What 200 ms from the slider to the new picture rest on, whatever the machine; `make bench` holds its cost."""
    simulated = {"edge": 0, "ideal": 0}
    whole = circuit.compute

    def counted(batch):
        simulated[batch.level] += batch.count
        return whole(batch)

    monkeypatch.setattr(circuit, "compute", counted)
    shown = view(turned(BASE, values))
    assert DRAWS <= 500
    # a clean row and five of jitter, a clean row and one of bits
    assert simulated == {"edge": 8 * DRAWS, "ideal": 8 * DRAWS}
    options = [charts.waveform_chart(shown, charts.LIGHT), charts.curve_chart(shown, charts.LIGHT, False)]
    assert len(json.dumps(options)) < 120_000
