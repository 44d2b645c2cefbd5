"""Does a ring of the process run? The smallest deck that shows whether models, names, sizes and supply fit."""

import re
from dataclasses import dataclass

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import InputError, SimulatorBadOutput
from neurocircuit.spec import Condition
from neurocircuit.spice.phases import rising_edges
from neurocircuit.spice.process import Installed
from neurocircuit.spice.transistor_deck import ENABLE_s, TransistorDeck, compose_bench, number
from neurocircuit.spice.transistor_run import simulate

PERIODS = 8
# What ngspice 39 says of a model or a subcircuit that the card does not have.
_UNKNOWN_DEVICE = re.compile(r"can't find model|unknown subckt")


@dataclass(frozen=True)
class Ring:
    """A ring oscillator at its bias current: frequency, and power from the supply, the bias current's included.

    bias_V: where its current node stands.
    """

    f_Hz: float
    power_W: float
    bias_V: float


def check_ring(installed: Installed, condition: Condition, *, timeout_s: float = 60.0) -> Ring:
    """Run one VCO of the process at its nominal current.

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
    stop_s = ENABLE_s + PERIODS / process.f1_Hz
    deck = compose_bench(installed, condition, body, ("v(o)", "v(ib)", "i(vdd)"), stop_s=stop_s, max_step_s=1e-11)
    vectors = simulate_naming_devices(deck, installed, condition, timeout_s=timeout_s)
    time_s, output = vectors["time"], vectors["v(o)"]
    edges = rising_edges(time_s, output, condition.supply_V / 2)
    edges = edges[edges > ENABLE_s]
    bias_V = float(vectors["v(ib)"][-1])
    if len(edges) < PERIODS // 2:
        raise SimulatorBadOutput(
            f"{_where(installed, condition)}: the ring does not oscillate ({len(edges)} edges where {PERIODS} were due "
            f"at {process.f1_Hz / 1e6:g} MHz); its bias node stands at {bias_V:.2f} V: raise the supply, or change "
            "nominal.vco1 or the sizes"
        )
    whole = (time_s >= edges[1]) & (time_s <= edges[-1])
    span_s = edges[-1] - edges[1]
    power_W = -condition.supply_V * float(np.trapezoid(vectors["i(vdd)"][whole], time_s[whole])) / span_s
    return Ring(float((len(edges) - 2) / span_s), power_W, bias_V)


def simulate_naming_devices(
    deck: TransistorDeck, installed: Installed, condition: Condition, *, timeout_s: float
) -> dict[str, Floats]:
    """Return the vectors of a deck, as `simulate` gives them.

    Raise InputError too, where the card lacks the devices.
    """
    try:
        return simulate(deck, timeout_s=timeout_s).vectors
    except SimulatorBadOutput as error:
        if _UNKNOWN_DEVICE.search(str(error)):
            devices = installed.process.devices
            names = " or ".join(devices.names)
            raise InputError(f"{_where(installed, condition)}: the card has no {devices.kind} {names}") from None
        raise


def _where(installed: Installed, condition: Condition) -> str:
    return f"process {installed.process.name}, corner {condition.corner}, supply {condition.supply_V:g} V"
