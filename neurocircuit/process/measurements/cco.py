"""The ring oscillator: frequency over current, tuning gain, linearity, power."""

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import SimulatorBadOutput
from neurocircuit.process import waveforms
from neurocircuit.process.bench import SKIPPED_PERIODS, Bench, cpu_s
from neurocircuit.process.context import Context
from neurocircuit.process.stored import trimmed
from neurocircuit.results.measurement import Measured, Quantity
from neurocircuit.spice.transistor_deck import number

CURRENT_RATIOS = (0.5, 0.7, 0.85, 0.95, 1.0, 1.05, 1.15, 1.3, 1.6)  # of VCO1's trimmed current
NARROW = 0.16  # the part of the current's range in which weights move VCO1, over which linearity is stated


def measure(context: Context) -> Measured:
    """Return f(I) around VCO1's trimmed current; power of one ring at it, output buffer included."""
    began, bench = cpu_s(), Bench(context.installed, context.condition)
    centre_A = trimmed(context).bias.vco1_A
    current_A = centre_A * np.array(CURRENT_RATIOS)
    frequency_Hz, power_W, amplitude_V = curve_of(bench, current_A)
    if not np.all(np.isfinite(frequency_Hz)):
        still = ", ".join(f"{1e6 * i:.4g}" for i in current_A[~np.isfinite(frequency_Hz)])
        raise SimulatorBadOutput(f"the ring does not run at {still} uA")
    near = np.abs(current_A / centre_A - 1) < NARROW
    curve = np.polyfit(current_A[near] / centre_A - 1, frequency_Hz[near], 2)
    f_Hz, gain = float(curve[2]), float(curve[1] / centre_A)
    line = f_Hz * (1 + gain * centre_A / f_Hz * (current_A / centre_A - 1))
    error = (frequency_Hz - line) / f_Hz
    k = CURRENT_RATIOS.index(1.0)
    return Measured(
        quantities=(
            Quantity("current", "Bias current of VCO1 after trim", centre_A, "A"),
            Quantity("frequency", "Frequency at that current", f_Hz, "Hz"),
            Quantity("gain", "Tuning gain there", gain, "Hz/A"),
            Quantity(
                "curvature",
                "Relative change of the gain per relative change of the current",
                2 * float(curve[0]) / (gain * centre_A),
                "",
            ),
            Quantity(
                "linearity_narrow",
                f"Largest deviation from the tangent over ± {100 * NARROW:.0f} % current",
                float(np.abs(error[near]).max()),
                "",
            ),
            Quantity(
                "linearity_wide",
                "Largest deviation from the tangent over 0.5 … 1.6 of the current",
                float(np.abs(error).max()),
                "",
            ),
            Quantity("power", "Power of one ring with its buffer", float(power_W[k]), "W"),
            Quantity("energy_per_cycle", "Energy of one cycle", float(power_W[k] / f_Hz), "J"),
            Quantity(
                "amplitude", "Swing of the buffered output over the supply", float(amplitude_V[k] / bench.supply_V), ""
            ),
        ),
        curves={
            "f_of_i": {"current_A": current_A, "frequency_Hz": frequency_Hz, "tangent_Hz": line, "power_W": power_W}
        },
        cpu_s=cpu_s() - began,
    )


def curve_of(bench: Bench, current_A: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the frequency, power and output swing of rings side by side, each on a supply of its own; [current]."""
    process = bench.installed.process
    slowest_s = 1.5 / process.f1_Hz * max(1.0, process.nominal.vco1_A / float(current_A.min()))
    stop_s = (SKIPPED_PERIODS + 8) * slowest_s
    lines, saved = [bench.enable()], []
    for k, current in enumerate(current_A.tolist()):
        lines += [f"Vs{k} vdd s{k} 0", f"I{k} vdd ib{k} {number(current)}", f"xring{k} ib{k} en o{k} s{k} ring_cco"]
        saved += [f"v(o{k})", f"i(vs{k})"]
    vectors = bench.run("\n".join(lines), saved, stop_s)
    time = vectors["time"]
    rows = []
    for k in range(len(current_A)):
        edge_s = waveforms.edges(time, vectors[f"v(o{k})"], bench.supply_V / 2)[SKIPPED_PERIODS:]
        if len(edge_s) < 3:
            rows.append((np.nan, np.nan, np.nan))
            continue
        # The mean over whole periods: the bias current itself is the reference's, not the ring's.
        drawn_A = waveforms.mean_between(time, vectors[f"i(vs{k})"], float(edge_s[0]), float(edge_s[-1]))
        running = vectors[f"v(o{k})"][time > edge_s[0]]
        rows.append((waveforms.frequency_Hz(edge_s), drawn_A * bench.supply_V, float(np.ptp(running))))
    frequency, power, swing = np.array(rows).T
    return frequency, power, swing
