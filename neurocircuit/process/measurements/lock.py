"""Lock of VCO2 to VCO1: time from a quarter turn off, and the range of VCO1's frequency over which it holds.

UP's mean lies between 0 and the supply, so VCO2 can be pulled between the two frequencies that it has with the filter's
resistors at ground and at the supply: the hold range, read from two free rings. Loops beside it show that it is one:
with VCO1 inside it they lock, outside they slip.
"""

from math import pi

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import SimulatorBadOutput
from neurocircuit.process import waveforms
from neurocircuit.process.bench import Bench, START_s, cpu_s
from neurocircuit.process.context import Context
from neurocircuit.process.measurements.trim import lag_of
from neurocircuit.process.stored import trimmed
from neurocircuit.process.trimming import TrimResult
from neurocircuit.results.measurement import Measured, Quantity
from neurocircuit.spec import Components
from neurocircuit.spice.transistor_deck import number

OFFSETS = (0.0, -0.8, 0.8, -1.2, 1.2)  # of VCO1, in halves of the hold range; the first loop tells the lock time
LENGTH_over_tau = 7.0  # of a run: a quarter turn falls to 1.4 mrad, and a loop 20 % out of range slips twice or more
WITHIN_rad = 0.05  # of its final lag, when a loop counts as locked
STEP_s = 1e-11
SLIPPED_rad = 0.6  # that the lag of a loop which does not hold moves in the last two fifths of the run


def measure(context: Context) -> Measured:
    """Return two free rings, then five loops side by side, started in phase: a quarter turn from lock."""
    began, bench, trim = cpu_s(), Bench(context.installed, context.condition), trimmed(context)
    parts = context.installed.process.components_at(context.condition.corner)
    low_Hz, high_Hz = _hold_range(bench, trim, parts)
    half_Hz = (high_Hz - low_Hz) / 2
    tau_s = (parts.r1_Ohm + parts.r2_Ohm) / (2 * bench.supply_V * trim.gain_Hz_per_A)
    stop_s = START_s + LENGTH_over_tau * tau_s
    currents = [trim.bias.vco1_A + offset * half_Hz / trim.gain_Hz_per_A for offset in OFFSETS]
    saved = [f"v({node}{k})" for k in range(len(OFFSETS)) for node in ("oa", "ob")]
    body = "\n".join([bench.enable(), *(_loop(k, i, trim, parts, bench.supply_V) for k, i in enumerate(currents))])
    vectors = bench.run(body, saved, stop_s, STEP_s)
    level = bench.supply_V / 2
    lags = []
    for k in range(len(OFFSETS)):
        e1, e2 = (waveforms.edges(vectors["time"], vectors[f"v({node}{k})"], level) for node in ("oa", "ob"))
        lags.append(lag_of(e1, e2))
    held = [holds(*lag, stop_s) for lag in lags]
    time_s = lock_time_s(*lags[0])
    if not held[0] or not np.isfinite(time_s):
        raise SimulatorBadOutput("VCO2 must lock to the trimmed VCO1 from a quarter turn, it does not")
    return Measured(
        quantities=(
            Quantity("lock_time", f"Lock time from a quarter turn to {WITHIN_rad:g} rad", time_s, "s"),
            Quantity("range_low", "Lock range below f1", (low_Hz - trim.f1_Hz) / trim.f1_Hz, ""),
            Quantity("range_high", "Lock range above f1", (high_Hz - trim.f1_Hz) / trim.f1_Hz, ""),
            Quantity(
                "held_inside", "Loops that hold with VCO1 0.8 of the way to either end", float(sum(held[1:3])), ""
            ),
            Quantity("held_outside", "Loops that hold with VCO1 1.2 of the way", float(sum(held[3:])), ""),
        ),
        curves={
            f"loop_{offset:g}": {"time_s": at_s - START_s, "error_rad": lag - pi / 2}
            for offset, (at_s, lag) in zip(OFFSETS, lags, strict=True)
        },
        cpu_s=cpu_s() - began,
    )


def lock_time_s(time_s: Floats, lag_rad: Floats) -> float:
    """From the enable until the lag [edge] stays within WITHIN_rad of its last value; nan if only at the very end."""
    final = float(lag_rad[-8:].mean())
    outside = np.flatnonzero(np.abs(lag_rad - final) > WITHIN_rad)
    last = int(outside[-1]) if len(outside) else -1
    return float(time_s[last + 1] - START_s) if last + 1 < 0.8 * len(time_s) else float("nan")


def holds(time_s: Floats, lag_rad: Floats, stop_s: float) -> bool:
    """Return whether the lag [edge] stands still in the last two fifths of a run, or at most settles."""
    late = lag_rad[time_s > 0.6 * stop_s]
    return bool(np.ptp(late) < SLIPPED_rad)


def _hold_range(bench: Bench, trim: TrimResult, parts: Components) -> tuple[float, float]:
    """Return the frequencies of VCO2 with the filter's resistors at ground and at the supply, Hz."""
    series = number(parts.r1_Ohm + parts.r2_Ohm)
    lines = [bench.enable()]
    for k, node in enumerate(("0", "vdd")):
        lines += [
            f"I{k} vdd ib{k} {number(trim.bias.vco2_A)}",
            f"R{k} {node} ib{k} {series}",
            f"xring{k} ib{k} en o{k} vdd ring_cco",
        ]
    vectors = bench.run("\n".join(lines), ("v(o0)", "v(o1)"), START_s + 14 / trim.f1_Hz)
    edges = [waveforms.edges(vectors["time"], vectors[f"v(o{k})"], bench.supply_V / 2)[3:] for k in range(2)]
    low_Hz, high_Hz = (waveforms.frequency_Hz(edge) for edge in edges)
    if not low_Hz < trim.f1_Hz < high_Hz:
        raise SimulatorBadOutput(
            f"f1 = {trim.f1_Hz / 1e6:.4g} MHz must lie within VCO2's range {low_Hz / 1e6:.4g} … {high_Hz / 1e6:.4g} MHz"
        )
    return low_Hz, high_Hz


def _loop(k: int, vco1_A: float, trim: TrimResult, parts: Components, supply_V: float) -> str:
    """Return VCO1, VCO2, XOR and loop filter number k."""
    values = f"r1={number(parts.r1_Ohm)} c1={number(parts.c_F)} r2={number(parts.r2_Ohm)}"
    source_V = number(trim.standing_V[2] if trim.standing_V else supply_V / 2)
    return "\n".join(
        [
            f"Ia{k} vdd iba{k} {number(vco1_A)}",
            f"Ib{k} vdd ibb{k} {number(trim.bias.vco2_A)}",
            f"xa{k} iba{k} en oa{k} vdd ring_cco",
            f"xb{k} ibb{k} en ob{k} vdd ring_cco",
            f"xpd{k} oa{k} ob{k} up{k} vdd xor2",
            f"xfilter{k} up{k} vc{k} ibb{k} loop_filter {values}",
            f".ic v(vc{k})={number(supply_V / 2)} v(iba{k})={source_V} v(ibb{k})={source_V}",
        ]
    )
