"""Scaling laws of a design, and what no circuit can be."""

import math
from itertools import product

import pytest

from neurocircuit.errors import InputError, SpecError
from neurocircuit.spec import Flicker, NeuronSpec, Supply, Tone
from neurocircuit.spec.variation import EMBEDDED
from neurocircuit.studies.codesign.design import base_values, design_of, impossible
from tests.studies.codesign.planted import NEURON as POWER
from tests.studies.codesign.planted import NOISY

BASE = NeuronSpec(phase_noise=(5e4, 5e4, 5e4, 5e4))


def test_base_values_give_the_base_circuit():
    values = base_values(BASE, EMBEDDED, POWER.bias_A)
    found = design_of(BASE, EMBEDDED, POWER, values)
    for name in ("tau_s", "f0_Hz", "loop_filter_rad_per_s", "phase_per_weight_rad", "window_s", "vco4_swing_Hz"):
        assert getattr(found.neuron, name) == pytest.approx(getattr(BASE, name), rel=1e-12)
    assert found.neuron.phase_noise == pytest.approx(BASE.phase_noise)
    assert found.variation.neuron.frequency == pytest.approx(EMBEDDED.neuron.frequency)
    assert found.power.power_W == pytest.approx(121e-6)


def test_noise_is_inverse_to_the_current_and_follows_the_frequency_by_the_law():
    # kappa² = D/(2π f0)², the variance of time per time; the planted law has D with f².
    def kappa2(values):
        neuron = design_of(BASE, EMBEDDED, NOISY, values).neuron
        return neuron.phase_noise[0] / (2 * math.pi * neuron.f0_Hz) ** 2

    base = kappa2({})
    assert kappa2({"bias": 2e-5}) == pytest.approx(base / 2)
    assert kappa2({"f0": 2 * BASE.f0_Hz}) == pytest.approx(base)
    assert design_of(BASE, EMBEDDED, NOISY, {"bias": 2e-5}).power.power_W == pytest.approx(2 * 68e-6 + 53e-6)
    assert design_of(BASE, EMBEDDED, NOISY, {"f0": 2 * BASE.f0_Hz}).power.power_W == pytest.approx(68e-6 + 2 * 53e-6)


def test_base_values_leave_the_noise_as_it_is_to_the_last_bit():
    base = BASE.replace(
        threshold_vco_ratio=1.25,
        phase_noise=(5e4, 6e4, 7e4, 8e4),
        flicker=Flicker(h=(1e-8, 2e-8, 3e-8, 4e-8), shared_vco1_vco2=0.03, shared_vco3_vco4=0.07),
        supply=Supply(sensitivity_per_V=(1.2, 1.2, 1.7, 1.8), tones=(Tone(frequency_Hz=1e7, amplitude_V=1e-3),)),
        noise_source="planted",
    )
    found = design_of(base, EMBEDDED, NOISY, {"bias": NOISY.bias_A, "bias_area": 1.0}).neuron
    for name in ("phase_noise", "flicker", "supply", "noise_source"):
        assert getattr(found, name) == getattr(base, name)


