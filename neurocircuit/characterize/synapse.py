"""The signed synapse on a free VCO1: phase jump of every code of both signs, INL and DNL.

Every code has a VCO1, a reference and a rested synapse of its own, side by side in one run: between two spikes the
nodes behind the switches come back over microseconds only, so that a second spike on a synapse says less than a first.

A jump depends on VCO1's phase at the spike: the stages switch one after the other, and each hears the current at its
own time. Spikes come at any phase, so the jumps are means over it: all codes at one phase, a middle one at PHASES.
"""

from dataclasses import dataclass

import numpy as np

from neurocircuit.characterize import waves
from neurocircuit.characterize.bench import Bench, START_s, cpu_s
from neurocircuit.characterize.context import Context
from neurocircuit.characterize.converter import Linearity, linearity
from neurocircuit.characterize.result import Measured, Quantity
from neurocircuit.characterize.stored import trimmed
from neurocircuit.errors import SimulatorBadOutput
from neurocircuit.record import Floats
from neurocircuit.spec import Circuit
from neurocircuit.spice.transistor_deck import code_lines, number, pulse_sources, synapse_subcircuit

BITS = Circuit.model_fields["weight_bits"].default
SPIKE_WIDTH_s = Circuit.model_fields["spike_width_s"].default
STEP_s = 1e-11  # both oscillators of a difference make the same numerical error
NARROWEST_s, WIDEST_s = 0.5e-9, 5e-9  # of a spike with its tail
TOGETHER = ((7, 7), (-8, -8), (12, -12))  # two spikes into one VCO1: sources, sinks, one of each
# Odd, so that the five stages' part of the dependence is no multiple of the sampling; of a middle code of both signs.
PHASES, MIDDLE = 9, 8
BEFORE_PERIODS, SETTLE_PERIODS, READ_PERIODS = 4.0, 5.0, 2.0  # before the spike; after it; in which the phase is read


def measure(context: Context) -> Measured:
    """Jump of codes 1 … 2^b - 1 as source and as sink: phase against a VCO1 of the same kind that gets no spike."""
    began, bench, trim = cpu_s(), Bench(context.installed, context.condition), trimmed(context)
    codes = np.arange(1, 2**BITS)
    singles = [((k,), 0) for k in (*codes.tolist(), *(-codes).tolist())]
    pairs = [(pair, 0) for pair in TOGETHER]
    turned = [((sign * MIDDLE,), turn) for sign in (1, -1) for turn in range(1, PHASES)]
    plan = _Plan((((0,), 0), *singles, *pairs, *turned), 1.0 / trim.f1_Hz)
    found = bench.run(_body(bench, plan, trim.bias.vco1_A, trim.bias.weight_A), plan.saved, plan.stop_s, STEP_s)
    edge_s = [waves.edges(found["time"], found[name], bench.supply_V / 2) for name in plan.saved]
    time_s = np.linspace(START_s + 2 * plan.period_s, plan.stop_s - 1.2 * plan.period_s, 200)
    phase = np.stack([moved_rad(edge, edge_s[0], time_s) for edge in edge_s[1:]])
    since = time_s - plan.spike_s - SETTLE_PERIODS * plan.period_s
    read = (since > 0) & (since < READ_PERIODS * plan.period_s)
    before = (time_s > plan.spike_s - 2 * plan.period_s) & (time_s < plan.spike_s - plan.period_s)
    phase -= phase[:, before].mean(axis=1, keepdims=True)
    late_s = np.array([turn for _, turn in plan.spikes[1:]]) * plan.period_s / PHASES
    own = (since > late_s[:, None]) & (since < late_s[:, None] + READ_PERIODS * plan.period_s)
    jumps = np.array([row[mask].mean() for row, mask in zip(phase, own, strict=True)])
    parts = np.split(jumps, np.cumsum([len(codes), len(codes), len(pairs)]))
    plus, minus, together = parts[0], -parts[1], parts[2]
    if not min(plus.min(), minus.min()) > 0:
        raise SimulatorBadOutput("every synapse code must move VCO1 by its sign, got one that does not")
    cco = context.done["cco"]
    crowded = crowding(together, plus, minus, cco.value("curvature") / (cco.value("gain") * cco.value("current")))
    over = np.abs(parts[3].reshape(2, PHASES - 1))
    (plus, spread), (minus, spread_minus) = (
        over_phase(values, others) for values, others in zip((plus, minus), over, strict=True)
    )
    up, down = (linearity(codes, values) for values in (plus, minus))
    late = np.polyfit(time_s[read], phase[len(codes) - 1, read], 1)[0] / jumps[len(codes) - 1]
    return Measured(
        quantities=(
            *_quantities("excitatory", up, plus),
            *_quantities("inhibitory", down, minus),
            Quantity("sign_match", "LSB of the sinks over that of the sources", down.lsb_rad / up.lsb_rad, ""),
            Quantity("phase_spread", f"Code {MIDDLE} over VCO1's phase: standard deviation, excitatory", spread, ""),
            Quantity("phase_spread_inhibitory", "The same, inhibitory", spread_minus, ""),
            *crowded,
            Quantity("tail", "Relative growth of the full-scale jump, 5 … 7 periods after the spike",
                     float(late), "1/s"),
        ),
        curves={
            "jumps": {"code": codes.astype(float), "excitatory_rad": plus, "inhibitory_rad": minus,
                      "excitatory_inl": up.inl, "excitatory_dnl": up.dnl, "inhibitory_inl": down.inl,
                      "inhibitory_dnl": down.dnl},
            "course": {"time_s": time_s - plan.spike_s, "excitatory_rad": phase[len(codes) - 1],
                       "inhibitory_rad": phase[2 * len(codes) - 1]},
        },
        cpu_s=cpu_s() - began,
    )  # fmt: skip


