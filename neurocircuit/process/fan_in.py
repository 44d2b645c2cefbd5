"""Fan-in: what idle synapses on VCO1's current node cost, in frequency (leakage) and in phase jumps (capacitance).

Jumps of sources and sinks, and of large and small codes, lose unlike. So a limit is that of the worst of CODES.

A tree raises it: the synapses sit on local nodes, each with a diode and a bias current like VCO1's own, and a mirror
takes what they add to VCO1's node (sources there act as sinks: signs are swapped). VCO1 then sees one small drain for
each branch instead of those of all synapses.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from neurocircuit.core.arrays import Bools, Floats
from neurocircuit.errors import InputError, SimulatorBadOutput
from neurocircuit.process.ring import check_ring
from neurocircuit.spec import Condition
from neurocircuit.spice.phases import rising_edges
from neurocircuit.spice.process import Installed
from neurocircuit.spice.transistor_deck import EDGE_s, code_lines, compose_bench, number, synapse_subcircuit
from neurocircuit.spice.transistor_run import simulate

BITS, SPIKE_s = 4, 1e-9
FULL_SCALE = 2**BITS - 1  # code of the largest weight
CODES = (FULL_SCALE, 4, -FULL_SCALE, -4)  # whose jumps a fan-in must keep
LARGEST_LOSS = 0.1  # of the frequency and of the jump, within which a fan-in counts as possible
ROUND, LARGEST = 4, 5000  # numbers of synapses that a round of the search measures; where it gives up
START_s = 0.5e-9  # of the rings, whose current nodes stand already
STANDING_s = 4e-6  # after so long an idle synapse draws what it always will
# Nominal periods after the start: spike, its effect, end of the run. Both rings have an edge after the last instant at
# which the lead is looked at, half a period before _AFTER + 2, as long as they lose less than a third of the frequency.
_SPIKE, _AFTER, _LAST = 9, 16, 19


@dataclass(frozen=True)
class FanIn:
    """By number of synapses [case]: frequency of VCO1 in Hz, and its jumps in rad [code, case].

    All synapses but one are idle. The first case is what losses are relative to. Where leakage has stopped the ring all
    are 0.
    """

    synapses: tuple[int, ...]
    codes: tuple[int, ...]
    f1_Hz: Floats
    jump_rad: Floats

    @property
    def frequency_loss(self) -> Floats:
        """Relative to the first case; [case]."""
        return np.asarray(1.0 - self.f1_Hz / self.f1_Hz[0])

    @property
    def jump_loss(self) -> Floats:
        """Relative to the first case; [code, case]."""
        return np.asarray(1.0 - self.jump_rad / self.jump_rad[:, :1])

    @property
    def within(self) -> Bools:
        """Return whether frequency and every jump stay within LARGEST_LOSS; [case]."""
        worst = np.abs(np.vstack([self.frequency_loss, self.jump_loss])).max(axis=0)
        return np.asarray(worst <= LARGEST_LOSS)


def measure(
    installed: Installed,
    condition: Condition,
    synapses: Sequence[int],
    *,
    as_copies: bool = True,
    branch: int = 0,
    codes: Sequence[int] = CODES,
    timeout_s: float = 300.0,
) -> FanIn:
    """Return VCO1 alone, for each number of synapses a ring at rest and one for each code, of which a synapse spikes.

    The jump is what a ring has gained on that at rest 7.5 periods of VCO1 after the spike began: the capacitance of
    many synapses slows the current node, and a jump that comes later than that counts as lost. Each ring has a weight
    reference of its own, as a neuron has: what loads its lines is its own synapses, and no number depends on which
    others stand beside it.

    as_copies: the idle ones as one synapse of that multiplicity; otherwise drawn one by one. branch: synapses on each
    local node of a tree; 0: no tree. codes: signed. Raise InputError for a tree drawn one by one, SimulatorBadOutput
    when a ring without idle synapses does not run.
    """
    if branch < 0 or (branch and not as_copies):
        raise InputError(f"branch must be 0, or >= 1 with copies, got {branch}")
    process = installed.process
    period_s = 1.0 / process.f1_Hz
    spike_s, stop_s = START_s + _SPIKE * period_s, START_s + _LAST * period_s
    body = _body(installed, condition, synapses, spike_s, as_copies, branch, (0, *codes))
    body += _initial(installed, condition, synapses, as_copies, branch, 1 + len(codes), timeout_s)
    saved = tuple(f"v(o{ring})" for ring in _rings(len(synapses), 1 + len(codes)))
    vectors = simulate(
        compose_bench(installed, condition, body, saved, stop_s=stop_s, title="fan-in"), timeout_s=timeout_s
    ).vectors
    edges = [rising_edges(vectors["time"], vectors[name], condition.supply_V / 2) for name in saved]
    cases = [edges[k : k + 1 + len(codes)] for k in range(0, len(edges), 1 + len(codes))]
    gained = np.array([[_jump(ring, rest, spike_s, period_s) for ring in rings] for rest, *rings in cases])
    return FanIn(tuple(synapses), tuple(codes), gained[:, 0, 0], gained[:, :, 1].T)


def search(measure_cases: Callable[[Sequence[int]], FanIn], reference: int) -> tuple[int, FanIn]:
    """Return the largest number of synapses within LARGEST_LOSS of a neuron with `reference` of them, and all cases.

    measure_cases: frequency and jumps by rising numbers, the first of which is the reference: `measure` at a condition.
    Each round measures ROUND numbers between the last within and the first beyond, until these are neighbours: so the
    limit depends on no interpolation. Raise SimulatorBadOutput where LARGEST or more still are within.
    """
    low, high = reference, 0
    numbers = [reference * 2**k for k in range(1, ROUND + 1)]
    cases: dict[int, tuple[float, Floats]] = {}
    codes: tuple[int, ...] = ()
    while not high or high - low > 1:
        measured = measure_cases((reference, *numbers))
        rows = zip(measured.synapses, measured.f1_Hz, measured.jump_rad.T, strict=True)
        cases |= {number: (float(f1_Hz), jumps_rad) for number, f1_Hz, jumps_rad in rows}
        codes = measured.codes
        beyond = np.flatnonzero(~measured.within[1:])
        first = int(beyond[0]) if len(beyond) else len(numbers)
        low = numbers[first - 1] if first else low
        high = numbers[first] if first < len(numbers) else high
        if not high and low >= LARGEST:
            raise SimulatorBadOutput(f"{low} idle synapses must cost more than {LARGEST_LOSS:.0%}, they do not")
        if high:
            numbers = sorted({round(number) for number in np.linspace(low, high, ROUND + 2)} - {low, high})
        else:
            numbers = [number * 2**ROUND for number in numbers]
    synapses = tuple(sorted(cases))
    f1_Hz, jump_rad = (np.array([cases[number][k] for number in synapses]) for k in range(2))
    return low, FanIn(synapses, codes, f1_Hz, jump_rad.T)


def _rings(cases: int, rings: int) -> list[str]:
    """Return the names of all rings, the one at rest first of each case."""
    return [f"{k}_{ring}" for k in range(cases) for ring in range(rings)]


def _initial(
    installed: Installed,
    condition: Condition,
    synapses: Sequence[int],
    as_copies: bool,
    branch: int,
    rings: int,
    timeout_s: float,
) -> str:
    """Initial values: all nodes of `_body` that would take longer than the run to settle stand from the beginning.

    From a run of microseconds without rings, in which a diode of their size carries VCO1's current: what the idle
    synapses leave of it sets the current node, by as much in the ring.
    """
    process, high = installed.process, number(condition.supply_V)
    ring_V = check_ring(installed, condition, timeout_s=timeout_s).bias_V
    lines = [f"Vdd vdd 0 {high}", f".ic v(vdd)={high}", synapse_subcircuit(1)]
    for k, count in enumerate((0, *synapses)):
        lines += [f"I{k} vdd ib{k} {number(process.nominal.vco1_A)}", f".ic v(ib{k})={number(ring_V)}"]
        lines += [f"xdiode{k} ib{k} ib{k} 0 0 nmos w={{w_diode}} l={{l_diode}}"]
        branches = _branches(count, branch)
        lines += _tree(f"{k}", f"y{k}", branches, process.nominal.vco1_A)
        if count:  # the bit 0 as often as a synapse has units; a reference of their own, whose lines their gates load
            lines += [f"Iw{k} vdd wbn{k} {number(process.nominal.weight_A)}"]
            lines += [f"xref{k} wbn{k} wbp{k} vdd weight_reference"]
            node, copies = (f"y{k}", branches * min(branch, count)) if branches else (f"ib{k}", count)
            lines += [f"xi{k} 0 0 0 {node} wbp{k} wbn{k} vdd synapse copies={copies * FULL_SCALE}"]
    inner = [f"v(xi{k}.x0.{node})" for k in range(1, len(synapses) + 1) for node in ("sp", "sn")]
    local = [f"v(y{k})" for k in range(1, len(synapses) + 1)] if branch else []
    bias_lines = [f"v({line}{k})" for k in range(1, len(synapses) + 1) for line in ("wbn", "wbp")]
    saved = (*bias_lines, *(f"v(ib{k})" for k in range(len(synapses) + 1)), *inner, *local)
    deck = compose_bench(
        installed,
        condition,
        "\n".join(lines),
        saved,
        stop_s=STANDING_s,
        max_step_s=STANDING_s / 2000,
        title="standing",
    )
    vectors = simulate(deck, timeout_s=timeout_s).vectors
    volts = {name: float(vectors[name][-1]) for name in saved}
    conditions = []
    for k, count in enumerate(synapses):
        nodes: dict[str, float] = {}
        within = {node: volts[f"v(xi{k + 1}.x0.{node})"] for node in ("sp", "sn")}
        within |= {"gp": condition.supply_V, "gm": condition.supply_V}
        for ring in (f"{k}_{n}" for n in range(rings)):
            nodes |= {f"{line}{ring}": volts[f"v({line}{k + 1})"] for line in ("wbn", "wbp")}
            nodes[f"ib{ring}"] = ring_V + volts[f"v(ib{k + 1})"] - volts["v(ib0)"]
            if branch:
                local_nodes = [f"x{ring}", f"y{ring}"][: _branches(count, branch)]
                nodes |= dict.fromkeys(local_nodes, volts[f"v(y{k + 1})"])
            idle = min(branch or count, count) - 1
            calls = [f"xw{ring}", *(f"xi{ring}_{n}" for n in range(min(idle, 1 if as_copies else idle)))]
            calls += [f"xo{ring}"] * (_branches(count, branch) > 1)
            nodes |= {
                f"{call}.x{bit}.{node}": value
                for call in calls
                for bit in range(BITS)
                for node, value in within.items()
            }
        conditions += [f".ic v({node})={number(value)}" for node, value in nodes.items()]
    return "\n" + "\n".join(conditions)


def _branches(count: int, branch: int) -> int:
    """Return the branches of a tree for so many synapses; 0 without one."""
    return -(-count // branch) if branch else 0


def _tree(ring: str, node: str, branches: int, bias_A: float) -> list[str]:
    """So many equal branches as one: local node with diode, mirror from the ring's node, and the bias that it takes."""
    size = f"w={{w_diode}} l={{l_diode}} mult={branches}"
    return (
        [
            f"Il{node} vdd {node} {number(branches * bias_A)}",
            f"xl{node} {node} {node} 0 0 nmos {size}",
            f"xm{node} ib{ring} {node} 0 0 nmos {size}",
            f"Im{node} vdd ib{ring} {number(branches * bias_A)}",
        ]
        if branches
        else []
    )


