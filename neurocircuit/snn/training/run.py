"""Training by a recipe, one process or several, so that an interrupted run goes on to the same weights."""

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from neurocircuit.core.files import file_sha256
from neurocircuit.core.pool import Progress, silent
from neurocircuit.core.provenance import RunClock
from neurocircuit.errors import FileFormatError, InputError, SpecError
from neurocircuit.results.evaluation import HeldOut
from neurocircuit.snn import checkpoint
from neurocircuit.snn.currents import WindowedMargins
from neurocircuit.snn.data import library
from neurocircuit.snn.data.augment import MIRROR, check_fits, for_evaluation, for_training
from neurocircuit.snn.data.images import DRAWS, ImageSource, Indices
from neurocircuit.snn.data.sampler import EpochSampler
from neurocircuit.snn.data.sets import Dataset
from neurocircuit.snn.data.torch_sets import TorchData
from neurocircuit.snn.encode import encode, first_spike
from neurocircuit.snn.evaluate import accuracy, held_out
from neurocircuit.snn.functional import implementation_used
from neurocircuit.snn.hardware.conditions import Conditions
from neurocircuit.snn.hardware.margins import Margins
from neurocircuit.snn.hardware.quantise import EXACT_BITS
from neurocircuit.snn.hardware_spec import HardwareSpec
from neurocircuit.snn.loss import spike_loss, weight_terms
from neurocircuit.snn.models import count_weights, spiking_layers
from neurocircuit.snn.recipe import Recipe
from neurocircuit.snn.relu import WHITENED_PATCHES, WhitenedNetwork
from neurocircuit.snn.trace import SpikedFraction
from neurocircuit.snn.training import runlog
from neurocircuit.snn.training.optimise import (
    AveragedWeights,
    bound_gradients,
    denormals_as_zero,
    keep_freed_memory,
    learning_rate,
    new_optimiser,
)
from neurocircuit.snn.training.parallel import Processes
from neurocircuit.snn.training.runlog import LogRow, Totals
from neurocircuit.snn.windowed import WindowedNetwork, pixels_of, windowed_in

READOUT_IMAGES = 500  # by which the read-out of a windowed network keeps its winners within its window
CHECKPOINT, BEST, FINAL = "checkpoint.pt", "best.pt", runlog.FINAL
_STREAMS = {
    "weights": 1,
    "augmentation": 2,
    "delay": 3,
    "margins": 4,
    "mirror": 5,
}  # one independent stream of random numbers for each


