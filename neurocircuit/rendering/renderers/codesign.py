"""A co-design study: recommended designs, the Pareto front, and which parameters matter."""

from collections import Counter
from functools import partial
from math import isnan
from pathlib import Path

from neurocircuit.rendering.document import Bullets, Document, Section, Table, draw, section
from neurocircuit.rendering.figures import codesign as figures
from neurocircuit.rendering.layers import shown_names
from neurocircuit.rendering.renderers.run_record import run_section
from neurocircuit.rendering.text import ABSENT, interval, is_number, scaled
from neurocircuit.results.codesign import Codesign, Evaluated, Importance, ParameterRange, Recommended
from neurocircuit.results.inference import InferenceFigures
from neurocircuit.results.noise_law import Scaling

_SHOWN = {"A": (1e6, "µA"), "Hz": (1e-6, "MHz"), "rad": (1.0, "rad"), "τ": (1.0, "τ"), "": (1.0, "")}
_LATENCY = {
    "free": "Latency: from arming to the first output spike, mean over images and chips; the window where none came.",
    "windowed": "Latency: from where the pixels' window opens to the first output spike, mean over images and chips; "
    "the last window's end where none came.",
}
_ARMED = {
    "free": "that all neurons stand armed, until each has fired or the first output spike has come",
    "windowed": "that all neurons are on, each from where the first window of its inputs opens until its spike, its "
    "window's end or the first output spike",
}


def render(file: Path) -> Document:
    """Return the report of a co-design study."""
    result = Codesign.load(file)
    sections = (
        _recommended(result),
        _front(result),
        _importance(result),
        section(
            "Fidelities",
            Bullets(tuple(f"{fidelity.name}: {fidelity.causes}." for fidelity in result.fidelities)),
            _fidelity_table(result),
            _between_table(result),
        ),
        section("The scaling laws", _laws(result), _energy(result), _LATENCY[_form(result)]),
        run_section(result),
    )
    return Document(f"Co-design of circuit and network: {result.name}", _answer(result), sections)


def _answer(result: Codesign) -> str:
    first, last = result.fidelities[0], result.fidelities[-1]
    designs = f"{len(first.trials)} designs at fidelity {first.name}, {len(last.trials)} at {last.name}"
    if not result.recommended:
        return f"{designs}; none is replayed.{_base_text(result)}"
    texts = []
    for roles, design in _by_roles(result).items():
        replay, retrained = design.verification.images, design.verification.retrained
        text = f"{roles}: {interval(replay.accuracy['circuit'], 1)} at {_cost(design.figures)}"
        if retrained is not None:
            text += f", retrained {retrained.accuracy:.1%} at {_cost(retrained)}"
        texts.append(text)
    replayed = next(iter(result.recommended.values())).verification
    recommended = f"{len(texts)} {'is' if len(texts) == 1 else 'are'} recommended"
    return (
        f"{designs}; {recommended}, each replayed as {replayed.images.images} whole {replayed.split} images on "
        f"{replayed.images.chips} fresh chips at level edge. {'; '.join(texts)}.{_base_text(result)}"
    )


def _by_roles(result: Codesign) -> dict[str, Recommended]:
    """Return each recommended design once, by its roles in words."""
    by_trial: dict[int, list[str]] = {}
    for role, design in result.recommended.items():
        by_trial.setdefault(design.trial, []).append(role)
    return {
        " and ".join(filter(None, (", ".join(roles[:-1]), roles[-1]))): result.recommended[roles[0]]
        for roles in by_trial.values()
    }


def _cost(reached: InferenceFigures) -> str:
    energy_J, reading = reached.energy
    return f"{scaled(energy_J, 1e9)} nJ {reading} and {scaled(reached.latency_s, 1e9)} ns"