@dataclass(frozen=True)
class _Plan:
    """The spikes into each ring, codes and lag (periods over PHASES), the reference's first; and when what happens."""

    spikes: tuple[tuple[tuple[int, ...], int], ...]
    period_s: float

    @property
    def spike_s(self) -> float:
        return START_s + BEFORE_PERIODS * self.period_s

    @property
    def stop_s(self) -> float:
        return self.spike_s + (SETTLE_PERIODS + READ_PERIODS + 2.2) * self.period_s

    @property
    def saved(self) -> tuple[str, ...]:
        return tuple(f"v(o{k})" for k in range(len(self.spikes)))


def moved_rad(edge_s: Floats, reference_s: Floats, at_s: Floats) -> Floats:
    """Phase of an oscillator over its undisturbed twin at given times, from the rising edges of both, rad; [time]."""
    return np.asarray(waves.phase_rad(edge_s, at_s) - waves.phase_rad(reference_s, at_s))


def over_phase(jump_rad: Floats, middle_rad: Floats) -> tuple[Floats, float]:
    """Jumps [code] as means over VCO1's phase, and the relative standard deviation over it.

    jump_rad: at one phase; middle_rad: of code MIDDLE at the other PHASES - 1, evenly over a turn [phase].
    """
    at_all = np.append(middle_rad, jump_rad[MIDDLE - 1])
    return np.asarray(jump_rad * at_all.mean() / jump_rad[MIDDLE - 1]), float(at_all.std() / at_all.mean())


def crowding(pair_rad: Floats, plus_rad: Floats, minus_rad: Floats, curvature_s: float) -> tuple[Quantity, ...]:
    """What pairs lose of the sum of their jumps over the product, and the lag at which that has gone.

    pair_rad: jumps of TOGETHER; plus_rad, minus_rad: of single codes, magnitudes [code]. curvature_s: of the tuning
    curve, (d²f/dI²)/(df/dI)², s. Whatever the course of the currents, f = k I + q I² loses -2q/(2π k²) of the product
    of two jumps when their lag is integrated over: the area under the triangle that falls to 0 at the width. A pair at
    one lag would say less: its second spike meets VCO1 at another phase.
    """

    def alone(code: int) -> float:
        return float(plus_rad[code - 1] if code > 0 else -minus_rad[-code - 1])

    lost = [
        (alone(a) + alone(b) - float(pair)) / (alone(a) * alone(b))
        for (a, b), pair in zip(TOGETHER, pair_rad, strict=True)
    ]
    mean, area_s = float(np.mean(lost)), -curvature_s / (2 * np.pi)
    width_s = float(np.clip(area_s / mean, NARROWEST_s, WIDEST_s)) if mean > 0 else WIDEST_s
    return (
        Quantity("crowding", "Two coincident spikes lose of their sum, over the product, mean", mean, "1/rad"),
        *(Quantity(f"crowding_{name}", f"of {name.replace('_', ' ')}", value, "1/rad")
          for name, value in zip(("two_sources", "two_sinks", "both"), lost, strict=True)),
        Quantity("crowding_width", "Lag at which that has gone, by VCO1's curvature", width_s, "s"),
    )  # fmt: skip


def _quantities(sign: str, found: Linearity, jump_rad: Floats) -> tuple[Quantity, ...]:
    return (
        Quantity(f"{sign}_lsb", f"Phase jump of one LSB, {sign}", found.lsb_rad, "rad"),
        Quantity(f"{sign}_full", f"Phase jump at full scale, {sign}", float(jump_rad[-1]), "rad"),
        Quantity(f"{sign}_inl", f"INL, largest, {sign}", found.worst_inl, "LSB"),
        Quantity(f"{sign}_dnl", f"DNL, largest, {sign}", found.worst_dnl, "LSB"),
    )


def _body(bench: Bench, plan: _Plan, vco1_A: float, weight_A: float) -> str:
    vco1_V = float(bench.rings([vco1_A]).bias_V[0])
    wbn, wbp, source, sink = bench.standing(weight_A, vco1_V)
    lines = [bench.enable(), synapse_subcircuit(BITS)]
    for turn in range(PHASES):
        at_s = plan.spike_s + turn * plan.period_s / PHASES
        lines += pulse_sources(f"Vt{turn}", f"t{turn}", [at_s], SPIKE_WIDTH_s, bench.supply_V)
    for k, (codes, turn) in enumerate(plan.spikes):
        nodes = {f"wbn{k}": wbn, f"wbp{k}": wbp, f"ib{k}": vco1_V}
        names = [f"xw{k}_{n}" for n in range(len(codes))]
        for name in names:
            for bit in range(BITS):
                inside, high = f"{name}.x{bit}.", bench.supply_V
                nodes |= {inside + "sp": source, inside + "sn": sink, inside + "gp": high, inside + "gm": high}
        lines += [
            f"I{k} vdd ib{k} {number(vco1_A)}",
            f"Iw{k} vdd wbn{k} {number(weight_A)}",
            f"xref{k} wbn{k} wbp{k} vdd weight_reference",
            f"xring{k} ib{k} en o{k} vdd ring_cco",
            *(
                f"{name} t{turn} {code_lines(code, BITS, 'vdd')} ib{k} wbp{k} wbn{k} vdd synapse"
                for name, code in zip(names, codes, strict=True)
            ),
            *(f".ic v({node})={number(value)}" for node, value in nodes.items()),
        ]
    return "\n".join(lines)
