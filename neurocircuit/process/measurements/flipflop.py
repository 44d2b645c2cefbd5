"""The flip-flop that decides: setup window and clock-to-Q near its edge, for edges as the rings make them.

The flip-flop loads what drives it: data that meets an open gate rises later than data that comes after the clock, to a
shut one. The lead is measured on edges of the second kind, the decision falls on the first: what lies between the two
belongs to the threshold (`pull`).
"""

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import SimulatorBadOutput
from neurocircuit.process import waveforms
from neurocircuit.process.bench import Bench, EDGE_s, cpu_s
from neurocircuit.process.context import Context
from neurocircuit.process.stored import trimmed
from neurocircuit.results.measurement import Measured, Quantity
from neurocircuit.spice.transistor_deck import number

WIDEST_s, COARSE_s, FINE = 160e-12, 16e-12, 20  # data before the clock: range, step, points between two coarse ones
CLOCK_s, LENGTH_s = 1e-9, 2.6e-9
NEAR_turns = 0.015  # gained in a period of VCO3 by a membrane of 0.1 rad/ns, one threshold per tau: so near do data lie
FAR_s = 80e-12  # data so late is past the clock's edge: its gate is shut
SLOWED = 1.1  # clock to Q over its value with early data, at which setup is stated


def measure(context: Context) -> Measured:
    """Return the data that rises before the clock by less and less: coarse steps, then fine ones where it is missed."""
    began, bench, trim = cpu_s(), Bench(context.installed, context.condition), trimmed(context)
    bias_V = float(bench.rings([trim.bias.vco3_A]).bias_V[0])
    coarse = np.arange(-WIDEST_s, WIDEST_s + COARSE_s / 2, COARSE_s)
    early, delay = delays(bench, bias_V, coarse)
    moved = coarse - early  # how much later than it set out data arrives, but for what both paths have in common
    latched = np.isfinite(delay)
    if not latched[-1] or latched[0]:
        raise SimulatorBadOutput(f"the flip-flop must see early data and miss late data within ±{WIDEST_s:g} s")
    first = int(np.flatnonzero(~latched)[-1])
    fine = np.linspace(coarse[first], coarse[first + 1], FINE + 2)[1:-1]
    more = delays(bench, bias_V, fine)
    far = float(np.median(moved[coarse < -FAR_s]))
    early, delay = np.concatenate([early, more[0]]), np.concatenate([delay, more[1]])
    moved = np.concatenate([moved, fine - more[0]])
    order = np.argsort(early)
    early, delay, moved = early[order], delay[order], moved[order]
    nominal_s = float(delay[-1])
    latched = np.isfinite(delay)
    latest = int(np.flatnonzero(latched)[0])
    edge_s = float(early[latest])
    slow = latched & (delay > SLOWED * nominal_s)
    setup_s = float(early[slow].max()) if slow.any() else edge_s
    return Measured(
        quantities=(
            Quantity("clock_to_q", "Clock to Q with early data", nominal_s, "s"),
            Quantity("setup", "Setup: data before clock at which clock to Q is 10 % longer", setup_s, "s"),
            Quantity("edge", "Latest data that is still seen, before the clock", edge_s, "s"),
            Quantity("window", "From there to the setup", setup_s - edge_s, "s"),
            Quantity("slowest", "Longest clock to Q that was met", float(np.nanmax(delay)), "s"),
            Quantity(
                "edge_phase",
                "Latest data that is still seen, as a phase of VCO3",
                2 * np.pi * trim.f3_Hz * edge_s,
                "rad",
            ),
            Quantity("pull", "Such data comes later by, than data after the clock", float(moved[latest]) - far, "s"),
            Quantity(
                "near",
                f"Clock to Q, mean over data within {NEAR_turns:g} periods beyond it",
                _mean_near(early, delay, edge_s, NEAR_turns / trim.f3_Hz),
                "s",
            ),
        ),
        curves={"delay": {"data_before_clock_s": early, "clock_to_q_s": delay}},
        cpu_s=cpu_s() - began,
    )


def _mean_near(early_s: Floats, delay_s: Floats, edge_s: float, span_s: float) -> float:
    """Mean clock to Q, from delays [point] over times [point], of data within a span beyond the latest that is seen."""
    fine = np.linspace(edge_s, edge_s + span_s, 201)
    latched = np.isfinite(delay_s)
    return float(np.interp(fine, early_s[latched], delay_s[latched]).mean())


def delays(bench: Bench, bias_V: float, early_s: Floats) -> tuple[Floats, Floats]:
    """Return the time from data to clock as they reach the flip-flop, and clock to Q, nan where the data is missed.

    Both [point].

    early_s: between the two edges where they set out [point]. bias_V: of VCO3's current node: both edges come through
    starved stages and the buffer of a ring, and the data's buffer carries another load than the clock's.
    """
    high = number(bench.supply_V)
    lines = [
        f"Vr rb 0 pwl(0.0 0.0 0.3e-9 0.0 {number(0.3e-9 + EDGE_s)} {high})",
        _edge("clock", CLOCK_s, high),
        f"Vib ib 0 {number(bias_V)}",
    ]
    for k, early in enumerate(early_s.tolist()):
        lines += [
            _edge(f"d0{k}", CLOCK_s - early, high),
            f"xd0{k} d0{k} ds{k} ib vdd replica_delay",
            f"xd1{k} ds{k} dn{k} vdd inv",
            f"xd2{k} dn{k} d{k} vdd inv k=2",
            f"xff{k} d{k} c{k} rb q{k} vdd flip_flop",
            f"xc0{k} clock cs{k} ib vdd replica_delay",
            f"xc1{k} cs{k} cn{k} vdd inv",
            f"xc2{k} cn{k} c{k} vdd inv k=2",
        ]
    count = len(early_s)
    saved = [f"v({node}{k})" for k in range(count) for node in "cdq"]
    vectors = bench.run("\n".join(lines), saved, LENGTH_s)
    level, time, arrived, delays = bench.supply_V / 2, vectors["time"], [], []
    for k in range(count):
        clock, data = (waveforms.edges(time, vectors[f"v({node}{k})"], level) for node in "cd")
        q = waveforms.edges(time, vectors[f"v(q{k})"], level)
        clock, data = clock[clock > CLOCK_s - 0.2e-9], data[data > CLOCK_s - 0.3e-9]
        if not len(clock) or not len(data):
            raise SimulatorBadOutput("clock and data must reach the flip-flop, got an edge that does not arrive")
        arrived.append(float(clock[0] - data[0]))
        q = q[q > clock[0]]
        # Q must also stay: a glitch that falls back is a miss.
        delays.append(float(q[0] - clock[0]) if len(q) and vectors[f"v(q{k})"][-1] > level else np.nan)
    return np.array(arrived), np.array(delays)


def _edge(node: str, at_s: float, high: str) -> str:
    return f"V{node} {node} 0 pwl(0.0 0.0 {number(at_s)} 0.0 {number(at_s + EDGE_s)} {high})"