def _base_text(result: Codesign) -> str:
    """Return what the base circuit reaches at the last fidelity that evaluated it; empty where none did."""
    base = {name: result.base[name] for name in result.ranges}
    for fidelity in reversed(result.fidelities):
        for trial in fidelity.trials:
            if trial.values == base and isinstance(trial.details, Evaluated):
                costs = "".join(
                    f", {scaled(value, figures.SCALES[name][0])} {_unit(name)}"
                    for name, value in trial.objectives.items()
                    if name != "accuracy"
                )
                accuracy = f"{trial.details.accuracy:.1%}"
                return f" The base circuit stands at {accuracy}{costs} (fidelity {fidelity.name})."
    return ""


def _at_ends(result: Codesign) -> str:
    """Return which parameters of all recommended designs lie within 5 % of an end of their range, in a sentence."""
    names = []
    for name, parameter in result.ranges.items():
        shares = figures.shares_of_range(parameter, [design.values[name] for design in result.recommended.values()])
        if (shares < 0.05).all() or (shares > 0.95).all():
            names.append(f"{_label(name, parameter)} {'at its lower' if shares[0] < 0.05 else 'at its upper'} end")
    if not names:
        return ""
    return f"The range decides, not the study, where all designs lie at an end of it: {', '.join(names)}."


def _recommended(result: Codesign) -> Section:
    designs, ranges = _by_roles(result), result.ranges
    if not designs:
        return section("Recommended designs", "None: the study ended before the replay.")
    settings = Table(
        "Recommended values",
        ("parameter", *designs, "base circuit"),
        tuple(
            (
                _label(name, parameter),
                *(_shown(design.values[name], parameter) for design in designs.values()),
                _shown(result.base[name], parameter),
            )
            for name, parameter in ranges.items()
        ),
        note="Files of each: designs/ROLE/circuit.toml (NeuronSpec), variation.toml, network.toml (mapped network).",
    )
    outcome = Table(
        "What they reach",
        (
            "design",
            "accuracy in the study",
            "accuracy, replayed",
            "eq. (4), same images",
            "energy, in total (nJ)",
            "energy, armed (nJ)",
            "energy, spikes (nJ)",
            "energy, paper (nJ)",
            "spikes before decision",
            "pJ per spike",
            "latency (ns)",
            "power of a neuron (µW)",
            "τ (ns)",
        ),
        tuple(_outcome_row(role, design) for role, design in designs.items()),
        note="Energies and latency: of the last fidelity. Replayed: images and chips that no trial saw; 95 %.",
    )
    noise = Table(
        "Noise and size of their oscillators",
        ("design", "white noise (krad²/s)", "flicker h (10⁻⁹)", "gates of a neuron (µm²)"),
        tuple(
            (
                role,
                scaled(design.figures.phase_noise, 1e-3),
                ABSENT if isnan(design.figures.flicker) else scaled(design.figures.flicker, 1e9),
                scaled(design.figures.gates_m2, 1e12),
            )
            for role, design in designs.items()
        ),
        note="White noise and flicker: of the noisiest oscillator. Gates: without the synapses.",
    )
    labels = {name: _label(name, parameter) for name, parameter in ranges.items()}
    figure = draw(
        "values",
        "Where in their ranges the designs lie, on the study's scale; ticks: the front of the last fidelity.",
        partial(figures.values_figure, result, labels),
    )
    return section(
        "Recommended designs",
        _at_ends(result),
        figure,
        outcome,
        _retrained_table(designs),
        settings,
        None if any(isnan(design.figures.gates_m2) for design in designs.values()) else noise,
        _replay_tables(designs),
    )


def _outcome_row(role: str, design: Recommended) -> tuple[str, ...]:
    reached, replay = design.figures, design.verification.images
    return (
        role,
        interval(reached.interval, 1),
        interval(replay.accuracy["circuit"], 1),
        interval(replay.accuracy["software"], 1),
        *_energies(reached),
        f"{reached.spikes_before_decision:.0f}",
        scaled(reached.energy_per_spike_J, 1e12),
        scaled(reached.latency_s, 1e9),
        scaled(reached.power_W, 1e6),
        scaled(reached.tau_s, 1e9),
    )


