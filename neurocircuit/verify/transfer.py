"""The paper's simpler reading: each layer adds the output jitter that Table 3's curve gives for the layer before it.

Jitter is relative to the time since the start of the image. The curve is that of table/curve.py; how often it is
continued beyond its rows is counted.
Chips, operating points and silence do not enter: that is what the calibrated mode adds.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurocircuit.mapping.physical import Layer
from neurocircuit.mapping.replay import Circuit, decide, spikes_of
from neurocircuit.measure import fraction_interval
from neurocircuit.neuron.operating import operate
from neurocircuit.record import Floats
from neurocircuit.table import TransferTable
from neurocircuit.table.curve import jitter_by_layer


def transfer_mode(
    circuit: Circuit,
    images: list[Floats],
    labels: NDArray[np.int64],
    path: Path,
    input_jitter: float,
    repeats: int,
    seed: int,
) -> dict[str, Any]:
    """Accuracy under the paper's reading, and the jitter of each layer."""
    table = TransferTable.load(path)
    jitter, extrapolated = jitter_by_layer(table, input_jitter, len(circuit.physical.layers), f"{path}")
    right = agree = 0
    for number, (spikes, label) in enumerate(zip(images, labels, strict=True)):
        software = decide(spikes_of(circuit.ideal(spikes)[-1]))
        for repeat in range(repeats):
            generator = np.random.default_rng([seed, 15, number, repeat])
            found = decide(_image(circuit, spikes, jitter, generator))
            right, agree = right + (found == label), agree + (found == software)
    n = len(images)
    return {
        "accuracy": [right / (n * repeats), *fraction_interval(round(right / repeats), n)],
        "agreement": [agree / (n * repeats), *fraction_interval(round(agree / repeats), n)],
        "jitter_by_layer": jitter,
        "level": table.levels[0],
        "extrapolated_layers": extrapolated,
    }


def _image(circuit: Circuit, spikes: Floats, jitter: list[float], generator: np.random.Generator) -> Floats:
    spikes = spikes * (1.0 + jitter[0] * generator.standard_normal(len(spikes)))
    k = 0
    for stage in circuit.physical.stages:
        if not isinstance(stage, Layer):
            spikes = stage.earliest(spikes)
            continue
        point = operate(stage.inputs(np.maximum(spikes, 0.0), 0.0), circuit.weights[k][stage.row], circuit.window)
        t = spikes_of(point)
        spikes = t * (1.0 + jitter[k + 1] * generator.standard_normal(len(t)))
        k += 1
    return spikes
