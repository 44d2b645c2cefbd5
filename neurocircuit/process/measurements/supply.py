"""Supply sensitivity of the four VCOs, and how a resistance that two of them share lets one pull the other.

Each VCO stands as it does in lock: VCO2 with its filter at half the supply, VCO4 half the time with its switch on. Bias
currents are ideal and keep their values; what a bias generator passes on comes on top.
"""

from dataclasses import dataclass

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import SimulatorBadOutput
from neurocircuit.process import waveforms
from neurocircuit.process.bench import SKIPPED_PERIODS, Bench, START_s, cpu_s, ring_lines
from neurocircuit.process.context import Context
from neurocircuit.process.stored import trimmed
from neurocircuit.results.measurement import Measured, Quantity
from neurocircuit.spec import Bias
from neurocircuit.spice.transistor_deck import number

STEP = 0.01  # of the supply, either way
PERIODS = 16  # of VCO1
SHARED_Ohm = 50.0
PULLED_PERIODS = 30  # an edge is known to some 0.1 ps, over 40 ns some 3e-6 of the frequency


def measure(context: Context) -> Measured:
    """Return the relative change of each VCO's frequency per volt of supply, and of VCO1 by VCO3 on a shared resistor.

    Raise SimulatorBadOutput where a ring stops.
    """
    began, bias = cpu_s(), trimmed(context).bias
    nominal_V = context.condition.supply_V
    low, high = (
        _frequencies_Hz(context, bias, ratio * nominal_V, PERIODS / trimmed(context).f1_Hz)
        for ratio in (1 - STEP, 1 + STEP)
    )
    s1, s2, s3, s4 = (float(s) for s in (high / low - 1) / (2 * STEP * nominal_V))
    pulled = _pulled(Bench(context.installed, context.condition), bias, PULLED_PERIODS / trimmed(context).f1_Hz)
    return Measured(
        quantities=(
            *(
                Quantity(f"vco{k}", f"VCO{k}: relative change of its frequency with the supply", s, "1/V")
                for k, s in enumerate((s1, s2, s3, s4), 1)
            ),
            Quantity("vco1_vco2", "VCO1 less VCO2, which the loop sees", s1 - s2, "1/V"),
            Quantity("vco4_vco3", "VCO4 less VCO3, which the membrane sees", s4 - s3, "1/V"),
            Quantity(
                "pulled",
                f"VCO1: relative change of its frequency when VCO3 runs on the same {SHARED_Ohm:g} Ohm of supply",
                pulled.relative,
                "",
            ),
            Quantity("drop", "of it by VCO3's mean current in that resistance", s1 * pulled.drop_V, ""),
            Quantity(
                "beyond", "of it beyond that drop, by pulses at VCO3's edges", pulled.relative - s1 * pulled.drop_V, ""
            ),
            Quantity("current", "Mean current of VCO3 from the supply, bias excluded", pulled.current_A, "A"),
        ),
        cpu_s=cpu_s() - began,
    )


def _frequencies_Hz(context: Context, bias: Bias, supply_V: float, length_s: float) -> Floats:
    """Return the frequencies of VCO1 … VCO4 at a supply, [vco]."""
    bench = Bench(context.installed, context.condition.replace(supply_V=supply_V))
    parts = context.installed.process.components_at(context.condition.corner)
    series, half = number(parts.r1_Ohm + parts.r2_Ohm), number(supply_V / 2)
    lines = [
        bench.enable(),
        *ring_lines("1", bias.vco1_A),
        *ring_lines("2", bias.vco2_A),
        f"Vhalf half 0 {half}",
        f"Rf half ib2 {series}",
        *ring_lines("3", bias.vco3_A),
    ]
    for k, level in enumerate((0.0, supply_V)):
        lines += [
            *ring_lines(f"4{k}", bias.vco4_A),
            f"Vup{k} up{k} 0 {number(level)}",
            f"xu{k} up{k} ib4{k} vdd up_switch r4={number(parts.r4_Ohm)}",
        ]
    names = ("o1", "o2", "o3", "o40", "o41")
    vectors = bench.run("\n".join(lines), [f"v({name})" for name in names], START_s + length_s)
    f1, f2, f3, *f4 = (_frequency_Hz(vectors, name, supply_V / 2) for name in names)
    return np.array([f1, f2, f3, np.mean(f4)])


@dataclass(frozen=True)
class _Pulled:
    """VCO1 beside VCO3 on one resistor; drop_V: what VCO3's mean current makes of the supply there."""

    relative: float
    drop_V: float
    current_A: float


def _pulled(bench: Bench, bias: Bias, length_s: float) -> _Pulled:
    """Compare VCO1 alone on a resistor with VCO1 beside VCO3 on one like it, both in one run with the same steps."""
    lines = [
        bench.enable(),
        f"Ralone vdd alone {number(SHARED_Ohm)}",
        *ring_lines("1", bias.vco1_A, "alone"),
        f"Rshared vdd shared {number(SHARED_Ohm)}",
        *ring_lines("2", bias.vco1_A, "shared"),
        "Vmeter shared metered 0.0",
        *ring_lines("3", bias.vco3_A, "metered"),
    ]
    stop_s = START_s + length_s
    vectors = bench.run("\n".join(lines), ("v(o1)", "v(o2)", "v(o3)", "i(vmeter)"), stop_s)
    alone_Hz, beside_Hz = (_frequency_Hz(vectors, name, bench.supply_V / 2) for name in ("o1", "o2"))
    edge_s = waveforms.edges(vectors["time"], vectors["v(o3)"], bench.supply_V / 2)[SKIPPED_PERIODS:]
    current_A = waveforms.mean_between(vectors["time"], vectors["i(vmeter)"], float(edge_s[0]), float(edge_s[-1]))
    return _Pulled(beside_Hz / alone_Hz - 1, -SHARED_Ohm * current_A, current_A)


def _frequency_Hz(vectors: dict[str, Floats], name: str, level_V: float) -> float:
    edge_s = waveforms.edges(vectors["time"], vectors[f"v({name})"], level_V)[SKIPPED_PERIODS:]
    if len(edge_s) < 3:
        raise SimulatorBadOutput(f"the ring of output {name} does not run")
    return waveforms.frequency_Hz(edge_s)
