"""How many synapses VCO1 carries: frequency and phase jumps over their number, all but one idle."""

from functools import partial

import numpy as np

from neurocircuit.process import fan_in
from neurocircuit.process.bench import TIMEOUT_s, cpu_s
from neurocircuit.process.context import Context
from neurocircuit.results.measurement import Measured, Quantity


def measure(context: Context) -> Measured:
    """Return the largest number of synapses with which frequency and all jumps are within `fan_in.LARGEST_LOSS`."""
    began = cpu_s()
    at = partial(fan_in.measure, context.installed, context.condition, timeout_s=TIMEOUT_s)
    limit, cases = fan_in.search(at, context.installed.process.synapses)
    return Measured(
        quantities=(
            Quantity("limit", f"Synapses that VCO1 carries within {fan_in.LARGEST_LOSS:.0%}", float(limit), ""),
            Quantity("reference", "Synapses of the neuron to which that is relative", float(cases.synapses[0]), ""),
        ),
        curves={
            "fan_in": {
                "synapses": np.array(cases.synapses, dtype=float),
                "f1_Hz": cases.f1_Hz,
                "frequency_loss": cases.frequency_loss,
            }
            | {f"code_{code}_rad": jump_rad for code, jump_rad in zip(cases.codes, cases.jump_rad, strict=True)}
            | {f"code_{code}_loss": loss for code, loss in zip(cases.codes, cases.jump_loss, strict=True)}
        },
        cpu_s=cpu_s() - began,
    )
