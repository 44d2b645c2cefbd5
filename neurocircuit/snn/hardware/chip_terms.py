"""What chips do to the membranes of a layer, by number: one draw for the die, one for each neuron and its synapses."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from neurocircuit.core.arrays import Floats
from neurocircuit.neuron.sensitivity import COMPONENTS


class ChipTerms:
    """Membrane terms of several chips at once, which keep their draws until other chips are taken."""

    def __init__(self, causes: tuple[str, ...]) -> None:
        """causes: those among die, neuron, synapse count; without any of them there are no terms."""
        self._causes = tuple(name for name in COMPONENTS if name in causes)
        self._terms: dict[int, Tensor] = {}
        self._seed, self.numbers = 0, [0]

    def take(self, seed: int, numbers: Sequence[int]) -> None:
        """From here on these chips."""
        self._seed, self.numbers = seed, list(numbers)
        self._terms.clear()

    def of(self, k: int, shape: tuple[int, ...], spread: Floats, like: Tensor) -> Tensor | None:
        """Return [chip, 1, *shape] of layer k, type and device of `like`; None without causes.

        spread [component]: standard deviations, thresholds.
        """
        if not self._causes:
            return None
        if k not in self._terms:
            drawn = [self._drawn(k, number, shape, spread) for number in self.numbers]
            self._terms[k] = torch.from_numpy(np.stack(drawn)[:, None].astype(np.float32))
        return self._terms[k].to(like)

    def _drawn(self, k: int, number: int, shape: tuple[int, ...], spread: Floats) -> np.ndarray:
        total = np.zeros(shape, dtype=np.float32)
        keys: tuple[tuple[int, ...], ...] = ((0,), (1, k), (2, k))
        for name, key, size in zip(COMPONENTS, keys, spread, strict=True):
            if name in self._causes:
                generator = np.random.default_rng([self._seed, 21, number, *key])
                of = (1,) * len(shape) if name == "die" else shape
                total += np.float32(size) * generator.standard_normal(of, dtype=np.float32)
        return total
