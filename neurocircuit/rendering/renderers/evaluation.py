"""Accuracy, sparsity, energy and latency of trained weights, in software or on chips by a noise table."""

from functools import partial
from pathlib import Path

from neurocircuit.core.result import kind_of
from neurocircuit.rendering.document import Document, Section, Table, draw, section
from neurocircuit.rendering.figures import evaluation as figures
from neurocircuit.rendering.renderers.decisions import confusion_section, events_section, spikes_section
from neurocircuit.rendering.renderers.inference import NOTE, cost_rows
from neurocircuit.rendering.renderers.run_record import run_section
from neurocircuit.rendering.text import interval, is_number, powers, scaled
from neurocircuit.results.evaluation import ChipEvaluation, Evaluation


def render(file: Path) -> Document:
    """Return the report of an evaluation."""
    result = ChipEvaluation.load(file) if kind_of(file) == ChipEvaluation.kind else Evaluation.load(file)
    title = f"Evaluation of {result.name} on {result.images.data}"
    decision_over_tau = result.latency.mean_over_tau
    common = (*confusion_section(result.confusion), _cost(result), _subject(result), run_section(result))
    if isinstance(result, Evaluation):
        by_layer = spikes_section(result.layers, decision_over_tau, *_exact(result))
        return Document(title, _software_answer(result), (by_layer, *common))
    remarks = []
    if not result.valid:
        remarks.append(f"Invalid: {result.outside_share:.2%} of the neurons lay beyond the noise table (bound 0.1 %).")
    if not result.table_is_of_these_weights:
        remarks.append("The noise table was calibrated for other weights: calibrate these for a final number.")
    on_chips = (_on_chips(result), events_section(result.layers, decision_over_tau))
    return Document(title, _chips_answer(result), (*on_chips, *common), tuple(remarks))


def _software_answer(result: Evaluation) -> str:
    return (
        f"{interval(result.interval)} of {result.images.n} {result.images.split} images are right under eq. (4); "
        f"{result.undecided} have no output spike. {result.spikes / result.neurons:.1%} of {result.neurons} neurons "
        f"spike, {result.spikes_before_decision / result.neurons:.1%} before the decision."
    )


def _chips_answer(result: ChipEvaluation) -> str:
    return (
        f"{interval(result.interval)} of {result.images.n} {result.images.split} images are right on {result.chips} "
        f"chips; {result.accuracy_software:.2%} in software, {result.accuracy_rounded:.2%} with rounded weights."
    )


def _exact(result: Evaluation) -> tuple[str, ...]:
    if result.exact is None:
        return ()
    return (
        "Neurons spike in windows; those that do so by themselves, before its end, are counted. By the armed rule "
        f"of eq. (4) {result.exact.same_decisions} of {result.exact.images} images are decided alike, every spike "
        f"within {powers(f'{result.exact.largest_error_over_tau:.1e}')} τ.",
    )


def _on_chips(result: ChipEvaluation) -> Section:
    errors = result.standard_errors
    parts = Table(
        "Standard error of the accuracy, by what it comes from",
        ("source", "standard error"),
        tuple((name, f"{errors[name]:.2%}") for name in ("images", "chips", "events", "table")),
    )
    figure = draw(
        "chips",
        "Accuracy of each chip; line and band: mean with its 95 % interval; dashed: in software.",
        partial(figures.chips_figure, result),
    )
    return section("Chips", figure, parts)


def _cost(result: Evaluation | ChipEvaluation) -> Section:
    rows = [
        ("spikes per inference", f"{result.spikes:.0f}"),
        ("energy per spike", f"{scaled(result.energy_per_spike_J, 1e12)} pJ"),
        ("energy: spikes × energy per spike", f"{scaled(result.energy_J, 1e9)} nJ"),
    ]
    if isinstance(result, Evaluation):
        rows += [
            ("of it before the decision", f"{scaled(result.energy_before_decision_J, 1e9)} nJ"),
            (
                "energy by the paper's formula: weights × sparsity × 10 pJ",
                f"{scaled(result.paper_energy_J, 1e9)} nJ",
            ),
        ]
    latency = result.latency
    times_over_tau = {
        "mean": latency.mean_over_tau,
        "median": latency.median_over_tau,
        "maximum": latency.maximum_over_tau,
    }
    rows += [
        (f"latency, {name}", f"{time_over_tau:.3f} τ = {scaled(time_over_tau * latency.tau_s, 1e9)} ns")
        for name, time_over_tau in times_over_tau.items()
        if is_number(time_over_tau)
    ]
    rows.append(("τ", f"{scaled(latency.tau_s, 1e9)} ns"))
    table = Table("Cost of an inference", ("", ""), tuple(rows))
    if result.cost is None:
        return section("Energy and latency", table)
    on_circuit = Table("By the circuit's power", ("", ""), tuple(cost_rows(result.cost)), NOTE, (1,))
    return section("Energy and latency", table, on_circuit)


def _subject(result: Evaluation | ChipEvaluation) -> Section:
    images = result.images
    rows = [("network", result.network)]
    if isinstance(result, ChipEvaluation):
        names = ("neuron", "mapped", "noise_sha256", "chips", "repeats", "tables", "seed")
        rows += [(name.replace("_", " "), f"{getattr(result, name)}") for name in names]
    if isinstance(result, Evaluation) and result.bits is not None:
        rows.append(("weights", f"{result.bits} bit for each sign, one full scale for each {result.full_scale}"))
    rows.append(("split", images.split))
    rows.append(("data", images.data + (", not the published files" if images.canonical is False else "")))
    rows += [(f"sha256 of {name}", digest) for name, digest in images.sha256.items()]
    return section("What was evaluated", Table("Network and images", ("", ""), tuple(rows), prose=(1,)))
