"""New weights on the scales of a mapped network: what retraining under its noise table leads to.

Phase per weight, lead, guard and window stay, so the circuit is the one whose noise the weights were trained under; the
banks span the new weights, and the bias delays are measured anew. How far the new weights leave the limits is reported:
a membrane beyond them wraps in the simulation as it would in the circuit.
"""

from typing import Any

from neurocircuit.mapping import limits
from neurocircuit.mapping.build import LATENCY_IMAGES, with_delays
from neurocircuit.mapping.limits import Choice, Recorded
from neurocircuit.mapping.physical import PhysicalNetwork
from neurocircuit.mapping.replay import Circuit
from neurocircuit.record import Floats
from neurocircuit.spec import MappedNetwork


def map_again(
    mapped: MappedNetwork, physical: PhysicalNetwork, spikes: list[Floats], checkpoint: str, checkpoint_sha256: str
) -> tuple[MappedNetwork, list[dict[str, Any]]]:
    """The network of new weights, and its limits on images given by their input spikes [number]."""
    layers = tuple(
        own.replace(weight_bank=own.weight_bank.spanning(layer.kernel))
        for own, layer in zip(mapped.layers, physical.layers, strict=True)
    )
    again = mapped.replace(checkpoint=checkpoint, checkpoint_sha256=checkpoint_sha256, layers=layers)
    again = with_delays(again, physical, spikes[:LATENCY_IMAGES])
    circuit = Circuit.of(again, physical)
    points = [circuit.ideal(one) for one in spikes]
    found = [
        limits.as_dict(limit)
        for k, own in enumerate(again.layers)
        for limit in limits.limits_of(own, again.neuron, Recorded.of([every[k] for every in points]), Choice())
    ]
    return again, found
