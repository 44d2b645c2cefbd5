"""Transistor neurons under the noise of their devices, against what their spec predicts."""

from functools import partial
from pathlib import Path

from neurocircuit.rendering.document import Document, Table, draw, section
from neurocircuit.rendering.figures import noise_coverage as figures
from neurocircuit.rendering.renderers.run_record import run_section
from neurocircuit.rendering.text import scaled
from neurocircuit.results.noise_coverage import NoiseCoverage, spread_text
from neurocircuit.results.replay import Coverage

_HOW = (
    "Each device of the four rings and each resistor that drives a bias node has a noise current of its own in the "
    "transient, at its own nodes: white noise by its density at the phase of its ring, flicker held for the run. The "
    "prediction is level edge with the phase noise and flicker of the spec, which were found otherwise, by impulse "
    "sensitivities. The shift by noise is the fire time less that of the same neuron without noise; in it what the "
    "levels differ in without noise cancels. Intervals of shares: exact, Clopper and Pearson, 95 %; P: two-sided."
)


def render(file: Path) -> Document:
    """Return the report of neurons under drawn noise."""
    result = NoiseCoverage.load(file)
    rows = tuple(
        _row(what, row)
        for what, coverage in (("fire time", result.coverage), ("shift by noise", result.of_shift))
        for row in coverage
    )
    header = ("", "interval", "runs in it", "share (%)", "95 % interval (%)", "P")
    remarks = [f"{len(result.failed)} runs failed: {result.failed[0]}."] if result.failed else []
    walk = result.walk
    if walk is not None:
        remarks.append(
            f"VCO3, which no loop holds, walks by {scaled(walk.measured, 1e-3)} krad²/s in these runs "
            f"({scaled(walk.low, 1e-3)} … {scaled(walk.high, 1e-3)}, {walk.increments} increments; each run's slope, "
            f"which is its flicker's, taken out); characterised: {scaled(walk.characterised, 1e-3)}. Straight lines "
            f"between the draws leave {result.share_drawn[0]:.1%} of the white noise of VCO1 and "
            f"{result.share_drawn[1]:.1%} of that of VCO3; the densities are raised by as much."
        )
    blocks = (
        Table("Runs in the central intervals of their predictions", header, rows),
        draw("fire_times", "Fire times under noise on their predictions.", partial(figures.fire_times, result)),
        draw("pit_values", "On the diagonal where the prediction is right.", partial(figures.pit_values, result)),
    )
    noise = section("Noise drawn at the devices", _HOW, *blocks)
    title = f"Transistor neurons under the noise of their devices: {result.process}"
    return Document(title, _answer(result), (noise, run_section(result)), remarks=tuple(remarks))


def _answer(result: NoiseCoverage) -> str:
    kinds = " and ".join(name for name, on in (("white noise", result.white), ("flicker", result.flicker)) if on)
    wide = result.coverage[-1]
    verdict = "is rejected" if any(row.rejected for row in result.coverage) else "is not rejected"
    return (
        f"The prediction of {result.process}'s spec ({result.condition}, {kinds}) {verdict}: {wide.inside} of "
        f"{len(result.runs)} runs of {len(result.cases)} neurons lie in its {wide.nominal:.0%} intervals "
        f"({100 * wide.low:.1f} … {100 * wide.high:.1f} %), and their spread is {spread_text(result.spread)} times the "
        "predicted one."
    )


def _row(what: str, row: Coverage) -> tuple[str, ...]:
    interval = f"{100 * row.low:.1f} … {100 * row.high:.1f}"
    return (
        what,
        f"{row.nominal:.0%}",
        f"{row.inside} of {row.independent_runs}",
        f"{100 * row.share:.1f}",
        interval,
        f"{row.p_value:.2g}",
    )
