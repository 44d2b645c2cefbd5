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
# Two spikes into one VCO1: together, and LAG_s apart; the kinds are those of Circuit.crowding_width_s.
LAG_s = 0.6e-9
TOGETHER, APART = ((7, 7), (-8, -8), (12, -12)), ((7, 7), (-8, -8), (9, -10), (-10, 9))
KINDS = ("sources", "sinks", "sink_later", "source_later")
# Odd, so that the five stages' part of the dependence is no multiple of the sampling; of a middle code of both signs.
PHASES, MIDDLE = 9, 8
NARROWEST_s, WIDEST_s = 0.1e-9, 5e-9  # a width from one lag is no better than that
BEFORE_PERIODS, SETTLE_PERIODS, READ_PERIODS = 4.0, 5.0, 2.0  # before the spike; after it; in which the phase is read


def measure(context: Context) -> Measured:
    """Jump of codes 1 … 2^b - 1 as source and as sink: phase against a VCO1 of the same kind that gets no spike."""
    began, bench, trim = cpu_s(), Bench(context.installed, context.condition), trimmed(context)
    codes = np.arange(1, 2**BITS)
    singles = [((k, 0.0),) for k in (*codes.tolist(), *(-codes).tolist())]
    pairs = [((a, 0.0), (b, 0.0)) for a, b in TOGETHER] + [((a, 0.0), (b, LAG_s)) for a, b in APART]
    # The later spike of a pair also alone, since it meets VCO1 at another phase.
    seconds = [((b, LAG_s),) for _, b in APART]
    turned = [((sign * MIDDLE, k / PHASES / trim.f1_Hz),) for sign in (1, -1) for k in range(1, PHASES)]
    plan = _Plan((((0, 0.0),), *singles, *pairs, *seconds, *turned), 1.0 / trim.f1_Hz)
    found = bench.run(_body(bench, plan, trim.bias.vco1_A, trim.bias.weight_A), plan.saved, plan.stop_s, STEP_s)
    edge_s = [waves.edges(found["time"], found[name], bench.supply_V / 2) for name in plan.saved]
    time_s = np.linspace(START_s + 2 * plan.period_s, plan.stop_s - 1.2 * plan.period_s, 200)
    phase = np.stack([moved_rad(edge, edge_s[0], time_s) for edge in edge_s[1:]])
    read = time_s > plan.spike_s + SETTLE_PERIODS * plan.period_s
    before = (time_s > plan.spike_s - 2 * plan.period_s) & (time_s < plan.spike_s - plan.period_s)
    phase -= phase[:, before].mean(axis=1, keepdims=True)
    jumps = phase[:, read].mean(axis=1)
    parts = np.split(jumps, np.cumsum([len(codes), len(codes), len(pairs), len(seconds)]))
    plus, minus, together, second = parts[0], -parts[1], parts[2], parts[3]
    if not min(plus.min(), minus.min()) > 0:
        raise SimulatorBadOutput("every synapse code must move VCO1 by its sign, got one that does not")
    crowded = crowding(together, plus, minus, second)
    over = np.abs(parts[4].reshape(2, PHASES - 1))
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
    """The spikes into each ring, code and lag in s, the reference's first; and when what happens."""

    spikes: tuple[tuple[tuple[int, float], ...], ...]
    period_s: float

    @property
    def spike_s(self) -> float:
        return START_s + BEFORE_PERIODS * self.period_s

    @property
    def stop_s(self) -> float:
        return self.spike_s + (SETTLE_PERIODS + READ_PERIODS + 1.2) * self.period_s

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


def crowding(pair_rad: Floats, plus_rad: Floats, minus_rad: Floats, second_rad: Floats) -> tuple[Quantity, ...]:
    """What pairs lose of the sum of their jumps over the product, and the lags at which that has gone.

    pair_rad: jumps of TOGETHER and APART; plus_rad, minus_rad: of single codes, magnitudes [code]; second_rad: of the
    later codes of APART alone, at their time.
    """

    def alone(code: int) -> float:
        return float(plus_rad[code - 1] if code > 0 else -minus_rad[-code - 1])

    firsts = [alone(a) for a, _ in (*TOGETHER, *APART)]
    others = [*(alone(b) for _, b in TOGETHER), *second_rad.tolist()]
    lost = [(a + b - float(pair)) / (a * b) for a, b, pair in zip(firsts, others, pair_rad, strict=True)]
    sources, sinks, mixed = lost[:3]
    widths = [
        float(np.clip(LAG_s / max(1 - later / at_once, 1e-3), NARROWEST_s, WIDEST_s))
        for at_once, later in zip((sources, sinks, mixed, mixed), lost[3:], strict=True)
    ]
    return (
        Quantity("crowding", "Two coincident spikes lose of their sum, over the product: two sources, source and sink",
                 (sources + mixed) / 2, "1/rad"),
        Quantity("crowding_sinks", "The same of two sinks", sinks, "1/rad"),
        *(Quantity(f"width_{name}", f"Lag at which that has gone: {name.replace('_', ' ')}", width, "s")
          for name, width in zip(KINDS, widths, strict=True)),
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
    for k, lag_s in enumerate((0.0, LAG_s)):
        lines += pulse_sources(f"Vt{k}", f"t{k}", [plan.spike_s + lag_s], SPIKE_WIDTH_s, bench.supply_V)
    for k, spikes in enumerate(plan.spikes):
        nodes = {f"wbn{k}": wbn, f"wbp{k}": wbp, f"ib{k}": vco1_V}
        names = [f"xw{k}_{n}" for n in range(len(spikes))]
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
                f"{name} t{int(lag_s > 0)} {code_lines(code, BITS, 'vdd')} ib{k} wbp{k} wbn{k} vdd synapse"
                for name, (code, lag_s) in zip(names, spikes, strict=True)
            ),
            *(f".ic v({node})={number(value)}" for node, value in nodes.items()),
        ]
    return "\n".join(lines)
