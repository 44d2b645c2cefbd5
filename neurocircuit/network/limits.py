"""What the circuit allows a layer, and how the scale of each layer is chosen within it.

    XOR range    a · max|Σ w e^{-(t-t_i)}| <= π/2             at quantile `xor_quantile` over neurons and images
    no wrap      θ (1 + |v_min|) + guard + ripple < π until the window ends, at quantile `wrap_quantile`; none for a
                 phase counter
    VCO4 swing   θ/(2 a τ) <= 2 f0·ratio (I_L >= 0)
    spike width  width <= τ of the layer: a longer input is no kernel of eq. (3)
    fan-in       synapses <= `largest_fan_in`, where it is stated or characterised

Of a windowed layer currents count until its arming, and membranes from then on: its comparator is blind before. On a
ramp the XOR no longer drives the membrane, so that it has no ripple and needs no guard.

Everything that must stay within a limit takes its bound from here: the mapping, its report, the margins of training.

A smaller a is always in range, and so is a smaller θ: a network that meets no limit there pays in noise. In units of
the threshold phase noise leaves sqrt((D3 + D4) t)/θ and the XOR's pulses leave a ripple of π/(8 a f0 τ); both are in
the report beside what the base circuit has, and so are the circuits that would avoid the loss.
"""

from dataclasses import dataclass

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.core.result import Values
from neurocircuit.errors import InputError
from neurocircuit.neuron.operating_points import Operating
from neurocircuit.spec import LayerMapping, MappedNetwork, NeuronSpec
from neurocircuit.spec.network import LIMIT_USE
from neurocircuit.spec.neuron import ReadoutWindow, XOR_RANGE_rad

# Nulls the median deviation of firing neurons: published MNIST weights, a 0.09 … 0.16 rad, 15.3 cycles per τ, r = 8,
# 8 images; at 0.5 they fire early by 0.04 thresholds, at 1.0 late by 0.05.
GUARD_OVER_RIPPLE = 0.75
SPIKE_WIDTH = "spike width"


@dataclass(frozen=True)
class Choice:
    """How close to the limits the mapping goes, and at which quantiles it looks."""

    xor_quantile: float = 0.999
    wrap_quantile: float = 1.0
    use: float = LIMIT_USE  # share of a limit that is used
    largest_fan_in: int | None = None  # synapses that a neuron carries, bias included; None: as characterised

    def carried_by(self, neuron: NeuronSpec) -> int | None:
        """Return how many synapses a neuron may have: as stated, else as its transistors carry; None: any number."""
        if self.largest_fan_in is not None or neuron.circuit is None:
            return self.largest_fan_in
        return neuron.circuit.largest_fan_in

    def __post_init__(self) -> None:
        if self.largest_fan_in is not None and self.largest_fan_in < 1:
            raise InputError(f"largest_fan_in must be >= 1, got {self.largest_fan_in}")
        for name in ("xor_quantile", "wrap_quantile", "use"):
            value = getattr(self, name)
            if not 0 < value <= 1:
                raise InputError(f"{name} must be within 0 … 1, got {value:g}")


@dataclass(frozen=True)
class Recorded:
    """Trajectories of one layer over images: each [neuron · image]."""

    peak_current: Floats
    depth: Floats  # |v_min|

    @classmethod
    def of(cls, points: list[Operating]) -> "Recorded":
        """From the operating points of each image."""
        return cls(
            np.concatenate([point.peak_current for point in points]),
            np.concatenate([-point.lowest for point in points]),
        )


class Limit(Values):
    """One constraint of one layer: value must stay below bound.

    quantile: over neurons and images, of which the value is taken; outside: share of them beyond the bound.
    """

    layer: str
    name: str
    quantile: float
    value: float
    bound: float
    outside: float
    help: str
    met: bool


def _limit(layer: str, name: str, quantile: float, value: float, bound: float, outside: float, help_: str) -> Limit:
    return Limit(
        layer=layer,
        name=name,
        quantile=quantile,
        value=value,
        bound=bound,
        outside=outside,
        help=help_,
        met=value <= bound,
    )


