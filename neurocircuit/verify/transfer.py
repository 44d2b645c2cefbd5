"""The paper's simpler reading: each layer adds the output jitter that Table 3's curve gives for the layer before it.

Jitter is relative to the time since the start of the image. The curve is the transfer table's row means at its main
level, straight lines in log-log, continued by its end slopes outside the rows; how often that happens is counted.
Chips, operating points and silence do not enter: that is what the calibrated mode adds.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurocircuit.errors import InputError
from neurocircuit.mapping.physical import Layer
from neurocircuit.mapping.replay import Circuit, decide, spikes_of
from neurocircuit.measure import fraction_interval
from neurocircuit.neuron.operating import operate
from neurocircuit.record import Floats
from neurocircuit.table import TransferTable

_STD_OVER_MEAN = float(np.sqrt(np.pi / 2))  # of |x| for a normal x


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
    if not 0 < input_jitter < 1:
        raise InputError(f"--input-jitter must be within 0 … 1, got {input_jitter:g}")
    table = TransferTable.load(path)
    rows = np.array(table.rows("jitter"))
    if len(rows) < 2:
        raise InputError(f"{path} must hold at least two rows of input jitter, got {len(rows)}")
    level = table.levels[0]
    means = np.array([table.row("jitter", level, row)["mean"] for row in rows])
    jitter, extrapolated = [input_jitter], 0
    for _ in circuit.physical.layers:
        extrapolated += not rows[0] <= jitter[-1] <= rows[-1]
        jitter.append(_STD_OVER_MEAN * output_of(rows, means, jitter[-1]))
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
        "level": level,
        "extrapolated_layers": int(extrapolated),
    }


def output_of(rows: Floats, means: Floats, jitter: float) -> float:
    """Mean output jitter for one input jitter (ratios), log-log through the rows and beyond them."""
    x, y = np.log(rows), np.log(np.maximum(means, 1e-12))
    k = int(np.clip(np.searchsorted(x, np.log(jitter)) - 1, 0, len(x) - 2))
    slope = (y[k + 1] - y[k]) / (x[k + 1] - x[k])
    return float(np.exp(y[k] + slope * (np.log(jitter) - x[k])))


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
