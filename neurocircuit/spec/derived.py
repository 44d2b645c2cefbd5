"""What follows from the fields of a neuron: derived quantities, what keeps each, and remarks on unlikely values."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp, pi, sqrt

from neurocircuit.spec.neuron import NeuronSpec, XOR_RANGE_rad
from neurocircuit.units import format_quantity

MOST_CYCLES = 1000.0  # per tau; the characterised neurons and all designs of the studies have 3.7 to 18
SHORTEST_WINDOW_over_tau = 1.0  # of a membrane that rises over tau
LEAST_LOOP_RATIO = 2.0  # below it the loop overshoots by more than 4 %
LARGEST_RIPPLE = 0.5  # of the lead
THRESHOLD_TOLERANCE = 0.01  # of 1: below what rounding and fits leave


@dataclass(frozen=True)
class Derived:
    """A quantity that no field holds: its value, how it follows, and what keeps it as another field changes.

    kept_by: in words; "" where nothing needs to.
    """

    name: str
    value: float
    unit: str
    formula: str
    kept_by: str = ""

    @property
    def meaning(self) -> str:
        """How it follows, and what keeps it."""
        return self.formula + (f"; {self.kept_by}" if self.kept_by else "")

    def __str__(self) -> str:
        """Return one line."""
        return f"{self.name} = {self.value:.4g}{' ' if self.unit else ''}{self.unit}: {self.meaning}"


def derived(spec: NeuronSpec) -> tuple[Derived, ...]:
    """Return what follows from the fields of a neuron.

    >>> print(derived(NeuronSpec())[0])
    threshold = 1 in units of weight: lead/(2·phase_per_weight·vco4_swing·tau); vco4_swing ∝ lead/(phase_per_weight·tau) keeps it
    """  # noqa: E501
    quantities = [
        Derived("f0·tau", spec.cycles_per_tau, "cycles per tau", "of a free-running oscillator", "f0 ∝ 1/tau keeps it"),
        Derived("r", spec.loop_ratio, "", "loop_filter·tau, above 4 overdamped", "loop_filter ∝ 1/tau keeps it"),
        Derived("window", spec.window_over_tau, "tau", "of observation", "window ∝ tau keeps it"),
        Derived(
            "largest current",
            XOR_RANGE_rad / spec.phase_per_weight_rad,
            "in units of weight",
            "(π/2)/phase_per_weight, where the XOR's linear range ends",
        ),
        Derived("ripple", ripple_rad(spec), "rad", "π·vco4_swing/(4·f0), on the membrane at rest"),
        Derived("K", 1.0 / spec.tau_s, "rad/s", "1/tau, loop gain kpd·kvco; may stand in place of tau"),
    ]
    if spec.threshold.is_fixed:
        threshold = Derived(
            "threshold",
            spec.threshold_weight,
            "in units of weight",
            "lead/(2·phase_per_weight·vco4_swing·tau)",
            "vco4_swing ∝ lead/(phase_per_weight·tau) keeps it",
        )
        return (threshold, *quantities)
    return tuple(quantities)


def derived_line(spec: NeuronSpec) -> str:
    """Return the first derived quantities in one line.

    >>> derived_line(NeuronSpec())
    'threshold 1 in units of weight, f0·tau 15.28 cycles per tau, r 8, window 10 tau'
    """
    shown = [quantity for quantity in derived(spec) if quantity.name in ("threshold", "f0·tau", "r", "window")]
    return ", ".join(f"{quantity.name} {quantity.value:.4g} {quantity.unit}".strip() for quantity in shown)


def ripple_rad(spec: NeuronSpec) -> float:
    """Return the ripple that the XOR's pulses leave on the membrane at rest: π·vco4_swing/(4·f0)."""
    return pi * spec.vco4_swing_Hz / (4.0 * spec.f0_Hz)


def annotated_toml(spec: NeuronSpec) -> str:
    """Return the TOML of a neuron, with its derived quantities and remarks as comments below it."""
    return spec.to_toml() + derived_comments(spec)


