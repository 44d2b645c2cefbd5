"""From a network's neurons and images to a mapped network, and how it fits the circuit."""

from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import BeforeValidator, ConfigDict, PlainSerializer

from neurocircuit.core.arrays import Floats
from neurocircuit.core.pool import Progress, part_of, silent
from neurocircuit.core.result import Number, Result, Values
from neurocircuit.errors import InputError
from neurocircuit.network import limits
from neurocircuit.network.limits import Choice, Limit, Recorded
from neurocircuit.network.physical import Layer, PhysicalNetwork
from neurocircuit.network.run import Circuit, EncodedImages, decide, spikes_of
from neurocircuit.network.windowed import WindowedLayer, WindowedNetwork
from neurocircuit.neuron.operating_points import Operating
from neurocircuit.spec import FullScale, LayerMapping, MappedNetwork, NeuronSpec, Variation, WeightBank
from neurocircuit.spec.neuron import ReadoutWindow
from neurocircuit.spec.windowed import LayerNode

LATENCY_IMAGES = 4
_WIDE = WeightBank().with_bits(30)
_SHARES = (0.5, 0.9, 0.99, 0.999, 1.0)

NetworkField = Annotated[
    MappedNetwork,
    BeforeValidator(lambda value: MappedNetwork.from_dict(value) if isinstance(value, dict) else value),
    PlainSerializer(lambda network: network.to_dict(), return_type=dict[str, Any]),
]


class WindowCost(Values):
    """What the window and the slope of a layer cost in noise.

    A jitter δt moves the activation that a spike carries by X z δt/L: jitter_to_activation is that in X per τ, of a
    spike at the window's start and at its end. A disturbance δV of the membrane moves the spike by δV/σ (ramp: δV/r):
    membrane_to_time is that in τ per threshold, at the median slope. activation_noise: what phase noise until the
    window's end and the XOR's ripple, uniform, do to an activation of 0 at least, in X.
    """

    window_over_tau: float
    largest: float
    jitter_to_activation: tuple[float, float]
    membrane_to_time: Number
    activation_noise: Number


class LayerFit(Values):
    """Scale of a layer, what its neurons need of the circuit (quantiles at `shares` of neurons and images), its cost.

    fired: share of neurons and images under eq. (4); slope_quantiles: 5, 50, 95 % of W_C - 1; currents and depths in
    thresholds; costs beside those of the base circuit (limits.costs_of). window: of a windowed layer. full_scale_span:
    largest over smallest full scale of its neurons, of either sign; 1 where one serves all. tau_over_base: time
    constant of its neurons over that of the network; times of the layer are in units of its own.
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
    window: WindowCost | None = None
    full_scale_span: float = 1.0
    tau_over_base: float = 1.0


class Mapping(Result):
    """A mapped network, and how it fits its circuit on the images that it was mapped with.

    Accuracies are those under eq. (4) on these images, with the weights as trained and as the bank rounds them.
    trained_full_scale: of the bank to which training rounded the weights; None: it did not, or that is not known.
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
    trained_full_scale: FullScale | None = None

    @property
    def mapped(self) -> MappedNetwork:
        """The mapped network."""
        return self.network

    @property
    def met(self) -> bool:
        """Whether every limit is met."""
        return all(limit.met for limit in self.limits)

    @property
    def full_scale(self) -> FullScale:
        """Whether the bank has one full scale for each layer or for each neuron."""
        return self.network.layers[0].full_scale

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
            + (f", tau {layer.tau_over_base:.3g} times the network's" if layer.tau_over_base != 1.0 else "")
            for layer in self.layers
        ]
        lines += [
            f"layer {layer.name}: window {cost.window_over_tau:g} tau; a jitter of 0.01 tau moves activations by "
            f"{0.01 * cost.jitter_to_activation[0]:.2%} (largest) to {0.01 * cost.jitter_to_activation[1]:.2%} (least) "
            f"of X, 0.01 thresholds move a spike by {0.01 * cost.membrane_to_time:.3g} tau; phase noise and "
            f"ripple make {cost.activation_noise:.2%} of X"
            for layer in self.layers
            if (cost := layer.window) is not None
        ]
        if any(layer.readout_window and layer.readout_window.form == "forced" for layer in self.network.layers):
            lines.append(
                "form forced: all silent spikes and the bias must cancel at each arming; form ramp needs no such "
                "balance (neurocircuit convert --form ramp, then fine-tuning)"
            )
        if self.full_scale == "neuron":
            spans = ", ".join(f"{layer.name} {layer.full_scale_span:.3g}" for layer in self.layers)
            lines.append(f"one full scale for each neuron: largest over smallest, {spans}")
        if self.trained_full_scale not in (None, self.full_scale):
            lines.append(
                f"trained for another bank: one full scale for each {self.trained_full_scale}, here for each "
                f"{self.full_scale}; map with full scale {self.trained_full_scale}, or train with hardware.full_scale "
                f'= "{self.full_scale}"'
            )
        lines += self._limit_lines()
        lines.append(
            f"accuracy under eq. (4) on these {where}: {self.accuracy_exact_weights:.2%}, with the bank's weights "
            f"{self.accuracy_rounded_weights:.2%}"
        )
        return "\n".join(lines)

    def _limit_lines(self) -> list[str]:
        """Return one line where all limits are met, with the nearest; else a line for each broken one."""
        broken = [limit for limit in self.limits if not limit.met]
        if not broken:
            nearest = max(self.limits, key=lambda limit: limit.value / limit.bound)
            return [
                f"all {len(self.limits)} limits of the circuit are met; nearest to its bound: layer {nearest.layer} "
                f"{nearest.name}, {nearest.value:.4g} of {nearest.bound:.4g}"
            ]
        return [
            f"{len(broken)} of {len(self.limits)} limits of the circuit are broken:",
            *(
                f"  BROKEN layer {limit.layer} {limit.name}: {limit.value:.4g} of {limit.bound:.4g} "
                f"({limit.outside:.2%} beyond); would help: {limit.help}"
                for limit in broken
            ),
        ]


