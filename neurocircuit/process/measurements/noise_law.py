"""Phase noise of a ring over current, frequency and the area of its bias devices: rings of other sizes, each measured.

With all widths, capacitances and currents times s (measurements/power.py: `scaled`), voltages and times stay. If
devices of s times the width are s devices in parallel, their noise currents are independent, so the densities are times
s; a charge moves the phase by 1/s of what it did, so D and h, which are <Γ² S>, are times 1/s. The frequency moves by
the current, at fixed sizes. The flicker of bias diode, mirror and load falls with their area A at a fixed ratio of
width to length: S_I ~ gm²/(W L). What rings of the devices have is, with x = f/f0 and s = I/I1(f), where I1(f) is the
current of the nominal widths at that frequency,

    D = D0 G_D,    h = h_b G_b + h_r G_r,    G = x^(p + q ln x) s^-n A^-m                                        (N1)

with h_b the flicker of those devices and h_r that of all others, and exponents of its own for each G: n near 1, m near
1 for G_b. The supply sensitivity, which would stay with s, and what two VCOs share of the flicker have such a G too.
The bias current at a frequency is times A^k: devices of another length mirror it by another ratio. All exponents are
fitted to the logarithm of all rings together, which reach from the lowest frequency of VCO1 to the highest of VCO3.
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
from neurocircuit.results.noise_law import NoiseLaw, Scaling
from neurocircuit.spec import Process
from neurocircuit.spec.neuron import Vcos
from neurocircuit.spice.devices import devices
from neurocircuit.spice.transistor_deck import compose_neuron

BIAS_DEVICES = ("xdiode", "xmirror", "xload")
SCALES, AREAS = (0.5, 2.0, 4.0), (2.0, 4.0)  # of rings on f1
FREQUENCIES = (0.7, 0.85, 1.0, 1.1)  # of VCO1 over f1, as of the neurons of measurements/power.py
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
    x, area = np.array([ring.f_Hz / base.f_Hz for ring in rings]), np.array([ring.case.area for ring in rings])
    scale = _scales(rings)
    columns = {
        "white": np.array([ring.white for ring in rings]),
        "flicker_bias": np.array([ring.of_bias for ring in rings]),
        "flicker_rest": np.array([ring.flicker - ring.of_bias for ring in rings]),
        "flicker_common": np.array([ring.of_common for ring in rings]),
        "pushing": np.array([ring.pushing_per_V for ring in rings]),
    }
    fits = {name: Scaling.fitted(x, scale, area, column) for name, column in columns.items() if column.any()}
    larger = [ring for ring in rings if ring.case.area != 1]
    log_area = np.log([ring.case.area for ring in larger])
    log_current = np.log([ring.current_A / base.current_A for ring in larger])
    law = NoiseLaw(
        **{"flicker_common": None} | {name: scaling for name, (scaling, _) in fits.items()},
        h_bias=fits["flicker_bias"][1],
        h_rest=fits["flicker_rest"][1],
        lowest=float(x.min()),
        highest=float(x.max()),
        largest_area=float(area.max()),
        current_exponent=float(log_area @ log_current / (log_area @ log_area)),
        bias_A=sum(bias_A),
        loop_bias_A=sum(bias_A[:2]),
        area_m2=gates_m2[0],
        bias_area_m2=gates_m2[1],
    )
    at = list(zip(x.tolist(), scale.tolist(), area.tolist(), strict=True))
    curve = {
        "scale": np.array([ring.case.scale for ring in rings]),
        "area": area,
        "current_A": np.array([ring.current_A for ring in rings]),
        "frequency_Hz": np.array([ring.f_Hz for ring in rings]),
        "white_rad2_per_s": columns["white"],
        "white_fitted_rad2_per_s": np.array([fits["white"][1] * law.white(*where) for where in at]),
        "flicker": np.array([ring.flicker for ring in rings]),
        "flicker_fitted": np.array([law.flicker(*where) for where in at]),
        "flicker_of_bias": columns["flicker_bias"],
        "flicker_in_common": columns["flicker_common"],
        "pushing_per_V": columns["pushing"],
        "pushing_fitted_per_V": np.array([fits["pushing"][1] * law.pushing(*where) for where in at]),
    }
    return Measured(_quantities(law, fits, curve, base), {"noise_law": curve}, cpu_s=took_s)


def _scales(rings: Sequence[Noise]) -> Floats:
    """Return s of each ring: 1 at the nominal widths, whose currents say what another frequency takes."""
    nominal = sorted((ring for ring in rings if ring.case.scale == ring.case.area == 1), key=lambda ring: ring.f_Hz)
    usual_A = np.interp(
        [ring.f_Hz for ring in rings], [ring.f_Hz for ring in nominal], [ring.current_A for ring in nominal]
    )
    has_other_widths = np.array([ring.case.scale != 1 for ring in rings])
    return np.where(has_other_widths, np.array([ring.current_A for ring in rings]) / usual_A, 1.0)


def _quantities(
    law: NoiseLaw, fits: Mapping[str, tuple[Scaling, float]], curve: Mapping[str, Floats], base: Noise
) -> tuple[Quantity, ...]:
    levels = {
        "white": ("white", "White noise D of a ring", "rad²/s"),
        "flicker_bias": ("h_bias", "Flicker h of its bias devices", ""),
        "flicker_rest": ("h_rest", "Flicker h of its other devices", ""),
        "flicker_common": ("h_common", "Flicker h of devices that serve two VCOs", ""),
        "pushing": ("pushing", "Supply sensitivity", "1/V"),
    }
    rows = [Quantity("frequency", "Frequency of VCO1, f0", base.f_Hz, "Hz")]
    for name, (scaling, level) in fits.items():
        key, text, unit = levels[name]
        rows += [
            Quantity(key, text, level, unit),
            Quantity(f"{name}_slope", "its exponent of f/f0, p", scaling.slope, ""),
            Quantity(f"{name}_curvature", "change of that with ln f/f0, q", scaling.curvature, ""),
            Quantity(
                f"{name}_scale_exponent", "exponent of 1/s, widths and current times s, n", scaling.scale_exponent, ""
            ),
            Quantity(
                f"{name}_area_exponent", "exponent of 1/A, area of the bias devices, m", scaling.area_exponent, ""
            ),
        ]
    for what, label, values, fitted_values in (
        ("white", "white noise", curve["white_rad2_per_s"], curve["white_fitted_rad2_per_s"]),
        ("flicker", "flicker", curve["flicker"], curve["flicker_fitted"]),
        ("pushing", "supply sensitivity", curve["pushing_per_V"], curve["pushing_fitted_per_V"]),
    ):
        worst = float(np.abs(values / fitted_values - 1).max())
        rows.append(Quantity(f"{what}_residual", f"Largest deviation of a ring from the fit: {label}", worst, ""))
    return (
        *rows,
        Quantity("lowest", "Lowest frequency of a measured ring over f0", law.lowest, ""),
        Quantity("highest", "Highest frequency over f0", law.highest, ""),
        Quantity("largest_area", "Largest area of bias devices over the nominal one", law.largest_area, ""),
        Quantity("current_exponent", "Bias current over that area: exponent k", law.current_exponent, ""),
        Quantity("bias_A", "Bias currents of VCO1 … VCO4 together", law.bias_A, "A"),
        Quantity("loop_bias_A", "of VCO1 and VCO2", law.loop_bias_A, "A"),
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
