"""The paper's simpler reading: each layer adds the output jitter that Table 3's curve gives for the layer before it.

Jitter is relative to the time since the start of the image. The curve is the transfer table's row means at its main
level, straight lines in log-log, continued by its end slopes outside the rows; how often that happens is counted.
Chips, operating points and silence do not enter: that is what the calibrated mode adds.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.mapping.physical import Layer
from neurocircuit.mapping.replay import Circuit, decide, spikes_of
from neurocircuit.measure import fraction_interval
from neurocircuit.neuron.operating import operate
from neurocircuit.record import Floats
from neurocircuit.spec import MappedNetwork
from neurocircuit.table import TransferTable

_STD_OVER_MEAN = float(np.sqrt(np.pi / 2))  # of |x| for a normal x


def jitter_of(mapped: MappedNetwork, path: Path, input_jitter: float) -> dict[str, Any]:
    """Relative jitter of the input and of each layer by the curve of the transfer table `path`; what a file holds.

    Raises InputError for an input jitter beyond 0 … 1 and a table with fewer than two rows of jitter.
    """
    if not 0 < input_jitter < 1:
        raise InputError(f"--input-jitter must be within 0 … 1, got {input_jitter:g}")
    table = TransferTable.load(path)
    rows = np.array(table.rows("jitter"))
    if len(rows) < 2:
        raise InputError(f"{path} must hold at least two rows of input jitter, got {len(rows)}")
    level = table.levels[0]
    means = np.array([table.row("jitter", level, row)["mean"] for row in rows])
    jitter, extrapolated = [input_jitter], 0
    for _ in mapped.layers:
        extrapolated += not rows[0] <= jitter[-1] <= rows[-1]
        jitter.append(_STD_OVER_MEAN * output_of(rows, means, jitter[-1]))
    return {
        "mode": "transfer",
        "network": mapped.name,
        "network_sha256": identity(mapped),
        "curve_level": level,
        "curve_jitter": rows.tolist(),
        "curve_mean": means.tolist(),
        "jitter_by_layer": jitter,
        "extrapolated_layers": int(extrapolated),
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


def output_of(rows: Floats, means: Floats, jitter: float) -> float:
    """Mean output jitter for one input jitter (ratios), log-log through the rows and beyond them."""
    x, y = np.log(rows), np.log(np.maximum(means, 1e-12))
    k = int(np.clip(np.searchsorted(x, np.log(jitter)) - 1, 0, len(x) - 2))
    slope = (y[k + 1] - y[k]) / (x[k + 1] - x[k])
    return float(np.exp(y[k] + slope * (np.log(jitter) - x[k])))


def _image(circuit: Circuit, spikes: Floats, jitter: list[float], generator: np.random.Generator) -> list[Floats]:
    found = []
    spikes = spikes * (1.0 + jitter[0] * generator.standard_normal(len(spikes)))
    k = 0
    for stage in circuit.physical.stages:
        if not isinstance(stage, Layer):
            spikes = stage.earliest(spikes)
            continue
        point = operate(stage.inputs(np.maximum(spikes, 0.0), 0.0), circuit.weights[k][stage.row], circuit.window)
        t = spikes_of(point)
        spikes = t * (1.0 + jitter[k + 1] * generator.standard_normal(len(t)))
        found.append(spikes)
        k += 1
    return found
