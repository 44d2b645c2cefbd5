"""What networks on chips share: membrane terms of each chip by number, draws of events, counts of spikes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neurocircuit.core.arrays import Floats
from neurocircuit.neuron.sensitivity import COMPONENTS
from neurocircuit.neuron.supply import Course, course, later, tones
from neurocircuit.noise.causes import CircuitLayer, named, total
from neurocircuit.noise.model import CAUSES, Count, check_causes
from neurocircuit.noise.table import NoiseTable
from neurocircuit.spec import NeuronSpec

_LEAST_SHARE = 2.0**-24  # half a step of the draws, which are float32


class Draws(Protocol):
    """Evenly distributed numbers in 0 … 1, float32, for the events of layer k; shape [chip, image, neuron ...]."""

    def __call__(self, k: int, shape: tuple[int, ...]) -> Tensor:
        """Numbers for all chips and images of one call."""


@dataclass(frozen=True)
class RippleOnChips:
    """The supply's ripple that images on chips meet in a layer; phase_rad [tone, chip, image] at its arming."""

    course: Course
    phase_rad: Tensor

    def taken(self, t_over_tau: Tensor) -> Tensor:
        """Return what it takes from the membranes by t [1 or chip, 1 or image, neuron ...], thresholds."""
        phases = self.phase_rad.to(t_over_tau).view(*self.phase_rad.shape, *(1 for _ in t_over_tau.shape[2:]))
        moved: Tensor = self.course.membrane(t_over_tau, phases, torch)
        return -moved

    def taken_of(self, t_over_tau: Tensor, event: Tensor) -> Tensor:
        """Return the same of neurons of some events: t [neuron], event: number of the chip times images, plus image."""
        moved: Tensor = self.course.membrane(t_over_tau, self.phase_rad.to(t_over_tau).flatten(1)[:, event], torch)
        return -moved


@dataclass
class Tally:
    """Counts of one layer since the last reset, over images and chips; size: neurons of the layer."""

    size: int
    neurons: int = 0
    ideal: int = 0  # spikes of eq. (4) within the window
    missed: int = 0
    false: int = 0
    fired: int = 0


class ChipTerms:
    """Membrane terms of several chips at once, one draw for the die, one for each neuron, one for its synapses.

    They keep their draws until other chips are taken.
    """

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


class NetworkOnChips(nn.Module):
    """A network whose layers of neurons answer as chips of a circuit do; `new_chip` takes another one.

    heard: where it is a list, it holds the spikes [chip · image, neuron] of each layer in the latest forward pass,
    units of τ from the image's start.
    """

    def __init__(self, table: NoiseTable, causes: tuple[str, ...]) -> None:
        """causes: where they are all, the table's causes of one's own act too.

        Raise InputError for causes that there are not, or that are not registered.
        """
        super().__init__()
        check_causes(causes)
        self.causes, self.count = causes, Count()
        self._causes_of_ones_own = named(table.own_causes) if tuple(causes) == CAUSES else ()
        self._numbers: NDArray[np.int64] | None = None  # of the events of the images, [chip, image]
        self.event_rng = torch.Generator().manual_seed(0)
        self.draws: Draws = self._next
        self.tallies: list[Tally] | None = None
        self.heard: list[Tensor] | None = None
        self._chips = ChipTerms(causes)
        self._began_rad: Tensor | None = None  # phases of the supply's tones as the images start, [tone, chip, image]

    def new_chip(self, seed: int, number: int) -> None:
        """From here on chip `number`: its die, neurons and synapses keep their draws until the next call."""
        self.new_chips(seed, [number])

    def new_chips(self, seed: int, numbers: Sequence[int]) -> None:
        """From here on several chips at once: every image meets each of them."""
        self._chips.take(seed, numbers)

    def _next(self, k: int, shape: tuple[int, ...]) -> Tensor:
        return torch.rand(shape, generator=self.event_rng)

    @property
    def layer_names(self) -> list[str]:
        """Names of the layers of neurons."""
        raise NotImplementedError

    def _taken(self, k: int, shape: tuple[int, ...], spec: NeuronSpec) -> Tensor | None:
        """Return what causes of one's own take in each event of layer k, [chip, image, neuron ...]; None without.

        Their numbers are drawn at the first layer, anew for each image: all layers of an image have the same one.
        """
        if not self._causes_of_ones_own:
            return None
        if k == 0 or self._numbers is None:
            self._numbers = (self.draws(k, (*shape[:2], 1))[..., 0].double().numpy() * 2**24).astype(np.int64)
        layer = CircuitLayer(k, self.layer_names[k], int(np.prod(shape[2:])), spec)
        taken = np.stack(
            [
                [total(self._causes_of_ones_own, chip, layer, int(event)) for event in events]
                for chip, events in zip(self._chips.numbers, self._numbers, strict=True)
            ]
        )
        return torch.from_numpy(taken.astype(np.float32)).view(shape)

    def _flicker(self, k: int, shape: tuple[int, ...], spread: float) -> Tensor | None:
        """Return normal deviates times `spread` for the flicker of layer k, [chip, image, neuron ...]; None without.

        A circuit with flicker draws them whatever the causes, after the numbers of the other noise of the layer.
        """
        if spread == 0.0:
            return None
        deviates = torch.special.ndtri(self.draws(k, shape).clamp_(min=_LEAST_SHARE, max=1.0 - _LEAST_SHARE))
        return deviates.mul_(spread) if "flicker" in self.causes else None

    def _ripple(self, k: int, images: int, spec: NeuronSpec, after_s: float) -> RippleOnChips | None:
        """Return the ripple that images meet in layer k, which is armed so long after they start; None without.

        All layers of an image meet the same one, drawn at the first, whatever the causes.
        """
        if spec.ripple is None:
            return None
        if k == 0 or self._began_rad is None:
            turns = self.draws(k, (len(self._chips.numbers), images, tones(spec)))
            self._began_rad = 2 * torch.pi * turns.movedim(2, 0)
        if "supply" not in self.causes:
            return None
        phase_rad = later(spec, self._began_rad.numpy().astype(np.float64), after_s)
        return RippleOnChips(course(spec), torch.from_numpy(phase_rad))

    def _tally(self, k: int, size: int, ideal: Tensor, fired: Tensor) -> None:
        """Count the spikes of layer k, of `size` neurons: those of eq. (4), and those that the chips make of them."""
        assert self.tallies is not None  # noqa: S101
        if k == len(self.tallies):
            self.tallies.append(Tally(size=size))
        tally = self.tallies[k]
        tally.neurons += fired.numel()
        tally.ideal += int(ideal.sum())
        tally.fired += int(fired.sum())
        tally.missed += int((ideal & ~fired).sum())
        tally.false += int((fired & ~ideal).sum())
