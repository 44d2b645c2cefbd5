"""Whole images on a circuit without one of its causes of error: same images, chips and events, so what differs is it.

Causes of noise (white, flicker, lock, supply), of mismatch (die, neuron, synapse), `mismatch` and `noise` (all of these
together), and what every neuron of a circuit has: pulses that overlap, and rounded weights. A network that was trained
under one of the last two has made up for it, and loses without it.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from neurocircuit.core.stats.clustered import clustered_interval
from neurocircuit.errors import InputError
from neurocircuit.network.run import Circuit
from neurocircuit.network.verify.images import Rows, share_of
from neurocircuit.results.replay import WithoutCause
from neurocircuit.spec import MappedNetwork, NeuronSpec, Variation

Change = Callable[[Circuit], Circuit]


def _of_neuron(change: Callable[[NeuronSpec], NeuronSpec]) -> Change:
    return lambda circuit: _mapped(circuit, circuit.mapped.replace(neuron=change(circuit.mapped.neuron)))


def _of_variation(*components: str) -> Change:
    """Return the circuit of chips that differ in no component of these."""

    def change(circuit: Circuit) -> Circuit:
        kept = [name for name in Variation.model_fields if name not in components]
        return _mapped(circuit, circuit.mapped.replace(variation=circuit.mapped.variation.only(*kept)))

    return change


def _mapped(circuit: Circuit, mapped: MappedNetwork) -> Circuit:
    return circuit if mapped == circuit.mapped else replace(circuit, mapped=mapped)


def _without_ripple(neuron: NeuronSpec) -> NeuronSpec:
    return neuron if neuron.ripple is None else neuron.replace(supply=neuron.ripple.replace(tones=()))


def _without_overlap(neuron: NeuronSpec) -> NeuronSpec:
    if neuron.circuit is None:
        return neuron
    return neuron.replace(circuit=neuron.circuit.replace(overlap=0.0, overlap_sinks=None, overlap_both=None))


def _unrounded(circuit: Circuit) -> Circuit:
    kernels = tuple(layer.kernel for layer in circuit.layers)
    pairs = zip(kernels, circuit.weights, strict=True)
    return circuit if all(np.array_equal(*pair) for pair in pairs) else replace(circuit, weights=kernels)


_MISMATCH = _of_variation("die", "neuron", "synapse")
# Each takes one cause out of a circuit. A circuit that does not have the cause comes back as it is.
CAUSES: dict[str, Change] = {
    "white": _of_neuron(lambda neuron: neuron.replace(phase_noise=(0.0, 0.0, 0.0, 0.0), locked_under_noise=False)),
    "flicker": _of_neuron(lambda neuron: neuron.replace(flicker=None)),
    "lock": _of_neuron(lambda neuron: neuron.replace(locked_under_noise=False)),
    "supply": _of_neuron(_without_ripple),
    "die": _of_variation("die"),
    "neuron": _of_variation("neuron"),
    "synapse": _of_variation("synapse"),
    "mismatch": _MISMATCH,
    "noise": lambda circuit: _of_neuron(NeuronSpec.without_noise)(_MISMATCH(circuit)),
    "overlap": _of_neuron(_without_overlap),
    "rounding": _unrounded,
}


def check_names(causes: tuple[str, ...]) -> None:
    """Raise InputError for a cause that is unknown or named twice."""
    for name in causes:
        if name not in CAUSES:
            raise InputError(f"without must name causes among {', '.join(CAUSES)}, got {name!r}")
        if causes.count(name) > 1:
            raise InputError(f"without must name each cause once, got {name} again")


def circuits_without(circuit: Circuit, causes: tuple[str, ...]) -> dict[str, Circuit]:
    """Return the circuit without each of the causes, by name. Raise InputError for one that it does not have."""
    changed = {name: CAUSES[name](circuit) for name in causes}
    for name, other in changed.items():
        if other is circuit:
            raise InputError(f"without must name causes that the circuit has, got {name}")
    return changed


def compared(rows: Rows, without: dict[str, Rows]) -> tuple[WithoutCause, ...]:
    """Return the accuracy without each cause, and what it gains over `rows`, which has all, pair by pair.

    without: rows of the first images of `rows`, or of all.
    """
    results = []
    for cause, others in without.items():
        right = (rows.decided == rows.label)[: len(others.label)]
        right_without = others.decided == others.label
        gain = right_without.astype(float) - right
        results.append(
            WithoutCause(
                cause=cause,
                images=len(np.unique(others.image)),
                accuracy=share_of(right_without, others),
                with_it=share_of(right, others),
                gain=clustered_interval(gain, others.image, others.chip),
            )
        )
    return tuple(results)