def choose_layer(
    name: str,
    base: NeuronSpec,
    kernel: Floats,
    recorded: Recorded,
    choice: Choice,
    keep_scale: bool = False,
    window: ReadoutWindow | None = None,
    tau_over_base: float = 1.0,
) -> LayerMapping:
    """Scale and bank of one layer: the largest a and θ that the limits allow, never beyond the base circuit's.

    window: of a windowed layer. keep_scale: phase per weight, lead, swing and guard are those of the base, to the last
    digit. Where the base has transistors its bank stands too, for their currents do: weights saturate at its full
    scale. tau_over_base: time constant of the layer's neurons over the base's.
    """
    if not base.threshold.is_fixed:
        raise InputError(f"threshold must be a lead to map a network, got {base.threshold.kind}")
    a, lead = base.phase_per_weight_rad, base.threshold.lead_rad
    stands = keep_scale and base.circuit is not None
    bank = base.weight_bank if stands else base.weight_bank.spanning(kernel)
    tau_s = base.tau_s * tau_over_base
    if keep_scale:
        return LayerMapping(
            name=name,
            tau_over_base=tau_over_base,
            phase_per_weight_rad=a,
            lead_rad=lead,
            ripple_guard_rad=base.ripple_guard_rad,
            vco4_swing_Hz=lead / (2.0 * a * tau_s),
            weight_bank=bank,
            readout_window=window,
        )
    base = base.replace(tau_s=tau_s)
    peak = float(np.quantile(recorded.peak_current, choice.xor_quantile))
    a = min(a, choice.use * XOR_RANGE_rad / max(peak, 1e-12))
    ripple = ripple_over_lead(base, a) if window is None or window.form == "forced" else 0.0
    if base.comparator == "modulo_2pi":
        depth = float(np.quantile(recorded.depth, choice.wrap_quantile))
        lead = min(lead, choice.use * np.pi / (1.0 + depth + (1.0 + GUARD_OVER_RIPPLE) * ripple))
    lead = min(lead, choice.use * largest_lead_rad(base, a))
    return LayerMapping(
        name=name,
        tau_over_base=tau_over_base,
        phase_per_weight_rad=_rounded(a),
        lead_rad=_rounded(lead),
        ripple_guard_rad=float(f"{_rounded(lead) * ripple * GUARD_OVER_RIPPLE:.3g}"),
        vco4_swing_Hz=_rounded(lead) / (2.0 * _rounded(a) * base.tau_s),
        weight_bank=bank,
        readout_window=window,
    )


def largest_current(layer: LayerMapping, use: float) -> float:
    """Return the largest |Σ w e^{-(t-t_i)}| that a layer's phase per weight holds within `use` of the XOR's range."""
    return use * XOR_RANGE_rad / layer.phase_per_weight_rad


def largest_depth(layer: LayerMapping, base: NeuronSpec, use: float) -> float:
    """Return the largest |v_min| that a layer's lead holds within `use` of π; inf for a phase counter."""
    if base.comparator != "modulo_2pi":
        return np.inf
    return max((use * np.pi - _guarded(layer)) / layer.lead_rad - 1, 0.0)


def held(mapped: MappedNetwork) -> tuple[list[float], list[float]]:
    """Return largest current and largest depth of each layer, thresholds, that its scales hold as they were chosen."""
    return (
        [largest_current(layer, mapped.use) for layer in mapped.layers],
        [largest_depth(layer, mapped.neuron, mapped.use) for layer in mapped.layers],
    )


def _guarded(layer: LayerMapping) -> float:
    """Return the phase that the guard and the ripple, of which the guard is a share, take from the lead's range."""
    return layer.ripple_guard_rad * (1 + 1 / GUARD_OVER_RIPPLE)


def ripple_over_lead(base: NeuronSpec, a: float) -> float:
    """Amplitude of the membrane's ripple at rest in thresholds: UP is high for a quarter of a period at a time."""
    return float(np.pi / (8.0 * a * base.cycles_per_tau))


def largest_lead_rad(base: NeuronSpec, a: float) -> float:
    """Return the lead at which I_L reaches 0, threshold at 1."""
    return 2.0 * base.f0_Hz * base.threshold_vco_ratio * 2.0 * a * base.tau_s


