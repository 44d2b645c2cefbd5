"""Without trim: the neuron with the process's nominal currents at the condition, and what of it fails."""

from math import isfinite, pi

import numpy as np

from neurocircuit.process.bench import Bench, cpu_s
from neurocircuit.process.context import Context
from neurocircuit.process.measurements.trim import CircuitPlant
from neurocircuit.process.stored import trimmed
from neurocircuit.results.measurement import Measured, Quantity

LARGEST_DRIFT = 0.1  # of the threshold per loop time constant, beyond which spike times are off by more than about that


def measure(context: Context) -> Measured:
    """Return one idle run with the nominal currents; errors of the four frequencies against the trimmed circuit."""
    began, trim, process = cpu_s(), trimmed(context), context.installed.process
    parts = process.components_at(context.condition.corner)
    plant = CircuitPlant(Bench(context.installed, context.condition), parts)
    nominal = process.nominal
    f1_Hz = float(plant.rings([nominal.vco1_A, nominal.vco2_A, nominal.vco3_A, nominal.vco4_A]).frequency_Hz[0])
    bias3_V = plant.bias_V[1, nominal.vco3_A]
    swing_Hz = trim.gain3_Hz_per_A * (plant.supply_V - bias3_V) / parts.r4_Ohm
    idle = plant.idle(nominal, swing_Hz)
    tau_s = (parts.r1_Ohm + parts.r2_Ohm) / (2 * plant.supply_V * trim.gain_Hz_per_A)
    drift = idle.drift_rad_per_s
    relative = drift * tau_s / trim.lead_rad
    fails = []
    if not isfinite(idle.lag_rad):
        fails.append("VCO2 does not lock")
    elif not isfinite(drift):
        fails.append("the idle membrane leaves its range at once: the neuron fires without input")
    elif abs(relative) > LARGEST_DRIFT:
        fails.append(f"the idle membrane drifts by {100 * relative:+.0f} % of the threshold per tau")
    return Measured(
        quantities=(
            *(
                Quantity(f"error{k + 1}", f"Frequency error of VCO{k + 1}", float(error), "")
                for k, error in enumerate(trim.untrimmed)
            ),
            Quantity("f1", "Frequency of VCO1", f1_Hz, "Hz"),
            Quantity("locks", "VCO2 locks (1: yes)", float(isfinite(idle.lag_rad)), ""),
            Quantity("lag", "Phase of VCO1 over VCO2 in lock, less π/2", idle.lag_rad - pi / 2, "rad"),
            Quantity("drift", "Drift of the idle membrane", drift, "rad/s"),
            Quantity("drift_relative", "Drift over one loop time constant, thresholds", relative, ""),
        ),
        curves={"frequencies": {"vco": np.arange(1.0, 5.0), "frequency_Hz": np.array(idle.frequency_Hz)}},
        remarks=tuple(fails) or ("nothing fails here: the nominal currents fit this condition",),
        cpu_s=cpu_s() - began,
    )
