"""The signed synapse on a free VCO1: phase jump of every code of both signs, INL and DNL.

Every code has a VCO1, a reference and a rested synapse of its own, side by side in one run: between two spikes the
nodes behind the switches come back over microseconds only, so that a second spike on a synapse says less than a first.
Beside it stand the idle synapses of a neuron, as one cell of their size: without them VCO1's node is faster and the
bias lines are softer (generic65: jumps up to 3 % less and three times the dependence on VCO1's phase).

A jump depends on VCO1's phase at the spike: the stages switch one after the other, and each hears the current at its
own time. Spikes come at any phase, so the jumps are means over it: all codes at one phase, a middle one at PHASES.
The same spikes one by one are what pairs of spikes are compared with (spike_pairs.py).
"""

from dataclasses import dataclass

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.errors import SimulatorBadOutput
from neurocircuit.process import spike_pairs, waveforms
from neurocircuit.process.bench import Bench, START_s, cpu_s
from neurocircuit.process.context import Context
from neurocircuit.process.converter import Linearity, linearity
from neurocircuit.process.stored import trimmed
from neurocircuit.results.measurement import Measured, Quantity
from neurocircuit.spec import Circuit
from neurocircuit.spice.transistor_deck import code_lines, number, pulse_sources, synapse_subcircuit

BITS = Circuit.model_fields["weight_bits"].default
SPIKE_WIDTH_s = Circuit.model_fields["spike_width_s"].default
STEP_s = 1e-11  # both oscillators of a difference make the same numerical error
# Odd, so that the five stages' part of the dependence is no multiple of the sampling; of a middle code of both signs.
PHASES, MIDDLE = 9, 8
BEFORE_PERIODS, SETTLE_PERIODS, READ_PERIODS = 4.0, 5.0, 2.0  # before the spike; after it; in which the phase is read


def measure(context: Context) -> Measured:
    """Jump of codes 1 … 2^b - 1 as source and as sink: phase against a VCO1 of the same kind that gets no spike."""
    began, bench, trim = cpu_s(), Bench(context.installed, context.condition), trimmed(context)
    codes = np.arange(1, 2**BITS)
    singles = [((k, 0),) for k in (*codes.tolist(), *(-codes).tolist())]
    turned = [((sign * MIDDLE, turn),) for sign in (1, -1) for turn in range(1, PHASES)]
    plan = _Plan((((0, 0),), *singles, *turned, *spike_pairs.rings(MIDDLE)), 1.0 / trim.f1_Hz)
    vectors = bench.run(_body(bench, plan, trim.bias.vco1_A, trim.bias.weight_A), plan.saved, plan.stop_s, STEP_s)
    edge_s = [waveforms.edges(vectors["time"], vectors[name], bench.supply_V / 2) for name in plan.saved]
    time_s = np.linspace(START_s + 2 * plan.period_s, plan.stop_s - 1.2 * plan.period_s, 200)
    phase = np.stack([moved_rad(edge, edge_s[0], time_s) for edge in edge_s[1:]])
    since = time_s - plan.spike_s - SETTLE_PERIODS * plan.period_s
    before = (time_s > plan.spike_s - 2 * plan.period_s) & (time_s < plan.spike_s - plan.period_s)
    phase -= phase[:, before].mean(axis=1, keepdims=True)
    last_s = np.array([spikes[-1][1] for spikes in plan.spikes[1:]]) * plan.period_s / PHASES
    read_window = (since > last_s[:, None]) & (since < last_s[:, None] + READ_PERIODS * plan.period_s)
    jumps = np.array([row[mask].mean() for row, mask in zip(phase, read_window, strict=True)])
    first, second, over, together = np.split(jumps, np.cumsum([len(codes), len(codes), 2 * (PHASES - 1)]))
    plus, minus = first, -second
    if not min(plus.min(), minus.min()) > 0:
        raise SimulatorBadOutput("every synapse code must move VCO1 by its sign, got one that does not")
    at_phase = np.column_stack([[plus[MIDDLE - 1], -minus[MIDDLE - 1]], over.reshape(2, PHASES - 1)])
    overlap = spike_pairs.overlap(together, at_phase, plan.period_s / PHASES)
    (plus, spread), (minus, spread_minus) = (
        over_phase(values, np.abs(row[1:])) for values, row in zip((plus, minus), at_phase, strict=True)
    )
    up, down = (linearity(codes, values) for values in (plus, minus))
    read = read_window[0]
    late = np.polyfit(time_s[read], phase[len(codes) - 1, read], 1)[0] / jumps[len(codes) - 1]
    return Measured(
        quantities=(
            *_quantities("excitatory", up, plus),
            *_quantities("inhibitory", down, minus),
            Quantity("sign_match", "LSB of the sinks over that of the sources", down.lsb_rad / up.lsb_rad, ""),
            Quantity("phase_spread", f"Code {MIDDLE} over VCO1's phase: standard deviation, excitatory", spread, ""),
            Quantity("phase_spread_inhibitory", "The same, inhibitory", spread_minus, ""),
            *overlap,
            Quantity(
                "tail", "Relative growth of the full-scale jump, 5 … 7 periods after the spike", float(late), "1/s"
            ),
        ),
        curves={
            "jumps": {
                "code": codes.astype(float),
                "excitatory_rad": plus,
                "inhibitory_rad": minus,
                "excitatory_inl": up.inl,
                "excitatory_dnl": up.dnl,
                "inhibitory_inl": down.inl,
                "inhibitory_dnl": down.dnl,
            },
            "course": {
                "time_s": time_s - plan.spike_s,
                "excitatory_rad": phase[len(codes) - 1],
                "inhibitory_rad": phase[2 * len(codes) - 1],
            },
        },
        cpu_s=cpu_s() - began,
    )


