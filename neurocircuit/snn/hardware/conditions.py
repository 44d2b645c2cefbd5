"""Under which hardware a network computes while it is trained: the forward pass that the recipe's [hardware] makes."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from neurocircuit.core.files import file_sha256
from neurocircuit.errors import InputError, SpecError
from neurocircuit.network import limits
from neurocircuit.noise import NoiseTable
from neurocircuit.snn.hardware.jitter import JitteredNetwork, JitteredWindows
from neurocircuit.snn.hardware.noisy_windows import Noisy, on_chips
from neurocircuit.snn.hardware.quantise import EXACT_BITS, Rounding, set_rounding
from neurocircuit.snn.hardware_spec import HardwareSpec
from neurocircuit.snn.models import spiking_layers
from neurocircuit.snn.windowed import windowed_in
from neurocircuit.spec import MappedNetwork, WeightBank
from neurocircuit.tables import TransferTable
from neurocircuit.tables.curve import jitter_by_layer

FRESH_CHIPS = 1_000_000  # numbers of chips that training meets; evaluation counts from 0
HELD_OUT_CHIP = 900_000
_HELD_OUT_SEED = 5


class Conditions:
    """The trained network and its averaged copy, each as the hardware has it.

    Noise is drawn anew at each step from a generator of its own; a chip is known by its number, that of the step.
    """

    def __init__(self, spec: HardwareSpec, seed: int, network: nn.Module, evaluated: nn.Module) -> None:
        """Reads the noise table, if any. Raise InputError or FileFormatError naming what does not fit."""
        self.spec, self.seed = spec, seed
        _check(spec, windowed_in(network) is not None)
        self.noise_sha256 = file_sha256(Path(spec.noise)) if spec.noise else None
        bank = WeightBank()
        self.margins: tuple[list[float], list[float], list[float]] | None = None
        self.trained: nn.Module = network
        self.evaluated: nn.Module = evaluated
        if spec.noise and spec.mode == "calibrated":
            table = NoiseTable.load(Path(spec.noise))
            mapped = MappedNetwork.from_dict(table.provenance["network"])
            bank = mapped.neuron.weight_bank
            if spec.bits < EXACT_BITS and spec.full_scale != mapped.layers[0].full_scale:
                raise SpecError(
                    f"hardware.full_scale must be {mapped.layers[0].full_scale} as on the circuit of {spec.noise}, "
                    f"got {spec.full_scale}"
                )
            if spec.margins == "mapped" and not mapped.is_windowed:
                windows = [mapped.neuron_of(k).window_over_tau for k in range(len(mapped.layers))]
                self.margins = (*limits.held(mapped), windows)
            options = {"outside": spec.outside, "gradient": spec.gradient, "approaches": approaches(network)}
            self.trained, self.evaluated = (
                on_chips(stack, table, spec.causes, **options) for stack in (network, evaluated)
            )
        elif spec.noise or spec.jitter:
            jitter = self._jitters(len(spiking_layers(network)))
            self.trained, self.evaluated = (JitteredNetwork(stack, jitter) for stack in (network, evaluated))
        elif spec.jitter_over_tau:
            self.trained, self.evaluated = (
                JitteredWindows(stack, spec.jitter_over_tau) for stack in (network, evaluated)
            )
        self._rounding: list[Rounding] = []
        if spec.rounds:
            for stack in {id(network): network, id(evaluated): evaluated}.values():
                self._rounding.append(
                    Rounding(spec.quantiser, EXACT_BITS, bank, spec.weight_snr_dB, full_scale=spec.full_scale)
                )
                set_rounding(stack, self._rounding[-1])
        self._weight_rng = torch.Generator().manual_seed(self._torch_seed(6))
        self._event_rng = torch.Generator().manual_seed(self._torch_seed(7))

    def _jitters(self, layers: int) -> list[float]:
        if not self.spec.noise:
            return [self.spec.jitter] * (layers + 1)
        table = TransferTable.load(Path(self.spec.noise))
        return jitter_by_layer(table, self.spec.input_jitter, layers, self.spec.noise)[0]

    def before_step(self, step: int, steps: int) -> None:
        """Chip, bits and generators of a training step."""
        if isinstance(self.trained, Noisy):
            self.trained.new_chip(self.seed, 0 if self.spec.chips == "fixed" else FRESH_CHIPS + step)
        if isinstance(self.trained, Noisy | JitteredNetwork | JitteredWindows):
            self.trained.event_rng = self._event_rng
        for rounding in self._rounding:
            rounding.bits, rounding.generator = self.spec.bits_at(step, steps), self._weight_rng

    def before_held_out(self) -> None:
        """Before the held-out images: always the same chip (the fixed one, or one that no step sees) and events."""
        generator = torch.Generator().manual_seed(_HELD_OUT_SEED)
        if isinstance(self.evaluated, Noisy):
            self.evaluated.new_chip(self.seed, 0 if self.spec.chips == "fixed" else HELD_OUT_CHIP)
        if isinstance(self.evaluated, Noisy | JitteredNetwork | JitteredWindows):
            self.evaluated.event_rng = generator
        for rounding in self._rounding:
            rounding.generator = generator

    @property
    def share_outside(self) -> float | None:
        """Of the spikes of training, those beyond the noise table; None without one."""
        return self.trained.count.share if isinstance(self.trained, Noisy) else None

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint must hold."""
        count = self.trained.count if isinstance(self.trained, Noisy) else None
        return {
            "noise_sha256": self.noise_sha256,
            "weight_rng": self._weight_rng.get_state(),
            "event_rng": self._event_rng.get_state(),
            "count": [count.points, count.outside] if count else None,
        }

    def restore(self, state: dict[str, Any], path: Path) -> None:
        """Take up `state` of the checkpoint `path`. Raise InputError when its noise was another file's."""
        if state["noise_sha256"] != self.noise_sha256:
            raise InputError(f"{path} was trained under another noise table than {self.spec.noise}: its sha256 differs")
        self._weight_rng.set_state(state["weight_rng"])
        self._event_rng.set_state(state["event_rng"])
        if isinstance(self.trained, Noisy) and state["count"]:
            self.trained.count.points, self.trained.count.outside = state["count"]

    def _torch_seed(self, stream: int) -> int:
        return int(np.random.SeedSequence([self.seed, stream]).generate_state(1, np.uint64)[0] >> 1)


def _check(spec: HardwareSpec, is_windowed: bool) -> None:
    """Raise SpecError for a field that does nothing to the network."""
    free = {"mode transfer": spec.noise and spec.mode == "transfer", "jitter": spec.jitter}
    for name, value in free.items() if is_windowed else [("jitter_over_tau", spec.jitter_over_tau)]:
        if value:
            kind = "free" if is_windowed else "windowed"
            raise SpecError(f"hardware.{name} is for {kind} networks only, and this one is not")


def approaches(network: nn.Module) -> list[int]:
    """Return the moments at which each layer's silent neurons are looked at in training, where every dense layer costs.

    One is exact for inputs of one sign of current (mapped MNIST network: 100 % of the first layer in the right cell of
    the table, 93 % of the second); a false spike of the last layer decides, so its time must be right too.
    """
    layers = len(spiking_layers(network))
    return [8] if layers == 1 else [1, *[2] * (layers - 2), 8]
