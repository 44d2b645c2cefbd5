"""Power of the armed, idle neuron over bias current and frequency: whole neurons, each trimmed anew.

With all widths and capacitances times s, all resistors over s and all currents times s, every voltage and every time of
a circuit stays as it is (its admittances are scaled): such a neuron draws s times the power at the same frequency. The
frequency moves by the trim, at fixed sizes. The neurons of GRID are built in transistors, and what they draw is fitted:

    P(I, f) = (a + b (f/f0 - 1)) I/I0 + c f/f0                                                                   (P1)

with I the current of VCO1, a and b what scales with the current (rings, their bias currents, detector, switch, weight
reference), and c what would charge the same capacitance in each period whatever the current: about 0 where all widths
were scaled. f0, I0: of the neuron of s = 1 on its nominal frequency.
"""

from dataclasses import dataclass, replace

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.process import waveforms
from neurocircuit.process.bench import Bench, cpu_s
from neurocircuit.process.context import Context
from neurocircuit.process.measurements.trim import CircuitPlant, READ_s
from neurocircuit.process.trimming import trim_plant
from neurocircuit.results.characterised_neuron import power_law_W
from neurocircuit.results.measurement import Measured, Quantity
from neurocircuit.spec import Process
from neurocircuit.spice.transistor_deck import SUPPLIES

# s, and the frequency over the nominal one. Half of a 65 nm neuron's narrowest width is 80 nm.
GRID = ((1.0, 1.0), (0.5, 1.0), (2.0, 1.0), (4.0, 1.0), (1.0, 0.7), (1.0, 0.85), (1.0, 1.1), (0.5, 0.85), (4.0, 0.7))


@dataclass(frozen=True)
class _Armed:
    scale: float
    current_A: float
    f_Hz: float
    power_W: dict[str, float]


def measure(context: Context) -> Measured:
    """Return the power of every neuron of GRID by block, and the fit of eq. (P1)."""
    began = cpu_s()
    neurons = [_armed(context, scale, ratio) for scale, ratio in GRID]
    return _fitted(neurons, cpu_s() - began)


def _fitted(neurons: list[_Armed], took_s: float) -> Measured:
    current_A, f_Hz = (np.array([getattr(neuron, name) for neuron in neurons]) for name in ("current_A", "f_Hz"))
    blocks = {block: np.array([neuron.power_W[block] for neuron in neurons]) for block in SUPPLIES}
    power_W = np.sum(list(blocks.values()), axis=0)
    i0_A, f0_Hz = float(current_A[0]), float(f_Hz[0])
    a, b, c = fit(current_A / i0_A, f_Hz / f0_Hz, power_W)
    fitted_W = power_law_W(current_A / i0_A, f_Hz / f0_Hz, a, b, c)
    return Measured(
        quantities=(
            Quantity("current", "Current of VCO1 in the nominal neuron, I0", i0_A, "A"),
            Quantity("frequency", "Frequency of VCO1 there, f0", f0_Hz, "Hz"),
            Quantity("scaled", "Power that scales with the current, at I0 and f0: a", a, "W"),
            Quantity("slope", "Change of it per relative frequency: b", b, "W"),
            Quantity("fixed", "Power that does not scale with the current, at f0: c", c, "W"),
            Quantity(
                "residual",
                "Largest deviation of a neuron from the fit",
                float(np.abs(fitted_W / power_W - 1).max()),
                "",
            ),
        ),
        curves={
            "power": {
                "scale": np.array([neuron.scale for neuron in neurons]),
                "current_A": current_A,
                "frequency_Hz": f_Hz,
                "power_W": power_W,
                "fitted_W": fitted_W,
            }
            | {f"{block}_W": blocks[block] for block in SUPPLIES}
        },
        cpu_s=took_s,
    )


def fit(current_over_base: Floats, frequency_over_base: Floats, power_W: Floats) -> tuple[float, float, float]:
    """Return a, b, c of eq. (P1) in W, by least squares of the relative deviation; all [neuron]."""
    terms = np.stack([current_over_base, current_over_base * (frequency_over_base - 1.0), frequency_over_base], axis=1)
    a, b, c = np.linalg.lstsq(terms / power_W[:, None], np.ones(len(power_W)), rcond=None)[0]
    return float(a), float(b), float(c)


def _armed(context: Context, scale: float, ratio: float) -> _Armed:
    """Return the trimmed neuron of a scale at a frequency over the nominal one, and what its blocks draw."""
    process = scaled(context.installed.process, scale)
    parts = process.components_at(context.condition.corner)
    plant = CircuitPlant(Bench(replace(context.installed, process=process), context.condition), parts)
    trimmed = trim_plant(
        plant,
        process.nominal,
        parts,
        ratio * process.f1_Hz,
        process.threshold_vco_ratio,
        context.request.resolution,
    )
    saved = tuple(f"i(v{block})" for block in SUPPLIES)
    vectors = plant.run_idle(trimmed.bias, saved)
    time_s = vectors["time"]
    return _Armed(
        scale,
        trimmed.bias.vco1_A,
        trimmed.f1_Hz,
        {
            block: plant.supply_V * waveforms.mean_between(time_s, -vectors[f"i(v{block})"], READ_s, time_s[-1])
            for block in SUPPLIES
        },
    )


def scaled(process: Process, scale: float) -> Process:
    """Return a process whose cells have `scale` times the width, capacitance and current, and resistors over it."""
    sizes, parts, bias = process.sizes, process.components, process.nominal
    widths = {name: scale * getattr(sizes, name) for name in type(sizes).model_fields if name.startswith(("w_", "c_"))}
    ohms = {name: getattr(parts, name) / scale for name in ("r1_Ohm", "r2_Ohm", "r4_Ohm")}
    shared = process.shared_bias
    return process.replace(
        shared_bias=None if shared is None else shared.replace(i_shared=scale * shared.i_shared),
        sizes=sizes.replace(**widths),
        components=parts.replace(**ohms, c_F=scale * parts.c_F),
        nominal=bias.replace(**{name: scale * getattr(bias, name) for name in type(bias).model_fields}),
    )
