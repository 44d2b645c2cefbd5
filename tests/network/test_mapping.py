"""Scales within the limits, one file for all levels, chips and events by number, and the replay of whole images."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from neurocircuit.errors import InputError, SpecError
from neurocircuit.network import limits
from neurocircuit.network import mapping as build_module
from neurocircuit.network.run import Circuit, EncodedImages, spikes_of
from neurocircuit.neuron import chip as chips
from neurocircuit.spec import Lead, MappedNetwork, NeuronSpec, Variation
from neurocircuit.spec.variation import EMBEDDED, SynapseVariation


def test_the_mapping_meets_its_limits_and_travels_as_toml(mapping, tmp_path):
    assert mapping.met
    path = tmp_path / "net.toml"
    path.write_text(mapping.mapped.to_toml())
    assert MappedNetwork.from_toml(path) == mapping.mapped
    for k in range(len(mapping.mapped.layers)):
        assert mapping.mapped.neuron_of(k).threshold_weight == pytest.approx(1.0)


def test_the_scale_of_the_base_breaks_limits_and_the_report_says_what_helps(physical, spikes, mapping):
    base = NeuronSpec(phase_per_weight_rad=3.0, threshold=Lead(lead_rad=3.0), vco4_swing_Hz=25e6)
    kept = build_module.build(
        physical,
        base,
        Variation(),
        EncodedImages(spikes, np.zeros(3, dtype=int)),
        limits.Choice(),
        name="kept",
        checkpoint="x",
        checkpoint_sha256="0" * 64,
        keep_scale=True,
    )
    broken = [limit for limit in kept.limits if not limit.met]
    assert not kept.met
    assert {"XOR range", "no wrap"} == {limit.name for limit in broken}
    assert any("phase counter" in limit.help for limit in broken)
    assert all(limit.outside > 0 for limit in broken)


def test_a_characterised_circuit_keeps_its_bank(physical, spikes):
    """Its weight currents stand: a rescaled bank would ask its codes for weights that they do not make."""
    spec = NeuronSpec.from_toml(Path(__file__).parents[2] / "reports/published/datasheet-generic65/spec.toml")
    for base, same in ((spec, True), (spec.replace(circuit=None), False)):
        kept = build_module.build(
            physical,
            base,
            Variation(),
            EncodedImages(spikes, np.zeros(3, dtype=int)),
            limits.Choice(),
            name="kept",
            checkpoint="x",
            checkpoint_sha256="0" * 64,
            keep_scale=True,
        )
        assert all((layer.weight_bank == spec.weight_bank) == same for layer in kept.mapped.layers)


def test_a_phase_counter_lifts_the_wrap_limit(physical, spikes, mapping):
    counting = build_module.build(
        physical,
        NeuronSpec(comparator="phase_counter"),
        Variation(),
        EncodedImages(spikes, np.zeros(3, dtype=int)),
        limits.Choice(),
        name="counting",
        checkpoint="x",
        checkpoint_sha256="0" * 64,
    )
    assert "no wrap" not in {limit.name for limit in counting.limits}
    for one, two in zip(counting.mapped.layers, mapping.mapped.layers, strict=True):
        assert one.lead_rad >= two.lead_rad


def test_mapping_tells_how_far_it_is_and_progress_changes_nothing(physical, spikes):
    images, heard = EncodedImages(spikes, np.zeros(3, dtype=int)), []

    def build(**options):
        names = {"name": "told", "checkpoint": "x", "checkpoint_sha256": "0" * 64}
        return build_module.build(physical, NeuronSpec(), Variation(), images, limits.Choice(), **names, **options)

    assert build(progress=lambda done, total, label="": heard.append(done / total)) == build()
    assert heard == sorted(heard)
    assert heard[-1] == pytest.approx(1.0)
    assert len(heard) == 3 * len(images)


def test_no_neuron_wraps_and_edge_follows_eq_4(circuit, spikes):
    """Perfect chip: every layer's median deviation from eq. (4) on its own inputs stays below 0.1 τ."""
    chip = circuit.chip(1, 0, Variation())
    for image, one in enumerate(spikes):
        runs = chip.run(one, image, "edge")
        seen = one
        for k, (layer, run) in enumerate(zip(circuit.physical.layers, runs, strict=True)):
            from neurocircuit.neuron.operating_points import operate

            ideal = spikes_of(
                operate(
                    layer.inputs(seen, circuit.mapped.bias_delay_over_tau(k)),
                    circuit.weights[k][layer.row],
                    circuit.window,
                )
            )
            both = np.isfinite(ideal) & np.isfinite(run.t_over_tau)
            assert not run.false_fire.any()
            assert abs(np.median(run.t_over_tau[both] - ideal[both])) < 0.1
            seen = run.t_over_tau


def test_ideal_level_without_variation_is_eq_4(circuit, spikes):
    runs = circuit.chip(1, 0, Variation()).run(spikes[0], 0, "ideal")
    expected = circuit.ideal(spikes[0], delays=True)
    for run, point in zip(runs, expected, strict=True):
        np.testing.assert_allclose(run.t_over_tau, spikes_of(point), rtol=1e-6)  # lead and swing have three digits


