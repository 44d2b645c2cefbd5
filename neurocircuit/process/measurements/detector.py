"""XOR phase detector: mean of UP over the phase between its inputs; and the ranges of what UP drives."""

from itertools import pairwise

import numpy as np

from neurocircuit.core.arrays import Bools, Floats
from neurocircuit.errors import SimulatorBadOutput
from neurocircuit.process import waveforms
from neurocircuit.process.bench import Bench, EDGE_s, START_s, cpu_s
from neurocircuit.process.context import Context
from neurocircuit.process.stored import trimmed
from neurocircuit.results.measurement import Measured, Quantity
from neurocircuit.spice.transistor_deck import number

CYCLES_PER_BEAT = 48  # of input A in one turn of the phase between A and B
LINEAR = 0.01  # of the full swing of mean UP, within which the detector counts as linear
CENTRE_rad = np.pi / 4  # half width around π/2 over which the gain is fitted


def measure(context: Context) -> Measured:
    """Return the transfer curve from two inputs that beat.

    Hold range of VCO2 and swing of VCO4 from UP held low and high.
    """
    began, bench, trim = cpu_s(), Bench(context.installed, context.condition), trimmed(context)
    phase, duty = transfer(bench, trim.f1_Hz, trim.bias.vco1_A, trim.bias.vco3_A)
    gain, offset = np.polyfit(phase[near(phase)] - np.pi / 2, duty[near(phase)], 1)
    low, high = _linear_range(phase, duty, float(gain), float(offset))
    (f2_low, f2_high), (f4_low, f4_high) = _ranges(context, bench)
    half_range = (f2_high - f2_low) / 2
    return Measured(
        quantities=(
            Quantity("gain", "Detector gain over the ideal 1/π per rad", float(gain * np.pi), ""),
            Quantity("offset", "Mean of UP at π/2, over the supply, less 1/2", float(offset - 0.5), ""),
            Quantity("linear_low", f"Linear within {100 * LINEAR:g} % of the swing from", low, "rad"),
            Quantity("linear_high", "to", high, "rad"),
            Quantity("up_low", "Lowest mean of UP over the supply", float(duty.min()), ""),
            Quantity("up_high", "Highest mean of UP over the supply", float(duty.max()), ""),
            Quantity("lock_range", "Lock range of VCO2, ± (UP at 0 and at the supply)", half_range, "Hz"),
            Quantity("lock_range_relative", "Lock range over f1, ±", half_range / trim.f1_Hz, ""),
            Quantity(
                "tau_static",
                "Loop time constant by this range and the detector's gain",
                1.0 / (2 * np.pi * (f2_high - f2_low) * float(gain)),
                "s",
            ),
            Quantity("swing", "VCO4 between UP = 0 and UP = 1, static", f4_high - f4_low, "Hz"),
        ),
        curves={"transfer": {"phase_rad": phase, "up": duty, "line": offset + gain * (phase - np.pi / 2)}},
        cpu_s=cpu_s() - began,
    )


