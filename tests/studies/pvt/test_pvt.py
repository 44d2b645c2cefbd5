"""PVT on planted specs: ratios reach every layer, a shift that only scales time changes no decision."""

import json

import numpy as np
import pytest

from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.network import limits
from neurocircuit.network.run import Circuit as Replayed
from neurocircuit.results.pvt import FailedRow, Row
from neurocircuit.snn.unroll import load_mapped
from neurocircuit.spec import Bias, Circuit, Components, Condition, Flicker, FrequencyError, NeuronSpec, Supply, Tone
from neurocircuit.studies.pvt import circuit, conditions, run

PARTS = Components(r1_Ohm=1e4, c_F=1e-13, r2_Ohm=1e5, r4_Ohm=1e5)
BIAS = Bias(vco1_A=1e-5, vco2_A=1e-5, vco3_A=1e-5, vco4_A=1e-5, weight_A=1e-5)


def spec(corner, temperature_C=27.0, supply_V=1.0, **changes):
    condition = Condition(corner=corner, temperature_C=temperature_C, supply_V=supply_V)
    circuit = Circuit(process="generic65", condition=condition, components=PARTS, bias=BIAS, f1_Hz=764e6, f3_Hz=955e6)
    return NeuronSpec(**{"name": f"planted {corner}", "circuit": circuit, **changes})


def write(folder, *specs, nominal=0):
    for one in specs:
        own = one.circuit.condition
        path = folder / "conditions" / f"{own.corner}_{own.temperature_C:g}C_{own.supply_V:g}V"
        path.mkdir(parents=True)
        (path / "spec.toml").write_text(one.to_toml())
    (folder / "spec.toml").write_text(specs[nominal].to_toml())
    return folder


@pytest.fixture
def loaded(mapped):
    return load_mapped(mapped)


def rows_of(loaded, datasheet, count=3, **options):
    network, unrolled = loaded
    nominal, every = conditions.read(datasheet)
    training = unrolled.images("train", None, 6).spikes
    decided = unrolled.images("train", None, count)
    given = {"chips": 1, "level": "edge", "seed": 1, "weights": 1000} | options
    return run.run(network, unrolled.physical, nominal, every, training, decided.spikes, decided.labels, **given)


def test_nominal_condition_is_the_mapped_network_itself(loaded, tmp_path):
    network, _ = loaded
    nominal, every = conditions.read(write(tmp_path, spec("tt")))
    there, sign = circuit.at_condition(network, nominal, every[0], "again")
    assert sign == 1.0
    assert there.layers == network.layers
    assert there.neuron.tau_s == network.neuron.tau_s


def test_the_network_meets_its_supply_ripple_at_every_condition(loaded, tmp_path):
    network, _ = loaded
    ripple = Supply(sensitivity_per_V=(1.2, 1.2, 1.7, 1.8), tones=(Tone(frequency_Hz=1e7, amplitude_V=1e-3),))
    rippled = network.replace(neuron=network.neuron.replace(supply=ripple))
    nominal, every = conditions.read(write(tmp_path, spec("tt"), spec("ss", tau_s=25e-9)))
    assert all(circuit.at_condition(rippled, nominal, each, "again")[0].neuron.supply == ripple for each in every)


def test_noise_and_supply_sensitivities_move_with_the_condition_where_all_have_them(loaded, tmp_path):
    network, _ = loaded
    nominal_noise = {
        "phase_noise": (1e5, 2e5, 0.0, 4e5),
        "flicker": Flicker(h=(1e-8, 2e-8, 3e-8, 4e-8)),
        "supply": Supply(sensitivity_per_V=(1.0, 1.0, 2.0, 2.0)),
        "noise_source": "planted",
    }
    there_noise = {
        "phase_noise": (2e5, 6e5, 5e5, 4e5),
        "flicker": Flicker(h=(3e-8, 2e-8, 3e-8, 2e-8)),
        "supply": Supply(sensitivity_per_V=(2.0, 1.0, 1.0, 3.0)),
        "noise_source": "planted",
    }
    nominal, every = conditions.read(write(tmp_path, spec("tt", **nominal_noise), spec("ss", **there_noise)))
    tones = (Tone(frequency_Hz=1e7, amplitude_V=1e-3),)
    noisy = network.neuron.replace(
        phase_noise=(5e4,) * 4,
        flicker=Flicker(h=(1e-9,) * 4, since_trim_s=0.1),
        supply=Supply(sensitivity_per_V=(1.2, 1.2, 1.8, 1.8), tones=tones),
        noise_source="mine",
    )
    moved = circuit.at_condition(network.replace(neuron=noisy), nominal, every[1], "again")[0].neuron
    assert moved.phase_noise == pytest.approx((1e5, 1.5e5, 5e4, 5e4))
    assert moved.flicker.h == pytest.approx((3e-9, 1e-9, 1e-9, 5e-10))
    assert moved.supply.sensitivity_per_V == pytest.approx((2.4, 1.2, 0.9, 2.7))
    assert (moved.flicker.since_trim_s, moved.supply.tones, moved.noise_source) == (0.1, tones, "mine")
    assert not circuit.at_condition(network, nominal, every[1], "again")[0].neuron.is_noisy
    white = network.replace(neuron=noisy.replace(flicker=None, supply=None))
    assert circuit.at_condition(white, nominal, every[1], "again")[0].neuron.flicker is None


