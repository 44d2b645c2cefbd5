"""Robustness studies of a trained network: weight bits (Table 4), weight noise (Fig. 2), spike-time jitter.

Each study gives plain numbers for a report. Fine-tuning starts from the given weights and runs by a recipe of its own;
test images are never trained on. Accuracies are [right, n] or lists over draws of noise; the report makes intervals.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from neurocircuit.core.files import file_sha256, make_directory, read_json_object
from neurocircuit.errors import InputError
from neurocircuit.snn import checkpoint
from neurocircuit.snn.data import library
from neurocircuit.snn.data.images import ImageSource, Section
from neurocircuit.snn.evaluate import accuracy
from neurocircuit.snn.hardware.jitter import JitteredNetwork, has_own_clocks
from neurocircuit.snn.hardware.quantise import EXACT_BITS, Rounding, set_rounding
from neurocircuit.snn.models import spiking_layers
from neurocircuit.snn.recipe import Recipe, Subject
from neurocircuit.snn.training import runlog
from neurocircuit.snn.training.run import FINAL, Trainer
from neurocircuit.spec import WeightBank

BITS = (8, 4, 2)
FINE_BITS = (8, 7, 6, 5, 4, 3, 2)
SNR_DB = (10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0)
JITTERS = (0.001, 0.003, 0.01, 0.03, 0.05, 0.1)
TRAINED_SNR_DB, TRAINED_JITTER = 20.0, 0.05
QUANTISERS = ("word", "bank")
Say = Callable[[str], None]


class Study:
    """One network, its test images, and a recipe for fine-tuning it. Files of the fine-tuned go below `folder`."""

    def __init__(
        self,
        recipe: Recipe,
        weights: Path,
        folder: Path,
        data: Path | None,
        images: int | None,
        draws: int,
        say: Say,
        retrain: bool = True,
    ) -> None:
        """images: the first so many test images, None: all; draws: of each noise; retrain: fine-tune at all.

        Raises InputError.
        """
        if draws < 2:
            raise InputError(f"draws must be >= 2, got {draws}")
        self.recipe, self.weights, self.folder, self.data, self.draws, self.say = (
            recipe,
            weights,
            folder,
            data,
            draws,
            say,
        )
        self.retrain = retrain
        self.subject, self.network = checkpoint.load_network(weights)
        source = library.load(self.subject.data, "test", data)
        if images is not None and images > len(source):
            raise InputError(f"--images must be <= {len(source)}, got {images}")
        self.images: ImageSource = source if images is None else Section(source, 0, images)

    def fine_tuned(self, name: str, start: Path, **hardware: Any) -> Path:
        """Weights trained on from `start` under [hardware]; taken from disk when just that run is there already.

        Raises InputError when the directory holds another run.
        """
        directory = self.folder / name
        recipe = self.recipe.replace(initial=str(start), hardware=self.recipe.hardware.replace(**hardware))
        final = directory / FINAL
        if final.exists():
            kept = read_json_object(directory / runlog.RUN)
            if (kept["recipe_sha256"], kept["initial_sha256"]) != (recipe.sha256, file_sha256(start)):
                raise InputError(f"{directory} holds another run than this study asks for; give another --out")
        else:
            self.say(f"training {name}")
            make_directory(directory)
            trainer = Trainer(recipe, directory, self.data, torch.device("cpu"))
            if (directory / "checkpoint.pt").exists():
                trainer.resume()
            runlog.write_run(directory, trainer.identity())
            trainer.run()
            runlog.write_run(directory, trainer.identity() | {"finished": True})
        return final

    def networks(self, name: str, **hardware: Any) -> dict[str, nn.Sequential]:
        """The network as it is ("clean"), and trained on under [hardware] unless nothing is to be trained."""
        found = {"clean": self.network}
        if self.retrain:
            found["trained"] = self.load(self.fine_tuned(name, self.weights, **hardware))
        return found

    def load(self, weights: Path) -> nn.Sequential:
        """The network of a file."""
        return checkpoint.load_network(weights)[1]

    def right(self, network: nn.Module, spiking: nn.Module | None = None, **rounding: Any) -> float:
        """Accuracy on the test images, weights rounded or noisy as `Rounding` says."""
        layers = network if spiking is None else spiking
        if rounding:
            generator = torch.Generator().manual_seed(rounding.pop("seed", 0))
            set_rounding(layers, Rounding(bank=WeightBank(), generator=generator, **rounding))
        try:
            return _frozen(network, layers, self.images, self.subject)
        finally:
            set_rounding(layers, None)


def _frozen(network: nn.Module, layers: nn.Module, images: ImageSource, subject: Subject) -> float:
    """Accuracy with one draw of the weights for all images: what `Rounding` makes of them is drawn once."""
    for layer in spiking_layers(layers):
        if layer.rounding is not None:
            with torch.no_grad():
                made = layer.rounding(layer.weight, layer.bias)
            layer.rounding = lambda weight, bias, made=made: made
    return accuracy(network, images, subject)


def table4(study: Study, quantisers: Sequence[str] = QUANTISERS) -> dict[str, Any]:
    """Accuracy at 32, 8, 4, 2 bit: only rounded, and retrained at each, the next from the last (paper §4.2)."""
    result: dict[str, Any] = {"32": study.right(study.network), "bits": list(BITS), "quantisers": {}}
    for kind in quantisers:
        start, rows = study.weights, []
        for bits in BITS:
            row: dict[str, float | None] = {"bits": bits, "after": study.right(study.network, kind=kind, bits=bits)}
            row["retrained"] = None
            if study.retrain:
                start = study.fine_tuned(f"{kind}-{bits}bit", start, bits=bits, quantiser=kind)
                row["retrained"] = study.right(study.load(start), kind=kind, bits=bits)
            rows.append(row)
            study.say(f"{kind} {bits} bit: " + ", ".join(f"{key} {row[key]}" for key in ("after", "retrained")))
        result["quantisers"][kind] = rows
    return result


def fig2(study: Study) -> dict[str, Any]:
    """Accuracy over bits and over weight noise, after training; and of a network trained under noise of 20 dB."""
    fine = {kind: [study.right(study.network, kind=kind, bits=bits) for bits in FINE_BITS] for kind in QUANTISERS}
    networks = study.networks(f"weights-{TRAINED_SNR_DB:g}dB", weight_snr_dB=TRAINED_SNR_DB)
    curves = {}
    for name, network in networks.items():
        curves[name] = [
            [study.right(network, kind="bank", bits=EXACT_BITS, snr_dB=snr, seed=draw) for draw in range(study.draws)]
            for snr in SNR_DB
        ]
        study.say(f"weight noise, {name}: " + ", ".join(f"{np.mean(one):.2%}" for one in curves[name]))
    return {
        "zero": {name: study.right(network) for name, network in networks.items()},
        "bits": list(FINE_BITS),
        "rounded": fine,
        "snr_dB": list(SNR_DB),
        "trained_snr_dB": TRAINED_SNR_DB,
        "noise": curves,
    }


def jitter(study: Study) -> dict[str, Any]:
    """Accuracy over the relative jitter of every spike time, of the network as it is and trained under 5 %."""
    networks = study.networks(f"jitter-{TRAINED_JITTER:g}", jitter=TRAINED_JITTER)
    curves = {}
    for name, network in networks.items():
        rows = []
        for amount in JITTERS:
            noisy = JitteredNetwork(network, [amount] * (len(spiking_layers(network)) + 1), own_clocks=True)
            row = []
            for draw in range(study.draws):
                noisy.event_rng.manual_seed(draw)
                row.append(study.right(noisy, network))
            rows.append(row)
        curves[name] = rows
        study.say(f"jitter, {name}: " + ", ".join(f"{np.mean(one):.2%}" for one in rows))
    return {
        "zero": {name: study.right(network) for name, network in networks.items()},
        "jitter": list(JITTERS),
        "trained_jitter": TRAINED_JITTER,
        "accuracy": curves,
        "time_origin": "layer" if has_own_clocks(study.network) else "image",
    }


STUDIES: dict[str, Callable[[Study], dict[str, Any]]] = {"table4": table4, "fig2": fig2, "jitter": jitter}