def _energies(reached: InferenceFigures) -> tuple[str, ...]:
    energies_J = reached.total_J, reached.energy_J, reached.energy_spikes_J, reached.energy_paper_J
    return tuple(scaled(energy_J, 1e9) for energy_J in energies_J)


def _retrained_table(designs: dict[str, Recommended]) -> Table | None:
    rows = []
    for role, design in designs.items():
        retrained = design.verification.retrained
        if retrained is None:
            return None
        rows.append(
            (
                role,
                interval(design.verification.images.accuracy["circuit"], 1),
                interval(retrained.interval, 1),
                f"{retrained.steps}",
                *_energies(retrained),
                scaled(retrained.latency_s, 1e9),
            )
        )
    header = (
        "design",
        "accuracy with the study's weights",
        "retrained",
        "steps",
        "energy, in total (nJ)",
        "energy, armed (nJ)",
        "energy, spikes (nJ)",
        "energy, paper (nJ)",
        "latency (ns)",
    )
    note = (
        "The study's weights trained further under the noise of the design's own circuit and mapped again; the same "
        "images and chips before and after, every neuron at level edge. Files: designs/ROLE/retrained."
    )
    return Table("Retrained at their own circuit", header, tuple(rows), note)


def _names(design: Recommended) -> dict[str, str]:
    """Return the shown name of each layer of a design's network."""
    return shown_names([layer.name for layer in design.verification.images.layers])


def _replay_tables(designs: dict[str, Recommended]) -> list[Table]:
    layers = Table(
        "Replay by layer, fire times against eq. (4)",
        ("design and layer", "latency (τ)", "spread (τ)", "missed", "false", "wrapped"),
        tuple(
            (
                f"{role}, {name}",
                *(f"{time:.4f}" if is_number(time) else ABSENT for time in (layer.latency[0], layer.deviation[0])),
                *(f"{share[0]:.2%}" for share in (layer.missed, layer.false, layer.wrapped)),
            )
            for role, design in designs.items()
            for name, layer in zip(_names(design).values(), design.verification.images.layers, strict=True)
        ),
    )
    decks = [(role, layer) for role, design in designs.items() for layer in design.verification.bsource]
    if not decks:
        return [layers]
    return [
        layers,
        Table(
            "Neurons of these networks as SPICE decks (bsource) against the same model in closed form (averaged)",
            ("design and layer", "neurons", "median difference (τ)", "95 % of differences (τ)", "fired at one only"),
            tuple(
                (
                    f"{role}, {_names(designs[role])[layer.layer]}",
                    f"{layer.runs}",
                    f"{layer.median:+.1e}",
                    f"{layer.low:+.1e} … {layer.high:+.1e}",
                    f"{layer.only_here + layer.only_there}",
                )
                for role, layer in decks
            ),
        ),
    ]


def _front(result: Codesign) -> Section:
    costs = [name for name in result.study["objectives"] if name != "accuracy"]
    figure = draw(
        "front",
        "Evaluated designs (far below the fronts none is drawn); strong: those that no other of the same "
        "fidelity beats in every objective.",
        partial(figures.front_figure, result, costs),
    )
    last, ranges = result.fidelities[-1], result.ranges
    front = sorted((trial for trial in last.trials if trial.front), key=lambda trial: -trial.objectives["accuracy"])
    table = Table(
        f"The front at fidelity {last.name}",
        (
            "design",
            "accuracy",
            *(figures.SCALES[cost][1] for cost in costs),
            *(_label(name, parameter) for name, parameter in ranges.items()),
        ),
        tuple(
            (
                f"{trial.number}",
                f"{trial.objectives['accuracy']:.1%}",
                *(scaled(trial.objectives[cost], figures.SCALES[cost][0]) for cost in costs),
                *(_shown(trial.values[name], parameter) for name, parameter in ranges.items()),
            )
            for trial in front
        ),
    )
    return section("Pareto front", figure, table)