def test_ratios_reach_every_layer(loaded, tmp_path):
    network, _ = loaded
    bank = NeuronSpec().weight_bank
    weaker = bank.model_copy(update={"inhibitory": bank.inhibitory.replace(max_weight=1.8)})
    slow = spec(
        "ss",
        tau_s=25e-9,
        phase_per_weight_rad=0.4,
        vco4_swing_Hz=60e6,
        weight_bank=weaker,
        threshold=NeuronSpec().threshold.replace(lead_rad=1.2),
    )
    nominal, every = conditions.read(write(tmp_path, spec("tt"), slow))
    there, sign = circuit.at_condition(network, nominal, every[1], "again")
    assert sign == pytest.approx(0.9)
    assert there.neuron.tau_s == pytest.approx(1.25 * network.neuron.tau_s)
    assert there.neuron.window_s == network.neuron.window_s
    for own, base in zip(there.layers, network.layers, strict=True):
        assert own.phase_per_weight_rad == pytest.approx(0.8 * base.phase_per_weight_rad)
        assert own.lead_rad == pytest.approx(0.8 * base.lead_rad)
        assert own.vco4_swing_Hz == pytest.approx(0.8 * base.vco4_swing_Hz)
        assert own.bias_delay_s == base.bias_delay_s
        # threshold in weights: θ/(2·swing·a·τ) = 0.8/(0.8·0.8·1.25)
        mine = own.lead_rad / (2 * own.vco4_swing_Hz * own.phase_per_weight_rad * there.neuron.tau_s)
        theirs = base.lead_rad / (2 * base.vco4_swing_Hz * base.phase_per_weight_rad * network.neuron.tau_s)
        assert mine / theirs == pytest.approx(0.8 / (0.8 * 0.8 * 1.25))


def weak(loaded, tmp_path, **changes):
    """The network at a planted corner, mapped at nominal and mapped there."""
    network, unrolled = loaded
    nominal, every = conditions.read(write(tmp_path, spec("tt"), spec("ss", **changes)))
    training = unrolled.images("train", None, 6).spikes
    there, _ = circuit.at_condition(network, nominal, every[1], "again")
    return there, circuit.with_new_scales(network, there, unrolled.physical, nominal, every[1], training)


def threshold(mapped, layer):
    own = mapped.layers[layer]
    return own.lead_rad / (2 * own.vco4_swing_Hz * own.phase_per_weight_rad * mapped.neuron.tau_s)


def test_mapping_at_a_corner_with_half_the_swing_lowers_the_lead_and_restores_the_threshold(loaded, tmp_path):
    there, anew = weak(loaded, tmp_path, vco4_swing_Hz=NeuronSpec().vco4_swing_Hz / 2)
    for k, (before, after) in enumerate(zip(there.layers, anew.layers, strict=True)):
        assert threshold(there, k) == pytest.approx(2.0, rel=1e-6)
        assert threshold(anew, k) == pytest.approx(1.0, rel=1e-6)
        assert after.vco4_swing_Hz <= max(before.vco4_swing_Hz, NeuronSpec().vco4_swing_Hz / 2) * (1 + 1e-9)
        assert after.lead_rad <= before.lead_rad
        assert after.weight_bank == before.weight_bank


def test_mapping_at_a_stronger_corner_keeps_to_the_limits(loaded, tmp_path):
    """Twice the swing and 1.5 times the jump would bring the threshold down to a third, and leave the XOR's range."""
    unrolled = loaded[1]
    there, anew = weak(loaded, tmp_path, phase_per_weight_rad=0.75, vco4_swing_Hz=2 * NeuronSpec().vco4_swing_Hz)
    training = unrolled.images("train", None, 6).spikes
    points = [Replayed.of(anew, unrolled.physical).ideal(image, exact_weights=True) for image in training]
    for k, own in enumerate(anew.layers):
        assert threshold(there, k) == pytest.approx(1 / 3, rel=1e-6)
        assert threshold(anew, k) == pytest.approx(1.0, rel=1e-6)
        seen = limits.Recorded.of([one[k] for one in points])
        found = limits.limits_of(own, anew.neuron, seen, limits.Choice())
        assert [limit.name for limit in found if not limit.met] == []


