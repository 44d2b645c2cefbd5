"""Mismatch of the synapses: how far the currents of drawn ones spread, by sign, of one unit and of full scale.

A code is so many unit currents, each with devices of its own: its relative spread falls with the root of the code.
What the spread of threshold and current factor is drawn from, `[mismatch]`, the process states.
"""

import math

from neurocircuit.core.arrays import Floats
from neurocircuit.core.stats import variance_interval
from neurocircuit.process.bench import Bench, cpu_s
from neurocircuit.process.context import Context
from neurocircuit.process.stored import trimmed, trimmed_circuit
from neurocircuit.results.measurement import Measured, Quantity
from neurocircuit.spice.mismatch import shifts_of

DRAWN = 60  # synapses of each kind, of one chip
SIGNS = {"source": 1, "sink": -1}


def measure(context: Context) -> Measured:
    """Return the relative standard deviation of the currents of DRAWN synapses of each sign, held on at a code."""
    began, bench = cpu_s(), Bench(context.installed, context.condition)
    circuit = trimmed_circuit(context).replace(chip_seed=context.request.seed)
    vco1_V = float(bench.rings([trimmed(context).bias.vco1_A]).bias_V[0])
    shifts = shifts_of(circuit, DRAWN)
    quantities = []
    for sign, factor in SIGNS.items():
        for key, code in (("unit", 1), ("full", circuit.largest_code)):
            drawn_A = bench.weight_currents(circuit, vco1_V, [factor * code] * DRAWN, shifts)
            spread, low, high = relative_spread(drawn_A)
            label = f"{sign} of code {code}: relative standard deviation of its current"
            quantities += [
                Quantity(f"{sign}_{key}", label.capitalize(), spread, ""),
                Quantity(f"{sign}_{key}_low", "lower end of its 95 % interval", low, ""),
                Quantity(f"{sign}_{key}_high", "upper end of its 95 % interval", high, ""),
            ]
    source = context.installed.process.mismatch.source
    remarks = (f"{DRAWN} synapses of each kind; spread of single devices: {source}",)
    return Measured(tuple(quantities), remarks=remarks, cpu_s=cpu_s() - began)


def relative_spread(values: Floats) -> tuple[float, float, float]:
    """Return the standard deviation over the mean of normal values, and its 95 % interval (chi-squared)."""
    size, freedom = abs(float(values.mean())), len(values) - 1
    variance = float(values.var(ddof=1))
    low, high = variance_interval(variance * freedom, freedom)
    return math.sqrt(variance) / size, math.sqrt(low) / size, math.sqrt(high) / size