def _importance(result: Codesign) -> Section:
    heading, importance = "Which parameters matter", result.importance
    if not importance:
        return section(heading, "Too few designs were evaluated to say.")
    table = Table(
        "Importance, and rank correlation with the objective",
        ("parameter", *importance),
        tuple(
            (_label(name, parameter), *(_share(shares[name]) for shares in importance.values()))
            for name, parameter in result.ranges.items()
        ),
        note="Share by PED-ANOVA: what tells the best quarter of the evaluated designs from all; shares sum to 1. The "
        "sampler went where designs are good, so a parameter that it soon pinned down shows little.",
    )
    caption = "Importance of each parameter for each objective, first fidelity."
    return section(heading, draw("importance", caption, partial(figures.importance_figure, importance)), table)


def _share(importance: Importance) -> str:
    rank = importance.rank_correlation
    return f"{importance.share:.1%}" + ("" if rank is None else f" ({rank:+.2f})")


def _fidelity_table(result: Codesign) -> Table:
    rows = []
    for fidelity in result.fidelities:
        trials = fidelity.trials
        cpu_s = sum(trial.details.cpu_s for trial in trials) / max(len(trials), 1)
        broken = Counter(name for trial in trials for name, value in trial.constraints.items() if value > 0)
        in_order = list(dict.fromkeys(name for trial in trials for name in trial.constraints))
        rows.append(
            (
                fidelity.name,
                f"{len(trials)}",
                f"{sum(trial.feasible for trial in trials)}",
                f"{sum(trial.front for trial in trials)}",
                f"{cpu_s:.1f}",
                ", ".join(f"{name} {broken[name]}" for name in in_order if broken[name]) or "none",
            )
        )
    header = ("fidelity", "designs", "feasible", "on the front", "CPU-s each", "limits broken by")
    return Table("Designs", header, tuple(rows), prose=(5,))


def _between_table(result: Codesign) -> Table | None:
    rows = tuple(
        (
            f"{row.earlier} → {row.later}, {row.objective}",
            f"{row.designs}",
            ABSENT if row.rank_correlation is None else f"{row.rank_correlation:+.2f}",
            f"{100 * row.mean_difference:+.1f} points"
            if row.objective == "accuracy"
            else f"{figures.SCALES[row.objective][0] * row.mean_difference:+.3g} {_unit(row.objective)}",
        )
        for row in result.between_fidelities
    )
    header = ("fidelities, objective", "designs", "rank correlation", "mean difference")
    caption = "How far the fidelities agree on the designs that both evaluated"
    return Table(caption, header, rows) if rows else None


def _laws(result: Codesign) -> str:
    return (
        f"{_power_law(result)} {_noise_law(result)} Trim: a "
        "residual uniform over one step, σ = step/√12, of each oscillator. More bits of the weights cost nothing in "
        "these objectives, and a finer trim only bits of its DACs: area is not among them. Mismatch of the weights "
        "does not follow the current."
    )


def _noise_law(result: Codesign) -> str:
    """Return how phase noise follows a design; of studies of before it was measured what they had."""
    law = None if result.neuron is None else result.neuron.noise
    if law is None:
        return (
            "Phase diffusion of each oscillator: D₀ (f0/f0₀)² I₀/I, since the jitter κ² of a ring is inverse to its "
            "power (McNeill 1997; Hajimiri, Limotyrakis and Lee 1999) and D = (2π f0)² κ²; widths scale with the "
            "current, so that the frequency stays."
        )
    share = law.h_bias / (law.h_bias + law.h_rest)
    return (
        "Phase diffusion D and flicker h of each oscillator are those of the base circuit, scaled as rings that were "
        "measured: over their frequency x = f/f0₀, over the current with all widths in proportion, s = I/I₀ at that "
        f"frequency, and over the area A of the bias devices. D goes as {_scaling(law.white)}, the flicker of bias "
        f"diode, mirror and load, {share:.0%} of h of VCO1, as {_scaling(law.flicker_bias)}, that of the others as "
        f"{_scaling(law.flicker_rest)}, supply sensitivities as {_scaling(law.pushing)}. Larger bias devices take "
        f"A^{law.current_exponent:.2f} of the bias current."
    )


