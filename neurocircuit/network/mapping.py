"""From a network's neurons and images to a mapped network, and how it fits the circuit."""

from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import BeforeValidator, ConfigDict, PlainSerializer

from neurocircuit.core.arrays import Floats
from neurocircuit.core.result import Number, Result, Values
from neurocircuit.errors import InputError
from neurocircuit.network import limits
from neurocircuit.network.limits import Choice, Limit, Recorded
from neurocircuit.network.physical import PhysicalNetwork
from neurocircuit.network.run import Circuit, EncodedImages, decide, spikes_of
from neurocircuit.neuron.operating_points import Operating
from neurocircuit.spec import LayerMapping, MappedNetwork, NeuronSpec, Variation, WeightBank

LATENCY_IMAGES = 4
_WIDE = WeightBank().with_bits(30)
_SHARES = (0.5, 0.9, 0.99, 0.999, 1.0)

NetworkField = Annotated[
    MappedNetwork,
    BeforeValidator(lambda value: MappedNetwork.from_dict(value) if isinstance(value, dict) else value),
    PlainSerializer(lambda network: network.to_dict(), return_type=dict[str, Any]),
]


class LayerFit(Values):
    """Scale of a layer, what its neurons need of the circuit (quantiles at `shares` of neurons and images), its cost.

    fired: share of neurons and images under eq. (4); slope_quantiles: 5, 50, 95 % of W_C - 1; currents and depths in
    thresholds; costs beside those of the base circuit (limits.costs_of).
    """

    name: str
    neurons: int
    fan_in: int
    phase_per_weight_rad: float
    lead_rad: float
    vco4_swing_Hz: float
    bias_delay_over_tau: float
    max_excitatory: float
    max_inhibitory: float
    fired: float
    latest_over_tau: float
    slope_quantiles: tuple[float, ...]
    shares: tuple[float, ...]
    peak_current: tuple[Number, ...]
    depth: tuple[Number, ...]
    lead_over_base: float
    noise_power_over_base: float
    phase_noise_at_window: float
    ripple: float
    swing_over_f0: float
    lead_with_phase_counter_rad: float
    drift_per_tau_at_1e_4_of_f: float


class Mapping(Result):
    """A mapped network, and how it fits its circuit on the images that it was mapped with.

    Accuracies are those under eq. (4) on these images, with the weights as trained and as the bank rounds them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: ClassVar[str] = "mapping"

    images: int
    split: str
    window_over_tau: float
    keep_scale: bool
    choice: Choice
    limits: tuple[Limit, ...]
    layers: tuple[LayerFit, ...]
    accuracy_exact_weights: float
    accuracy_rounded_weights: float
    network: NetworkField

    @property
    def mapped(self) -> MappedNetwork:
        """The mapped network."""
        return self.network

    @property
    def met(self) -> bool:
        """Whether every limit is met."""
        return all(limit.met for limit in self.limits)

    @property
    def exit_code(self) -> int:
        """3 where a limit is broken."""
        return 0 if self.met else 3

    def summary(self) -> str:
        """Return scales, limits and accuracy in a few lines."""
        where = f"{self.images} {self.split} images" if self.split else f"{self.images} images"
        lines = [f"window {self.window_over_tau:g} tau; mapped on {where}"]
        lines += [
            f"layer {layer.name}: {layer.neurons} neurons x {layer.fan_in}, a {layer.phase_per_weight_rad:g} rad, lead "
            f"{layer.lead_rad:g} rad ({layer.lead_over_base:.2g} of the base, {layer.noise_power_over_base:.3g} x its "
            f"noise power), bias at {layer.bias_delay_over_tau:.3g} tau"
            for layer in self.layers
        ]
        for limit in self.limits:
            mark = "ok" if limit.met else "BROKEN"
            line = f"  {mark} layer {limit.layer} {limit.name}: {limit.value:.4g} of {limit.bound:.4g}"
            lines.append(line if limit.met else f"{line} ({limit.outside:.2%} beyond); would help: {limit.help}")
        lines.append(
            f"accuracy under eq. (4) on these {where}: {self.accuracy_exact_weights:.2%}, with the bank's weights "
            f"{self.accuracy_rounded_weights:.2%}"
        )
        return "\n".join(lines)


def build(
    physical: PhysicalNetwork,
    base: NeuronSpec,
    variation: Variation,
    images: EncodedImages,
    choice: Choice,
    *,
    name: str,
    checkpoint: str,
    checkpoint_sha256: str,
    window_over_tau: float | None = None,
    keep_scale: bool = False,
) -> Mapping:
    """Choose window, scales, banks and bias delays on images.

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
        window_over_tau = window_of(_ideal(network(base, neutral), physical, images))
    base = base.replace(window_s=window_over_tau * base.tau_s)
    exact = _ideal(network(base, neutral), physical, images)
    recorded = [Recorded.of([points[k] for points in exact]) for k in range(len(physical.layers))]
    layers = tuple(
        limits.choose_layer(layer.name, base, layer.kernel, trajectories, choice, keep_scale)
        for layer, trajectories in zip(physical.layers, recorded, strict=True)
    )
    mapped = with_delays(network(base, layers), physical, images.spikes[:LATENCY_IMAGES])
    return Mapping(
        images=len(images),
        split=images.split,
        window_over_tau=window_over_tau,
        keep_scale=keep_scale,
        choice=choice,
        limits=tuple(
            limit
            for layer, trajectories in zip(mapped.layers, recorded, strict=True)
            for limit in limits.limits_of(layer, base, trajectories, choice)
        ),
        layers=tuple(_layer_fit(k, mapped, physical, exact, recorded[k]) for k in range(len(physical.layers))),
        accuracy_exact_weights=_accuracy(exact, images),
        accuracy_rounded_weights=_accuracy(_ideal(mapped, physical, images, exact=False), images),
        network=mapped,
    )


