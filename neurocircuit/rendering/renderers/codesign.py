"""A co-design study: recommended designs, the Pareto front, and which parameters matter."""

from functools import partial
from pathlib import Path
from typing import Any

from neurocircuit.rendering.document import Bullets, Document, Section, Table, draw, section
from neurocircuit.rendering.figures import codesign as figures
from neurocircuit.rendering.read.result import read_result
from neurocircuit.rendering.renderers.run_record import run_section
from neurocircuit.rendering.text import ABSENT, interval, is_number, scaled

_SHOWN = {"A": (1e6, "µA"), "Hz": (1e-6, "MHz"), "rad": (1.0, "rad"), "τ": (1.0, "τ"), "": (1.0, "")}
_LATENCY = "Latency: from arming to the first output spike, mean over images and chips; the window where none came."
_ENERGY = (
    "Energy, three readings. Armed: the power of a neuron times the time that all neurons stand armed, until each has "
    "fired or the first output spike has come; this one is the objective. Spikes: of it that of neurons which fired "
    "before the decision, that is spikes × energy per spike of the circuit. Paper: weights × share of neurons that "
    "spike × 10 pJ (paper §4.1), which knows no circuit. The lock before arming is in none of them."
)


def render(file: Path) -> Document:
    """Return the report of a co-design study."""
    values = read_result(file, "fidelities", "recommended", "ranges", "base")
    sections = (
        _recommended(values),
        _front(values),
        _importance(values),
        section(
            "Fidelities",
            Bullets(tuple(f"{fidelity['name']}: {fidelity['causes']}." for fidelity in values["fidelities"])),
            _fidelity_table(values),
            _between_table(values),
        ),
        section("The scaling laws", _laws(values), _ENERGY, _LATENCY),
        run_section(values),
    )
    return Document(f"Co-design of circuit and network: {values['name']}", _answer(values), sections)


def _answer(values: dict[str, Any]) -> str:
    first, last = values["fidelities"][0], values["fidelities"][-1]
    designs = f"{len(first['trials'])} designs at fidelity {first['name']}, {len(last['trials'])} at {last['name']}"
    if not values["recommended"]:
        return f"{designs}; none is replayed.{_base_text(values)}"
    texts = []
    for role, design in values["recommended"].items():
        details, replay = design["outcome"]["details"], design["verification"]["images"]
        cost = f"{scaled(details['energy_J'], 1e9)} nJ and {scaled(details['latency_s'], 1e9)} ns"
        text = f"{role}: {interval(replay['accuracy']['circuit'], 1)} at {cost}"
        if (retrained := design["verification"].get("retrained")) is not None:
            text += (
                f", retrained {retrained['accuracy']:.1%} at {scaled(retrained['energy_J'], 1e9)} nJ and "
                f"{scaled(retrained['latency_s'], 1e9)} ns"
            )
        texts.append(text)
    replayed = next(iter(values["recommended"].values()))["verification"]
    return (
        f"{designs}; {len(texts)} are recommended, each replayed as {replayed['images']['images']} whole "
        f"{replayed['split']} images on {replayed['images']['chips']} fresh chips at level edge. "
        f"{'; '.join(texts)}.{_base_text(values)}"
    )


def _base_text(values: dict[str, Any]) -> str:
    fidelity, base = _base_row(values)
    if base is None:
        return ""
    costs = "".join(
        f", {scaled(value, figures.SCALES[name][0])} {_unit(name)}"
        for name, value in base["objectives"].items()
        if name != "accuracy"
    )
    return f" The base circuit stands at {base['details']['accuracy']:.1%}{costs} (fidelity {fidelity})."


