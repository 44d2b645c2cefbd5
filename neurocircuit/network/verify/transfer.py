"""The paper's simpler reading: each layer adds the output jitter that Table 3's curve gives for the layer before it.

Jitter is relative to the time since the start of the image. The curve is that of table/curve.py; how often it is
continued beyond its rows is counted.
Chips, operating points and silence do not enter: that is what the calibrated mode adds.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Floats
from neurocircuit.core.stats import fraction_interval
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.network.run import Circuit, decide, propagate, spikes_of
from neurocircuit.neuron.operating_points import operate
from neurocircuit.spec import MappedNetwork
from neurocircuit.tables import TransferTable
from neurocircuit.tables.curve import jitter_by_layer


def jitter_of(mapped: MappedNetwork, path: Path, input_jitter: float) -> dict[str, Any]:
    """Relative jitter of the input and of each layer by the curve of the transfer table `path`; what a file holds.

    Raises InputError for an input jitter beyond 0 … 1 and a table with fewer than two rows of jitter.
    """
    if not 0 < input_jitter < 1:
        raise InputError(f"--input-jitter must be within 0 … 1, got {input_jitter:g}")
    table = TransferTable.load(path)
    jitter, extrapolated = jitter_by_layer(table, input_jitter, len(mapped.layers), f"{path}")
    level, rows = table.levels[0], table.rows("jitter")
    return {
        "mode": "transfer",
        "network": mapped.name,
        "network_sha256": identity(mapped),
        "curve_level": level,
        "curve_jitter": list(rows),
        "curve_mean": [table.row("jitter", level, row)["mean"] for row in rows],
        "jitter_by_layer": jitter,
        "extrapolated_layers": extrapolated,
    }


def identity(mapped: MappedNetwork) -> str:
    """Hash of a mapped network, wherever its checkpoint lies."""
    content = {key: value for key, value in mapped.to_dict().items() if key != "checkpoint"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def load(path: Path, mapped: MappedNetwork) -> dict[str, Any]:
    """What `calibrate --mode transfer` wrote. Raises FileFormatError for another file or another network's."""
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise FileFormatError(f"{path} must be what `calibrate --mode transfer` wrote, got no JSON") from None
    if not isinstance(values, dict) or values.get("mode") != "transfer":
        raise FileFormatError(f"{path} must be what `calibrate --mode transfer` wrote, got another file")
    if values.get("network_sha256") != identity(mapped):
        raise FileFormatError(f"{path} belongs to another network: {values.get('network')}")
    return values


def transfer_mode(
    circuit: Circuit, images: list[Floats], labels: NDArray[np.int64], jitter: list[float], repeats: int, seed: int
) -> dict[str, Any]:
    """Accuracy under the paper's reading, agreement with eq. (4), and each layer's deviation from it.

    jitter: of the input and of each layer, relative to the time since the start of the image.
    """
    right = agree = 0
    late: list[list[float]] = [[] for _ in circuit.physical.layers]
    for number, (spikes, label) in enumerate(zip(images, labels, strict=True)):
        ideal = [spikes_of(point) for point in circuit.ideal(spikes)]
        for repeat in range(repeats):
            times = _image(circuit, spikes, jitter, np.random.default_rng([seed, 15, number, repeat]))
            found = decide(times[-1])
            right, agree = right + (found == label), agree + (found == decide(ideal[-1]))
            for into, t, wanted in zip(late, times, ideal, strict=True):
                both = np.isfinite(t) & np.isfinite(wanted)
                into.append(robust_spread(t[both] - wanted[both]))
    n = len(images)
    return {
        "accuracy": [right / (n * repeats), *fraction_interval(round(right / repeats), n)],
        "agreement": [agree / (n * repeats), *fraction_interval(round(agree / repeats), n)],
        "images": n,
        "deviation": [float(np.mean(one)) for one in late],
    }


def robust_spread(late: Floats) -> float:
    """Standard deviation by the median absolute deviation; 0 of nothing."""
    return float(np.median(np.abs(late - np.median(late)))) * 1.4826 if len(late) else 0.0


def _image(circuit: Circuit, spikes: Floats, jitter: list[float], generator: np.random.Generator) -> list[Floats]:
    def step(k: int, received: Floats) -> tuple[Floats, Floats]:
        layer = circuit.physical.layers[k]
        inputs = layer.inputs(np.maximum(received, 0.0), 0.0)
        times = spikes_of(operate(inputs, circuit.weights[k][layer.row], circuit.window))
        jittered = times * (1.0 + jitter[k + 1] * generator.standard_normal(len(times)))
        return jittered, jittered

    spikes = spikes * (1.0 + jitter[0] * generator.standard_normal(len(spikes)))
    return propagate(circuit.physical, spikes, step)
