"""Wiring of the ring: how its frequency follows the capacitance that metal puts on each of its nodes.

A stage's delay is charge over current, so the period is a straight line in the capacitance of a node: the slope over
the period is one over all that a node has, devices and metal.
"""

from dataclasses import replace

from neurocircuit.core.arrays import Floats
from neurocircuit.process.bench import Bench, cpu_s
from neurocircuit.process.context import Context
from neurocircuit.process.stored import trimmed
from neurocircuit.results.measurement import Measured, Quantity

STEP_F = 1e-16  # for the slope
LONGER_F = 1e-15  # what a node that is 5 µm longer may have more
RINGS = ("VCO1", "VCO3")


def measure(context: Context) -> Measured:
    """Return the frequencies of VCO1 and VCO3, at their trimmed currents, with less and more wiring on each node."""
    began, process = cpu_s(), context.installed.process
    stated_F = process.sizes_at(context.condition.corner).c_wire
    factors = [corner.wiring for corner in process.passives.corners.values()]
    corners = {"least": min(factors, default=1.0), "most": max(factors, default=1.0)}
    f_Hz, stepped_Hz, longer_Hz = (frequencies_Hz(context, stated_F + more) for more in (0.0, STEP_F, LONGER_F))
    slopes_per_F = f_Hz * (1 / f_Hz - 1 / stepped_Hz) / STEP_F
    shown = [
        *((f"{name} wiring of the corners", factor * process.sizes.c_wire) for name, factor in corners.items()),
        ("wiring of 1 fF more", stated_F + LONGER_F),
    ]
    at_corners = [frequencies_Hz(context, c_F) for _, c_F in shown[:-1]]
    quantities = [Quantity("c_wire", "Wiring of a ring node, stated by the process", stated_F, "F")]
    for k, ring in enumerate(RINGS):
        key = ring.lower()
        quantities += [
            Quantity(f"f_{key}", f"{ring}: frequency at its trimmed current", float(f_Hz[k]), "Hz"),
            *(
                Quantity(f"{what}_{key}", f"{ring} with the {text}, {1e15 * c_F:.3g} fF", float(values[k]), "Hz")
                for what, (text, c_F), values in zip((*corners, "longer"), shown, (*at_corners, longer_Hz), strict=True)
            ),
            Quantity(f"slope_{key}", f"{ring}: relative change of its frequency with wiring", slopes_per_F[k], "1/F"),
        ]
    node_F = -1 / float(slopes_per_F[0])
    quantities.append(Quantity("node", "Capacitance of a ring node by VCO1's slope, devices and wiring", node_F, "F"))
    return Measured(
        tuple(quantities), remarks=(f"source of the wiring: {process.passives.wiring_source}",), cpu_s=cpu_s() - began
    )


def frequencies_Hz(context: Context, c_wire_F: float) -> Floats:
    """Return the frequencies of free rings at the currents of VCO1 and VCO3, with this wiring on each node, [ring]."""
    installed, corner, bias = context.installed, context.condition.corner, trimmed(context).bias
    process = installed.process
    sizes = process.sizes_at(corner).replace(c_wire=c_wire_F)  # as they are: the bench's corner must not scale them
    condition = context.condition.replace(corner=process.device_corner(corner))
    bench = Bench(replace(installed, process=process.replace(sizes=sizes)), condition)
    return bench.rings([bias.vco1_A, bias.vco3_A]).frequency_Hz