def _base_row(values: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
    """The last fidelity that evaluated the base circuit, by name, and its row there."""
    base = {name: values["base"][name] for name in values["ranges"]}
    for fidelity in reversed(values["fidelities"]):
        for row in fidelity["trials"]:
            if row["values"] == base and "accuracy" in row["details"]:
                return fidelity["name"], row
    return "", None


def _at_ends(values: dict[str, Any]) -> str:
    """Which parameters of all recommended designs lie within 5 % of an end of their range: the range decides there."""
    names = []
    for name, parameter in values["ranges"].items():
        shares = figures.shares_of_range(
            parameter, [recommended["values"][name] for recommended in values["recommended"].values()]
        )
        if (shares < 0.05).all() or (shares > 0.95).all():
            names.append(f"{_label(name, parameter)} {'at its lower' if shares[0] < 0.05 else 'at its upper'} end")
    if not names:
        return ""
    return f"The range decides, not the study, where all designs lie at an end of it: {', '.join(names)}."


def _recommended(values: dict[str, Any]) -> Section:
    roles, ranges, base = values["recommended"], values["ranges"], values["base"]
    if not roles:
        return section("Recommended designs", "None: the study ended before the replay.")
    settings = Table(
        "Recommended values",
        ("parameter", *roles, "base circuit"),
        tuple(
            (
                _label(name, parameter),
                *(_shown(design["values"][name], parameter["unit"]) for design in roles.values()),
                _shown(base[name], parameter["unit"]),
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
            "energy, armed (nJ)",
            "energy, spikes (nJ)",
            "energy, paper (nJ)",
            "spikes before decision",
            "pJ per spike",
            "latency (ns)",
            "power of a neuron (µW)",
            "τ (ns)",
        ),
        tuple(_outcome_row(role, design) for role, design in roles.items()),
        note="Energies and latency: of the last fidelity. Replayed: images and chips that no trial saw; 95 %.",
    )
    figure = draw(
        "values",
        "Where in their ranges the designs lie; ticks: the front of the last fidelity.",
        partial(figures.values_figure, _labelled(ranges), values["fidelities"][-1]["trials"], roles),
    )
    return section(
        "Recommended designs",
        _same(roles),
        _at_ends(values),
        figure,
        outcome,
        _retrained_table(roles),
        settings,
        _replay_tables(roles),
    )


def _outcome_row(role: str, design: dict[str, Any]) -> tuple[str, ...]:
    details, replay = design["outcome"]["details"], design["verification"]["images"]
    return (
        role,
        interval([details["accuracy"], details["accuracy_low"], details["accuracy_high"]], 1),
        interval(replay["accuracy"]["circuit"], 1),
        interval(replay["accuracy"]["software"], 1),
        *(scaled(details[key], 1e9) for key in ("energy_J", "energy_spikes_J", "energy_paper_J")),
        f"{details['spikes_before_decision']:.0f}",
        scaled(details["energy_per_spike_J"], 1e12),
        scaled(details["latency_s"], 1e9),
        scaled(details["power_W"], 1e6),
        scaled(details["tau_s"], 1e9),
    )


def _retrained_table(roles: dict[str, Any]) -> Table | None:
    rows = []
    for role, design in roles.items():
        retrained = design["verification"].get("retrained")
        if retrained is None:
            return None
        rows.append(
            (
                role,
                interval(design["verification"]["images"]["accuracy"]["circuit"], 1),
                interval([retrained["accuracy"], retrained["accuracy_low"], retrained["accuracy_high"]], 1),
                f"{retrained['steps']}",
                *(
                    scaled(retrained[key], 1e9)
                    for key in ("energy_J", "energy_spikes_J", "energy_paper_J", "latency_s")
                ),
            )
        )
    header = (
        "design",
        "accuracy with the study's weights",
        "retrained",
        "steps",
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


def _same(roles: dict[str, Any]) -> str:
    by_trial: dict[int, list[str]] = {}
    for role, design in roles.items():
        by_trial.setdefault(design["trial"], []).append(role)
    return " ".join(f"{' and '.join(names)} are one design." for names in by_trial.values() if len(names) > 1)


def _replay_tables(roles: dict[str, Any]) -> list[Table]:
    layers = Table(
        "Replay by layer, fire times against eq. (4)",
        ("design and layer", "latency (τ)", "spread (τ)", "missed", "false", "wrapped"),
        tuple(
            (
                f"{role}, {layer['name']}",
                *(f"{layer[key][0]:.4f}" if is_number(layer[key][0]) else ABSENT for key in ("latency", "deviation")),
                *(f"{layer[key][0]:.2%}" for key in ("missed", "false", "wrapped")),
            )
            for role, design in roles.items()
            for layer in design["verification"]["images"]["layers"]
        ),
    )
    decks = [(role, layer) for role, design in roles.items() for layer in design["verification"]["bsource"]]
    if not decks:
        return [layers]
    return [
        layers,
        Table(
            "Neurons of these networks as SPICE decks (bsource) against the same model in closed form (averaged)",
            ("design and layer", "neurons", "median difference (τ)", "95 % of differences (τ)", "fired at one only"),
            tuple(
                (
                    f"{role}, {layer['layer']}",
                    f"{layer['runs']}",
                    f"{layer['median']:+.1e}",
                    f"{layer['low']:+.1e} … {layer['high']:+.1e}",
                    f"{layer['only_here'] + layer['only_there']}",
                )
                for role, layer in decks
            ),
        ),
    ]


def _front(values: dict[str, Any]) -> Section:
    costs = [name for name in values["study"]["objectives"] if name != "accuracy"]
    figure = draw(
        "front",
        "Evaluated designs (far below the fronts none is drawn); strong: those that no other of the same "
        "fidelity beats in every objective.",
        partial(figures.front_figure, values["fidelities"], costs, values["recommended"]),
    )
    last, ranges = values["fidelities"][-1], values["ranges"]
    front = sorted((row for row in last["trials"] if row["front"]), key=lambda row: -row["objectives"]["accuracy"])
    table = Table(
        f"The front at fidelity {last['name']}",
        (
            "design",
            "accuracy",
            *(figures.SCALES[cost][1] for cost in costs),
            *(_label(name, parameter) for name, parameter in ranges.items()),
        ),
        tuple(
            (
                f"{row['number']}",
                f"{row['objectives']['accuracy']:.1%}",
                *(scaled(row["objectives"][cost], figures.SCALES[cost][0]) for cost in costs),
                *(_shown(row["values"][name], parameter["unit"]) for name, parameter in ranges.items()),
            )
            for row in front
        ),
    )
    return section("Pareto front", figure, table)


def _importance(values: dict[str, Any]) -> Section:
    heading, importance = "Which parameters matter", values["importance"]
    if not importance:
        return section(heading, "Too few designs were evaluated to say.")
    table = Table(
        "Importance, and rank correlation with the objective",
        ("parameter", *importance),
        tuple(
            (_label(name, parameter), *(_share(shares[name]) for shares in importance.values()))
            for name, parameter in values["ranges"].items()
        ),
        note="Share by PED-ANOVA: what tells the best quarter of the evaluated designs from all; shares sum to 1. The "
        "sampler went where designs are good, so a parameter that it soon pinned down shows little.",
    )
    caption = "Importance of each parameter for each objective, first fidelity."
    return section(heading, draw("importance", caption, partial(figures.importance_figure, importance)), table)


def _share(shares: dict[str, Any]) -> str:
    rank = shares["rank_correlation"]
    return f"{shares['share']:.1%}" + ("" if rank is None else f" ({rank:+.2f})")


def _fidelity_table(values: dict[str, Any]) -> Table:
    rows = []
    for fidelity in values["fidelities"]:
        trials = fidelity["trials"]
        seconds = [row["details"]["cpu_s"] for row in trials]
        broken: dict[str, int] = {}
        for row in trials:
            for name, value in row["constraints"].items():
                broken[name] = broken.get(name, 0) + (value > 0)
        why = ", ".join(f"{name} {count}" for name, count in broken.items() if count)
        rows.append(
            (
                fidelity["name"],
                f"{len(trials)}",
                f"{sum(row['feasible'] for row in trials)}",
                f"{sum(row['front'] for row in trials)}",
                f"{sum(seconds) / max(len(seconds), 1):.1f}",
                why or "none",
            )
        )
    header = ("fidelity", "designs", "feasible", "on the front", "CPU-s each", "limits broken by")
    return Table("Designs", header, tuple(rows), prose=(5,))


def _between_table(values: dict[str, Any]) -> Table | None:
    rows = tuple(
        (
            f"{pair['from']} → {pair['to']}, {pair['objective']}",
            f"{pair['designs']}",
            ABSENT if pair["rank_correlation"] is None else f"{pair['rank_correlation']:+.2f}",
            f"{100 * pair['mean_difference']:+.1f} points"
            if pair["objective"] == "accuracy"
            else f"{figures.SCALES[pair['objective']][0] * pair['mean_difference']:+.3g} {_unit(pair['objective'])}",
        )
        for pair in values["between_fidelities"]
    )
    header = ("fidelities, objective", "designs", "rank correlation", "mean difference")
    caption = "How far the fidelities agree on the designs that both evaluated"
    return Table(caption, header, rows) if rows else None


def _laws(values: dict[str, Any]) -> str:
    power = values["study"]["power"]
    return (
        f"Power of an armed neuron: {_micro(power['oscillators'])} · I/I₀ + {_micro(power['rest'])} · f0/f0₀ with I₀ "
        f"= {_micro(power['bias'])} ({power['source']}). Phase diffusion of each oscillator: D₀ (f0/f0₀)² I₀/I, since "
        "the jitter κ² of a ring is inverse to its power (McNeill 1997; Hajimiri, Limotyrakis and Lee 1999) and D = "
        "(2π f0)² κ²; widths scale with the current, so that the frequency stays. Trim: a residual uniform over "
        "one step, σ = step/√12, of each oscillator. More bits and a finer trim cost nothing in these objectives: area "
        "is not among them. Mismatch of the weights does not follow the current."
    )


def _micro(quantity: str) -> str:
    return quantity.replace(" u", " µ")


def _labelled(ranges: dict[str, Any]) -> dict[str, Any]:
    return {name: parameter | {"label": _label(name, parameter)} for name, parameter in ranges.items()}


def _label(name: str, parameter: dict[str, Any]) -> str:
    unit = _SHOWN[parameter["unit"]][1]
    return name.replace("_", " ") + (f" ({unit})" if unit else "")


def _shown(value: float, unit: str) -> str:
    return scaled(value, _SHOWN[unit][0])


def _unit(objective: str) -> str:
    return figures.SCALES[objective][1].partition("(")[2].rstrip(")")
