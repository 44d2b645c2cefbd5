"""The resistor of a windowed neuron's read-out current: how fast VCO4 runs ahead of VCO3 on a ramp is trimmed by it.

Both oscillators run in a bench of their own with the switch's constant current on; VCO4's frequency follows the current
through r5 smoothly, so that two or three runs find it. 1 CPU-s a run on generic65.
"""

from collections.abc import Mapping
from functools import lru_cache
from math import pi

from neurocircuit.errors import InputError, SimulatorBadOutput
from neurocircuit.spec import Circuit, NeuronSpec
from neurocircuit.spice import transistor_run
from neurocircuit.spice.devices import DeviceShift
from neurocircuit.spice.mismatch import shifts_of
from neurocircuit.spice.phases import rising_edges, steady
from neurocircuit.spice.process import load
from neurocircuit.spice.transistor_deck import TransistorDeck, compose_bench, number

TOLERANCE = 1e-3  # of the frequency difference: of the time from the arming to the spike
MOST_RUNS = 8
TIMEOUT_s = 100.0
_ENABLE_s, _FIRST_PERIODS, _PERIODS = 0.5e-9, 4, 12
_LARGEST_OVER_r4 = 100.0  # a read-out current below this share of UP's is not sought


def readout_Ohm(spec: NeuronSpec) -> float | None:
    """Return r5 of a neuron whose readout window has a slope, None of another one.

    Raise InputError where no resistor makes the slope, SimulatorMissing, SimulatorTimeout, SimulatorBadOutput.
    """
    if spec.ramp_slope is None or spec.circuit is None:
        return None
    _, _, d3, d4 = spec.frequency_error.in_force
    ahead_Hz = spec.ramp_slope * spec.fixed_lead_rad / (2 * pi * spec.tau_s)
    return _resistor(spec.circuit, ahead_Hz + spec.f0_Hz * spec.threshold_vco_ratio * (d4 - d3))


@lru_cache(maxsize=64)
def _resistor(circuit: Circuit, ahead_Hz: float) -> float:
    """Return r5 that lets VCO4 run ahead of VCO3 by a frequency. Regula falsi over the conductance, f(I) is concave."""
    r4_Ohm = circuit.components.r4_Ohm
    low, high = 1.0 / (_LARGEST_OVER_r4 * r4_Ohm), 1.0 / r4_Ohm
    below, above = (_ahead_Hz(circuit, 1.0 / conductance) - ahead_Hz for conductance in (low, high))
    for _ in range(MOST_RUNS):
        if below > 0:
            raise InputError(f"readout_window.slope must let VCO4 run faster: {ahead_Hz / 1e6:.3g} MHz over VCO3")
        if abs(above) <= TOLERANCE * ahead_Hz:
            return 1.0 / high
        guess = low - below * (high - low) / (above - below)
        if above < 0:  # both too slow: f(I) bends down, so that the true one lies beyond the straight line
            low, below = high, above
        high, above = guess, _ahead_Hz(circuit, 1.0 / guess) - ahead_Hz
    raise SimulatorBadOutput(
        f"readout_window.slope must be within VCO4's range: {ahead_Hz / 1e6:.3g} MHz over VCO3 was not reached"
    )


def _ahead_Hz(circuit: Circuit, r5_Ohm: float) -> float:
    """Return the frequency of VCO4 less that of VCO3 with the constant current on."""
    vectors = transistor_run.simulate(_bench(circuit, r5_Ohm), timeout_s=TIMEOUT_s).vectors
    frequencies = []
    for name in ("v(o3)", "v(o4)"):
        edges = rising_edges(vectors["time"], vectors[name], circuit.condition.supply_V / 2)
        edges = edges[edges > _ENABLE_s][_FIRST_PERIODS:]
        frequencies.append(steady(edges, _PERIODS // 2, f"oscillator {name[2:-1]} on the read-out current")[0])
    return frequencies[1] - frequencies[0]


def _bench(circuit: Circuit, r5_Ohm: float) -> TransistorDeck:
    high, parts = number(circuit.condition.supply_V), circuit.components
    standing = [f".ic v(ib{k})={number(circuit.standing_V[2])}" for k in (3, 4)] if circuit.standing_V else []
    body = [
        f"Vdd vdd 0 {high}",
        f".ic v(vdd)={high}",
        *standing,
        f"Venable enable 0 pulse(0.0 {high} {number(_ENABLE_s)} 2e-11 2e-11 1.0 2.0)",
        f"Vclear clear 0 {high}",
        f"I3 vdd ib3 {number(circuit.bias.vco3_A)}",
        f"I4 vdd ib4 {number(circuit.bias.vco4_A)}",
        "xvco3 ib3 enable o3 vdd ring_cco",
        "xvco4 ib4 enable o4 vdd ring_cco",
        f"xup 0 clear ib4 vdd readout_switch r4={number(parts.r4_Ohm)} r5={number(r5_Ohm)}",
        "xff o4 o3 vdd q vdd flip_flop",
    ]
    stop_s = _ENABLE_s + (_FIRST_PERIODS + _PERIODS) / circuit.f3_Hz
    installed = load(circuit.process)
    saved = ("v(o3)", "v(o4)")
    return compose_bench(
        installed,
        circuit.condition,
        "\n".join(body),
        saved,
        stop_s=stop_s,
        title="read-out current",
        mismatch=_shifts(circuit),
    )


def _shifts(circuit: Circuit) -> Mapping[str, DeviceShift]:
    """Return the deviations of a chip's devices in the bench, whose paths have no neuron in them."""
    neuron, ours = "m.xneuron.", ("xvco3.", "xvco4.", "xup.", "xff.")
    return {
        f"m.{path.removeprefix(neuron)}": shift
        for path, shift in shifts_of(circuit, 2).items()
        if path.startswith(neuron) and path.removeprefix(neuron).startswith(ours)
    }