def test_chips_are_constant_and_events_are_not(circuit, spikes):
    one, same, other = circuit.chip(1, 0), circuit.chip(1, 0), circuit.chip(1, 1)
    first = one.run(spikes[0], 0, "edge")[0].t_over_tau
    np.testing.assert_array_equal(first, same.run(spikes[0], 0, "edge")[0].t_over_tau)
    assert not np.array_equal(first, one.run(spikes[0], 1, "edge")[0].t_over_tau)
    assert not np.array_equal(first, other.run(spikes[0], 0, "edge")[0].t_over_tau)
    np.testing.assert_array_equal(one.layers[0].die, one.layers[1].die)


def test_switching_a_component_off_leaves_the_others(circuit):
    whole = chips.draw_layer(EMBEDDED, 1, 0, 0, 20, (20, 5), None)
    part = chips.draw_layer(EMBEDDED.only("neuron"), 1, 0, 0, 20, (20, 5), None)
    np.testing.assert_array_equal(whole.neuron_errors.tau, part.neuron_errors.tau)
    assert not part.die.any()
    assert not part.synapse.any()


def test_a_synapse_spreads_by_the_root_of_its_unit_currents():
    """300 chips of five codes: variances within six standard deviations of chi-squared; a constant one is rejected."""
    codes = np.array([1.0, 2.0, 4.0, 9.0, 15.0])
    variation = Variation(synapse=SynapseVariation(weight=0.03, unit=0.2))
    units = np.broadcast_to(codes, (40, 5))
    drawn = np.concatenate([chips.draw_layer(variation, 1, c, 0, 40, (40, 5), units).synapse for c in range(300)])
    ratio = drawn.var(axis=0) / (0.03**2 + 0.2**2 / codes)
    tolerance = 6 * np.sqrt(2 / len(drawn))
    np.testing.assert_allclose(ratio, 1.0, atol=tolerance)
    assert drawn[:, 0].var() / drawn[:, 4].var() > 2


@pytest.mark.parametrize("synapses", ["unrolled", "shared"])
def test_a_spread_of_unit_currents_is_one_of_weights_where_all_codes_are_equal(mapping, physical, spikes, synapses):
    """Weights of one size, 4 of 15 unit currents: unit and weight / sqrt(4) are the same chip, to float32."""
    mapped = mapping.mapped.replace(synapses=synapses)
    circuit, bank = Circuit.of(mapped, physical), mapped.layers[0].weight_bank
    assert (bank.inhibitory.bits, bank.excitatory.bits) == (4, 4), "this test is for banks of 15 unit currents"
    sign = np.sign(circuit.weights[0])
    weights = sign * np.where(sign < 0, bank.inhibitory.max_weight, bank.excitatory.max_weight) * 4 / 15
    equal = replace(circuit, weights=(weights, *circuit.weights[1:]))
    unit, whole = (
        equal.draw_layer(0, Variation(synapse=spread), 1, 0).synapse
        for spread in (SynapseVariation(unit=0.1), SynapseVariation(weight=0.05))
    )
    held = sign[circuit.layers[0].row] != 0 if synapses == "unrolled" else sign != 0
    np.testing.assert_allclose(unit[held], whole[held], rtol=1e-6)
    assert np.std(unit[held]) > 0.04


def test_unit_currents_need_a_bank_that_is_made_of_them(mapping, physical):
    circuit = Circuit.of(mapping.mapped, physical)
    layer = mapping.mapped.layers[0]
    spread = Variation(synapse=SynapseVariation(unit=0.1))
    bank = layer.weight_bank.excitatory.replace(code="resistance")
    for change, named in (
        ({"full_scale": "neuron"}, "full scale of its own"),
        ({"weight_bank": layer.weight_bank.replace(excitatory=bank)}, "code resistance"),
    ):
        mapped = mapping.mapped.replace(layers=(layer.replace(**change), *mapping.mapped.layers[1:]))
        with pytest.raises(InputError, match=rf"variation.synapse.unit must be 0 .*{named}"):
            replace(circuit, mapped=mapped).draw_layer(0, spread, 1, 0)


def test_shared_synapses_are_alike_at_all_positions(mapping, physical):
    shared = Circuit.of(mapping.mapped.replace(synapses="shared"), physical).chip(1, 0)
    layer = physical.layers[0]
    np.testing.assert_array_equal(
        shared.layers[0].synapse[layer.row == 0][0], shared.layers[0].synapse[layer.row == 0][-1]
    )
    assert np.std(shared.layers[0].synapse) == pytest.approx(EMBEDDED.synapse.weight, rel=0.1)


def test_networks_that_contradict_themselves_are_refused(mapping):
    own = mapping.mapped.layers[0].replace(vco4_swing_Hz=5e9)
    with pytest.raises(SpecError, match=r"vco4_swing must be <= 2·f0"):
        mapping.mapped.replace(layers=(own, *mapping.mapped.layers[1:]))
    with pytest.raises(SpecError, match=r"^Variation.die.tau must be <= 0.2"):
        Variation.from_dict({"die": {"tau": 0.5}})