def _power_law(result: Codesign) -> str:
    """Return how power follows a design, and within what limits; of older studies what their file says."""
    neuron = result.neuron
    if neuron is None:
        power = result.study["power"]
        return (
            f"Power of an armed neuron, as the study file has it: {_micro(power['oscillators'])} · I/I₀ + "
            f"{_micro(power['rest'])} · f0/f0₀ with I₀ = {_micro(power['bias'])} ({power['source']})."
        )
    base, bias_uA = neuron.base, 1e6 * neuron.bias_A
    is_windowed = _form(result) == "windowed"
    width = ", designs have that of the base circuit" if is_windowed else " in every design, at most τ"
    carried = "" if neuron.largest_fan_in is None else f"; it carries {neuron.largest_fan_in} synapses"
    assumed = result.study["mapping"].get("largest_fan_in")
    if assumed is not None:
        carried += f" (assumed here: {assumed})"
    return (
        f"Power of an armed neuron: {scaled(base.power_W, 1e6)} µW · P/P₀, P = ({scaled(neuron.scaled_W, 1e6)} µW "
        f"{_signed_uW(neuron.slope_W)} · (f0/f0₀ − 1)) · I/I₀ {_signed_uW(neuron.fixed_W)} · f0/f0₀, with "
        f"I₀ = {bias_uA:.4g} µA, fitted to neurons in transistors of {neuron.built[0] * bias_uA:.3g} … "
        f"{neuron.built[1] * bias_uA:.3g} µA at {neuron.at_frequencies[0]:.2g} … {neuron.at_frequencies[-1]:.2g} of "
        f"the frequency; a design beyond them is refused ({base.source}). While a ramp reads it out it draws "
        f"{base.ramp_power_W / base.power_W:.0%} of that. Its input spike is {scaled(neuron.spike_width_s, 1e9)} ns "
        f"wide{width}{carried}."
    )


def _energy(result: Codesign) -> str:
    armed = _ARMED[_form(result)]
    return (
        "Energy, four readings. In total: all that an inference draws; this one is the objective (of studies without "
        f"it: armed). Armed: the power of a neuron times the time {armed}; beside it stand in the total one lock of "
        "every neuron, whose time is proportional to τ, and bias generator and trim DACs, which are assumed. Spikes: "
        "of armed that of neurons which fired before the decision, that is spikes × energy per spike of the "
        "circuit. Paper: weights × share of neurons that spike × 10 pJ (paper §4.1), which knows no circuit."
    )


def _form(result: Codesign) -> str:
    return "windowed" if "readout_window" in result.base else "free"


def _scaling(scaling: Scaling) -> str:
    """Return x^(p + q ln x) s^-n A^-m with its numbers."""
    sign = "-" if scaling.curvature < 0 else "+"
    text = f"x^({scaling.slope:.2f} {sign} {abs(scaling.curvature):.2f} ln x)"
    return f"{text} s^{-scaling.scale_exponent:.2f} A^{-scaling.area_exponent:.2f}".replace("-", "−")


def _signed_uW(power_W: float) -> str:
    return f"{'−' if power_W < 0 else '+'} {scaled(abs(power_W), 1e6)} µW"


def _micro(quantity: str) -> str:
    return quantity.replace(" u", " µ")


def _label(name: str, parameter: ParameterRange) -> str:
    unit = _SHOWN[parameter.unit][1]
    return figures.label_of(name) + (f" ({unit})" if unit else "")


def _shown(value: float, parameter: ParameterRange) -> str:
    return scaled(value, _SHOWN[parameter.unit][0])


def _unit(objective: str) -> str:
    return figures.SCALES[objective][1].partition("(")[2].rstrip(")")