def test_flicker_and_supply_sensitivity_follow_current_frequency_and_area_of_the_bias_devices():
    ripple = Supply(sensitivity_per_V=(1.2, 1.2, 1.7, 1.8), tones=(Tone(frequency_Hz=1e7, amplitude_V=1e-3),))
    base = BASE.replace(
        threshold_vco_ratio=1.5,
        flicker=Flicker(h=(1e-8, 1e-8, 3e-8, 3e-8), shared_vco1_vco2=0.1, shared_vco3_vco4=0.2),
        supply=ripple,
    )
    found = design_of(base, EMBEDDED, NOISY, {"bias": 2e-5, "f0": 2 * BASE.f0_Hz, "bias_area": 4.0})
    # h = (8/(x √A) + 2)/s: of VCO1 10 and (8/4 + 2)/2 at x = 1 and 2, of VCO3 8/1.5 + 2 and (8/6 + 2)/2 at 1.5 and 3.
    first, third = 2 / 10, (8 / 6 + 2) / 2 / (8 / 1.5 + 2)
    assert found.neuron.flicker.h == pytest.approx((1e-8 * first, 1e-8 * first, 3e-8 * third, 3e-8 * third))
    # What is shared is flicker of the bias devices: it falls by 2 · √4 · s, so its share by that over all of h.
    assert found.neuron.flicker.shared_vco1_vco2 == pytest.approx(0.1 / 8 / first)
    assert found.neuron.flicker.shared_vco3_vco4 == pytest.approx(0.2 / 8 / third)
    grown = 2.0 ** (1 + 0.5 * math.log(2))  # x ln-curve: of VCO3 from 1.5 to 3
    of_vco3 = 2.0 * math.exp(0.5 * (math.log(3) ** 2 - math.log(1.5) ** 2))
    assert found.neuron.supply.sensitivity_per_V == pytest.approx(
        (1.2 * grown, 1.2 * grown, 1.7 * of_vco3, 1.8 * of_vco3)
    )
    assert found.neuron.phase_noise == pytest.approx([5e4 * 4 / 2] * 4)
    # A bias current of 2 · 4^(1/4) times 40 uA, where that of the nominal area would be 2 · 40 uA.
    narrow = design_of(base, EMBEDDED, NOISY, {"bias": 2e-5, "f0": 2 * BASE.f0_Hz})
    assert found.power.power_W - narrow.power.power_W == pytest.approx(2 * 40e-6 * (4**0.25 - 1) * NOISY.base.supply_V)
    assert found.power.lock_power_W - narrow.power.lock_power_W == pytest.approx(2 * 20e-6 * (4**0.25 - 1))
    assert found.power.generator_W / narrow.power.generator_W == pytest.approx(4**0.25)
    # Twice the widths, and four times the area of the bias devices beside.
    assert found.gates_m2 == pytest.approx(2 * (4e-12 + 4 * 1e-12))


@pytest.mark.parametrize(
    ("neuron", "values", "said"),
    [
        (NOISY, {"bias_area": 5.0}, "bias_area must be within 1 … 4, where noise was characterised, got 5"),
        (NOISY, {"f0": 4.1 * BASE.f0_Hz}, "f0 must give every VCO 0.4 … 4 of the base circuit's frequency"),
        (POWER, {"bias_area": 2.0}, "bias_area must stay at the base's: the condition planted has no noise_law.json"),
        (POWER, {"f0": 2 * BASE.f0_Hz}, "f0 must stay at the base's"),
    ],
)
def test_noise_beyond_what_was_characterised_is_refused(neuron, values, said):
    with pytest.raises(InputError, match=said):
        design_of(BASE, EMBEDDED, neuron, values)


def test_every_part_of_the_power_follows_the_design():
    base, found = POWER.base, design_of(BASE, EMBEDDED, POWER, {"bias": 2e-5, "cycles_per_tau": 2 * 15.28}).power
    for part in ("power_W", "ramp_power_W", "lock_power_W"):
        assert getattr(found, part) / getattr(base, part) == pytest.approx(189 / 121)
    assert found.lock_over_tau == base.lock_over_tau  # the loop settles in so many τ
    assert found.generator_W / base.generator_W == found.trim_dac_W / base.trim_dac_W == 2.0
    steps = {step: design_of(BASE, EMBEDDED, POWER, {"trim_resolution": step}).power.trim_bits for step in (1e-3, 5e-4)}
    assert steps[5e-4] == steps[1e-3] + 1


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"bias": 5e-6}, "bias must be within 6 … 20 uA, the characterised currents, got 5 uA"),
        ({"bias": 2.1e-5}, "bias must be within 6 … 20 uA, the characterised currents, got 21 uA"),
        ({"f0": 2 * BASE.f0_Hz}, "f0 must be within 0.5 … 1.5 of the base circuit's, where neurons were characterised"),
        # Half the frequency at the same widths is half the current here, so all bounds of the current are.
        ({"f0": BASE.f0_Hz / 2}, None),
        ({"f0": BASE.f0_Hz / 2, "bias": 1.1e-5}, "bias must be within 3 … 10 uA"),
    ],
)
def test_a_design_beyond_the_characterised_neurons_is_refused(values, said):
    neuron = NOISY.model_copy(
        update={"built": (0.6, 2.0), "at_frequencies": (0.5, 1.0, 1.5), "currents": (0.5, 1.0, 1.5)}
    )
    if said is None:
        assert design_of(BASE, EMBEDDED, neuron, values).power.power_W > 0
        return
    with pytest.raises(InputError, match=said):
        design_of(BASE, EMBEDDED, neuron, values)


