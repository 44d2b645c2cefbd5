"""Does a ring of the process run? The smallest deck that shows whether models, names, sizes and supply fit."""

from dataclasses import dataclass

import numpy as np

from neurocircuit.errors import SimulatorBadOutput
from neurocircuit.process.card_errors import simulate_naming_devices, where
from neurocircuit.spec import Condition
from neurocircuit.spice.phases import rising_edges
from neurocircuit.spice.process import Installed
from neurocircuit.spice.transistor_deck import ENABLE_s, compose_bench, number

PERIODS = 8
STEP_s = 10e-12
LONGER = (1, 4, 16, 64)  # looks at a ring: so many times the time that it would need at f1


@dataclass(frozen=True)
class Ring:
    """A ring oscillator at its bias current: frequency, and power from the supply, the bias current's included.

    bias_V: where its current node stands.
    """

    f_Hz: float
    power_W: float
    bias_V: float


def check_ring(installed: Installed, condition: Condition, *, timeout_s: float = 60.0) -> Ring:
    """Run one VCO of the process at its nominal current, longer where it is slower than f1, down to f1/64.

    Raise SimulatorBadOutput when it does not oscillate, InputError when the card lacks the devices; both name the
    process, the corner and the supply.
    """
    process = installed.process
    high = number(condition.supply_V)
    body = "\n".join(
        [
            f"Vdd vdd 0 {high}",
            f".ic v(vdd)={high}",
            f"Ven en 0 pulse(0.0 {high} {number(ENABLE_s)} 2e-11 2e-11 1.0 2.0)",
            f"Ibias vdd ib {number(process.nominal.vco1_A)}",
            "xring ib en o vdd ring_cco",
        ]
    )
    for longer in LONGER:
        stop_s, step_s = ENABLE_s + longer * PERIODS / process.f1_Hz, longer * STEP_s
        deck = compose_bench(installed, condition, body, ("v(o)", "v(ib)", "i(vdd)"), stop_s=stop_s, max_step_s=step_s)
        vectors = simulate_naming_devices(deck, installed, condition, timeout_s=timeout_s)
        time_s, output = vectors["time"], vectors["v(o)"]
        edges = rising_edges(time_s, output, condition.supply_V / 2)
        edges = edges[edges > ENABLE_s]
        if len(edges) >= PERIODS // 2:
            break
    else:
        bias_V = float(vectors["v(ib)"][-1])
        raise SimulatorBadOutput(
            f"{where(installed, condition)}: the ring does not oscillate ({len(edges)} edges where "
            f"{LONGER[-1] * PERIODS} were due at {process.f1_Hz / 1e6:g} MHz); "
            f"its bias node stands at {bias_V:.2f} V: raise the supply, or change nominal.vco1 or the sizes"
        )
    whole = (time_s >= edges[1]) & (time_s <= edges[-1])
    span_s = edges[-1] - edges[1]
    power_W = -condition.supply_V * float(np.trapezoid(vectors["i(vdd)"][whole], time_s[whole])) / span_s
    return Ring(float((len(edges) - 2) / span_s), power_W, float(vectors["v(ib)"][-1]))
