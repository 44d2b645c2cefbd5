"""From a checkpoint to a mapped network and the report of how it fits."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurocircuit.core.arrays import Floats
from neurocircuit.network import limits
from neurocircuit.network.limits import Choice, Recorded
from neurocircuit.network.physical import PhysicalNetwork
from neurocircuit.network.run import Circuit, decide, spikes_of
from neurocircuit.spec import LayerMapping, MappedNetwork, NeuronSpec, Variation, WeightBank

LATENCY_IMAGES = 4
_WIDE = WeightBank().with_bits(30)


@dataclass(frozen=True)
class Mapping:
    """A mapped network, its limits, and numbers for the report."""

    mapped: MappedNetwork
    met: bool
    report: dict[str, Any]


def build(
    physical: PhysicalNetwork,
    base: NeuronSpec,
    variation: Variation,
    spikes: list[Floats],
    labels: NDArray[np.int64],
    choice: Choice,
    *,
    name: str,
    checkpoint: str,
    checkpoint_sha256: str,
    window_over_tau: float | None = None,
    keep_scale: bool = False,
) -> Mapping:
    """Choose window, scales, banks and bias delays on images given by their input spikes [number] and labels.

    window_over_tau: the observation window; None: 2 τ after the latest decision. keep_scale: a and θ of the base.
    """

    def network(neuron: NeuronSpec, layers: tuple[LayerMapping, ...]) -> MappedNetwork:
        return MappedNetwork(
            name=name,
            checkpoint=checkpoint,
            checkpoint_sha256=checkpoint_sha256,
            neuron=neuron,
            variation=variation,
            layers=layers,
            use=choice.use,
        )

    neutral = tuple(_neutral(layer.name, base) for layer in physical.layers)
    if window_over_tau is None:
        latest = [spikes_of(points[-1]).min() for points in _ideal(network(base, neutral), physical, spikes)]
        window_over_tau = float(np.ceil(10 * (max(t for t in latest if np.isfinite(t)) + 2.0)) / 10)
    base = base.replace(window_s=window_over_tau * base.tau_s)
    exact = _ideal(network(base, neutral), physical, spikes)
    recorded = [Recorded.of([points[k] for points in exact]) for k in range(len(physical.layers))]
    layers = tuple(
        limits.choose_layer(layer.name, base, layer.kernel, seen, choice, keep_scale)
        for layer, seen in zip(physical.layers, recorded, strict=True)
    )
    mapped = with_delays(network(base, layers), physical, spikes[:LATENCY_IMAGES])
    found = [
        limit
        for own, seen in zip(mapped.layers, recorded, strict=True)
        for limit in limits.limits_of(own, base, seen, choice)
    ]
    rounded = [decide(spikes_of(points[-1])) for points in _ideal(mapped, physical, spikes, exact=False)]
    before = [decide(spikes_of(points[-1])) for points in exact]
    report = {
        "images": len(spikes),
        "window_over_tau": window_over_tau,
        "keep_scale": keep_scale,
        "choice": vars(choice),
        "limits": [limits.as_dict(limit) for limit in found],
        "layers": [_layer_report(k, mapped, physical, exact, recorded[k]) for k in range(len(physical.layers))],
        "accuracy_exact_weights": float(np.mean(np.array(before) == labels)),
        "accuracy_rounded_weights": float(np.mean(np.array(rounded) == labels)),
        "met": all(limit.met for limit in found),
    }
    return Mapping(mapped, bool(report["met"]), report)


def with_delays(mapped: MappedNetwork, physical: PhysicalNetwork, spikes: list[Floats]) -> MappedNetwork:
    """The same with each layer's bias spike as late as the layers before it are at level `edge`, nothing varied."""
    for k in range(1, len(mapped.layers)):
        circuit = Circuit.of(mapped, physical)
        perfect = circuit.chip(0, 0, Variation())
        late = []
        for image, one in enumerate(spikes):
            before = spikes_of(circuit.ideal(one)[k - 1])
            found = perfect.run(one, image, "edge", until=k)[k - 1].t_over_tau
            both = np.isfinite(before) & np.isfinite(found)
            late.append(found[both] - before[both])
        together = np.concatenate(late)  # empty where a broken scale silences a whole layer
        latency = max(float(np.median(together)), 0.0) if len(together) else 0.0
        delay = float(f"{latency:.3g}") * mapped.neuron.tau_s
        own = [layer.replace(bias_delay_s=delay) if i == k else layer for i, layer in enumerate(mapped.layers)]
        mapped = mapped.replace(layers=tuple(own))
    return mapped


def _ideal(mapped: MappedNetwork, physical: PhysicalNetwork, spikes: list[Floats], exact: bool = True) -> list[Any]:
    circuit = Circuit.of(mapped, physical)
    return [circuit.ideal(one, exact_weights=exact) for one in spikes]


def _neutral(name: str, base: NeuronSpec) -> LayerMapping:
    return LayerMapping(
        name=name,
        phase_per_weight_rad=base.phase_per_weight_rad,
        lead_rad=getattr(base.threshold, "lead_rad", 1.0),
        vco4_swing_Hz=base.vco4_swing_Hz,
        weight_bank=_WIDE,
    )


def _layer_report(
    k: int, mapped: MappedNetwork, physical: PhysicalNetwork, exact: list[Any], recorded: Recorded
) -> dict[str, Any]:
    own, layer = mapped.layers[k], physical.layers[k]
    fired = np.concatenate([points[k].fired for points in exact])
    at = np.concatenate([points[k].at for points in exact])[fired]
    slope = np.concatenate([points[k].slope for points in exact])[fired]
    shares = (0.5, 0.9, 0.99, 0.999, 1.0)
    return {
        "name": own.name,
        "neurons": layer.neurons,
        "fan_in": layer.fan_in,
        "phase_per_weight_rad": own.phase_per_weight_rad,
        "lead_rad": own.lead_rad,
        "vco4_swing_Hz": own.vco4_swing_Hz,
        "bias_delay_over_tau": mapped.bias_delay_over_tau(k),
        "max_excitatory": own.weight_bank.excitatory.max_weight,
        "max_inhibitory": own.weight_bank.inhibitory.max_weight,
        "fired": float(fired.mean()),
        "latest_over_tau": float(at.max(initial=0.0)),
        "slope_quantiles": np.quantile(slope, (0.05, 0.5, 0.95)).tolist() if len(slope) else [],
        "shares": shares,
        "peak_current": np.quantile(recorded.peak_current, shares).tolist(),
        "depth": np.quantile(recorded.depth, shares).tolist(),
        **limits.costs_of(own, mapped.neuron, mapped.neuron.window_over_tau),
    }
