"""Phase noise of a ring over current, frequency and the area of its bias devices: rings of other sizes, each measured.

With all widths, capacitances and currents times s (measurements/power.py: `scaled`), voltages and times stay. The noise
currents of s devices in parallel are independent, so their densities are times s; a charge moves the phase by 1/s of
what it did, so D and h, which are <Γ² S>, are times 1/s. The frequency moves by the current, at fixed sizes. The
flicker of bias diode, mirror and load falls with their area A at a fixed ratio of width to length (S_I ~ gm²/(W L)),
their white noise hardly does. Hence, with x = f/f0 and s = I/I1(f), where I1(f) is the current of the nominal widths at
that frequency,

    D = D0 g_D(x)/s,    h = (h_b g_b(x) A^-m + h_r g_r(x))/s,    g(x) = x^(p + q ln x)                            (N1)

with h_b the flicker of those devices and h_r that of all others, at f0. The supply sensitivity is g_v(x) times that at
f0, whatever s. The bias current at a frequency is times A^k: larger devices of another length mirror it by another
ratio. p, q, m and k are fitted, p and q to rings of the nominal widths between the lowest frequency of VCO1 and the
highest of VCO3; what other rings deviate by says how far the derived factor 1/s holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import SimulatorBadOutput
from neurocircuit.process.bench import Bench, cpu_s
from neurocircuit.process.context import Context
from neurocircuit.process.impulse_sensitivity import device_densities, device_name, measure_sensitivity
from neurocircuit.process.measurements.phase_noise import SHARED, joined, noise_of
from neurocircuit.process.measurements.power import scaled
from neurocircuit.process.measurements.supply import STEP
from neurocircuit.process.stored import trimmed, trimmed_circuit
from neurocircuit.results.measurement import Measured, Quantity
from neurocircuit.results.noise_law import LogCurve, NoiseLaw
from neurocircuit.spec import Process
from neurocircuit.spec.neuron import Vcos
from neurocircuit.spice.devices import devices
from neurocircuit.spice.transistor_deck import compose_neuron

BIAS_DEVICES = ("xdiode", "xmirror", "xload")
SCALES, AREAS = (0.5, 2.0, 4.0), (2.0, 4.0)  # of rings on f1
FREQUENCIES = (0.7, 0.85, 1.0, 1.1)  # of VCO1 over f1, as of the neurons of measurements/power.py
WORDS = {"white": "white noise", "flicker": "flicker", "pushing": "supply sensitivity"}
SEARCHED = np.geomspace(0.45, 2.2, 9)  # of VCO1's current: rings among which that of a frequency is looked for


@dataclass(frozen=True)
class Case:
    """A ring: `scale` of the widths, area of its bias devices over the nominal one, frequency over f1."""

    scale: float = 1.0
    area: float = 1.0
    ratio: float = 1.0


@dataclass(frozen=True)
class Noise:
    """What was measured of a ring; of_bias, of_common: of the flicker, by bias devices and by those of two rings."""

    case: Case
    current_A: float
    f_Hz: float
    white: float
    flicker: float
    of_bias: float
    of_common: float
    pushing_per_V: float


def cases(threshold_vco_ratio: float) -> tuple[Case, ...]:
    """Return the rings that are measured; the first is VCO1 as it is."""
    at_f3 = tuple(threshold_vco_ratio * ratio for ratio in FREQUENCIES if threshold_vco_ratio * ratio > FREQUENCIES[-1])
    over_f = sorted({*FREQUENCIES, *at_f3} - {1.0})
    return (
        Case(),
        *(Case(ratio=ratio) for ratio in over_f),
        *(Case(scale=scale) for scale in SCALES),
        *(Case(area=area) for area in AREAS),
    )


def measure(context: Context) -> Measured:
    """Return white noise, flicker and supply sensitivity of every ring of `cases`, and the fit of eq. (N1)."""
    began = cpu_s()
    process, bias = context.installed.process, trimmed(context).bias
    rings = [_noise(context, case, bias.vco1_A) for case in cases(process.threshold_vco_ratio)]
    currents_A = bias.vco1_A, bias.vco2_A, bias.vco3_A, bias.vco4_A
    return fitted(rings, currents_A, _gates_m2(context), cpu_s() - began)


def fitted(rings: Sequence[Noise], bias_A: Vcos, gates_m2: tuple[float, float], took_s: float) -> Measured:
    """Return the fit of eq. (N1) to rings, the first of which is VCO1 as it is.

    bias_A: of VCO1 … VCO4; gates_m2: of the neuron, and of its bias devices among them.
    """
    base = rings[0]
    nominal = [ring for ring in rings if ring.case.scale == ring.case.area == 1]
    x = np.array([ring.f_Hz / base.f_Hz for ring in nominal])
    columns = {
        "white": [ring.white for ring in nominal],
        "flicker_bias": [ring.of_bias for ring in nominal],
        "flicker_rest": [ring.flicker - ring.of_bias for ring in nominal],
        "pushing": [ring.pushing_per_V for ring in nominal],
    }
    fits = {name: LogCurve.fitted(x, np.array(column)) for name, column in columns.items()}
    larger = [ring for ring in rings if ring.case.area != 1]
    log_area = np.log([ring.case.area for ring in larger])
    area_exponent, current_exponent = (
        float(log_area @ np.log(over_base) / (log_area @ log_area))
        for over_base in (
            [base.of_bias / ring.of_bias for ring in larger],
            [ring.current_A / base.current_A for ring in larger],
        )
    )
    law = NoiseLaw(
        **{name: curve for name, (curve, _) in fits.items()},
        h_bias=fits["flicker_bias"][1],
        h_rest=fits["flicker_rest"][1],
        lowest=float(x.min()),
        highest=float(x.max()),
        largest_area=max(ring.case.area for ring in rings),
        area_exponent=area_exponent,
        current_exponent=current_exponent,
        bias_A=sum(bias_A),
        loop_bias_A=sum(bias_A[:2]),
        area_m2=gates_m2[0],
        bias_area_m2=gates_m2[1],
    )
    in_order = sorted(nominal, key=lambda ring: ring.f_Hz)
    nominal_A = np.interp(
        [ring.f_Hz for ring in rings], [ring.f_Hz for ring in in_order], [ring.current_A for ring in in_order]
    )
    # Larger bias devices mirror the current by another ratio, at the same widths.
    has_other_widths = np.array([ring.case.scale != 1 for ring in rings])
    scale = np.where(has_other_widths, np.array([ring.current_A for ring in rings]) / nominal_A, 1.0)
    white = np.array([fits["white"][1] * law.white(ring.f_Hz / base.f_Hz) for ring in rings]) / scale
    flicker = np.array([law.flicker(ring.f_Hz / base.f_Hz, ring.case.area) for ring in rings]) / scale
    pushing = np.array([fits["pushing"][1] * law.pushing(ring.f_Hz / base.f_Hz) for ring in rings])
    curve = {
        "scale": np.array([ring.case.scale for ring in rings]),
        "area": np.array([ring.case.area for ring in rings]),
        "current_A": np.array([ring.current_A for ring in rings]),
        "frequency_Hz": np.array([ring.f_Hz for ring in rings]),
        "white_rad2_per_s": np.array([ring.white for ring in rings]),
        "white_fitted_rad2_per_s": white,
        "flicker": np.array([ring.flicker for ring in rings]),
        "flicker_fitted": flicker,
        "flicker_of_bias": np.array([ring.of_bias for ring in rings]),
        "flicker_in_common": np.array([ring.of_common for ring in rings]),
        "pushing_per_V": np.array([ring.pushing_per_V for ring in rings]),
        "pushing_fitted_per_V": pushing,
    }
    return Measured(_quantities(law, fits, curve, base), {"noise_law": curve}, cpu_s=took_s)


def _quantities(
    law: NoiseLaw, fits: Mapping[str, tuple[LogCurve, float]], curve: Mapping[str, Floats], base: Noise
) -> tuple[Quantity, ...]:
    texts = {
        "white": "White noise D",
        "flicker_bias": "Flicker h of the bias devices",
        "flicker_rest": "Flicker h of the other devices",
        "pushing": "Supply sensitivity",
    }
    levels = {
        "white": Quantity("white", "White noise D of a ring at f0, by the fit", fits["white"][1], "rad²/s"),
        "flicker_bias": Quantity("h_bias", "Flicker h of its bias devices", law.h_bias, ""),
        "flicker_rest": Quantity("h_rest", "Flicker h of its other devices", law.h_rest, ""),
        "pushing": Quantity("pushing", "Supply sensitivity", fits["pushing"][1], "1/V"),
    }
    rows = [Quantity("frequency", "Frequency of VCO1, f0", base.f_Hz, "Hz")]
    for name, text in texts.items():
        rows += [
            levels[name],
            Quantity(f"{name}_slope", f"{text}: exponent p of f/f0", fits[name][0].slope, ""),
            Quantity(f"{name}_curvature", f"{text}: change q of the exponent", fits[name][0].curvature, ""),
        ]
    nominal, is_scaled, is_larger = (
        (curve["scale"] == 1) & (curve["area"] == 1),
        curve["scale"] != 1,
        curve["area"] != 1,
    )
    for key, text, which in (
        ("frequency", "at the nominal sizes", nominal),
        ("scale", "with other widths", is_scaled),
        ("area", "with larger bias devices", is_larger),
    ):
        for what, values, fitted_values in (
            ("white", curve["white_rad2_per_s"], curve["white_fitted_rad2_per_s"]),
            ("flicker", curve["flicker"], curve["flicker_fitted"]),
            ("pushing", curve["pushing_per_V"], curve["pushing_fitted_per_V"]),
        ):
            worst = float(np.abs(values[which] / fitted_values[which] - 1).max())
            label = f"Largest deviation of a ring {text} from the law: {WORDS[what]}"
            rows.append(Quantity(f"{what}_residual_{key}", label, worst, ""))
    return (
        *rows,
        Quantity("lowest", "Lowest frequency of a measured ring over f0", law.lowest, ""),
        Quantity("highest", "Highest frequency over f0", law.highest, ""),
        Quantity("area_exponent", "Flicker of bias devices over their area: -exponent, m", law.area_exponent, ""),
        Quantity("current_exponent", "Bias current over that area: exponent k", law.current_exponent, ""),
        Quantity("bias_A", "Bias currents of VCO1 … VCO4 together", law.bias_A, "A"),
        Quantity("loop_bias_A", "of VCO1 and VCO2", law.loop_bias_A, "A"),
        Quantity("largest_area", "Largest area of bias devices over the nominal one", law.largest_area, ""),
        Quantity("area_m2", "Gate area of a neuron without its synapses", law.area_m2, "m²"),
        Quantity("bias_area_m2", "of it bias diodes, mirrors and loads", law.bias_area_m2, "m²"),
    )


def with_bias_area(process: Process, area: float) -> Process:
    """Return a process whose bias devices have `area` times the area, at their ratios of width to length."""
    factor, sizes = float(np.sqrt(area)), process.sizes
    names = ("w_diode", "l_diode", "w_mirror", "w_load", "l_load")
    return process.replace(sizes=sizes.replace(**{name: factor * getattr(sizes, name) for name in names}))


def _noise(context: Context, case: Case, bias_A: float) -> Noise:
    process = with_bias_area(scaled(context.installed.process, case.scale), case.area)
    bench = Bench(replace(context.installed, process=process), context.condition)
    current_A = _current_A(bench, case.scale * bias_A * SEARCHED, case.ratio * process.f1_Hz)
    ring = measure_sensitivity(bench, current_A)
    common = SHARED if process.shared_bias else ()
    noise, _ = noise_of(ring, joined(ring, device_densities(bench, ring), common))
    return Noise(
        case,
        current_A,
        ring.f_Hz,
        noise.white_rad2_per_s,
        noise.flicker,
        _sum(noise.flicker_by_device, BIAS_DEVICES),
        _sum(noise.flicker_by_device, common),
        _pushing_per_V(bench, current_A),
    )


def _sum(by_device: Mapping[str, float], names: tuple[str, ...]) -> float:
    return sum(value for device, value in by_device.items() if device in names)


def _current_A(bench: Bench, searched_A: Floats, f_Hz: float) -> float:
    """Return the current of a frequency, to a thousandth, among rings side by side."""
    frequency_Hz = bench.rings(searched_A.tolist()).frequency_Hz
    if not np.all(np.diff(frequency_Hz) > 0) or not frequency_Hz[0] <= f_Hz <= frequency_Hz[-1]:
        shown = ", ".join(f"{f / 1e6:.4g}" for f in frequency_Hz)
        raise SimulatorBadOutput(f"a ring must reach {f_Hz / 1e6:.4g} MHz by its current, got {shown} MHz")
    return float(f"{np.interp(f_Hz, frequency_Hz, searched_A):.4g}")


def _pushing_per_V(bench: Bench, current_A: float) -> float:
    """Return the relative change of a free ring's frequency per volt of supply."""
    low, high = (
        Bench(bench.installed, bench.condition.replace(supply_V=ratio * bench.supply_V)).rings([current_A]).frequency_Hz
        for ratio in (1 - STEP, 1 + STEP)
    )
    return float((high / low - 1)[0] / (2 * STEP * bench.supply_V))


def _gates_m2(context: Context) -> tuple[float, float]:
    """Return the gate area of the neuron without its synapses, and of its bias devices among it."""
    deck = compose_neuron(trimmed_circuit(context), stop_s=1e-9, installed=context.installed)
    gates = [gate for gate in devices(deck) if gate.path.startswith("m.xneuron.")]
    areas = [(gate.w_m * gate.l_m * gate.m, device_name(gate.path).rpartition(".")[2]) for gate in gates]
    return sum(area for area, _ in areas), sum(area for area, name in areas if name in BIAS_DEVICES)
