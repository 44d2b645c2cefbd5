"""Residual sums, relays and partial sums all the way: ReLU network, windows, chips, noise, level edge."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as dense

import neurocircuit as nc
from neurocircuit.results.robustness import SpikeErrors
from neurocircuit.studies.compare_networks import compare_networks
from tests.snn.digits_recipe import PLAIN_DIGITS

SETTINGS = (*PLAIN_DIGITS, "jitter_over_tau=0", "epochs=5", "averaging=0.9", "lr=0.004")


class Residual(nn.Module):
    """A sum of what three convolutions make of activations and these activations."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2))
        self.body = nn.Sequential(*_block(), *_block(), *_block()[:2])
        self.out = nn.Sequential(nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(24, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        return self.out(x + self.body(x))


class Wide(nn.Sequential):
    """A convolution of 54 inputs."""

    def __init__(self) -> None:
        stem = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2))
        super().__init__(stem, *_block(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(24, 10))


def _block() -> list[nn.Module]:
    return [nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU()]


def trained(module: nn.Module, images: Any) -> nn.Module:
    """The network after twelve epochs."""
    pixels = torch.from_numpy(np.asarray(images.pixels)).float().div(255)
    labels = torch.from_numpy(np.asarray(images.labels)).long()
    optimiser, generator = torch.optim.Adam(module.parameters(), 5e-3), torch.Generator().manual_seed(0)
    for _ in range(12):
        for batch in torch.randperm(len(pixels), generator=generator).split(64):
            optimiser.zero_grad()
            dense.cross_entropy(module(pixels[batch]), labels[batch]).backward()
            optimiser.step()
    return module.eval()


@pytest.mark.parametrize(
    ("kind", "options", "added"),
    [
        (Residual, {}, set()),  # read one and a half tau later
        (Residual, {"relay_after": 0.5}, {"stem_3_at_2"}),
        (Wide, {"largest_fan_in": 32}, {"m1_parts", "m1_complement"}),
    ],
    ids=["direct", "relays", "split"],
)
def test_the_whole_loop(kind: type[nn.Module], options: dict[str, Any], added: set[str], tmp_path: Path) -> None:
    torch.manual_seed(0)
    images, held_out = nc.data.digits("train")[:1100], nc.data.digits("held_out", held_out=300)
    network = nc.snn.convert(trained(kind(), images), images[:200], quantile=0.999, **options)
    names = {node.name for node in network.graph.layers}
    assert added == {name for name in names if "_at_" in name or name.endswith(("_parts", "_complement"))}, names
    network.save(tmp_path / "ramp.pt")
    tuned = _tuned(tmp_path / "ramp.pt", tmp_path / "tuned")
    assert nc.evaluate(tuned, held_out).accuracy > 0.85
    _, table = _on_chips(tuned, images, options)
    table.save(tmp_path / "clean.nc")
    aware = _tuned(tmp_path / "tuned/weights.pt", tmp_path / "aware", noise=tmp_path / "clean.nc")
    mapped, table = _on_chips(aware, images, options)
    table.save(tmp_path / "aware.nc")
    assert nc.evaluate(aware, held_out, noise=tmp_path / "aware.nc", chips=2).accuracy > 0.8
    replay = nc.verify(mapped, held_out[:6], level="edge", chips=2, table=table).images
    assert replay.accuracy["circuit"][0] >= 0.7
    assert {layer.name for layer in replay.layers} == names
    for layer in replay.layers:  # the errors of two chips spread by more than the model's mean over chips
        assert 0.5 < (layer.deviation[0] + 0.005) / (layer.model_deviation[0] + 0.005) < 2, layer.name
    if not options:
        _in_studies(tmp_path)


def _in_studies(folder: Path) -> None:
    """Errors of spikes and thresholds, and what the noise-aware training is worth."""
    tuned, aware = folder / "tuned/weights.pt", folder / "aware/weights.pt"
    options = {"settings": SETTINGS, "first": 40, "draws": 2, "threads": 1}
    errors = nc.robustness("spikes", tuned, "mnist_windowed_finetune", out=folder / "spikes", **options)
    study = errors.studies["spikes"]
    assert isinstance(study, SpikeErrors)
    for curve in (study.jittered, study.lost, study.mismatched):
        least, *_, most = (np.mean(draws) for draws in curve["clean"])
        assert study.zero["clean"] >= least - 0.05 > most
    pairs = (tuned, folder / "clean.nc"), [(aware, folder / "aware.nc")]
    comparison = compare_networks(*pairs, chips=2, first=40, tables=0, threads=1)
    assert min(comparison.recovery.clean[0], comparison.recovery.trained[0]) > 0.5


def _tuned(initial: Path, out: Path, **options: Any) -> Any:
    return nc.snn.train("mnist_windowed_finetune", initial=initial, settings=SETTINGS, out=out, threads=1, **options)


def _on_chips(model: Any, images: Any, options: dict[str, Any]) -> tuple[Any, nc.NoiseTable]:
    mapped = nc.map(model, images=images[:60], largest_fan_in=options.get("largest_fan_in"))
    assert mapped.met
    return mapped, nc.calibrate(mapped, images[:6], chips=12, points=100)
