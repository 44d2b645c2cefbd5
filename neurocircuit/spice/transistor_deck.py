"""Composes transistor decks: the neuron with its synapses, and small benches of single cells.

Every time here counts from power-up, t = 0 of a deck without a saved state. A deck that starts from a state begins at
the state's time; `simulate` gives its vectors on the same axis.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from neurocircuit.errors import InputError
from neurocircuit.spec import Circuit, Condition, Process
from neurocircuit.spice.control_deck import CELLS, STATE, State, TransistorDeck, assemble, number
from neurocircuit.spice.devices import DeviceShift, alterations
from neurocircuit.spice.process import Installed, load

__all__ = [
    "CELLS",
    "NODES",
    "SAVED",
    "STATE",
    "SUPPLIES",
    "Input",
    "MAX_STEP_s",
    "State",
    "TransistorDeck",
    "Window",
    "code_lines",
    "compose_bench",
    "compose_neuron",
    "neuron_lines",
    "number",
    "power_up_lines",
    "pulse_sources",
    "synapse_subcircuit",
]

MAX_STEP_s = 5e-12
EDGE_s = 50e-12  # rise and fall of an input spike
ENABLE_s = 5e-9  # VCO1 starts here, its bias node charged; VCO2 a quarter period later: close to lock
# With standing voltages nothing needs charging, and a longer wait than Process.enable_s would discharge the loop
# filter, whose UP rests at 0; one too short for the process lets the loop slip (freepdk45 at 0.3 ns).
HEAD_START_turns = 0.019  # of VCO2, which its filter's first periods hold back: 0.12 rad, measured on generic65 tt
RESTART_HEAD_START_turns = 0.05  # after a ramp, in which UP rests and the filter discharges: 6 mrad from lock in 14 ns
RESET_s = 2e-9  # end of the power-on reset
ARM_WIDTH_s = 1e-9
SUPPLIES = ("pll", "membrane", "synapse", "logic")
NODES = ("o1", "o2", "o3", "o4", "up", "vc", "q", "fired", "en3")
SAVED = tuple(f"v({node})" for node in NODES) + tuple(f"i(v{block})" for block in SUPPLIES)


@dataclass(frozen=True)
class Input:
    """One synapse: the times at which its spikes begin, in s (none: idle), and its signed code (0: no current)."""

    times_s: tuple[float, ...] = ()
    code: int = 0


@dataclass(frozen=True)
class Window:
    """Signals of a windowed neuron (cells/windowed_neuron.cir): its window in s, and the form of its read-out.

    armed_s: inf for one whose window comes later than the deck's end. readout_Ohm: r5 of the form ramp; None: forced.
    """

    armed_s: float
    closes_s: float
    readout_Ohm: float | None = None


def compose_neuron(
    circuit: Circuit,
    inputs: Sequence[Input] = (),
    *,
    stop_s: float,
    max_step_s: float = MAX_STEP_s,
    arm_s: float | Sequence[float] | None = None,
    reset_s: Sequence[float] = (),
    saved: tuple[str, ...] = SAVED,
    start: State | None = None,
    save_state_at_s: float | None = None,
    stop_when_fired: bool = False,
    extra: str = "",
    mismatch: Mapping[str, DeviceShift] | None = None,
    installed: Installed | None = None,
    window: Window | None = None,
) -> TransistorDeck:
    """Return the neuron with its synapses, from power-up or from a saved state, to stop_s.

    arm_s: instants at which it is armed; default: the circuit's own from power-up, none from a state.
    reset_s: instants at which a running neuron is stopped without a spike: the end of its window.
    save_state_at_s: end the run there and keep the state, in place of stop_s. extra: further SPICE lines, which may use
    the deck's nodes. mismatch: shifts by device path (`devices`). installed: the circuit's process, where it was loaded
    already. window: of a windowed neuron; its end makes the neuron spike, or resets it (form ramp).

    Raise InputError for a code beyond the bank, a spike before the start or over another one, a state of another
    number of inputs; ProcessMissing.
    """
    installed = installed or load(circuit.process)
    begin_s = 0.0 if start is None else start.time_s
    end_s = stop_s if save_state_at_s is None else save_state_at_s
    arms_s = _arms(circuit, arm_s, begin_s)
    _check(circuit, inputs, begin_s, end_s, start)
    if window is not None and window.readout_Ohm is not None and window.closes_s < inf:
        reset_s = [*reset_s, window.closes_s]
    body = [
        *_supplies(circuit.condition),
        *_controls(circuit, installed.process.enable_s, arms_s, reset_s, begin_s, window is not None),
        *(_window(circuit, window, begin_s) if window is not None else []),
        *neuron_lines(circuit, installed.process, window=window),
        *(
            power_up_lines(circuit, installed.process.bias_lines_V, [f"xw{k}" for k in range(len(inputs))])
            if start is None
            else []
        ),
        synapse_subcircuit(circuit.weight_bits),
        *(line for k, item in enumerate(inputs) for line in _synapse(circuit, k, item, begin_s)),
        extra,
    ]
    stop = f"stop when v(fired) > {number(circuit.condition.supply_V / 2)}"
    return assemble(
        installed,
        circuit.condition,
        f"neuron of {len(inputs)} inputs",
        body,
        saved,
        (begin_s, end_s, max_step_s),
        before=[*alterations(mismatch or {}), *([stop] if stop_when_fired else [])],
        state=start,
        inputs=len(inputs),
        saves_state=save_state_at_s is not None,
        may_stop=stop_when_fired,
    )


def compose_bench(
    installed: Installed,
    condition: Condition,
    body: str,
    saved: tuple[str, ...],
    *,
    stop_s: float,
    max_step_s: float = MAX_STEP_s,
    title: str = "bench",
    mismatch: Mapping[str, DeviceShift] | None = None,
) -> TransistorDeck:
    """Return the any circuit of the cells: `body` is SPICE; it brings its own supplies and ground is 0."""
    span = (0.0, stop_s, max_step_s)
    return assemble(installed, condition, title, [body], saved, span, before=alterations(mismatch or {}))


def neuron_lines(circuit: Circuit, process: Process, tag: str = "", window: Window | None = None) -> list[str]:
    """Return a neuron with its bias currents and its weight reference; `tag` ends the names of all that is its own."""
    bias, parts = circuit.bias, circuit.components
    signals, cell, readout = "", "neuron", ""
    if window is not None:
        r5_Ohm = parts.r4_Ohm if window.readout_Ohm is None else window.readout_Ohm
        signals, cell, readout = " window clear closing", "windowed_neuron", f" r5={number(r5_Ohm)}"
    nodes = " ".join(f"{node}{tag}" for node in ("o1", "o2", "o3", "o4", "up", "vc", "q", "fired", "en3"))
    return [
        f"I1{tag} vdd_pll ib1{tag} {number(bias.vco1_A)}",
        f"I2{tag} vdd_pll ib2{tag} {number(bias.vco2_A)}",
        f"I3{tag} vdd_membrane ib3{tag} {number(bias.vco3_A)}",
        f"I4{tag} vdd_membrane ib4{tag} {number(bias.vco4_A)}",
        f"Iw{tag} vdd_synapse wbn{tag} {number(bias.weight_A)}",
        f"xneuron{tag} ib1{tag} ib2{tag} ib3{tag} ib4{tag} en1 en2 arm reset{signals} {nodes}",
        f"+ vdd_pll vdd_membrane vdd_logic {cell}",
        f"+ r1={number(parts.r1_Ohm)} c1={number(parts.c_F)} r2={number(parts.r2_Ohm)} r4={number(parts.r4_Ohm)}"
        + readout,
        f"xref{tag} wbn{tag} wbp{tag} vdd_synapse weight_reference",
        *(_joined_lines(tag) if process.shared_bias else []),
    ]


def _joined_lines(tag: str) -> list[str]:
    """Return the wires that make one bias line of those of two rings (cells/ring_cco_shared.cir)."""
    rings = f"xneuron{tag}.xvco"
    return [f"Vjoined{a}{b}{tag} {rings}{a}.vbp {rings}{b}.vbp 0.0" for a, b in ((1, 2), (3, 4))]


def synapse_subcircuit(bits: int) -> str:
    """The signed synapse of `bits` bits, of cells/synapse_bit.cir: ports t p0 … m0 … ib wbp wbn vdd, copies=1."""
    plus, minus = (" ".join(f"{sign}{k}" for k in range(bits)) for sign in "pm")
    lines = [f".subckt synapse t {plus} {minus} ib wbp wbn vdd copies=1"]
    for k in range(bits):
        drive = max(1, 2 ** (k - 1))
        lines.append(f"x{k} t p{k} m{k} ib wbp wbn vdd synapse_bit units={2**k} drive={drive} copies={{copies}}")
    return "\n".join([*lines, ".ends synapse"])


def code_lines(code: int, bits: int, high: str) -> str:
    """Return the nodes of the static code inputs of a synapse, p0 … m0 …: `high` for a bit that is set, 0 otherwise."""
    magnitude = abs(code)
    ones = [high if magnitude >> k & 1 else "0" for k in range(bits)]
    zeros = ["0"] * bits
    return " ".join(ones + zeros if code > 0 else zeros + ones)


def pulse_sources(name: str, node: str, times_s: Sequence[float], width_s: float, supply_V: float) -> list[str]:
    """One-shot pulses on a node, one PULSE source each, in series: ngspice loses later corners of a PWL source."""
    if not times_s:
        return [f"{name} {node} 0 0.0"]
    nodes = [node, *(f"{node}_{k}" for k in range(1, len(times_s))), "0"]
    shape = f"{number(EDGE_s)} {number(EDGE_s)} {number(width_s)} 1.0 2.0"
    return [
        f"{name}{f'_{k}' if k else ''} {nodes[k]} {nodes[k + 1]} pulse(0.0 {number(supply_V)} {number(time_s)} {shape})"
        for k, time_s in enumerate(times_s)
    ]


def power_up_lines(
    circuit: Circuit, bias_lines_V: tuple[float, float], synapses: Sequence[str], tag: str = ""
) -> list[str]:
    """Return the supplies stand from the first instant.

    The bias lines, which 1 uA would take 100 ns to charge, nearly so.

    With the circuit's standing voltages also the nodes of idle synapses: those behind the switches come up by
    subthreshold currents over microseconds, which VCO1 feels, and a gate that starts at 0 would open a source first.
    The current nodes of the oscillators stand near the source's, and VCO2's filter in the middle: lock is near.
    synapses: names of their calls; tag: as in `neuron_lines`, for which the supplies stand already.
    """
    supply_V = circuit.condition.supply_V
    lines = [] if tag else [f".ic v(vdd_{block})={number(supply_V)}" for block in SUPPLIES]
    if not circuit.standing_V:
        return [*lines, f".ic v(wbn{tag})={number(bias_lines_V[0])} v(wbp{tag})={number(bias_lines_V[1])}"]
    wbn_V, wbp_V, source_V, sink_V = circuit.standing_V
    nodes = {f"wbn{tag}": wbn_V, f"wbp{tag}": wbp_V, f"vc{tag}": supply_V / 2}
    nodes |= {f"ib{k}{tag}": source_V for k in (1, 2, 3, 4)}
    for name in synapses:
        for bit in range(circuit.weight_bits):
            inside = f"{name}.x{bit}."
            nodes |= {inside + "sp": source_V, inside + "sn": sink_V, inside + "gp": supply_V, inside + "gm": supply_V}
    return lines + [f".ic v({node})={number(value)}" for node, value in nodes.items()]


def _supplies(condition: Condition) -> list[str]:
    return [f"V{block} vdd_{block} 0 {number(condition.supply_V)}" for block in SUPPLIES]


def _controls(
    circuit: Circuit,
    standing_enable_s: float,
    arms_s: tuple[float, ...],
    resets_s: Sequence[float],
    begin_s: float,
    windowed: bool,
) -> list[str]:
    """Return the enables, reset and arm; at power-up a first reset, from a saved state static enables.

    windowed: the enables stand on the nodes stop1 and stop2 of `_window`.
    """
    supply_V = circuit.condition.supply_V
    enable_s = standing_enable_s if circuit.standing_V else ENABLE_s
    later_s = enable_s + (0.25 - (HEAD_START_turns if circuit.standing_V else 0.0)) / circuit.f1_Hz
    low1, low2 = ("stop1", "stop2") if windowed else ("0", "0")
    if begin_s == 0:
        lines = [
            f"Ven1 en1 {low1} pulse(0.0 {number(supply_V)} {number(enable_s)} 20e-12 20e-12 1.0 2.0)",
            f"Ven2 en2 {low2} pulse(0.0 {number(supply_V)} {number(later_s)} 20e-12 20e-12 1.0 2.0)",
            f"Vpower_up reset reset_later pulse({number(supply_V)} 0.0 {number(RESET_s)} 20e-12 20e-12 1.0 2.0)",
        ]
    else:
        lines = [f"Ven{k} en{k} {low} {number(supply_V)}" for k, low in ((1, low1), (2, low2))]
        lines.append("Vpower_up reset reset_later 0.0")
    for name, node, times_s in (("Vreset", "reset_later", resets_s), ("Varm", "arm", arms_s)):
        shifted = [time_s - begin_s for time_s in times_s if time_s > begin_s]
        lines += pulse_sources(name, node, shifted, ARM_WIDTH_s, supply_V)
    return lines


def _window(circuit: Circuit, window: Window, begin_s: float) -> list[str]:
    """Return the window, `clear` and the loop's stops of the form ramp, and the pulse that forces a spike in the other.

    VCO1 and VCO2 start again at the window's end, VCO2 a quarter period later, less a head start: near lock.
    """
    supply_V, ramps = circuit.condition.supply_V, window.readout_Ohm is not None
    open_s = [window.armed_s - begin_s] if window.armed_s < inf else []
    closes_s = [window.closes_s - begin_s] if window.closes_s < inf else []
    length_s = window.closes_s - window.armed_s
    later_s = (0.25 - RESTART_HEAD_START_turns) / circuit.f1_Hz
    stops = [
        line
        for k, length in ((1, length_s), (2, length_s + later_s))
        for line in pulse_sources(f"Vstop{k}", f"stop{k}", open_s if ramps else [], length, -supply_V)
    ]
    return [
        *stops,
        *pulse_sources("Vwindow", "window", open_s, length_s, supply_V),
        *pulse_sources("Vclear", "clear", open_s if ramps else [], length_s, supply_V),
        *pulse_sources("Vclosing", "closing", [] if ramps else closes_s, ARM_WIDTH_s, supply_V),
    ]


def _synapse(circuit: Circuit, k: int, item: Input, begin_s: float) -> list[str]:
    times = sorted(time_s - begin_s for time_s in item.times_s)
    lines = pulse_sources(f"Vt{k}", f"t{k}", times, circuit.spike_width_s, circuit.condition.supply_V)
    codes = code_lines(item.code, circuit.weight_bits, "vdd_synapse")
    return [*lines, f"xw{k} t{k} {codes} ib1 wbp wbn vdd_synapse synapse"]


def _arms(circuit: Circuit, arm_s: float | Sequence[float] | None, begin_s: float) -> tuple[float, ...]:
    """Return the arming instants after the deck's begin; those before it lie in the state."""
    if arm_s is None and begin_s > 0:
        return ()
    times_s = (circuit.arming_s,) if arm_s is None else (arm_s,) if isinstance(arm_s, (int, float)) else tuple(arm_s)
    return tuple(sorted(time_s for time_s in times_s if time_s > begin_s))


def _check(circuit: Circuit, inputs: Sequence[Input], begin_s: float, end_s: float, start: State | None) -> None:
    if end_s <= begin_s:
        raise InputError(f"stop must be > {begin_s:g} s, where the deck begins, got {end_s:g} s")
    if start is not None and start.inputs != len(inputs):
        raise InputError(f"inputs must be {start.inputs}, as in the saved state, got {len(inputs)}")
    least_gap_s = circuit.spike_width_s + 2 * EDGE_s
    for k, item in enumerate(inputs):
        if abs(item.code) > circuit.largest_code:
            raise InputError(f"code of input {k} must be within ±{circuit.largest_code}, got {item.code}")
        times = sorted(item.times_s)
        if times and times[0] < begin_s:
            raise InputError(f"spike of input {k} must come after {begin_s:g} s, got {times[0]:g} s")
        for earlier, later in pairwise(times):
            if later - earlier < least_gap_s:
                raise InputError(f"spikes of input {k} must be >= {least_gap_s:g} s apart, got {later - earlier:g} s")