def derived_comments(spec: NeuronSpec) -> str:
    """Return the derived quantities and remarks as comments, to stand below the TOML."""
    lines = ["", "# What follows from these values (`neurocircuit spec --spec FILE` prints it anew):"]
    lines += [f"# {quantity}" for quantity in derived(spec)]
    lines += [f"# REMARK: {remark}" for remark in remarks(spec)]
    return "\n".join(lines) + "\n"


def remarks(spec: NeuronSpec) -> tuple[str, ...]:
    """Return remarks on values that are valid but unlikely, each with the field that would correct it; mostly none.

    >>> remarks(NeuronSpec())
    ()
    >>> print(remarks(NeuronSpec(tau_s=30e-9))[0])
    threshold is 0.667 in units of weight, where eq. (3) has 1; vco4_swing = "50 MHz" puts it at 1
    """
    return tuple(_remarks(spec))


def _remarks(spec: NeuronSpec) -> Iterator[str]:
    if spec.cycles_per_tau > MOST_CYCLES:
        yield (
            f"f0·tau is {spec.cycles_per_tau:.5g} cycles, where rings and loops of transistors have 4 to 20: is the "
            f"prefix of tau = {_text(spec.tau_s, 's')} or of f0 = {_text(spec.f0_Hz, 'Hz')} the one that is meant?"
        )
    if spec.readout_window is None and spec.window_over_tau < SHORTEST_WINDOW_over_tau:
        yield (
            f"window is {spec.window_over_tau:.3g} tau, too short for most neurons to fire, so that they are silent; "
            f"window = {_text(10.0 * spec.tau_s, 's')} is 10 tau"
        )
    yield from _threshold(spec)
    if spec.phase_per_weight_rad > XOR_RANGE_rad:
        yield (
            f"phase_per_weight is {spec.phase_per_weight_rad:.3g} rad: one input of weight 1 leaves the XOR's linear "
            "range of π/2"
        )
    if spec.loop_ratio < LEAST_LOOP_RATIO:
        damping = sqrt(spec.loop_ratio) / 2.0
        overshoot = exp(-pi * damping / sqrt(1.0 - damping**2))
        yield (
            f"r = loop_filter·tau is {spec.loop_ratio:.3g}: the loop of eq. (2) overshoots by {overshoot:.0%}; "
            f"loop_filter = {_text(8.0 / spec.tau_s, 'rad/s')} gives r = 8"
        )
    if spec.loop_filter_rad_per_s > 4.0 * pi * spec.f0_Hz:
        yield (
            f"loop_filter = {_text(spec.loop_filter_rad_per_s, 'rad/s')} passes the XOR's pulses, which come at 2·f0: "
            f"{_text(4.0 * pi * spec.f0_Hz, 'rad/s')}"
        )
    if spec.spike_width_s > spec.tau_s:
        yield f"spike_width is {spec.spike_width_s / spec.tau_s:.3g} tau, longer than the membrane's memory"


def _threshold(spec: NeuronSpec) -> Iterator[str]:
    """Give the remarks on a fixed threshold."""
    if not spec.threshold.is_fixed:
        return
    threshold = spec.threshold_weight
    if abs(threshold - 1.0) > THRESHOLD_TOLERANCE:
        swing_Hz = spec.vco4_swing_Hz * threshold
        if swing_Hz <= 2.0 * spec.f0_Hz * spec.threshold_vco_ratio:
            mend = f"vco4_swing = {_text(swing_Hz, 'Hz')}"
        else:
            mend = f"threshold.lead = {_text(spec.membrane_gain_rad, 'rad')}"
        yield f"threshold is {threshold:.3g} in units of weight, where eq. (3) has 1; {mend} puts it at 1"
    if ripple_rad(spec) > LARGEST_RIPPLE * (spec.threshold.lead_rad + spec.ripple_guard_rad):
        yield (
            f"the XOR's pulses leave a ripple of {ripple_rad(spec):.3g} rad on the membrane at rest, against a lead of "
            f"{spec.threshold.lead_rad:.3g} rad: the level edge fires early; a larger lead with a larger "
            "phase_per_weight, or a higher f0, makes it smaller"
        )


def _text(value: float, unit: str) -> str:
    """Return a value as a file has it, in three digits."""
    return f'"{format_quantity(float(f"{value:.3g}"), unit)}"'
