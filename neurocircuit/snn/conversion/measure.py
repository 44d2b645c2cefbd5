"""What a conversion did to each layer, measured on the images that chose X."""

import numpy as np
import torch
from torch import Tensor, nn

from neurocircuit.core.pool import Progress, silent
from neurocircuit.neuron import windows
from neurocircuit.results.conversion import AccuracyComparison, Conversion, LayerConversion
from neurocircuit.snn.conversion.values import Normalisation
from neurocircuit.snn.currents import largest_currents
from neurocircuit.snn.data.augment import Augmentation, for_evaluation
from neurocircuit.snn.data.sets import Dataset
from neurocircuit.snn.recipe import Subject
from neurocircuit.snn.windowed import Synapses, WindowedNetwork

CURRENT_IMAGES = 4  # on which it is
TEST_BATCH = 50


def measure(
    network: WindowedNetwork, original: nn.Module, normal: Normalisation, pixels: Tensor, quantile: float | None
) -> Conversion:
    """Measure a converted network on the images that chose X."""
    values = network.activations(pixels)
    y = values[network.graph.nodes[-1].name]
    expected = original(normal(pixels))
    currents = dict(largest_currents(network, pixels[:CURRENT_IMAGES]))
    last = network.graph.layers[-1]
    latest = windows.arming_over_tau(last, network.codes) + last.window_over_tau
    rows = []
    for node in network.graph.layers:
        layer = network.layer(node)
        before = layer.affine([values[term.source] for term in node.terms])
        slope = Synapses(layer).bias.slope
        fan_in = sum(int((v != 0).flatten(1).sum(dim=1).max()) for v in layer.weights)
        rows.append(
            LayerConversion(
                name=node.name,
                neurons=before[0].numel(),
                fan_in=fan_in,
                largest=node.largest,
                clipped=float((before - node.offset > node.largest * (1 + 1e-12)).double().mean()),
                spikes=float((before > node.offset).double().mean()),
                window_over_tau=node.window_over_tau,
                slope=(float(slope.min()), float(slope.median()), float(slope.max())),
                largest_current=currents[node.name],
            )
        )
    return Conversion(
        form=network.graph.form,
        quantile=quantile,
        images=len(pixels),
        same_decisions=int((y.argmax(1) == expected.argmax(1)).sum()),
        largest_error=float((y - expected).abs().max() / expected.abs().max().clamp(min=1e-30)),
        latency_over_tau=latest,
        layers=tuple(rows),
    )


@torch.no_grad()
def compare(
    network: WindowedNetwork,
    original: nn.Module,
    normal: Normalisation,
    test: Dataset,
    subject: Subject | None,
    progress: Progress = silent,
) -> AccuracyComparison:
    """Count on test images what the original and the converted network decide, batch by batch, in single precision."""
    right_before = right_after = same = 0
    for start in range(0, len(test), TEST_BATCH):
        pixels, labels = test.batch(np.arange(start, min(start + TEST_BATCH, len(test))))
        scaled = torch.from_numpy(for_evaluation(pixels, Augmentation() if subject is None else subject.augmentation))
        before, after = (y.argmax(1).numpy() for y in (original(normal(scaled).float()), network(scaled)))
        right_before += int((before == labels).sum())
        right_after += int((after == labels).sum())
        same += int((before == after).sum())
        progress(start + len(labels), len(test), "test images by both networks")
    return AccuracyComparison(
        split=test.split, images=len(test), right_before=right_before, right_after=right_after, same_decisions=same
    )