def build(
    physical: PhysicalNetwork | WindowedNetwork,
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
    full_scale: FullScale = "layer",
    progress: Progress = silent,
) -> Mapping:
    """Choose window, scales, banks and bias delays on images.

    window_over_tau: the observation window; None: 2 τ after the latest decision. keep_scale: a and θ of the base.
    A windowed network has windows of its own, the longest of which is the observation window. Raise InputError where
    window_over_tau stands beside them, and for a full scale of each neuron where the base's weight currents stand.
    """
    if full_scale == "neuron" and keep_scale and base.circuit is not None:
        raise InputError("full_scale must be layer with keep_scale on a characterised circuit: its currents stand")
    stages: tuple[Layer | WindowedLayer, ...] = physical.layers
    windows = [stage.readout_window(base.tau_s) if isinstance(stage, WindowedLayer) else None for stage in stages]

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

    neutral = tuple(_neutral(stage, base, window) for stage, window in zip(stages, windows, strict=True))
    closing = [window.closes_s / base.tau_s for window in windows if window is not None]
    if closing and window_over_tau is not None:
        raise InputError("window_over_tau must be left out: the network has windows of its own")
    if closing:
        window_over_tau = max(closing)
    elif window_over_tau is None:
        window_over_tau = window_of(
            _ideal(network(base, neutral), physical, images, part_of(progress, 0, 3)), stages[-1].tau_over_base
        )
    base = base.replace(window_s=window_over_tau * base.tau_s)
    exact = _ideal(network(base, neutral), physical, images, part_of(progress, 1, 3))
    recorded = [Recorded.of([points[k] for points in exact]) for k in range(len(stages))]
    layers = tuple(
        choose(stage, base, trajectories, choice, keep_scale, full_scale)
        for stage, trajectories in zip(stages, recorded, strict=True)
    )
    mapped = network(base, layers)
    rounded = _ideal(mapped, physical, images, part_of(progress, 2, 3), exact=False)
    if isinstance(physical, PhysicalNetwork):
        mapped = with_delays(mapped, physical, images.spikes[:LATENCY_IMAGES])
    return Mapping(
        images=len(images),
        split=images.split,
        window_over_tau=window_over_tau,
        keep_scale=keep_scale,
        choice=choice,
        limits=tuple(
            limit
            for layer, stage, trajectories in zip(mapped.layers, stages, recorded, strict=True)
            for limit in limits.limits_of(layer, base, trajectories, choice, stage.synapses)
        ),
        layers=tuple(_layer_fit(k, mapped, stages[k], exact, recorded[k]) for k in range(len(stages))),
        accuracy_exact_weights=_accuracy(exact, images),
        accuracy_rounded_weights=_accuracy(rounded, images),
        network=mapped,
    )


def choose(
    stage: Layer | WindowedLayer,
    base: NeuronSpec,
    recorded: Recorded,
    choice: Choice,
    keep_scale: bool = False,
    full_scale: FullScale = "layer",
) -> LayerMapping:
    """Return scale, banks and window of one layer, free or windowed, as `limits.choose_layer`."""
    window = stage.readout_window(base.tau_s) if isinstance(stage, WindowedLayer) else None
    chosen = limits.choose_layer(
        stage.name, base, _of_bank(stage), recorded, choice, keep_scale, window, stage.tau_over_base
    )
    chosen = chosen.replace(full_scale=full_scale)
    return stage.with_bias_bank(chosen) if isinstance(stage, WindowedLayer) else chosen


def _of_bank(stage: Layer | WindowedLayer) -> Floats:
    """Return the weights [row, input] that share a layer's bank: bias spikes of a window have one of their own."""
    return stage.kernel[:, :-2] if isinstance(stage, WindowedLayer) else stage.kernel


