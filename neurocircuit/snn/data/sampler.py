"""The order of training images: a permutation per epoch that depends on nothing but seed and epoch."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from neurocircuit.errors import SpecError
from neurocircuit.snn.data.images import Indices


@dataclass
class EpochSampler:
    """Batches of image indices; (epoch, step) is its whole state. The incomplete last batch of an epoch is left out."""

    images: int
    batch_size: int
    seed: int
    epoch: int = 0
    step: int = 0  # batches of this epoch already given

    def __post_init__(self) -> None:
        if self.batch_size > self.images:
            raise SpecError(f"schedule.batch_size must be <= {self.images} training images, got {self.batch_size}")

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in one epoch."""
        return self.images // self.batch_size

    def rest_of_epoch(self) -> Iterator[Indices]:
        """Yield the batches [image] from `step` to the end of the epoch; `step` counts along, then `epoch` moves on."""
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.images)
        while self.step < self.steps_per_epoch:
            start = self.step * self.batch_size
            self.step += 1
            yield order[start : start + self.batch_size]
        self.epoch, self.step = self.epoch + 1, 0
