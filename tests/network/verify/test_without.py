"""Whole images without one cause: what is switched off, and that nothing else moves."""

from dataclasses import replace

import numpy as np
import pytest

from neurocircuit.errors import InputError
from neurocircuit.network.run import Circuit
from neurocircuit.network.verify import images, without
from neurocircuit.neuron.pulse_overlap import PulseOverlap
from neurocircuit.spec import Flicker, Supply, Tone, Variation
from neurocircuit.spec.variation import EMBEDDED
from tests.neuron.test_pulse_overlap import spec as overlapping

NOISY = {
    "phase_noise": (5e4, 5e4, 5e4, 5e4),
    "locked_under_noise": True,
    "flicker": Flicker(h=(1e-8,) * 4),
    "supply": Supply(sensitivity_per_V=(0.8, 0.8, 1.0, 1.1), tones=(Tone(frequency_Hz=1e7, amplitude_V=1e-3),)),
}


@pytest.fixture
def noisy(circuit) -> Circuit:
    neuron = circuit.mapped.neuron.replace(circuit=overlapping(0.4).circuit, **NOISY)
    return replace(circuit, mapped=circuit.mapped.replace(neuron=neuron, variation=EMBEDDED))


def decided(circuit, spikes):
    labels = np.zeros(len(spikes), dtype=np.int64)
    return images.run(circuit, spikes, labels, chips=2, level="edge", seed=1)


def test_each_cause_is_switched_off_alone(noisy) -> None:
    """Fields that a cause stands for are as in a circuit without it, all others as they were."""
    off = {
        "white": {"phase_noise": (0.0,) * 4, "locked_under_noise": False},
        "flicker": {"flicker": None},
        "lock": {"locked_under_noise": False},
        "supply": {"supply": noisy.mapped.neuron.supply.replace(tones=())},
    }
    for name, other in without.circuits_without(noisy, tuple(without.CAUSES)).items():
        neuron, variation = other.mapped.neuron, other.mapped.variation
        if name in off:
            assert neuron == noisy.mapped.neuron.replace(**off[name])
            assert variation == EMBEDDED
        if name in ("die", "neuron", "synapse"):
            assert variation == EMBEDDED.replace(**{name: getattr(Variation(), name)})
            assert neuron == noisy.mapped.neuron
        assert PulseOverlap.of(neuron).strength == ((0.0,) * 4 if name == "overlap" else (0.4,) * 4)
        assert all(np.array_equal(*pair) for pair in zip(other.weights, noisy.weights, strict=True)) == (
            name != "rounding"
        )
    quiet = without.circuits_without(noisy, ("noise",))["noise"].mapped
    assert quiet.variation.is_zero
    assert not quiet.neuron.is_noisy
    assert not quiet.neuron.locked_under_noise


def test_what_a_cause_costs_is_counted_pair_by_pair(noisy, spikes) -> None:
    """Labels are what the circuit decides without noise: there it has all right, and gains what it lost with noise."""
    causes = ("noise",)
    others = without.circuits_without(noisy, causes)
    rows, quiet = decided(noisy, spikes), decided(others["noise"], spikes)
    rows, quiet = (replace(some, label=quiet.decided) for some in (rows, quiet))
    (result,) = without.compared(rows, {"noise": quiet})
    lost = float(np.mean(rows.decided != rows.label))
    assert result.accuracy[0] == 1.0
    assert result.gain[0] == pytest.approx(lost)
    assert lost > 0  # else nothing is tested
    (same,) = without.compared(rows, {"white": rows})
    assert same.gain[0] == 0.0
    (fewer,) = without.compared(rows, {"noise": decided(others["noise"], spikes[:2])})
    assert fewer.images == 2
    assert fewer.with_it[0] == pytest.approx(float(np.mean((rows.decided == rows.label)[:4])))


@pytest.mark.parametrize(
    ("causes", "message"),
    [(("thermal",), "among white, flicker"), (("die", "die"), "once, got die again")],
)
def test_unknown_and_repeated_causes_are_refused(causes, message) -> None:
    with pytest.raises(InputError, match=message):
        without.check_names(causes)


def test_a_cause_that_the_circuit_does_not_have_is_refused(circuit) -> None:
    with pytest.raises(InputError, match="that the circuit has, got flicker"):
        without.circuits_without(circuit, ("flicker",))