def window_of(images: list[list[Operating]], tau_over_base: float = 1.0) -> float:
    """Return the window, units of τ, that ends 2 τ of the last layer after the latest decision of [image][layer].

    tau_over_base: of the last layer's neurons. Raise InputError where none is decided.
    """
    first = [float(spikes_of(points[-1]).min()) for points in images]
    decided = [t for t in first if np.isfinite(t)]
    if not decided:
        raise InputError(f"images must have one that the network decides under eq. (4), none of {len(images)} is")
    return float(np.ceil(10 * (max(decided) + 2.0)) / 10) * tau_over_base


def with_delays(mapped: MappedNetwork, physical: PhysicalNetwork, spikes: list[Floats]) -> MappedNetwork:
    """Return the network with each layer's bias spike as late as the layers before it are at `edge`, nothing varied."""
    for k in range(1, len(mapped.layers)):
        before = physical.before(k)
        if not physical.layers[k].has_bias or not before:
            continue
        circuit = Circuit.of(mapped, physical)
        perfect = circuit.chip(0, 0, Variation())
        lateness = []
        for number, image in enumerate(spikes):
            points, runs = circuit.ideal(image), perfect.run(image, number, "edge", until=k)
            ideal = np.concatenate([spikes_of(points[j]) for j in before])
            fired = np.concatenate([runs[j].t_over_tau for j in before])
            both = np.isfinite(ideal) & np.isfinite(fired)
            lateness.append(fired[both] - ideal[both])
        together = np.concatenate(lateness)  # empty where a broken scale silences a whole layer
        latency = max(float(np.median(together)), 0.0) if len(together) else 0.0
        delay = float(f"{latency:.3g}") * mapped.neuron_of(before[0]).tau_s  # which all have
        layers = [layer.replace(bias_delay_s=delay) if i == k else layer for i, layer in enumerate(mapped.layers)]
        mapped = mapped.replace(layers=tuple(layers))
    return mapped


def _ideal(
    mapped: MappedNetwork,
    physical: PhysicalNetwork | WindowedNetwork,
    images: EncodedImages,
    progress: Progress,
    exact: bool = True,
) -> list[list[Operating]]:
    """Return the operating points [image][layer] under eq. (4)."""
    circuit, operating = Circuit.of(mapped, physical), []
    for k, image in enumerate(images.spikes):
        operating.append(circuit.ideal(image, exact_weights=exact))
        progress(k + 1, len(images), f"image {k + 1} of {len(images)} by eq. (4)")
    return operating


def _accuracy(operating: list[list[Operating]], images: EncodedImages) -> float:
    decided = [decide(spikes_of(points[-1])) for points in operating]
    return float(np.mean(np.array(decided) == images.labels))


def _neutral(stage: Layer | WindowedLayer, base: NeuronSpec, window: ReadoutWindow | None) -> LayerMapping:
    return LayerMapping(
        name=stage.name,
        tau_over_base=stage.tau_over_base,
        phase_per_weight_rad=base.phase_per_weight_rad,
        lead_rad=getattr(base.threshold, "lead_rad", 1.0),
        vco4_swing_Hz=base.vco4_swing_Hz,
        weight_bank=_WIDE,
        readout_window=window,
    )


def _layer_fit(
    k: int, mapped: MappedNetwork, layer: Layer | WindowedLayer, exact: list[list[Operating]], recorded: Recorded
) -> LayerFit:
    scale, window_over_tau = mapped.layers[k], mapped.neuron_of(k).window_over_tau
    fired = np.concatenate([points[k].fired for points in exact])
    at = np.concatenate([points[k].at for points in exact])[fired]
    slope = np.concatenate([points[k].slope for points in exact])[fired]
    costs = limits.costs_of(scale, mapped.neuron, window_over_tau)
    cost = None
    if isinstance(layer, WindowedLayer):
        middle = float(np.median(slope)) if len(slope) else np.nan
        cost = window_cost(
            layer.node, middle, float(np.hypot(costs["phase_noise_at_window"], costs["ripple"] / 12**0.5))
        )
    return LayerFit(
        name=scale.name,
        neurons=layer.neurons,
        fan_in=layer.synapses,
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
        **costs,
        window=cost,
        full_scale_span=_span(_of_bank(layer)) if scale.full_scale == "neuron" else 1.0,
        tau_over_base=scale.tau_over_base,
    )


def _span(weights: Floats) -> float:
    """Return the largest over the smallest full scale of weights [neuron, input], of the sign that has more."""
    spans = [1.0]
    for full_scales in (weights.max(axis=1), -weights.min(axis=1)):
        used = full_scales[full_scales > 0]
        spans += [float(used.max() / used.min())] if len(used) else []
    return max(spans)


def window_cost(node: LayerNode, slope: float, membrane_noise: float) -> WindowCost:
    """Return what the window of a layer costs: its slope in thresholds per τ, membrane_noise in thresholds."""
    start = 1.0 / np.expm1(node.window_over_tau)  # z = 1: X/L; z = e^T: X/(1 - e^-T)
    end = float(start + 1.0)
    return WindowCost(
        window_over_tau=node.window_over_tau,
        largest=node.largest,
        jitter_to_activation=(float(start), end),
        membrane_to_time=1.0 / slope,
        activation_noise=end * membrane_noise / slope,
    )
