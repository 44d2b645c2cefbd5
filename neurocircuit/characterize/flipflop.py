"""The flip-flop that decides: setup window and clock-to-Q near its edge."""

import numpy as np

from neurocircuit.characterize import waves
from neurocircuit.characterize.bench import Bench, EDGE_s, cpu_s
from neurocircuit.characterize.context import Context
from neurocircuit.characterize.result import Measured, Quantity
from neurocircuit.characterize.stored import trimmed
from neurocircuit.errors import SimulatorBadOutput
from neurocircuit.record import Floats
from neurocircuit.spice.transistor_deck import number

WIDEST_s, COARSE_s, FINE = 160e-12, 16e-12, 20  # data before the clock: range, step, points between two coarse ones
CLOCK_s, LENGTH_s = 1e-9, 2.2e-9
SLOWED = 1.1  # clock to Q over its value with early data, at which setup is stated


def measure(context: Context) -> Measured:
    """Data that rises before the clock by less and less: coarse steps, then fine ones where it is missed."""
    began, bench = cpu_s(), Bench(context.installed, context.condition)
    coarse = np.arange(-WIDEST_s, WIDEST_s + COARSE_s / 2, COARSE_s)
    delay = _delays(bench, coarse)
    seen = np.isfinite(delay)
    if not seen[-1] or seen[0]:
        raise SimulatorBadOutput(f"the flip-flop must see early data and miss late data within ±{WIDEST_s:g} s")
    first = int(np.flatnonzero(~seen)[-1])
    fine = np.linspace(coarse[first], coarse[first + 1], FINE + 2)[1:-1]
    early = np.concatenate([coarse, fine])
    delay = np.concatenate([delay, _delays(bench, fine)])
    order = np.argsort(early)
    early, delay = early[order], delay[order]
    nominal_s = float(delay[-1])
    seen = np.isfinite(delay)
    edge_s = float(early[seen].min())
    slow = seen & (delay > SLOWED * nominal_s)
    setup_s = float(early[slow].max()) if slow.any() else edge_s
    f3_Hz = trimmed(context).f3_Hz
    return Measured(
        quantities=(
            Quantity("clock_to_q", "Clock to Q with early data", nominal_s, "s"),
            Quantity("setup", "Setup: data before clock at which clock to Q is 10 % longer", setup_s, "s"),
            Quantity("edge", "Latest data that is still seen, before the clock", edge_s, "s"),
            Quantity("window", "From there to the setup", setup_s - edge_s, "s"),
            Quantity("slowest", "Longest clock to Q that was met", float(np.nanmax(delay)), "s"),
            Quantity("setup_phase", "Setup as a phase of VCO3", 2 * np.pi * f3_Hz * setup_s, "rad"),
        ),
        curves={"delay": {"data_before_clock_s": early, "clock_to_q_s": delay}},
        cpu_s=cpu_s() - began,
    )


def _delays(bench: Bench, early_s: Floats) -> Floats:
    """Clock to Q [point] for data that rises early_s [point] before the clock, nan where it is missed."""
    high = number(bench.supply_V)
    lines = [
        f"Vr rb 0 pwl(0.0 0.0 0.3e-9 0.0 {number(0.3e-9 + EDGE_s)} {high})",
        _edge("c0", CLOCK_s, high),
    ]
    for k, early in enumerate(early_s.tolist()):
        lines += [
            _edge(f"d0{k}", CLOCK_s - early, high),
            f"xd1{k} d0{k} dn{k} vdd inv",
            f"xd2{k} dn{k} d{k} vdd inv k=2",
            f"xff{k} d{k} c{k} rb q{k} vdd flip_flop",
            f"xc1{k} c0 cn{k} vdd inv",
            f"xc2{k} cn{k} c{k} vdd inv k=2",
        ]
    count = len(early_s)
    saved = [f"v({node}{k})" for k in range(count) for node in "cq"]
    found = bench.run("\n".join(lines), saved, LENGTH_s, 2e-12)
    level, time, delays = bench.supply_V / 2, found["time"], []
    for k in range(count):
        clock = waves.edges(time, found[f"v(c{k})"], level)
        q = waves.edges(time, found[f"v(q{k})"], level)
        clock = clock[clock > CLOCK_s - 0.2e-9]
        q = q[q > clock[0]] if len(clock) else q[:0]
        # Q must also stay: a glitch that falls back is a miss.
        delays.append(float(q[0] - clock[0]) if len(q) and found[f"v(q{k})"][-1] > level else np.nan)
    return np.array(delays)


def _edge(node: str, at_s: float, high: str) -> str:
    return f"V{node} {node} 0 pwl(0.0 0.0 {number(at_s)} 0.0 {number(at_s + EDGE_s)} {high})"
