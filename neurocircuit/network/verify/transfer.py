"""The paper's simpler reading: each layer adds the output jitter that Table 3's curve gives for the layer before it.

Jitter is relative to the time since the start of the image. The curve is that of tables/curve.py; how often it is
continued beyond its rows is counted.
Chips, operating points and silence do not enter: that is what the calibrated mode adds.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Floats
from neurocircuit.core.provenance import RunClock
from neurocircuit.core.result import Number, Result
from neurocircuit.core.stats import robust_spread, wilson_interval
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.network.physical import PhysicalNetwork
from neurocircuit.network.run import Circuit, OnCircuit, decide, spikes_of
from neurocircuit.neuron.operating_points import operate
from neurocircuit.spec import MappedNetwork
from neurocircuit.tables import TransferTable
from neurocircuit.tables.curve import jitter_by_layer


class TransferJitter(Result):
    """Relative jitter of the input and of each layer of a mapped network, by the curve of a transfer table.

    curve_jitter, curve_mean: rows of the curve, ratios; extrapolated_layers: how many it is continued for.
    """

    kind: ClassVar[str] = "transfer_jitter"

    network: str
    network_sha256: str
    curve_level: str
    curve_jitter: tuple[float, ...]
    curve_mean: tuple[Number, ...]
    jitter_by_layer: tuple[float, ...]
    extrapolated_layers: int

    def check_network(self, mapped: MappedNetwork) -> None:
        """Raise FileFormatError unless these are the jitters of that network, wherever its weights lie."""
        if self.network_sha256 != identity(mapped):
            raise FileFormatError(f"the jitters belong to another network: {self.network}")

    def curve(self) -> dict[str, Any]:
        """Return what the curve says, without the network and the run."""
        return self.model_dump(exclude={"run", "network", "network_sha256"})

    def save(self, out: Path | str) -> Path:
        """Write the jitters into a file (.json) and return its path. Raise InputError naming what cannot be written."""
        path = Path(out)
        if path.suffix != ".json":
            raise InputError(f"the file of jitters must end in .json, got {str(path)!r}")
        return self.write(path)

    def summary(self) -> str:
        """Return a line for the input and for each layer."""
        names = ("input", *(f"layer {k}" for k in range(1, len(self.jitter_by_layer))))
        return "\n".join(
            f"{name}: relative jitter {value:.3g}" for name, value in zip(names, self.jitter_by_layer, strict=True)
        )


def transfer_jitter(
    network: OnCircuit, curve: TransferTable | Path | str, input_jitter: float = 0.01
) -> TransferJitter:
    """Return the jitter of each layer by the paper's simpler reading: the curve of a transfer table over jitter.

    Raise InputError for an input jitter beyond 0 … 1 and a table with fewer than two rows of jitter.
    """
    clock = RunClock()
    if not 0 < input_jitter < 1:
        raise InputError(f"input jitter must be within 0 … 1, got {input_jitter:g}")
    mapped = network.circuit.mapped
    mapped.check_free("the jitter of a transfer table")
    physical = network.circuit.physical
    if isinstance(physical, PhysicalNetwork) and not physical.is_chain:
        raise InputError(f"the jitter of a transfer table grows from layer to layer of a chain: {mapped.name} branches")
    table = curve if isinstance(curve, TransferTable) else TransferTable.load(Path(curve))
    where = "the transfer table" if isinstance(curve, TransferTable) else f"{curve}"
    jitter, extrapolated = jitter_by_layer(table, input_jitter, len(mapped.layers), where)
    level, rows = table.levels[0], table.rows("jitter")
    return TransferJitter(
        network=mapped.name,
        network_sha256=identity(mapped),
        curve_level=level,
        curve_jitter=tuple(rows),
        curve_mean=tuple(float(table.row("jitter", level, row)["mean"]) for row in rows),
        jitter_by_layer=tuple(jitter),
        extrapolated_layers=extrapolated,
        run=clock.record(),
    )


def identity(mapped: MappedNetwork) -> str:
    """Return the hash of a mapped network, wherever its checkpoint lies."""
    content = {key: value for key, value in mapped.to_dict().items() if key != "checkpoint"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def transfer_mode(
    circuit: Circuit, images: list[Floats], labels: NDArray[np.int64], jitter: list[float], repeats: int, seed: int
) -> dict[str, Any]:
    """Return the accuracy under the paper's reading, agreement with eq. (4), and each layer's deviation from it.

    jitter: of the input and of each layer, relative to the time since the start of the image.
    """
    right = agree = 0
    late: list[list[float]] = [[] for _ in circuit.layers]
    for number, (spikes, label) in enumerate(zip(images, labels, strict=True)):
        ideal = [spikes_of(point) for point in circuit.ideal(spikes)]
        for repeat in range(repeats):
            times = _image(circuit, spikes, jitter, np.random.default_rng([seed, 15, number, repeat]))
            decision = decide(times[-1])
            right, agree = right + (decision == label), agree + (decision == decide(ideal[-1]))
            for into, t, ideal_t in zip(late, times, ideal, strict=True):
                both = np.isfinite(t) & np.isfinite(ideal_t)
                into.append(robust_spread(t[both] - ideal_t[both]))
    n = len(images)
    return {
        "accuracy": [right / (n * repeats), *wilson_interval(round(right / repeats), n)],
        "agreement": [agree / (n * repeats), *wilson_interval(round(agree / repeats), n)],
        "images": n,
        "deviation": [float(np.mean(values)) for values in late],
    }


def _image(circuit: Circuit, spikes: Floats, jitter: list[float], generator: np.random.Generator) -> list[Floats]:
    def step(k: int, received: Floats) -> tuple[Floats, Floats]:
        layer = circuit.layers[k]
        inputs = layer.inputs(np.maximum(received, 0.0), 0.0)
        times = spikes_of(operate(inputs, circuit.weights[k][layer.row], circuit.mapped.neuron_of(k).window_over_tau))
        jittered = times * (1.0 + jitter[k + 1] * generator.standard_normal(len(times)))
        return jittered, jittered

    spikes = spikes * (1.0 + jitter[0] * generator.standard_normal(len(spikes)))
    return circuit.propagate(spikes, step)