@dataclass(frozen=True)
class _Plan:
    """The spikes into each ring, code and turn (periods over PHASES) of each, the reference's first; and when."""

    spikes: tuple[tuple[tuple[int, int], ...], ...]
    period_s: float

    @property
    def turns(self) -> tuple[int, ...]:
        return tuple(sorted({turn for spikes in self.spikes for _, turn in spikes}))

    @property
    def spike_s(self) -> float:
        return START_s + BEFORE_PERIODS * self.period_s

    @property
    def stop_s(self) -> float:
        return self.spike_s + (SETTLE_PERIODS + READ_PERIODS + 1.3 + self.turns[-1] / PHASES) * self.period_s

    @property
    def saved(self) -> tuple[str, ...]:
        return tuple(f"v(o{k})" for k in range(len(self.spikes)))


def moved_rad(edge_s: Floats, reference_s: Floats, at_s: Floats) -> Floats:
    """Phase of an oscillator over its undisturbed twin at given times, from the rising edges of both, rad; [time]."""
    return np.asarray(waveforms.phase_rad(edge_s, at_s) - waveforms.phase_rad(reference_s, at_s))


def over_phase(jump_rad: Floats, middle_rad: Floats) -> tuple[Floats, float]:
    """Return the jumps [code] as means over VCO1's phase, and the relative standard deviation over it.

    jump_rad: at one phase; middle_rad: of code MIDDLE at the other PHASES - 1, evenly over a turn [phase].
    """
    at_all = np.append(middle_rad, jump_rad[MIDDLE - 1])
    return np.asarray(jump_rad * at_all.mean() / jump_rad[MIDDLE - 1]), float(at_all.std() / at_all.mean())


def _quantities(sign: str, linearity: Linearity, jump_rad: Floats) -> tuple[Quantity, ...]:
    return (
        Quantity(f"{sign}_lsb", f"Phase jump of one LSB, {sign}", linearity.lsb_rad, "rad"),
        Quantity(f"{sign}_full", f"Phase jump at full scale, {sign}", float(jump_rad[-1]), "rad"),
        Quantity(f"{sign}_inl", f"INL, largest, {sign}", linearity.worst_inl, "LSB"),
        Quantity(f"{sign}_dnl", f"DNL, largest, {sign}", linearity.worst_dnl, "LSB"),
    )


def _body(bench: Bench, plan: _Plan, vco1_A: float, weight_A: float) -> str:
    vco1_V = float(bench.rings([vco1_A]).bias_V[0])
    wbn, wbp, source, sink = bench.standing(weight_A, vco1_V)
    lines = [bench.enable(), synapse_subcircuit(BITS)]
    for turn in plan.turns:
        at_s = plan.spike_s + turn * plan.period_s / PHASES
        lines += pulse_sources(f"Vt{turn}", f"t{turn}", [at_s], SPIKE_WIDTH_s, bench.supply_V)
    for k, spikes in enumerate(plan.spikes):
        nodes = {f"wbn{k}": wbn, f"wbp{k}": wbp, f"ib{k}": vco1_V}
        names = [f"xw{k}_{n}" for n in range(len(spikes))]
        inside_of = [f"{name}.x{bit}." for name in names for bit in range(BITS)]
        idle: list[str] = []
        if copies := bench.installed.process.synapses - len(spikes):
            size = f"units={2**BITS - 1} drive={2 ** (BITS - 1)} copies={copies}"
            idle = [f"xidle{k} 0 0 0 ib{k} wbp{k} wbn{k} vdd synapse_bit", f"+ {size}"]
            inside_of.append(f"xidle{k}.")
        for inside in inside_of:
            high = bench.supply_V
            nodes |= {inside + "sp": source, inside + "sn": sink, inside + "gp": high, inside + "gm": high}
        lines += [
            f"I{k} vdd ib{k} {number(vco1_A)}",
            f"Iw{k} vdd wbn{k} {number(weight_A)}",
            f"xref{k} wbn{k} wbp{k} vdd weight_reference",
            f"xring{k} ib{k} en o{k} vdd ring_cco",
            *(
                f"{name} t{turn} {code_lines(code, BITS, 'vdd')} ib{k} wbp{k} wbn{k} vdd synapse"
                for name, (code, turn) in zip(names, spikes, strict=True)
            ),
            *idle,
            *(f".ic v({node})={number(value)}" for node, value in nodes.items()),
        ]
    return "\n".join(lines)