@dataclass
class Trainer:
    """A run: network, optimiser and every state that decides how it goes on."""

    recipe: Recipe
    directory: Path
    data: Path | TorchData | library.Splits | None
    device: torch.device
    processes: Processes = field(default_factory=Processes)
    start: nn.Module | None = None  # a network of one's own with the weights to start from

    def __post_init__(self) -> None:
        self._clock = RunClock()
        data = self.data
        splits = data if isinstance(data, library.Splits) else library.Splits(self.recipe.data, data)
        recipe = self.recipe = self.recipe.replace(data=splits.spec)
        check_fits(recipe.augmentation, recipe.data.shape)
        self.train_images: ImageSource = splits.split("train")
        self.held_out = splits.split("held_out") if recipe.data.held_out else splits.held_out_apart
        self.sampler = EpochSampler(len(self.train_images), recipe.schedule.batch_size, recipe.seed)
        self.steps = self.sampler.steps_per_epoch * recipe.schedule.epochs
        self._share = self.processes.share(recipe.schedule.batch_size)
        self.augmentation_rng = np.random.default_rng([recipe.seed, _STREAMS["augmentation"]])
        self.delay_rng = torch.Generator().manual_seed(self._torch_seed("delay"))
        weights_rng = torch.Generator().manual_seed(self._torch_seed("weights"))
        self.network = checkpoint.new_network(recipe, weights_rng, recipe.initial).to(self.device)
        if self.start is not None:
            checkpoint.put_traced(self.network, self.start)
        if isinstance(self.network, WhitenedNetwork):
            self.network.whiten(self._plain_pixels(WHITENED_PATCHES))
        mirror_rng = np.random.default_rng([recipe.seed, _STREAMS["mirror"]])
        self._mirrored = mirror_rng.integers(2, size=len(self.train_images))
        if recipe.initial:
            checkpoint.put_initial(self.network, recipe, Path(recipe.initial))
        self._layers = spiking_layers(self.network)
        loss = recipe.loss
        windowed = windowed_in(self.network)
        for name in ("weight_sum", "l2") if windowed else ("weight_sum", "l2", "margin"):
            if not self._layers and getattr(loss, name):
                kind = "windowed" if windowed else "ReLU"
                raise SpecError(f"loss.{name} must be 0 for a {kind} network, got {getattr(loss, name):g}")
        self.margins_rng = torch.Generator().manual_seed(self._torch_seed("margins"))
        decay = recipe.optimiser.averaging
        self._averaging = AveragedWeights(self.network, decay) if decay else None
        self.evaluated = self._averaging.network if self._averaging else self.network
        if self.processes.world > 1 and recipe.hardware != HardwareSpec():
            raise InputError(f"[hardware] is for training in one process, got {self.processes.world}")
        self.conditions = Conditions(recipe.hardware, recipe.seed, self.network, self.evaluated)
        limits = self.conditions.margins or (loss.largest_current, loss.largest_depth, loss.margin_window_over_tau)
        self._margins: Margins | WindowedMargins | None = None
        if loss.margin:
            self._margins = (
                WindowedMargins(windowed, loss.largest_current) if windowed else Margins(self.network, *limits)
            )
        self.optimiser = new_optimiser(self.network, recipe.optimiser)
        self.totals = Totals()
        self.step = 0
        self.held_out_accuracy: float | None = None
        self.best_accuracy = -1.0
        self.layer: str | None = None  # implementation of the layers that ran
        self.resumed: list[dict[str, Any]] = []  # steps from which the run went on otherwise than it began
        self._spiked = SpikedFraction(self.conditions.trained)
        self._forward = self._over_processes()

    def run(self, progress: Progress = silent) -> None:
        """Train to the end of the recipe; files are written by the leading process alone.

        progress: in steps from here on, those before a resumption left out.
        """
        keep_freed_memory()
        before = self.step
        with denormals_as_zero():
            while self.sampler.epoch < self.recipe.schedule.epochs:
                self._epoch(progress, before)
        if self.processes.leads:
            self._write(FINAL)
        self.processes.wait()

    def on_held_out(self, progress: Progress = silent) -> HeldOut | None:
        """Return what the trained network does with the held-out images, without noise; None where there are none."""
        if self.held_out is None or not self.processes.leads:
            return None
        return held_out(self.evaluated, self.held_out, self.recipe, progress)

    def resume(self) -> None:
        """Take up the state of checkpoint.pt. Raises InputError or FileFormatError naming what does not fit.

        Other threads, processes or another device only change the last bits; `resumed` says so.
        """
        path = self.directory / CHECKPOINT
        content = checkpoint.load(path)
        state = content["training"]
        if not isinstance(state, dict):
            raise FileFormatError(f"{path} holds weights only, no state of training to resume")
        if state.get("recipe_sha256") != self.recipe.sha256:
            raise InputError(
                f"{path} was written under another recipe; give the same recipe and settings, or a new --out"
            )
        self.conditions.restore(state["hardware"], path)
        checkpoint.put_weights(self.network, state.get("weights"), path)
        checkpoint.put_weights(checkpoint.stored(self.evaluated), content["weights"], path)
        windowed = windowed_in(self.evaluated)
        if windowed is not None:
            windowed.follow(WindowedNetwork.of(content, path).graph)
        self.optimiser.load_state_dict(state["optimiser"])
        self.sampler.epoch, self.sampler.step, self.step = state["epoch"], state["epoch_step"], state["step"]
        self.augmentation_rng.bit_generator.state = state["numpy_rng"]
        self.delay_rng.set_state(state["torch_rng"])
        if "margins_rng" in state:
            self.margins_rng.set_state(state["margins_rng"])
        self.totals, self.best_accuracy = Totals(**state["totals"]), state["best_accuracy"]
        self.held_out_accuracy, self.layer = state.get("held_out_accuracy"), state.get("layer")
        self.resumed = [*state.get("resumed", []), *self._otherwise(state.get("ran", {}), path)]
        if self.processes.leads:
            runlog.keep_rows_until(self.directory, self.sampler.epoch)

    def _otherwise(self, began: dict[str, Any], path: Path) -> list[dict[str, Any]]:
        """Return how this part of the run differs from the one before, if it does.

        Raises InputError for other images.
        """
        now = self._ran()
        if began.get("data_sha256", now["data_sha256"]) != now["data_sha256"]:
            raise InputError(f"{path} was trained on other images; give the same --data, or a new --out")
        changed = {name: [began[name], value] for name, value in now.items() if began.get(name, value) != value}
        return [{"step": self.step} | changed] if changed else []

    def _ran(self) -> dict[str, Any]:
        return {
            "data_sha256": self.train_images.sha256,
            "threads": torch.get_num_threads(),
            "processes": self.processes.world,
            "device": self.device.type,
        }

    @property
    def data_summary(self) -> str:
        """What was read, in a line for each split."""
        data = self.recipe.data
        summary = Dataset(data.name, "train", self.train_images, data).summary
        if self.held_out is None:
            return summary
        return f"{summary}\n{Dataset(data.name, 'held_out', self.held_out, data).counts}"

    def identity(self) -> dict[str, Any]:
        """Return what determines the result, and the record of the run until now, for run.json."""
        return {
            "recipe": self.recipe.to_dict(),
            "recipe_sha256": self.recipe.sha256,
            "noise_sha256": self.conditions.noise_sha256,
            "initial_sha256": file_sha256(Path(self.recipe.initial)) if self.recipe.initial else None,
            **self._ran(),
            "data_canonical": library.is_canonical(self.recipe.data.name, self.train_images),
            "data_summary": self.data_summary,
            "images": len(self.train_images),
            "held_out_images": 0 if self.held_out is None else len(self.held_out),
            "weights": count_weights(self.network),
            "steps": self.steps,
            "resumed": self.resumed,
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "run": self._clock.record().model_dump(),
        }

    def _torch_seed(self, stream: str) -> int:
        return int(np.random.SeedSequence([self.recipe.seed, _STREAMS[stream]]).generate_state(1, np.uint64)[0] >> 1)

    def _over_processes(self) -> nn.Module:
        if self.processes.world == 1:
            return self.conditions.trained
        return nn.parallel.DistributedDataParallel(self.network, broadcast_buffers=False)

    def _epoch(self, progress: Progress, before: int) -> None:
        interval, epochs = self.recipe.schedule.checkpoint_steps, self.recipe.schedule.epochs
        for indices in self.sampler.rest_of_epoch():
            loss = self._step(indices)
            if interval and self.step % interval == 0 and self.sampler.step < self.sampler.steps_per_epoch:
                self._save()
            held_out = "" if self.held_out_accuracy is None else f", held out {self.held_out_accuracy:.2%}"
            label = f"epoch {self.sampler.epoch + 1} of {epochs}, loss {loss:.3f}{held_out}"
            progress(self.step - before, self.steps - before, label)
        self._log_epoch()
        self._save()

    def _step(self, indices: Indices) -> float:
        """Return one gradient step over a batch [image] of all processes; this one's mean loss over its share."""
        start_s = time.perf_counter()
        z, target = self._inputs(indices)
        self.network.train()
        self.conditions.before_step(self.step, self.steps)
        halved = self.recipe.optimiser.precision == "bfloat16"
        with parametrize.cached(), torch.autocast(self.device.type, torch.bfloat16, enabled=halved):
            z_out = self._forward(z)
            loss = self._loss(z, z_out, target)
        self.optimiser.zero_grad()
        torch.autograd.backward(loss)
        loss_value = self._checked(loss)
        largest = self._checked_gradient(bound_gradients(self.network.parameters(), self.recipe.optimiser))
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.steps, self.recipe.schedule) * group.get("factor", 1.0)
        self.optimiser.step()
        if self._averaging is not None:
            self._averaging.follow(self.step)
        self.step += 1
        totals = self.totals
        totals.steps, totals.images = totals.steps + 1, totals.images + len(target)
        totals.loss += loss_value
        totals.right += int((first_spike(z_out.detach())[0] == target).sum())
        totals.largest_gradient += largest
        totals.seconds += time.perf_counter() - start_s
        return loss_value

    def _inputs(self, indices: Indices) -> tuple[Tensor, Tensor]:
        """Return the input spikes and labels of this process's share; random numbers are drawn for the whole batch."""
        columns = DRAWS + 2 * bool(self.recipe.augmentation.cutout_px)
        draws = self.augmentation_rng.random((len(indices), columns))[self._share]
        if self.recipe.augmentation.alternate:
            draws[:, MIRROR] = 0.5 * ((self._mirrored[indices[self._share]] + self.sampler.epoch) % 2)
        pixels, labels = self.train_images.batch(indices[self._share], draws)
        scaled = for_training(pixels, self.recipe.augmentation, draws)
        z = encode(torch.from_numpy(scaled), self.recipe.encoding)
        if self.recipe.augmentation.delay_over_tau:
            delay = torch.rand((len(indices), *z.shape[1:]), generator=self.delay_rng)[self._share]
            z = z * torch.exp(self.recipe.augmentation.delay_over_tau * delay)
        return z.to(self.device), torch.from_numpy(labels).to(self.device)

    def _plain_pixels(self, count: int) -> Tensor:
        """Return the first `count` training images as evaluation has them, or all."""
        pixels = self.train_images.batch(np.arange(min(count, len(self.train_images))))[0]
        return torch.from_numpy(for_evaluation(pixels, self.recipe.augmentation)).to(self.device)

    def _loss(self, z: Tensor, z_out: Tensor, target: Tensor) -> Tensor:
        spec = self.recipe.loss
        loss = spike_loss(z_out, target, spec)
        if spec.weight_sum or spec.l2:
            layers = self._layers
            loss = loss + weight_terms([layer.weight for layer in layers], [layer.bias for layer in layers], spec)
        if isinstance(self._margins, WindowedMargins):
            loss = loss + spec.margin * self._margins.term(pixels_of(self.network, z), self.margins_rng)
        elif self._margins is not None:
            loss = loss + spec.margin * self._margins.term(self.margins_rng)
        return loss

    def _checked(self, loss: Tensor) -> float:
        value = loss.item()
        if not math.isfinite(value):
            raise InputError(f"training diverged: the loss at step {self.step} is {value}; lower schedule.lr")
        return value

    def _checked_gradient(self, largest: float) -> float:
        """The norm, where it is one: beyond it weights would be no numbers, and neurons silent, at a finite loss."""
        if not math.isfinite(largest):
            raise InputError(
                f"training diverged: a gradient at step {self.step} is {largest}; lower schedule.lr, or clip gradients"
            )
        return largest

    def _check_weights(self) -> None:
        for name, parameter in self.network.named_parameters():
            if not bool(torch.isfinite(parameter).all()):
                raise InputError(f"training diverged: {name} is not finite at step {self.step}; lower schedule.lr")

    def _log_epoch(self) -> None:
        """One line of log.csv, and best.pt when the held-out images say so. The sampler stands at the next epoch."""
        start_s = time.perf_counter()
        sums = self.processes.sum(
            torch.tensor([self.totals.loss, self.totals.right, self.totals.images], dtype=torch.float64)
        ).tolist()
        if self.processes.leads:
            windowed = windowed_in(self.evaluated)
            if windowed is not None:  # outputs moved
                windowed.fit_readout(self._plain_pixels(READOUT_IMAGES))
            if self.held_out is not None:
                self.conditions.before_held_out()
                self.held_out_accuracy = accuracy(self.conditions.evaluated, self.held_out, self.recipe)
                if self.held_out_accuracy > self.best_accuracy:
                    self.best_accuracy = self.held_out_accuracy
                    self._write(BEST)
            totals, steps = self.totals, self.totals.steps
            row = LogRow(
                epoch=self.sampler.epoch,
                step=self.step,
                lr=self.optimiser.param_groups[0]["lr"],
                loss=sums[0] / steps / self.processes.world,
                train_accuracy=sums[1] / sums[2],
                held_out_accuracy=self.held_out_accuracy,
                fraction_spiked=self._spiked.fraction(),
                largest_gradient=totals.largest_gradient / steps,
                seconds=totals.seconds + time.perf_counter() - start_s,
            )
            runlog.append_row(self.directory, row)
        self.totals = Totals()

    def _save(self) -> None:
        self._check_weights()
        if not self.processes.leads:
            return
        self.layer = implementation_used() or self.layer
        state = {
            "recipe_sha256": self.recipe.sha256,
            "weights": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "epoch": self.sampler.epoch,
            "epoch_step": self.sampler.step,
            "step": self.step,
            "numpy_rng": self.augmentation_rng.bit_generator.state,
            "torch_rng": self.delay_rng.get_state(),
            "margins_rng": self.margins_rng.get_state(),
            "totals": vars(self.totals),
            "best_accuracy": self.best_accuracy,
            "held_out_accuracy": self.held_out_accuracy,
            "layer": self.layer,
            "ran": self._ran(),
            "resumed": self.resumed,
            "hardware": self.conditions.state(),
        }
        self._write(CHECKPOINT, state)

    def _write(self, name: str, state: dict[str, Any] | None = None) -> None:
        """Write the network that is to be evaluated, and the state of training where it goes on."""
        hardware = self.recipe.hardware
        full_scale = hardware.full_scale if hardware.bits < EXACT_BITS else None
        checkpoint.save(self.directory / name, self.recipe.subject, self.evaluated, state, full_scale=full_scale)
