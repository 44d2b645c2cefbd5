"""Report of a co-design study, from its result.json."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neurocircuit.report import sheet, style
from neurocircuit.report.content import Table
from neurocircuit.report.figures import codesign as figures
from neurocircuit.report.page import Picture
from neurocircuit.report.sheet import Part, Sheet, record_part

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN = {"A": (1e6, "µA"), "Hz": (1e-6, "MHz"), "rad": (1.0, "rad"), "τ": (1.0, "τ"), "": (1.0, "")}
_LATENCY = "Latency: from arming to the first output spike, mean over images and chips; the window where none came."
_ENERGY = (
    "Energy, three readings. Armed: the power of a neuron times the time that all neurons stand armed, until each has "
    "fired or the first output spike has come; this one is the objective. Spikes: of it that of neurons which fired "
    "before the decision, that is spikes × energy per spike of the circuit. Paper: weights × share of neurons that "
    "spike × 10 pJ (paper §4.1), which knows no circuit. The lock before arming is in none of them."
)


def write_codesign_report(path: Path) -> None:
    """From result.json to report.html, report.md and figures/ beside it."""
    values = sheet.read(path)
    last = values["fidelities"][-1]
    parts = (
        _recommended_part(values),
        _front_part(values),
        _importance_part(values),
        Part(
            "Fidelities",
            tuple(f"{one['name']}: {one['causes']}." for one in values["fidelities"]),
            tables=(_fidelity_table(values), *_between_tables(values)),
        ),
        Part("The scaling laws", (_laws(values), _ENERGY, _LATENCY)),
        record_part(values),
    )
    title = f"Co-design of circuit and network: {values['name']}"
    sheet.write(Sheet(title, _answer(values, last), parts), path.with_name("report.html"))


def _answer(values: dict[str, Any], last: dict[str, Any]) -> str:
    texts = []
    for role, one in values["recommended"].items():
        details, seen = one["outcome"]["details"], one["verification"]["images"]["accuracy"]["circuit"]
        text = f"{role}: {_share(seen)} at {1e9 * details['energy_J']:.3g} nJ and {1e9 * details['latency_s']:.3g} ns"
        if (own := one["verification"].get("retrained")) is not None:
            text += (
                f", retrained {own['accuracy']:.1%} at {1e9 * own['energy_J']:.3g} nJ and "
                f"{1e9 * own['latency_s']:.3g} ns"
            )
        texts.append(text)
    first = values["fidelities"][0]
    where, base = _base_row(values)
    beside = ""
    if base is not None:
        goals = base["objectives"]
        beside = (
            f" The base circuit stands at {base['details']['accuracy']:.1%}"
            + "".join(f", {figures.SCALES[k][0] * v:.3g} {_unit(k)}" for k, v in goals.items() if k != "accuracy")
            + f" (fidelity {where})."
        )
    replayed = next(iter(values["recommended"].values()))["verification"]
    return (
        f"{len(first['trials'])} designs at fidelity {first['name']}, {len(last['trials'])} at {last['name']}; three "
        f"are recommended, each replayed as {replayed['images']['images']} whole {replayed['part']} images on "
        f"{replayed['images']['chips']} fresh chips at level edge. " + "; ".join(texts) + "." + beside
    )


def _base_row(values: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
    """The base circuit's row at the last fidelity that saw it, and that one's name."""
    own = {name: values["base"][name] for name in values["ranges"]}
    for fidelity in reversed(values["fidelities"]):
        for row in fidelity["trials"]:
            if row["values"] == own and "accuracy" in row["details"]:
                return fidelity["name"], row
    return "", None


def _at_ends(values: dict[str, Any]) -> tuple[str, ...]:
    """Which parameters of all recommended designs lie within 5 % of an end of their range: the range decides there."""
    found = []
    for name, own in values["ranges"].items():
        log = own["scale"] == "log"
        low, high = (np.log(own[end]) if log else own[end] for end in ("low", "high"))
        given = np.array([one["values"][name] for one in values["recommended"].values()])
        place = ((np.log(given) if log else given) - low) / (high - low)
        if (place < 0.05).all() or (place > 0.95).all():
            found.append(f"{_label(name, own)} {'at its lower' if place[0] < 0.05 else 'at its upper'} end")
    if not found:
        return ()
    return ("The range decides, not the study, where all three lie at an end of it: " + ", ".join(found) + ".",)


def _recommended_part(values: dict[str, Any]) -> Part:
    roles = values["recommended"]
    base = values["base"]
    settings = Table(
        "Recommended values",
        ("parameter", *roles, "base circuit"),
        tuple(
            (
                _label(name, own),
                *(_shown(one["values"][name], own["unit"]) for one in roles.values()),
                _shown(base[name], own["unit"]),
            )
            for name, own in values["ranges"].items()
        ),
        note="Files of each: designs/ROLE/circuit.toml (NeuronSpec), variation.toml, network.toml (mapped network).",
    )
    rows = []
    for role, one in roles.items():
        details, replay = one["outcome"]["details"], one["verification"]["images"]
        rows.append(
            (
                role,
                f"{details['accuracy']:.1%} ({details['accuracy_low']:.1%} … {details['accuracy_high']:.1%})",
                _share(replay["accuracy"]["circuit"]),
                _share(replay["accuracy"]["software"]),
                *(f"{1e9 * details[key]:.3g}" for key in ("energy_J", "energy_spikes_J", "energy_paper_J")),
                f"{details['spikes_before_decision']:.0f}",
                f"{1e12 * details['energy_per_spike_J']:.3g}",
                f"{1e9 * details['latency_s']:.3g}",
                f"{1e6 * details['power_W']:.3g}",
                f"{1e9 * details['tau_s']:.3g}",
            )
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
        tuple(rows),
        note="Energies and latency: of the last fidelity. Replayed: images and chips that no trial saw; 95 %.",
    )
    picture = _drawn(
        "values",
        "Where in their ranges the designs lie; ticks: the front of the last fidelity.",
        partial(figures.values_figure, _ranges(values), values["fidelities"][-1]["trials"], roles),
    )
    texts = (*_same(roles), *_at_ends(values))
    tables = (outcome, *_retrained_tables(roles), settings, *_replay_tables(roles))
    return Part("Recommended designs", texts, (picture,), tables)


def _retrained_tables(roles: dict[str, Any]) -> tuple[Table, ...]:
    rows = []
    for role, one in roles.items():
        found = one["verification"].get("retrained")
        if found is None:
            return ()
        interval = [found["accuracy"], found["accuracy_low"], found["accuracy_high"]]
        rows.append(
            (
                role,
                _share(one["verification"]["images"]["accuracy"]["circuit"]),
                _share(interval),
                str(found["steps"]),
                *(f"{1e9 * found[key]:.3g}" for key in ("energy_J", "energy_spikes_J", "energy_paper_J", "latency_s")),
            )
        )
    note = (
        "The study's weights trained further under the noise of the design's own circuit and mapped again; the same "
        "images and chips before and after, every neuron at level edge. Files: designs/ROLE/retrained."
    )
    head = (
        "design",
        "accuracy with the study's weights",
        "retrained",
        "steps",
        "energy, armed (nJ)",
        "energy, spikes (nJ)",
        "energy, paper (nJ)",
        "latency (ns)",
    )
    return (Table("Retrained at their own circuit", head, tuple(rows), note=note),)


def _same(roles: dict[str, Any]) -> tuple[str, ...]:
    by_trial: dict[int, list[str]] = {}
    for role, one in roles.items():
        by_trial.setdefault(one["trial"], []).append(role)
    return tuple(f"{' and '.join(names)} are one design." for names in by_trial.values() if len(names) > 1)


def _replay_tables(roles: dict[str, Any]) -> tuple[Table, ...]:
    layers = Table(
        "Replay by layer, fire times against eq. (4)",
        ("design and layer", "latency (τ)", "spread (τ)", "missed", "false", "wrapped"),
        tuple(
            (
                f"{role}, {layer['name']}",
                *(f"{layer[key][0]:.4f}" if layer[key][0] is not None else "-" for key in ("latency", "deviation")),
                *(f"{layer[key][0]:.2%}" for key in ("missed", "false", "wrapped")),
            )
            for role, one in roles.items()
            for layer in one["verification"]["images"]["layers"]
        ),
    )
    rows = [(role, found) for role, one in roles.items() for found in one["verification"]["bsource"]]
    if not rows:
        return (layers,)
    return layers, Table(
        "Neurons of these networks as SPICE decks (bsource) against the same model in closed form (averaged)",
        ("design and layer", "neurons", "median difference (τ)", "95 % of differences (τ)", "fired at one only"),
        tuple(
            (
                f"{role}, {found['layer']}",
                f"{found['runs']}",
                f"{found['median']:+.1e}",
                f"{found['low']:+.1e} … {found['high']:+.1e}",
                f"{found['only_here'] + found['only_there']}",
            )
            for role, found in rows
        ),
    )


def _front_part(values: dict[str, Any]) -> Part:
    costs = [name for name in values["study"]["objectives"] if name != "accuracy"]
    picture = _drawn(
        "front",
        "Evaluated designs (far below the fronts none is drawn); strong: those that no other of the same "
        "fidelity beats in every objective.",
        partial(figures.front_figure, values["fidelities"], costs, values["recommended"]),
    )
    last = values["fidelities"][-1]
    front = sorted((row for row in last["trials"] if row["front"]), key=lambda row: -row["objectives"]["accuracy"])
    names = list(values["ranges"])
    table = Table(
        f"The front at fidelity {last['name']}",
        (
            "design",
            "accuracy",
            *(f"{figures.SCALES[cost][1]}" for cost in costs),
            *(_label(name, values["ranges"][name]) for name in names),
        ),
        tuple(
            (
                f"{row['number']}",
                f"{row['objectives']['accuracy']:.1%}",
                *(f"{figures.SCALES[cost][0] * row['objectives'][cost]:.3g}" for cost in costs),
                *(_shown(row["values"][name], values["ranges"][name]["unit"]) for name in names),
            )
            for row in front
        ),
    )
    return Part("Pareto front", pictures=(picture,), tables=(table,))


def _importance_part(values: dict[str, Any]) -> Part:
    if not values["importance"]:
        return Part("Which parameters matter", ("Too few designs were evaluated to say.",))
    names = list(values["ranges"])
    table = Table(
        "Importance, and rank correlation with the objective",
        ("parameter", *values["importance"]),
        tuple(
            (
                _label(name, values["ranges"][name]),
                *(_importance(found[name]) for found in values["importance"].values()),
            )
            for name in names
        ),
        note="Share by PED-ANOVA: what tells the best quarter of the evaluated designs from all; shares sum to 1. The "
        "sampler looked where designs are good, so a parameter that it soon pinned down shows little.",
    )
    picture = _drawn(
        "importance",
        "Importance of each parameter for each objective, first fidelity.",
        partial(figures.importance_figure, values["importance"]),
    )
    return Part("Which parameters matter", pictures=(picture,), tables=(table,))


def _importance(found: dict[str, Any]) -> str:
    rank = found["rank_correlation"]
    return f"{found['share']:.1%}" + ("" if rank is None else f" ({rank:+.2f})")


def _fidelity_table(values: dict[str, Any]) -> Table:
    rows = []
    for one in values["fidelities"]:
        seconds = [row["details"]["cpu_s"] for row in one["trials"]]
        broken: dict[str, int] = {}
        for row in one["trials"]:
            for name, value in row["constraints"].items():
                broken[name] = broken.get(name, 0) + (value > 0)
        why = ", ".join(f"{name} {count}" for name, count in broken.items() if count)
        rows.append(
            (
                one["name"],
                f"{len(one['trials'])}",
                f"{sum(row['feasible'] for row in one['trials'])}",
                f"{sum(row['front'] for row in one['trials'])}",
                f"{sum(seconds) / max(len(seconds), 1):.1f}",
                why or "-",
            )
        )
    return Table(
        "Designs",
        ("fidelity", "designs", "feasible", "on the front", "CPU-s each", "limits broken by"),
        tuple(rows),
        prose=(5,),
    )


def _between_tables(values: dict[str, Any]) -> tuple[Table, ...]:
    rows = tuple(
        (
            f"{one['from']} → {one['to']}, {one['objective']}",
            f"{one['designs']}",
            "-" if one["rank_correlation"] is None else f"{one['rank_correlation']:+.2f}",
            f"{100 * one['mean_difference']:+.1f} points"
            if one["objective"] == "accuracy"
            else f"{figures.SCALES[one['objective']][0] * one['mean_difference']:+.3g} {_unit(one['objective'])}",
        )
        for one in values["between_fidelities"]
    )
    if not rows:
        return ()
    header = ("fidelities, objective", "designs", "rank correlation", "mean difference")
    return (Table("How far the fidelities agree on the designs that both saw", header, rows),)


def _laws(values: dict[str, Any]) -> str:
    power = values["study"]["power"]
    return (
        f"Power of an armed neuron: {_micro(power['oscillators'])} · I/I₀ + {_micro(power['rest'])} · f0/f0₀ with I₀ "
        f"= {_micro(power['bias'])} ({power['source']}). Phase diffusion of each oscillator: D₀ (f0/f0₀)² I₀/I, since "
        "the jitter κ² of a ring is inverse to its power (McNeill 1997; Hajimiri, Limotyrakis and Lee 1999) and D = "
        "(2π f0)² κ²; widths scale with the current, so that the frequency stays. Trim: a residual evenly spread over "
        "one step, σ = step/√12, of each oscillator. More bits and a finer trim cost nothing in these objectives: area "
        "is not among them. Mismatch of the weights does not follow the current."
    )


def _micro(quantity: str) -> str:
    return quantity.replace(" u", " µ")


def _ranges(values: dict[str, Any]) -> dict[str, Any]:
    return {name: own | {"label": _label(name, own)} for name, own in values["ranges"].items()}


def _label(name: str, own: dict[str, Any]) -> str:
    unit = _SHOWN[own["unit"]][1]
    return name.replace("_", " ") + (f" ({unit})" if unit else "")


def _shown(value: float, unit: str) -> str:
    return f"{_SHOWN[unit][0] * value:.3g}"


def _unit(objective: str) -> str:
    return figures.SCALES[objective][1].partition("(")[2].rstrip(")")


def _share(value: list[float]) -> str:
    return f"{value[0]:.1%} ({value[1]:.1%} … {value[2]:.1%})"


def _drawn(name: str, caption: str, draw: "Callable[[], Figure]") -> Picture:
    with style.styled():
        return Picture(name, caption, style.render(draw(), "svg"), b"")
