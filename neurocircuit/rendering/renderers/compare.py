"""Clean against noise-aware networks on chips of one circuit."""

from functools import partial
from pathlib import Path

from neurocircuit.rendering.document import Document, Table, draw, section
from neurocircuit.rendering.figures.compare import chips_figure
from neurocircuit.rendering.layers import layer_label, shown_names
from neurocircuit.rendering.renderers.run_record import run_section
from neurocircuit.rendering.text import interval, is_number, points
from neurocircuit.results.compare import Comparison, InCircuit, NetworkOnChips, Recovery


def render(file: Path) -> Document:
    """Return the report of a comparison."""
    result = Comparison.load(file)
    networks, in_circuit = result.networks, result.in_circuit
    sections = (
        section(
            "Clean and noise-aware",
            draw("chips", "Accuracy of each chip.", partial(chips_figure, networks, result.recovery.software)),
            _networks(networks),
            None if in_circuit is None else _replayed(in_circuit),
        ),
        run_section(result),
    )
    remarks = (
        () if result.valid else ("Invalid as a prediction: more than 0.1 % of the neurons lay beyond a noise table.",)
    )
    return Document("Noise-aware training on a circuit", _answer(result), sections, remarks)


def _answer(result: Comparison) -> str:
    by_tables, in_circuit = result.recovery, result.in_circuit
    text = (
        f"By its noise tables the clean network has {interval(by_tables.clean)} right on this circuit, "
        f"{by_tables.software:.2%} in software; trained under noise, mapped and calibrated again, "
        f"{interval(by_tables.trained)}. {_verdict(by_tables)}"
    )
    if is_number(by_tables.control[0]):
        text += (
            f" As many steps within the same margins without the noise give {interval(by_tables.control)}: the noise "
            f"itself is worth {points(by_tables.beyond_control, 2)}."
        )
    if in_circuit is not None:
        recovery = in_circuit.recovery
        text += (
            f" In the circuit itself, {in_circuit.images} whole images on {in_circuit.chips} chips at level "
            f"{in_circuit.level}: {interval(recovery.clean)} and {interval(recovery.trained)}, a paired gain of "
            f"{points(recovery.gain, 2)}. {_verdict(recovery)}"
        )
    return text


def _networks(networks: tuple[NetworkOnChips, ...]) -> Table:
    return Table(
        f"Networks on {networks[0].chips} chips x {networks[0].n} images",
        ("network", "accuracy", "software", "table ±", "leads (rad)", "missed, false by layer", "beyond the table"),
        tuple(
            (
                network.name,
                interval(network.interval),
                f"{network.accuracy_software:.2%}",
                f"{network.standard_errors['table']:.2%}",
                ", ".join(f"{lead:g}" for lead in network.lead_rad),
                "; ".join(
                    f"{layer_label(name)} {layer.missed:.1%}, {layer.false:.1%}"
                    for name, layer in zip(
                        shown_names([layer.name for layer in network.layers]).values(), network.layers, strict=True
                    )
                ),
                f"{network.outside_share:.3%}",
            )
            for network in networks
        ),
        prose=(5,),
        note="Each network by the noise table of its own mapping from the same base circuit. Intervals of a network: "
        "over images, events, tables and, of five on, chips; that of the share: paired, over images, chips, training "
        "seeds, tables.",
    )


def _replayed(in_circuit: InCircuit) -> Table:
    recovery = in_circuit.recovery
    return Table(
        f"The same in the circuit: {in_circuit.images} whole images on {in_circuit.chips} chips, every neuron at "
        f"level {in_circuit.level}",
        ("network", "accuracy", "by chip"),
        tuple(
            (network.name, f"{network.accuracy:.2%}", ", ".join(f"{chip:.1%}" for chip in network.by_chip))
            for network in in_circuit.networks
        ),
        prose=(2,),
        note=f"Paired over images, chips and training seeds, 95 %: gain {points(recovery.gain, 2)}; software "
        f"(eq. (4), clean network, same images) {recovery.software:.2%}.",
    )


def _verdict(recovery: Recovery) -> str:
    share, low, high = recovery.share
    if not is_number(share):
        return "There is no loss of which a share could be won back."
    if not (is_number(low) and is_number(high)):
        return f"The gain is {points(recovery.gain, 2)}; the loss is too small for a share of it to have an interval."
    where = "lies above" if low > 0.5 else "lies below" if high < 0.5 else "holds"
    return f"That wins back {share:.0%} of the loss; the 95 % interval {low:.0%} … {high:.0%} {where} one half."
