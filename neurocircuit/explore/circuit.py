"""What the page shows of a circuit: its dials, and for each setting waveforms, Table 3's curve and derived numbers."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from math import nan
from pathlib import Path

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import InputError
from neurocircuit.neuron import levels
from neurocircuit.neuron.record import Waveforms
from neurocircuit.spec import NeuronSpec, Testbench
from neurocircuit.spec.annotations import interval
from neurocircuit.spec.bank import Bank
from neurocircuit.spec.derived import annotated_toml, derived, remarks
from neurocircuit.spec.fields import Spec
from neurocircuit.spec.neuron import LARGEST_NOISE_over_f0, Lead
from neurocircuit.studies.sweep import library
from neurocircuit.studies.sweep.draws import draw
from neurocircuit.studies.sweep.plan import Batch, Half, Row
from neurocircuit.studies.sweep.resolution import pulse_spacing_over_tau
from neurocircuit.studies.sweep.worker import compute
from neurocircuit.tables.jitter import output_jitter
from neurocircuit.units import format_quantity, parse_quantity

LEVEL = "edge"
DRAWS = 500  # of each row; what fits into 200 ms with the redrawing (tests/benchmarks/test_explore.py)
JITTER = (0.01, 0.03, 0.05, 0.07, 0.09)
SEED = 1
_REACH = 10.0  # of a slider, to either side of the circuit's own value
_MOST_BITS = 16.0
_QUIETEST = 1e2  # rad²/s, lowest phase noise of the slider beside none
_DIGITS = 6  # of a value that a dial sets


@dataclass(frozen=True)
class Dial:
    """A quantity of the circuit that the page moves: where its slider begins and ends, SI units.

    low, high: the decade on either side of the circuit's own value, within the bounds of the spec's field. zero:
    whether the slider's lower end means none at all.
    """

    name: str
    label: str
    unit: str
    low: float
    high: float
    value: float
    is_whole: bool = False
    zero: bool = False

    def parse(self, text: str) -> float:
        """Return the value of text with its unit. Raise UnitError naming the dial."""
        return parse_quantity(text.strip(), self.unit, self.name)

    def text(self, value: float) -> str:
        """Return the value as `parse` reads it, in digits that a slider has."""
        if self.is_whole:
            return f"{value:.0f}"
        return f"{value:.4g}" if self.unit == "" else format_quantity(rounded(value), self.unit)

    def at(self, position: float) -> float:
        """Return the value at a position of the slider, 0 … 1: even in the logarithm, whole numbers evenly."""
        if self.is_whole:
            return float(round(self.low + position * (self.high - self.low)))
        if self.zero and position <= 0.0:
            return 0.0
        return rounded(float(self.low * (self.high / self.low) ** position))

    def position(self, value: float) -> float:
        """Return where a value stands on the slider, 0 … 1; what lies beyond its ends stands at the end."""
        if self.is_whole:
            return float(np.clip((value - self.low) / (self.high - self.low), 0.0, 1.0))
        if value <= self.low:
            return 0.0
        return float(np.clip(np.log(value / self.low) / np.log(self.high / self.low), 0.0, 1.0))


def dials(base: NeuronSpec) -> tuple[Dial, ...]:
    """Return what can be moved of a circuit; a threshold that ramps has no lead."""
    noise = max(base.phase_noise)
    quantities = [
        _dial(NeuronSpec, "tau_s", "tau", "τ, loop time constant", "s", base.tau_s),
        _dial(NeuronSpec, "f0_Hz", "f0", "f0, free-running frequency", "Hz", base.f0_Hz),
        Dial(
            "loop_ratio",
            "r, loop filter over K",
            "",
            base.loop_ratio / _REACH,
            base.loop_ratio * _REACH,
            base.loop_ratio,
        ),
        _dial(
            NeuronSpec,
            "phase_per_weight_rad",
            "phase_per_weight",
            "phase per weight",
            "rad",
            base.phase_per_weight_rad,
        ),
    ]
    if base.threshold.is_fixed:
        quantities.append(_dial(Lead, "lead_rad", "lead", "lead of VCO3 over VCO4", "rad", base.threshold.lead_rad))
    bits = base.weight_bank.excitatory.bits
    fewest, most = interval(Bank.model_fields["bits"])
    most = max(min(most, _MOST_BITS), bits)
    quantities.append(Dial("bits", "bits of the weight bank", "", fewest, most, bits, is_whole=True))
    loudest = LARGEST_NOISE_over_f0 * base.f0_Hz
    quantities.append(Dial("noise", "white phase noise of VCOs", "rad2/s", _QUIETEST, loudest, noise, zero=True))
    return tuple(quantities)


def _dial(spec: type[Spec], field: str, name: str, label: str, unit: str, value: float) -> Dial:
    low, high = interval(spec.model_fields[field])
    return Dial(name, label, unit, max(value / _REACH, low), min(value * _REACH, high), value)


def turned(base: NeuronSpec, values: Mapping[str, float], keeps_threshold: bool = True) -> NeuronSpec:
    """Return the circuit with some dials at other values; without any it is the circuit itself.

    What is counted in τ goes with it: loop filter (r stays), window and readout window. keeps_threshold: vco4_swing
    follows, so that the fixed threshold stays the same weight. noise: of the VCO with most; the others keep their
    share of it. Raise SpecError naming field, bound and value, InputError for an unknown dial.
    """
    known = {dial.name: dial for dial in dials(base)}
    for name in values:
        if name not in known:
            raise InputError(f"dial must be among {', '.join(known)}, got {name!r}")
    moved = {name: value for name, value in values.items() if value != known[name].value}
    if not moved:
        return base
    scale = moved.get("tau", base.tau_s) / base.tau_s
    changes: dict[str, object] = {}
    if "tau" in moved:
        changes |= {"tau_s": moved["tau"], "window_s": rounded(base.window_s * scale)}
        if base.readout_window is not None:
            window = base.readout_window
            changes["readout_window"] = window.replace(
                armed_s=rounded(window.armed_s * scale), length_s=rounded(window.length_s * scale)
            )
    if "tau" in moved or "loop_ratio" in moved:
        ratio = moved.get("loop_ratio", base.loop_ratio)
        changes["loop_filter_rad_per_s"] = rounded(ratio / (base.tau_s * scale))
    if "f0" in moved:
        changes["f0_Hz"] = moved["f0"]
    if "phase_per_weight" in moved:
        changes["phase_per_weight_rad"] = moved["phase_per_weight"]
    if "lead" in moved:
        changes["threshold"] = Lead(lead_rad=moved["lead"])
    if "bits" in moved:
        changes["weight_bank"] = base.weight_bank.with_bits(int(moved["bits"]))
    if "noise" in moved:
        changes["phase_noise"] = _scaled_noise(base, moved["noise"])
    if keeps_threshold and base.threshold.is_fixed and {"tau", "phase_per_weight", "lead"} & moved.keys():
        gain = scale * moved.get("phase_per_weight", base.phase_per_weight_rad) / base.phase_per_weight_rad
        lead = moved.get("lead", base.threshold.lead_rad) / base.threshold.lead_rad
        changes["vco4_swing_Hz"] = rounded(base.vco4_swing_Hz * lead / gain)
    return base.replace(**changes)


def _scaled_noise(base: NeuronSpec, noise: float) -> tuple[float, float, float, float]:
    most = max(base.phase_noise)
    if most == 0.0:
        return (noise, noise, noise, noise)
    first, second, third, fourth = (rounded(noise * (value / most)) for value in base.phase_noise)
    return (first, second, third, fourth)


@dataclass(frozen=True)
class CurveRow:
    """A row of Table 3: the mean |Δ|/t at level edge with its 95 % interval, and by eq. (4); ratios, nan: none."""

    jitter: float
    mean: float
    low: float
    high: float
    ideal: float
    fired: int


@dataclass(frozen=True)
class View:
    """What the page shows of one circuit.

    t_over_tau, weights: the inputs of the waveforms; fire_time_over_tau: inf silent. curve: over the input jitter.
    rounding: what the bank's bits alone do. lines: derived numbers with their meaning. seconds: what it took.
    """

    spec: NeuronSpec
    waveforms: Waveforms
    t_over_tau: Floats
    weights: Floats
    fire_time_over_tau: float
    curve: tuple[CurveRow, ...]
    rounding: CurveRow
    lines: tuple[tuple[str, str, str], ...]
    remarks: tuple[str, ...]
    draws: int
    seconds: float

    @property
    def sentence(self) -> str:
        """What the circuit does, in one sentence."""
        if not np.isfinite(self.fire_time_over_tau):
            return "This neuron stays silent on the testbench's inputs."
        time = format_quantity(float(f"{self.fire_time_over_tau * self.spec.tau_s:.4g}"), "s")
        middle = self.curve[len(self.curve) // 2]
        return (
            f"This neuron fires {time} ({self.fire_time_over_tau:.3f} τ) after arming. Input jitter of "
            f"{100 * middle.jitter:g} % leaves {_percent(middle)} at its output, weights of "
            f"{self.rounding.jitter:g} bit {_percent(self.rounding)} (mean |Δ|/t at level edge, {self.draws} draws)."
        )


def _percent(row: CurveRow) -> str:
    if not np.isfinite(row.mean):
        return "no spike"
    interval = f" ({100 * row.low:.2g} … {100 * row.high:.2g})" if np.isfinite(row.high) else ""
    return f"{100 * row.mean:.2g}{interval} %"


def saved_text(spec: NeuronSpec, base: NeuronSpec, file: Path) -> str:
    """Return the TOML of a circuit with what follows from it as comments; a changed circuit bears its file's name.

    Raise SpecError where the file's name is no name of a circuit.
    """
    return annotated_toml(spec if spec == base else spec.replace(name=file.stem))


def view(spec: NeuronSpec, testbench: Testbench | str = "paper", draws: int = DRAWS) -> View:
    """Return waveforms, curve and derived numbers of a circuit at level edge, on the inputs of a testbench.

    The draws are those of `sweep`, the first `draws` of seed 1, so a row that is swept has the same mean within its
    interval.

    >>> shown = view(NeuronSpec(), draws=100)
    >>> [row.jitter for row in shown.curve], shown.remarks
    ([0.01, 0.03, 0.05, 0.07, 0.09], ())
    """
    begin = time.perf_counter()
    bench = library.load_testbench(testbench) if isinstance(testbench, str) else testbench
    read_out = spec if bench.readout == "spec" else spec.replace(readout=bench.readout)
    rows = _rows(read_out, bench, "jitter", JITTER, draws)
    (rounding,) = _rows(read_out, bench, "bits", (spec.weight_bank.excitatory.bits,), draws)
    quiet = read_out.without_noise()
    first = draw(read_out, bench, SEED, 0, 1)
    t_over_tau, weights, start_rad = first.t_over_tau[0], first.weights[0], first.start_rad
    fired = levels.evaluate(LEVEL, quiet, t_over_tau[None], weights[None], start_rad=start_rad)
    return View(
        spec=spec,
        waveforms=levels.waveforms(LEVEL, quiet, t_over_tau, weights, start_rad[0]),
        t_over_tau=t_over_tau,
        weights=weights,
        fire_time_over_tau=float(fired.fire_time_over_tau[0]),
        curve=rows,
        rounding=rounding,
        lines=tuple(
            (quantity.name, f"{quantity.value:.4g} {quantity.unit}".strip(), quantity.meaning)
            for quantity in derived(spec)
        ),
        remarks=remarks(spec),
        draws=draws,
        seconds=time.perf_counter() - begin,
    )


def _rows(
    spec: NeuronSpec, bench: Testbench, half: Half, values: tuple[float, ...], draws: int
) -> tuple[CurveRow, ...]:
    clean = _times(spec, bench, LEVEL, Row(half, "clean"), draws)
    spacing, quiet = pulse_spacing_over_tau(spec, LEVEL), spec.without_noise()
    ideal_clean = _times(quiet, bench, "ideal", Row(half, "clean"), draws) if spec.threshold.is_fixed else None
    rows = []
    for value in values:
        row, ideal = Row(half, "disturbed", value), nan
        if ideal_clean is not None:
            ideal = output_jitter(ideal_clean, _times(quiet, bench, "ideal", row, draws))["mean"]
        measured = output_jitter(clean, _times(spec, bench, LEVEL, row, draws), pulse_spacing_over_tau=spacing)
        rows.append(
            CurveRow(value, measured["mean"], measured["ci_low"], measured["ci_high"], ideal, int(measured["fired"]))
        )
    return tuple(rows)


def _times(spec: NeuronSpec, bench: Testbench, level: str, row: Row, draws: int) -> Floats:
    return compute(Batch(spec, bench, SEED, level, row, 0, draws)).fire_time_over_tau


def rounded(value: float) -> float:
    """Return a value in the digits that a dial sets."""
    return float(f"{value:.{_DIGITS}g}")
