"""The ring under an assumed current noise on its bias: the phase it walks, against the analytic random walk.

The noise is put in by hand and is not that of the devices, which phase_noise.py measures.
"""

import numpy as np

from neurocircuit.core.arrays import Floats
from neurocircuit.process import waveforms
from neurocircuit.process.bench import SKIPPED_PERIODS, Bench, START_s, cpu_s
from neurocircuit.process.context import Context
from neurocircuit.process.diffusion import analytic_diffusion, diffusion, noise_current_A, walked_phase_rad
from neurocircuit.process.stored import trimmed
from neurocircuit.results.measurement import Measured, Quantity
from neurocircuit.spice.transistor_deck import number

RINGS = 20
PERIODS = 30  # that are looked at
LAG = 6  # edges between increments: several corners of the noise
ASSUMED_rad2_per_s = 0.034**2 / 20e-9  # assumed: what costs 5 % of the spike time of the embedded circuit
# One corner a period, hundreds of time steps: one that ngspice steps over (netlists/README.md, traps) costs little, as
# `lost` tells. Faster noise folds down from the ring's harmonics: drawn every 20 ps it made the walk 1.2 times as wide.
CORNERS_PER_PERIOD = 1.0
VOLT_PER_AMPERE = 1e6  # the noise is drawn as a voltage, so that what the simulator made of it can be saved


def measure(context: Context) -> Measured:
    """Diffusion of seeded noisy rings against 2π k: in the mean, and ring by ring against the walk that was drawn."""
    began, bench = cpu_s(), Bench(context.installed, context.condition)
    gain = context.done["cco"].value("gain")
    density = ASSUMED_rad2_per_s / (2 * np.pi * gain) ** 2
    rng = np.random.default_rng([context.request.seed, 1])
    stop_s = START_s + (SKIPPED_PERIODS + PERIODS + 3) * 1.1 / trimmed(context).f1_Hz
    step_s = 1.0 / (CORNERS_PER_PERIOD * trimmed(context).f1_Hz)
    corner_s = np.arange(0.0, stop_s + step_s, step_s)
    drawn_A = np.stack([noise_current_A(rng, len(corner_s), density, step_s) for _ in range(RINGS)])
    vectors = bench.run(_body(bench, trimmed(context).bias.vco1_A, corner_s, drawn_A), _saved(), stop_s)
    clean_s = waveforms.edges(vectors["time"], vectors["v(o)"], bench.supply_V / 2)[SKIPPED_PERIODS:][: PERIODS + 1]
    noisy_s = np.stack(
        [
            waveforms.edges(vectors["time"], vectors[f"v(o{k})"], bench.supply_V / 2)[SKIPPED_PERIODS:][: len(clean_s)]
            for k in range(RINGS)
        ]
    )
    f_Hz = waveforms.frequency_Hz(clean_s)
    phase = -2 * np.pi * f_Hz * (noisy_s - clean_s)
    phase -= phase[:, :1]
    expected, lost = _expected(vectors, corner_s, drawn_A, clean_s, gain)
    walk = diffusion(noisy_s, clean_s, LAG)
    # Over a lag of n corners the trapezoids of the noise have the weights 1/2, 1, …, 1, 1/2: n - 1/2 in place of n.
    analytic = analytic_diffusion(gain, density) * (1 - step_s / (2 * walk.lag_s))
    # What was drawn is one realisation: its own diffusion tells how much of a ratio beside 1 is the draw's.
    drawn = float(np.mean(np.diff(expected[:, ::LAG], axis=1) ** 2) / walk.lag_s)
    slope = float(np.sum(phase * expected) / np.sum(expected**2))
    left = phase - slope * expected
    return Measured(
        quantities=(
            Quantity("analytic", "Phase diffusion by theory, (2π k)² S, for this lag and noise", analytic, "rad²/s"),
            Quantity("measured", f"Phase diffusion of {RINGS} noisy rings", walk.diffusion_rad2_per_s, "rad²/s"),
            Quantity("low", "its 95 % interval, from", walk.low, "rad²/s"),
            Quantity("high", "to", walk.high, "rad²/s"),
            Quantity("ratio", "σφ measured over theory", float(np.sqrt(walk.diffusion_rad2_per_s / analytic)), ""),
            Quantity("drawn", "Phase diffusion of the walks that were drawn", drawn, "rad²/s"),
            Quantity("ratio_drawn", "σφ measured over drawn", float(np.sqrt(walk.diffusion_rad2_per_s / drawn)), ""),
            Quantity("gain_ratio", "Walk that was drawn against walk that was seen, slope", slope, ""),
            Quantity(
                "unexplained",
                "Phase that the drawn walk does not explain, over what it does",
                float(np.sqrt(np.mean(left**2) / np.mean(expected**2))),
                "",
            ),
            Quantity("lost", "Noise charge that the simulator's time steps lose, relative", lost, ""),
        ),
        curves={
            "walk": {
                "time_s": clean_s - clean_s[0],
                "measured_rad": np.sqrt(np.mean(phase**2, axis=0)),
                "drawn_rad": np.sqrt(np.mean(expected**2, axis=0)),
                "theory_rad": np.sqrt(analytic * (clean_s - clean_s[0])),
            }
        },
        details={"increments": walk.increments, "density_A2_per_Hz": density, "seed": context.request.seed},
        cpu_s=cpu_s() - began,
    )


def _body(bench: Bench, current_A: float, corner_s: Floats, drawn_A: Floats) -> str:
    lines = [bench.enable(), f"I0 vdd ib {number(current_A)}", "xring ib en o vdd ring_cco"]
    for k, row in enumerate(drawn_A * VOLT_PER_AMPERE):
        points = " ".join(f"{t:.6e} {v:.6e}" for t, v in zip(corner_s.tolist(), row.tolist(), strict=True))
        lines += [
            f"Vn{k} n{k} 0 pwl(",
            *_continued(points.split()),
            "+ )",
            f"Gn{k} vdd ib{k} n{k} 0 {number(1 / VOLT_PER_AMPERE)}",
            f"In{k} vdd ib{k} {number(current_A)}",
            f"xring{k} ib{k} en o{k} vdd ring_cco",
        ]
    return "\n".join(lines)


def _continued(terms: list[str], per_line: int = 12) -> list[str]:
    return ["+ " + " ".join(terms[k : k + per_line]) for k in range(0, len(terms), per_line)]


def _saved() -> list[str]:
    return ["v(o)"] + [f"v(o{k})" for k in range(RINGS)] + [f"v(n{k})" for k in range(RINGS)]


def _expected(
    vectors: dict[str, Floats], corner_s: Floats, drawn_A: Floats, clean_s: Floats, gain: float
) -> tuple[Floats, float]:
    """Phases by the drawn current at the clean edges [ring, edge], and how much charge the time steps lost."""
    rows, lost, total = [], 0.0, 0.0
    for k in range(RINGS):
        walk = walked_phase_rad(corner_s, drawn_A[k], gain)
        walked_rad = walked_phase_rad(vectors["time"], vectors[f"v(n{k})"] / VOLT_PER_AMPERE, gain)
        drawn_at, seen_at = np.interp(clean_s, corner_s, walk), np.interp(clean_s, vectors["time"], walked_rad)
        rows.append(drawn_at - drawn_at[0])
        lost += float(np.sum(((seen_at - seen_at[0]) - rows[-1]) ** 2))
        total += float(np.sum(rows[-1] ** 2))
    return np.stack(rows), float(np.sqrt(lost / total))
