from typing import Any

import pytest

from neurocircuit.rendering import paper
from neurocircuit.rendering.renderers import sweep_description as description
from neurocircuit.rendering.renderers.sweep_description import neuron_sentences
from neurocircuit.spec import Lead, NeuronSpec, Ramp, StartPhases, Supply, Testbench, Tone, Uniform

BENCH = Testbench(
    name="paper",
    summary="two inputs",
    input_times_over_tau=(0.1, 0.2),
    weights=(1.0, 0.8),
    quantised_weights=(0.9, 1.1),
)
CHANGES: dict[str, list[Any]] = {
    "name": ["other"],
    "summary": ["three inputs"],
    "level": ["ideal", "averaged", "bsource"],
    "input_times_over_tau": [(0.1, 0.1), (0.1, Uniform(low=0.2, high=0.3))],
    "weights": [(1.0, 1.0)],
    "quantised_weights": [(Uniform(low=0.8, high=1.2),) * 2],
    "jittered_inputs": [(0,), (1,)],
    "jitter_distribution": ["uniform"],
    "jitter_correlation": ["common"],
    "jitter_reference": ["tau"],
    "time_origin": ["first-input"],
    "desired": ["eq4"],
    "metric": ["median", "maximum"],
    "readout": ["continuous", "q"],
    "start_phases": ["random", StartPhases(), StartPhases(vco1_rad=1.0)],
    "trials": [3],
    "cross_check_trials": [4],
    "timeout_s": [1.0],
    "retries": [0, 2, 3],
}


def test_every_field_has_a_sentence() -> None:
    sentences = description.testbench_sentences(BENCH)
    assert [field for field, _ in sentences] == list(Testbench.model_fields) == list(CHANGES)
    assert all(text.endswith(".") for _, text in sentences)


@pytest.mark.parametrize("field", CHANGES)
def test_every_choice_reads_differently(field: str) -> None:
    texts = [dict(description.testbench_sentences(BENCH))[field]]
    for value in CHANGES[field]:
        changed = description.testbench_sentences(BENCH.replace(**{field: value}))
        texts.append(dict(changed)[field])
        assert [
            name
            for (name, old), (_, new) in zip(description.testbench_sentences(BENCH), changed, strict=True)
            if old != new
        ] == [field]
    assert len(set(texts)) == len(texts)


def test_the_neuron_is_told_with_its_threshold() -> None:
    assert "VCO3 leads VCO4 by 1.2 rad" in " ".join(neuron_sentences(NeuronSpec(threshold=Lead(lead_rad=1.2))))
    assert "VCO3 runs 8 MHz ahead" in " ".join(neuron_sentences(NeuronSpec(threshold=Ramp())))
    noisy = NeuronSpec(phase_noise=(1.0, 0.0, 0.0, 0.0))
    assert "1, 0, 0, 0 rad²/s (assumed)" in " ".join(neuron_sentences(noisy))
    measured = noisy.replace(noise_source="devices of planted")
    assert "1, 0, 0, 0 rad²/s (characterised: devices of planted)" in " ".join(neuron_sentences(measured))


def test_the_papers_exponent_comes_from_its_five_points() -> None:
    """Slope between the first and the last point alone: ln(0.997/0.024)/ln 9 = 1.70; the fit lies near."""
    assert paper.exponent() == pytest.approx(1.70, abs=0.05)
    assert paper.value("jitter", 0.02) is None
    assert paper.value("bits", 4) == 0.00957


def test_supply_ripple_is_told_where_there_is_one() -> None:
    tones = (Tone(frequency_Hz=1e7, amplitude_V=1e-3), Tone(frequency_Hz=3.1e7, amplitude_V=3e-4))
    spec = NeuronSpec(supply=Supply(sensitivity_per_V=(1.16, 1.18, 1.71, 1.84), tones=tones))
    told = "; supply ripple of 1 mV at 10 MHz, 300 uV at 31 MHz, which VCO1 … VCO4 follow by 1.16, 1.18, 1.71, 1.84 per"
    assert f"{told} volt (assumed)" in " ".join(neuron_sentences(spec))
    known = spec.replace(supply=spec.supply.replace(source="planted"))
    assert f"{told} volt (characterised: planted)" in " ".join(neuron_sentences(known))
    for steady in (NeuronSpec(), known.without_noise()):
        assert "supply" not in " ".join(neuron_sentences(steady))