def transfer(bench: Bench, f_Hz: float, vco1_A: float, vco3_A: float) -> tuple[Floats, Floats]:
    """Phase of A over B, 0 … 2π, and the mean of UP over the supply, one point a cycle of A, sorted by phase."""
    period_a = 1.0 / f_Hz
    period_b = period_a * CYCLES_PER_BEAT / (CYCLES_PER_BEAT - 1)
    stop_s = START_s + (CYCLES_PER_BEAT + 3) * period_a
    bias1_V, bias3_V = (float(volts) for volts in bench.rings([vco1_A, vco3_A]).bias_V)
    parts, high = bench.installed.process.components_at(bench.condition.corner), number(bench.supply_V)
    lines = [
        *(
            f"V{name} {name}0 0 pulse(0.0 {high} {number(START_s)} {number(EDGE_s)} {number(EDGE_s)} "
            f"{number(period / 2 - EDGE_s)} {number(period)})"
            for name, period in (("a", period_a), ("b", period_b))
        ),
        "xa1 a0 an vdd inv",
        "xa2 an a vdd inv k=2",
        "xb1 b0 bn vdd inv",
        "xb2 bn b vdd inv k=2",
        "xpd a b up vdd xor2",
        f"xfilter up vc ib2 loop_filter r1={number(parts.r1_Ohm)} c1={number(parts.c_F)} r2={number(parts.r2_Ohm)}",
        f"xup up ib4 vdd up_switch r4={number(parts.r4_Ohm)}",
        f"Vib2 ib2 0 {number(bias1_V)}",
        f"Vib4 ib4 0 {number(bias3_V)}",
    ]
    vectors = bench.run("\n".join(lines), ("v(a)", "v(b)", "v(up)"), stop_s)
    level, time = bench.supply_V / 2, vectors["time"]
    edge_a, edge_b = (waveforms.edges(time, vectors[f"v({name})"], level) for name in "ab")
    whole = [(begin, end) for begin, end in pairwise(edge_a.tolist()) if begin > edge_b[0] and end < edge_b[-1]]
    if len(whole) < CYCLES_PER_BEAT // 2:
        raise SimulatorBadOutput(f"the detector's inputs must run for a beat, got {len(whole)} cycles")
    middle = np.array([(begin + end) / 2 for begin, end in whole])
    phase = np.mod(waveforms.phase_rad(edge_a, middle) - waveforms.phase_rad(edge_b, middle), 2 * np.pi)
    duty = np.array([waveforms.mean_between(time, vectors["v(up)"], *span) for span in whole]) / bench.supply_V
    order = np.argsort(phase)
    return phase[order], duty[order]


def near(phase: Floats) -> Bools:
    """Return which phases lie within CENTRE_rad of π/2, [point]."""
    return np.abs(phase - np.pi / 2) < CENTRE_rad


def _linear_range(phase: Floats, duty: Floats, gain: float, offset: float) -> tuple[float, float]:
    """Return the stretch around π/2 in which the mean of UP stays within LINEAR of the swing from the fitted line."""
    off = np.abs(duty - offset - gain * (phase - np.pi / 2)) > LINEAR
    below = phase[off & (phase < np.pi / 2)]
    above = phase[off & (phase > np.pi / 2)]
    return (float(below.max()) if len(below) else 0.0), (float(above.min()) if len(above) else float(np.pi))


def _ranges(context: Context, bench: Bench) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the frequencies of VCO2 and of VCO4 with UP held at 0 and at the supply, Hz."""
    trim, parts = trimmed(context), context.installed.process.components_at(context.condition.corner)
    filter_line = f"loop_filter r1={number(parts.r1_Ohm)} c1={number(parts.c_F)} r2={number(parts.r2_Ohm)}"
    lines = [bench.enable()]
    for k, level in enumerate((0.0, bench.supply_V)):
        lines += [
            f"Vup{k} up{k} 0 {number(level)}",
            f"I2{k} vdd ib2{k} {number(trim.bias.vco2_A)}",
            f"xf{k} up{k} vc{k} ib2{k} {filter_line}",
            f"xv2{k} ib2{k} en o2{k} vdd ring_cco",
            f"I4{k} vdd ib4{k} {number(trim.bias.vco4_A)}",
            f"xu{k} up{k} ib4{k} vdd up_switch r4={number(parts.r4_Ohm)}",
            f"xv4{k} ib4{k} en o4{k} vdd ring_cco",
        ]
    names = ("o20", "o21", "o40", "o41")
    vectors = bench.run("\n".join(lines), [f"v({name})" for name in names], START_s + 16.0 / trim.f1_Hz)
    f = [
        waveforms.frequency_Hz(waveforms.edges(vectors["time"], vectors[f"v({name})"], bench.supply_V / 2)[5:])
        for name in names
    ]
    return (f[0], f[1]), (f[2], f[3])