def test_flicker_is_inverse_to_the_current_as_widths_scale_with_it():
    base = BASE.replace(flicker=Flicker(h=(1e-8, 2e-8, 3e-8, 4e-8), shared_vco1_vco2=0.5))
    flicker = design_of(base, EMBEDDED, POWER, {"bias": 2e-5}).neuron.flicker
    assert flicker.h == pytest.approx((5e-9, 1e-8, 1.5e-8, 2e-8))
    assert flicker.shared_vco1_vco2 == 0.5


def test_cycles_set_tau_at_the_frequency_and_the_loop_keeps_its_ratio():
    neuron = design_of(BASE, EMBEDDED, POWER, {"cycles_per_tau": 30.56}).neuron
    assert neuron.f0_Hz == BASE.f0_Hz
    assert neuron.tau_s == pytest.approx(2 * BASE.tau_s)
    assert neuron.loop_ratio == pytest.approx(BASE.loop_ratio)


def test_trim_leaves_an_even_residual():
    frequency = design_of(BASE, EMBEDDED, POWER, {"trim_resolution": 1e-3}).variation.neuron.frequency
    assert frequency == pytest.approx([1e-3 / math.sqrt(12)] * 4)


def test_bits_are_those_of_both_signs():
    bank = design_of(BASE, EMBEDDED, POWER, {"weight_bits": 6}).neuron.weight_bank
    assert (bank.excitatory.bits, bank.inhibitory.bits) == (6, 6)


@pytest.mark.parametrize(
    ("values", "kept", "broken"),
    [
        ({"lead": 4.0}, False, {"lead below π": 4.0 / math.pi - 1}),
        ({"lead": 3.0, "phase_per_weight": 0.01, "cycles_per_tau": 2.0}, True, {"VCO4 swing": 3 / (0.04 * 2) - 1}),
        ({"lead": 3.0, "phase_per_weight": 0.01, "cycles_per_tau": 2.0}, False, {}),
        ({"bias": 1e-9}, False, {"phase noise within an edge": 5e8 / 7.64e7 - 1}),
        ({"cycles_per_tau": 0.5 * BASE.spike_width_s * BASE.f0_Hz}, False, {"spike width": 1.0}),
        ({}, True, {}),
    ],
)
def test_what_is_impossible_says_how_far(values, kept, broken):
    found = {name: value for name, value in impossible(BASE, POWER, values, kept).items() if value > 0}
    if "VCO4 swing" in broken:
        # θ/(2 a τ) against 2 f0: with τ = cycles/f0 the ratio is θ/(4 a cycles)
        broken = {"VCO4 swing": 3.0 / (4 * 0.01 * 2.0) - 1}
    assert found == pytest.approx(broken, rel=1e-6)


def is_valid(values):
    try:
        design_of(BASE, EMBEDDED, POWER, values)
    except SpecError:
        return False
    return True


def test_a_design_that_is_not_impossible_is_valid():
    """Corners of wide ranges: what the spec refuses breaks a constraint; both kinds of corner are among them."""
    names = ("lead", "phase_per_weight", "cycles_per_tau", "bias")
    corners = [
        dict(zip(names, values, strict=True))
        for values in product((0.2, 3.1, 4.0), (0.01, 0.5), (2.0, 60.0), (1e-7, 1e-4))
    ]
    possible = [max(impossible(BASE, POWER, values, kept=False).values()) <= 0 for values in corners]
    valid = [is_valid(values) for values in corners]
    assert 4 <= sum(possible) <= sum(valid) < len(corners)
    assert all(ok for ok, asked in zip(valid, possible, strict=True) if asked)


def test_supply_ripple_stays_whatever_the_current():
    ripple = Supply(sensitivity_per_V=(1.2, 1.2, 1.7, 1.8), tones=(Tone(frequency_Hz=1e7, amplitude_V=1e-3),))
    base = BASE.replace(supply=ripple)
    assert design_of(base, EMBEDDED, POWER, {"bias": 2e-5}).neuron.supply == ripple