def window_of(images: list[list[Operating]]) -> float:
    """Return the window, units of τ, that ends 2 τ after the latest decision of images [image][layer].

    Raise InputError where none is decided.
    """
    first = [float(spikes_of(points[-1]).min()) for points in images]
    decided = [t for t in first if np.isfinite(t)]
    if not decided:
        raise InputError(f"images must have one that the network decides under eq. (4), none of {len(images)} is")
    return float(np.ceil(10 * (max(decided) + 2.0)) / 10)


def with_delays(mapped: MappedNetwork, physical: PhysicalNetwork, spikes: list[Floats]) -> MappedNetwork:
    """Return the network with each layer's bias spike as late as the layers before it are at `edge`, nothing varied."""
    for k in range(1, len(mapped.layers)):
        circuit = Circuit.of(mapped, physical)
        perfect = circuit.chip(0, 0, Variation())
        lateness = []
        for number, image in enumerate(spikes):
            ideal = spikes_of(circuit.ideal(image)[k - 1])
            fired = perfect.run(image, number, "edge", until=k)[k - 1].t_over_tau
            both = np.isfinite(ideal) & np.isfinite(fired)
            lateness.append(fired[both] - ideal[both])
        together = np.concatenate(lateness)  # empty where a broken scale silences a whole layer
        latency = max(float(np.median(together)), 0.0) if len(together) else 0.0
        delay = float(f"{latency:.3g}") * mapped.neuron.tau_s
        layers = [layer.replace(bias_delay_s=delay) if i == k else layer for i, layer in enumerate(mapped.layers)]
        mapped = mapped.replace(layers=tuple(layers))
    return mapped


def _ideal(
    mapped: MappedNetwork, physical: PhysicalNetwork, images: EncodedImages, exact: bool = True
) -> list[list[Operating]]:
    """Return the operating points [image][layer] under eq. (4)."""
    circuit = Circuit.of(mapped, physical)
    return [circuit.ideal(image, exact_weights=exact) for image in images.spikes]


def _accuracy(operating: list[list[Operating]], images: EncodedImages) -> float:
    decided = [decide(spikes_of(points[-1])) for points in operating]
    return float(np.mean(np.array(decided) == images.labels))


def _neutral(name: str, base: NeuronSpec) -> LayerMapping:
    return LayerMapping(
        name=name,
        phase_per_weight_rad=base.phase_per_weight_rad,
        lead_rad=getattr(base.threshold, "lead_rad", 1.0),
        vco4_swing_Hz=base.vco4_swing_Hz,
        weight_bank=_WIDE,
    )


def _layer_fit(
    k: int, mapped: MappedNetwork, physical: PhysicalNetwork, exact: list[list[Operating]], recorded: Recorded
) -> LayerFit:
    scale, layer = mapped.layers[k], physical.layers[k]
    fired = np.concatenate([points[k].fired for points in exact])
    at = np.concatenate([points[k].at for points in exact])[fired]
    slope = np.concatenate([points[k].slope for points in exact])[fired]
    return LayerFit(
        name=scale.name,
        neurons=layer.neurons,
        fan_in=layer.fan_in,
        phase_per_weight_rad=scale.phase_per_weight_rad,
        lead_rad=scale.lead_rad,
        vco4_swing_Hz=scale.vco4_swing_Hz,
        bias_delay_over_tau=mapped.bias_delay_over_tau(k),
        max_excitatory=scale.weight_bank.excitatory.max_weight,
        max_inhibitory=scale.weight_bank.inhibitory.max_weight,
        fired=float(fired.mean()),
        latest_over_tau=float(at.max(initial=0.0)),
        slope_quantiles=tuple(np.quantile(slope, (0.05, 0.5, 0.95)).tolist()) if len(slope) else (),
        shares=_SHARES,
        peak_current=tuple(np.quantile(recorded.peak_current, _SHARES).tolist()),
        depth=tuple(np.quantile(recorded.depth, _SHARES).tolist()),
        **limits.costs_of(scale, mapped.neuron, mapped.neuron.window_over_tau),
    )