def test_errors_of_trim_at_nominal_only():
    nominal = FrequencyError(before_trim=(0.1, 0.1, 0.1, 0.1), after_trim=(0.0, 0.001, 0.0, 0.0))
    there = FrequencyError(before_trim=(0.21, -0.01, 0.1, 0.1), after_trim=(0.0, 0.002, 0.0, 0.0))
    assert circuit.errors(nominal, there, "again") == (0.0, 0.002, 0.0, 0.0)
    assert circuit.errors(nominal, there, "nominal") == pytest.approx((0.1, 0.001 - 0.1, 0.0, 0.0))
    assert circuit.errors(nominal, nominal, "nominal") == pytest.approx(nominal.after_trim)


def test_corner_that_only_lost_its_trim_fires_by_itself_and_recovers(loaded, tmp_path):
    network, _ = loaded
    off = FrequencyError(before_trim=(0.0, 0.0, 0.0, 0.03))
    rows = rows_of(loaded, write(tmp_path, spec("tt"), spec("ff", frequency_error=off)))
    assert [(row.label.split(",")[0], row.trim) for row in rows] == [
        ("tt", "mapped"),
        ("tt", "again"),
        ("tt", "nominal"),
        ("ff", "mapped"),
        ("ff", "again"),
        ("ff", "nominal"),
    ]
    again, lost = rows[4], rows[5]
    reached = [(row.accuracy, row.latency_s, row.spikes) for row in (again, rows[1], rows[2])]
    assert reached == [reached[0]] * 3
    # VCO4 3 % fast gains 2π f0 τ · 0.03 = 2.9 rad on VCO3 each τ: every output has gone through θ and its guard by then
    own = network.layers[-1]
    alone = (own.lead_rad + own.ripple_guard_rad) / (2 * np.pi * network.neuron.cycles_per_tau * 0.03)
    assert lost.latency_over_tau <= alone * 1.1 < 0.5 * again.latency_over_tau
    assert lost.undecided == 0.0


def test_impossible_condition_is_a_row_with_its_reason(loaded, tmp_path):
    off = FrequencyError(before_trim=(0.45, 0.45, 0.45, 0.45))
    base = FrequencyError(before_trim=(-0.3, -0.3, -0.3, -0.3))
    rows = rows_of(loaded, write(tmp_path, spec("tt", frequency_error=base), spec("ff", frequency_error=off)), count=1)
    assert isinstance(rows[5], FailedRow)
    assert "no such circuit" in rows[5].failed
    assert isinstance(rows[3], Row)
    assert isinstance(rows[4], Row)


def test_power_comes_from_the_energy_of_the_condition(loaded, tmp_path):
    from neurocircuit.results.measurement import Measured, Quantity

    folder = write(tmp_path, spec("tt"))
    measured = Measured((Quantity("power", "Power", 1.2e-4, "W"),))
    (folder / "conditions/tt_27C_1V/energy.json").write_text(json.dumps(measured.to_dict()))
    nominal, _ = conditions.read(folder)
    assert nominal.power.power_W == 1.2e-4
    row = rows_of(loaded, folder, count=1)[0]
    assert row.energy_spikes_J == pytest.approx(row.spikes_before_decision * row.energy_per_spike_J)
    assert np.isfinite(row.energy_J)


def test_finished_rows_are_taken_from_the_store_and_changed_ones_refused(loaded, tmp_path, monkeypatch):
    folder, store = write(tmp_path / "datasheet", spec("tt")), tmp_path / "tasks"
    first = rows_of(loaded, folder, count=1, folder=store, jobs=2)
    monkeypatch.setattr(run, "_row", lambda *_: pytest.fail("it was finished"))
    assert repr(rows_of(loaded, folder, count=1, folder=store)) == repr(first)  # energies are nan
    with pytest.raises(pytest.fail.Exception, match="it was finished"):  # a row of another seed is not taken
        rows_of(loaded, folder, count=1, folder=store, seed=2)
    path = store / "tt_27C_1V-mapped.json"
    path.write_text(path.read_text().replace('"trim": "mapped"', '"trim": "again"'))
    with pytest.raises(FileFormatError, match=r"tt_27C_1V-mapped\.json was changed"):
        rows_of(loaded, folder, count=1, folder=store)


def test_filters_and_missing_files(tmp_path):
    folder = write(tmp_path / "a", spec("tt"), spec("tt", supply_V=0.95), spec("ss", temperature_C=85.0))
    nominal, every = conditions.read(folder)
    assert [one.label for one in conditions.chosen(every, nominal, ["tt"], None, [0.95])] == ["tt, 27 °C, 0.95 V"]
    with pytest.raises(InputError, match=r"--corner must be among the characterised ss, tt, got sf"):
        conditions.chosen(every, nominal, ["tt", "sf"], None, None)
    with pytest.raises(InputError, match="found none"):
        conditions.read(tmp_path)
    (folder / "spec.toml").write_text(spec("ff").to_toml())
    with pytest.raises(InputError, match="must hold the condition of"):
        conditions.read(folder)