def limits_of(
    scale: LayerMapping, base: NeuronSpec, recorded: Recorded, choice: Choice, fan_in: int = 0
) -> list[Limit]:
    """Return every constraint of a layer on recorded trajectories, met or not; fan_in: synapses of its neurons."""
    base = scale.base(base)
    a, lead = scale.phase_per_weight_rad, scale.lead_rad
    used = a * recorded.peak_current
    deep = lead * (1.0 + recorded.depth) + _guarded(scale)
    counter = largest_lead_rad(base, a)
    constraints = [
        _limit(
            scale.name,
            "XOR range",
            choice.xor_quantile,
            _quantile(used, choice.xor_quantile),
            XOR_RANGE_rad,
            float(np.mean(used > XOR_RANGE_rad)),
            f"a <= {XOR_RANGE_rad / max(_quantile(recorded.peak_current, choice.xor_quantile), 1e-12):.3g} rad, or "
            "training with a margin on Σ w e^-(t-ti)",
        ),
        _limit(
            scale.name,
            "VCO4 swing",
            1.0,
            scale.vco4_swing_Hz,
            2.0 * base.f0_Hz * base.threshold_vco_ratio,
            0.0,
            f"θ <= {counter:.3g} rad, a larger a, or faster oscillators",
        ),
    ]
    if base.comparator == "modulo_2pi":
        depth = _quantile(recorded.depth, choice.wrap_quantile)
        least_floor = np.pi / lead - 1.0
        constraints.insert(
            1,
            _limit(
                scale.name,
                "no wrap",
                choice.wrap_quantile,
                _quantile(deep, choice.wrap_quantile),
                np.pi,
                float(np.mean(deep >= np.pi)),
                f"θ < {np.pi / (1 + depth):.3g} rad; training with a margin on the depth {depth:.3g}; a clamp of the "
                f"membrane at -{least_floor:.3g} thresholds; or a phase counter (θ up to {counter:.3g} rad)",
            ),
        )
    if base.spike_width_s > 0:
        constraints.append(
            _limit(
                scale.name,
                SPIKE_WIDTH,
                1.0,
                base.spike_width_s,
                base.tau_s,
                float(base.spike_width_s > base.tau_s),
                f"τ >= {base.spike_width_s:.3g} s, or a shorter input spike",
            )
        )
    largest_fan_in = choice.carried_by(base)
    if largest_fan_in is not None:
        parts = -(-fan_in // largest_fan_in)
        constraints.append(
            _limit(
                scale.name,
                "fan-in",
                1.0,
                float(fan_in),
                float(largest_fan_in),
                float(fan_in > largest_fan_in),
                f"partial sums of {-(-fan_in // parts)} synapses in {parts} neurons (of a windowed network: "
                f"`neurocircuit convert --largest-fan-in {largest_fan_in}`), fewer channels or a smaller "
                "kernel, or a tree of synapses (`neurocircuit process fan-in --branch`)",
            )
        )
    return constraints


def costs_of(scale: LayerMapping, base: NeuronSpec, window_over_tau: float) -> dict[str, float]:
    """Return what the scale of a layer costs, in units of the threshold and its τ, beside the base circuit."""
    base, lead_rad = scale.base(base), base.fixed_lead_rad
    d3, d4 = base.phase_noise[2:]
    walk = float(np.sqrt((d3 + d4) * base.tau_s * window_over_tau))
    return {
        "lead_over_base": scale.lead_rad / lead_rad,
        "noise_power_over_base": (lead_rad / scale.lead_rad) ** 2,
        "phase_noise_at_window": walk / scale.lead_rad,
        "ripple": ripple_over_lead(base, scale.phase_per_weight_rad),
        "swing_over_f0": scale.vco4_swing_Hz / base.f0_Hz,
        "lead_with_phase_counter_rad": largest_lead_rad(base, scale.phase_per_weight_rad),
        "drift_per_tau_at_1e_4_of_f": 2 * np.pi * base.cycles_per_tau * 1e-4 / scale.lead_rad,
    }


def _rounded(value: float) -> float:
    """Return three digits, so that a file shows what is meant; never beyond the limit that `value` is."""
    if value <= 0:
        return 0.0
    step = 10.0 ** (np.floor(np.log10(value)) - 2)
    return float(f"{np.floor(value / step + 1e-9) * step:.3g}")


def _quantile(values: Floats, quantile: float) -> float:
    return float(np.quantile(values, quantile))
