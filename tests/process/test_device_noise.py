"""The noise of measured devices in the spec of a neuron."""

import json
from pathlib import Path

import pytest

from neurocircuit.core.taskstore import TaskStore
from neurocircuit.errors import InputError, SpecError
from neurocircuit.process.device_noise import Kind, with_chosen_noise, with_noise, with_ripple
from neurocircuit.spec import Flicker, NeuronSpec, Supply, Tone
from tests.process.planted import SENSITIVITY_per_V, planted_noise, planted_supply

KINDS: tuple[Kind, ...] = ("white", "flicker")
MEASURED = planted_noise(f0_Hz=(750e6, 940e6))


def test_each_vco_has_the_noise_of_the_nearest_ring() -> None:
    spec = with_noise(NeuronSpec(threshold_vco_ratio=1.25), MEASURED, "planted")
    assert spec.phase_noise == (1e5, 2e5, 3e5, 4e5)
    # The embedded circuit has four rings of 764 MHz: two as VCO1, two with a driven bias node as VCO2.
    embedded = with_noise(NeuronSpec(), MEASURED, "planted")
    assert embedded.phase_noise == (1e5, 2e5, 1e5, 2e5)
    assert embedded.flicker is not None
    assert embedded.flicker.h == (1e-8, 2e-8, 1e-8, 2e-8)
    assert embedded.noise_source == "planted"
    assert embedded.locked_under_noise
    assert embedded.without_noise() == NeuronSpec()


def test_a_vco_far_from_every_measured_ring_is_refused() -> None:
    message = "phase noise was measured at 750, 940 MHz: f0 and threshold_vco_ratio must be within 10% of one of them"
    with pytest.raises(InputError, match=f"{message}, got 1910 MHz"):
        with_noise(NeuronSpec(threshold_vco_ratio=2.5), MEASURED, "planted")


def test_a_card_without_flicker_gives_none() -> None:
    spec = with_noise(NeuronSpec(), planted_noise((750e6, 940e6), h=0.0), "planted")
    assert (spec.flicker, spec.phase_noise[0]) == (None, 1e5)


def test_noise_of_a_folder_or_none(tmp_path: Path) -> None:
    folder = tmp_path / "conditions" / "tt_27C_1V"
    with pytest.raises(InputError, match=r"cannot read .*phase_noise\.json"):
        with_chosen_noise(NeuronSpec(), folder, "both", False)
    TaskStore(tmp_path / "conditions").put("tt_27C_1V/phase_noise", "key", MEASURED.to_dict())
    (tmp_path / "request.json").write_text(json.dumps({"process": "planted"}), encoding="utf-8")
    spec = with_chosen_noise(NeuronSpec(), folder, "both", False)
    assert spec == with_noise(NeuronSpec(), MEASURED, "neurocircuit characterize, devices of planted, tt_27C_1V")
    white, flicker = (with_chosen_noise(NeuronSpec(), folder, kind, False) for kind in KINDS)
    assert (white.phase_noise, white.flicker, white.noise_source) == (spec.phase_noise, None, spec.noise_source)
    assert (flicker.phase_noise, flicker.flicker) == ((0.0,) * 4, spec.flicker)
    with_flicker = NeuronSpec(flicker=Flicker(h=(1e-8, 0.0, 0.0, 0.0)))
    assert with_chosen_noise(with_flicker, None, "both", True) == NeuronSpec()
    assert with_chosen_noise(with_flicker, None, "both", False) == with_flicker
    with pytest.raises(InputError, match="--device-noise and --without-noise exclude each other"):
        with_chosen_noise(NeuronSpec(), folder, "both", True)


def test_a_folder_gives_supply_sensitivities_too_and_a_ripple_stays(tmp_path: Path) -> None:
    store, folder = TaskStore(tmp_path / "conditions"), tmp_path / "conditions" / "tt_27C_1V"
    for name, measured in (("phase_noise", MEASURED), ("supply", planted_supply())):
        store.put(f"tt_27C_1V/{name}", "key", measured.to_dict())
    (tmp_path / "request.json").write_text(json.dumps({"process": "planted"}), encoding="utf-8")
    tones = (Tone(frequency_Hz=1e7, amplitude_V=1e-3),)
    rippled = NeuronSpec(supply=Supply(sensitivity_per_V=(1.0, 0.0, 0.0, 0.0), tones=tones))
    source = "neurocircuit characterize, devices of planted, tt_27C_1V"
    spec = with_chosen_noise(rippled, folder, "both", False)
    assert spec.supply == Supply(sensitivity_per_V=SENSITIVITY_per_V, tones=tones, source=source)
    assert spec.noise_source == source
    assert spec.without_noise().supply == Supply(sensitivity_per_V=SENSITIVITY_per_V, source=source)


def test_a_ripple_is_stated_on_top_of_the_sensitivities() -> None:
    known = NeuronSpec(supply=Supply(sensitivity_per_V=SENSITIVITY_per_V, source="planted"))
    spec = with_ripple(known, [("10 MHz", "1 mV"), ("31 MHz", "0.3 mV")])
    tones = (Tone(frequency_Hz=1e7, amplitude_V=1e-3), Tone(frequency_Hz=3.1e7, amplitude_V=3e-4))
    assert spec == known.replace(supply=Supply(sensitivity_per_V=SENSITIVITY_per_V, source="planted", tones=tones))
    assert with_ripple(NeuronSpec(), []) == NeuronSpec()
    with pytest.raises(InputError, match=r"--ripple must stand beside supply sensitivities: .* --device-noise"):
        with_ripple(NeuronSpec(), [("10 MHz", "1 mV")])
    with pytest.raises(SpecError, match=r"supply\.tones\[0\]\.frequency must carry the unit Hz"):
        with_ripple(known, [("10 ns", "1 mV")])
    with pytest.raises(SpecError, match=r"supply\.tones must have frequencies <= f0/4"):
        with_ripple(known, [("1 GHz", "1 mV")])
