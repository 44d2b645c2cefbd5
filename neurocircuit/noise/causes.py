"""Causes of noise of one's own, beside those that a circuit has: registered once, they act from then on.

A cause is any object with a name and a method `draw`. What it gives is what the membrane of each neuron lacks, in
thresholds, for the length of an event: a positive number raises the threshold, and the neuron fires later. Circuits
have it as a relative error of the lead, networks in torch as a shift of the membrane. A noise table names the causes
that were registered when it was calibrated; what they do is in none of its numbers, but drawn anew.
"""

import re
from typing import NamedTuple, Protocol

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import InputError
from neurocircuit.spec import NeuronSpec

_BUILT_IN = ("systematic", "die", "neuron", "synapse", "flicker", "supply", "event", "all", "bias", "layer")


class CircuitLayer(NamedTuple):
    """A layer as a cause sees it: its number, name, number of neurons, and the neuron that all of them are."""

    number: int
    name: str
    neurons: int
    spec: NeuronSpec


class Cause(Protocol):
    """What `register_cause` takes."""

    @property
    def name(self) -> str:
        """Its name in tables, budgets and reports."""

    def draw(self, chip: int, layer: CircuitLayer, event: int) -> Floats:
        """Return what the membranes of a layer lack, [neuron], thresholds; the same numbers give the same values."""


_registered: dict[str, Cause] = {}


def register_cause(cause: Cause) -> None:
    """Let a cause act on every chip that is calibrated, verified, evaluated or trained under from here on.

    Raise InputError for a name that is none, or that another cause has.

    >>> class Burst:
    ...     name = "burst"
    ...     def draw(self, chip, layer, event):
    ...         hit = np.random.default_rng([chip, layer.number, event]).random(layer.neurons) < 0.01
    ...         return 0.2 * hit
    >>> register_cause(Burst())
    >>> [cause.name for cause in registered()]
    ['burst']
    >>> unregister_cause("burst")
    """
    name = getattr(cause, "name", None)
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", name) or name in _BUILT_IN:
        raise InputError(f"a cause must have a name of its own of lower-case letters, got {name!r}")
    if not callable(getattr(cause, "draw", None)):
        raise InputError(f"cause {name} must have a method draw(chip, layer, event)")
    if name in _registered:
        raise InputError(f"cause {name} is registered: unregister_cause({name!r}) first")
    _registered[name] = cause


def unregister_cause(name: str) -> None:
    """Forget a cause. Raise InputError where none has that name."""
    if _registered.pop(name, None) is None:
        raise InputError(f"no cause {name!r} is registered")


def registered() -> tuple[Cause, ...]:
    """Return the causes that are registered, in their order."""
    return tuple(_registered.values())


def named(names: list[str]) -> tuple[Cause, ...]:
    """Return the registered causes of a noise table. Raise InputError naming one that is missing."""
    for name in names:
        if name not in _registered:
            raise InputError(f"the noise table has the cause {name}, which is not registered (register_cause)")
    return tuple(_registered[name] for name in names)


def check_same(names: list[str], causes: tuple[Cause, ...]) -> None:
    """Raise InputError where a noise table and a circuit have different causes of one's own."""
    ours = [cause.name for cause in causes]
    if sorted(names) != sorted(ours):
        raise InputError(
            f"causes of one's own must be those of the noise table ({', '.join(names) or 'none'}), registered are "
            f"{', '.join(ours) or 'none'}: calibrate again"
        )


def drawn(cause: Cause, chip: int, layer: CircuitLayer, event: int) -> Floats:
    """Return what one cause takes, [neuron], thresholds. Raise InputError where it gives something else."""
    values = np.asarray(cause.draw(chip, layer, event), dtype=float)
    if values.shape != (layer.neurons,) or not np.isfinite(values).all():
        raise InputError(
            f"cause {cause.name} must draw {layer.neurons} finite numbers, one for each neuron of layer {layer.name}, "
            f"got shape {values.shape}"
        )
    return values


def total(causes: tuple[Cause, ...], chip: int, layer: CircuitLayer, event: int) -> Floats:
    """Return what all of them take, [neuron], thresholds."""
    return np.asarray(sum((drawn(cause, chip, layer, event) for cause in causes), np.zeros(layer.neurons)))


def threshold_errors(spec: NeuronSpec, taken: Floats) -> Floats:
    """Return the relative errors of lead and guard that take so many thresholds from a membrane, same shape."""
    lead = spec.fixed_lead_rad
    return taken * lead / (lead + spec.ripple_guard_rad)