def _body(
    installed: Installed,
    condition: Condition,
    synapses: Sequence[int],
    spike_s: float,
    as_copies: bool,
    branch: int,
    codes: Sequence[int],
) -> str:
    """Return for each number of synapses a ring for each code; 0: one at rest."""
    process, high = installed.process, number(condition.supply_V)
    edges = f"{number(EDGE_s)} {number(EDGE_s)}"
    idle = code_lines(0, BITS, "vdd")
    lines = [
        f"Vdd vdd 0 {high}",
        f".ic v(vdd)={high}",
        f"Ven en 0 pulse(0.0 {high} {number(START_s)} 2e-11 2e-11 1.0 2.0)",
        f"Vt t 0 pulse(0.0 {high} {number(spike_s)} {edges} {number(SPIKE_s)} 1.0 2.0)",
        synapse_subcircuit(BITS),
    ]
    for k, count in enumerate(synapses):
        branches = _branches(count, branch)
        local_synapses = min(branch or count, count)
        calls = [f" copies={local_synapses - 1}"] if as_copies else [""] * (count - 1)
        for ring, code in ((f"{k}_{n}", code) for n, code in enumerate(codes)):
            spike, spiking, bank = "t" if code else "0", code_lines(code, BITS, "vdd"), f"wbp{ring} wbn{ring} vdd"
            lines += [f"Iw{ring} vdd wbn{ring} {number(process.nominal.weight_A)}"]
            lines += [f"xref{ring} wbn{ring} wbp{ring} vdd weight_reference"]
            lines += [f"I{ring} vdd ib{ring} {number(process.nominal.vco1_A)}"]
            lines += [f"xring{ring} ib{ring} en o{ring} vdd ring_cco"]
            node = f"x{ring}" if branches else f"ib{ring}"
            lines += _tree(ring, f"x{ring}", min(branches, 1), process.nominal.vco1_A)
            lines += _tree(ring, f"y{ring}", max(branches - 1, 0), process.nominal.vco1_A)
            if branches > 1:
                others = f"copies={(branches - 1) * local_synapses}"
                lines += [f"xo{ring} 0 {idle} y{ring} {bank} synapse {others}"]
            lines += [f"xw{ring} {spike} {spiking} {node} {bank} synapse"]
            if local_synapses > 1:
                lines += [f"xi{ring}_{n} 0 {idle} {node} {bank} synapse{c}" for n, c in enumerate(calls)]
    return "\n".join(lines)


def _jump(spiked_s: Floats, rest_s: Floats, spike_s: float, period_s: float) -> tuple[float, float]:
    """Frequency at rest in Hz, and the phase in rad that the ring with the spike has gained from its edges' times."""
    late_s = rest_s[rest_s > spike_s]
    if len(late_s) < 3 or len(spiked_s) < 3:
        return 0.0, 0.0

    def lead(begin_s: float) -> float:
        """Return the turns by which the spiked ring leads, over two nominal periods from begin_s."""
        time_s = np.linspace(begin_s, begin_s + 2 * period_s, 200)
        turns = [np.interp(time_s, edges, np.arange(len(edges))) for edges in (spiked_s, rest_s)]
        return float(np.mean(turns[0] - turns[1]))

    gained = lead(START_s + (_AFTER - 0.5) * period_s) - lead(spike_s - 2.5 * period_s)
    return float((len(late_s) - 1) / (late_s[-1] - late_s[0])), 2 * np.pi * gained
