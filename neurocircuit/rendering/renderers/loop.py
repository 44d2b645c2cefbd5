"""A loop from circuit to accuracy: what the circuit does to the network, and the report of each stage."""

from functools import partial
from pathlib import Path

from neurocircuit.rendering.document import Document, Links, Table, draw, section
from neurocircuit.rendering.figures.loop import loop_figure
from neurocircuit.rendering.renderers.run_record import run_section
from neurocircuit.rendering.text import ABSENT, capitalised, interval, points
from neurocircuit.results.compare import Recovery
from neurocircuit.results.loop import LoopRun, TransferRow


def render(file: Path) -> Document:
    """Return the report of a loop."""
    result = LoopRun.load(file)
    caption = (
        "Accuracy in software (open) and on chips of the circuit (full), by noise tables and by whole images of which "
        f"every neuron is simulated; bars: 95 %. Below: mean output jitter of the neuron at level {result.level}."
    )
    pages = tuple(
        (stage.report, capitalised(stage.title))
        for stage in result.stages
        if stage.report and (file.parent / stage.report).is_file()
    )
    sections = (
        section(
            "What the circuit does to the network",
            draw("loop", caption, partial(loop_figure, result)),
            _accuracies(result),
        ),
        section("What the circuit does to a spike", f"Neuron {result.circuit}: {result.derived}.", _transfer(result)),
        section(
            "Stages, each with its report",
            Links(pages) if pages else None,
            _stages(result),
        ),
        run_section(result),
    )
    return Document(f"From circuit to accuracy: {result.name}", result.sentence(), sections, tuple(_remarks(result)))


def _remarks(result: LoopRun) -> list[str]:
    texts = [f"{capitalised(remark)}." for remark in result.remarks]
    texts += [f"A limit of the circuit is broken, {limit}." for limit in result.broken]
    if not result.valid:
        texts.append("Invalid as a prediction: more than 0.1 % of the neurons lay beyond a noise table.")
    return texts


def _accuracies(result: LoopRun) -> Table:
    circuit = result.in_circuit
    return Table(
        "Accuracy",
        ("how", "images, chips", "in software", "as trained", "noise-aware", "gain"),
        (
            ("by noise tables", f"{result.images}, {result.chips}", *_row(result.recovery)),
            (f"every neuron at {circuit.level}", f"{circuit.images}, {circuit.chips}", *_row(circuit.recovery)),
        ),
        note="In parentheses: 95 % intervals over images and chips. Gain: noise-aware less as trained, paired.",
    )


def _row(recovery: Recovery) -> tuple[str, ...]:
    gain = points(recovery.gain)
    return (f"{recovery.software:.1%}", interval(recovery.clean, 1), interval(recovery.trained, 1), gain)


def _transfer(result: LoopRun) -> Table:
    return Table(
        f"Output jitter at level {result.level}",
        ("input jitter, or weight bits", "mean output jitter (%)", "95 % interval"),
        tuple(_transfer_row(row) for row in result.transfer),
    )


def _transfer_row(row: TransferRow) -> tuple[str, ...]:
    name = f"{100 * row.value:g} % jitter" if row.half == "jitter" else f"{row.value:g} bit"
    ends = f"{100 * row.low:.3g} … {100 * row.high:.3g}" if row.low == row.low else ABSENT
    return name, f"{100 * row.mean:.3g}", ends


def _stages(result: LoopRun) -> Table:
    return Table(
        "Stages",
        ("stage", "what", "seconds", "when"),
        tuple(
            (stage.name, stage.title, f"{stage.wall_s:.0f}", "before" if stage.reused else "in this run")
            for stage in result.stages
        ),
        prose=(1,),
    )
