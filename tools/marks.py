"""Numbers of READMEs and docs that stand between marks, filled from the files in reports/published.

`<!-- = FILE KEY SPEC -->91.7<!-- / -->` holds one number: KEY leads through the JSON of FILE by names, places and
choices (`rows[circuit=stressed;group=clean].accuracy`), SPEC is a format, with a factor before it where one is needed
(`100*.1f`). `<!-- table NAME -->` … `<!-- / -->` holds a table of TABLES.
"""

import csv
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from neurocircuit.core.files import read_json_object
from neurocircuit.errors import FileFormatError
from neurocircuit.results.inference import EnergyLines
from neurocircuit.spec import NeuronSpec
from neurocircuit.spec.reasons import reason_table

_VALUE = re.compile(r"(<!-- = (\S+) (\S+) (?:(\S+)\*)?(\S+) -->).*?(<!-- / -->)", re.DOTALL)
_TABLE = re.compile(r"(<!-- table (\S+) -->).*?(<!-- / -->)", re.DOTALL)
_STEP = re.compile(r"\[([^\]]+)\]|([^.\[\]]+)")


def fill(text: str, published: Path) -> str:
    """Return the text with every number and table between marks as the published files have it.

    Raise InputError or FileFormatError naming the file or the key that is not there.
    """

    def value(match: re.Match[str]) -> str:
        begin, file, key, factor, spec, end = match.groups()
        number = f"{float(factor or 1) * find(read_json_object(published / file), key):{spec}}"
        return f"{begin}{number.replace('-', '−')}{end}"

    def table(match: re.Match[str]) -> str:
        begin, name, end = match.groups()
        if name not in TABLES:
            raise FileFormatError(f"a mark names the table {name}, which must be among {', '.join(TABLES)}")
        rows = TABLES[name](published)
        lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
        return begin + "\n\n" + "".join("| " + " | ".join(line) + " |\n" for line in lines) + end

    return _TABLE.sub(table, _VALUE.sub(value, text))


def find(values: Any, key: str) -> Any:
    """Return what KEY leads to. Raise FileFormatError naming the step that leads nowhere.

    >>> find({"rows": [{"a": "x", "b": 1}, {"a": None, "b": 2}]}, "rows[a=null].b")
    2
    """
    for choice, name in _STEP.findall(key):
        try:
            if choice:
                wanted = dict(part.split("=") for part in choice.split(";"))
                (values,) = [row for row in values if all(_text(row[one]) == text for one, text in wanted.items())]
            else:
                values = values[int(name)] if isinstance(values, list) else values[name]
        except (KeyError, IndexError, ValueError, TypeError):
            raise FileFormatError(f"{key} leads nowhere at {choice or name}") from None
    return values


def _text(value: Any) -> str:
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _codesign(published: Path, folder: str = "codesign") -> list[list[str]]:
    result = read_json_object(published / folder / "result.json")
    header = ["design", "accuracy, whole test images at `edge`", "energy, in total", "armed", "energy, spikes"]
    is_windowed = "readout_window" in result["ranges"]
    rows = [[*header, "energy, paper's formula", "latency", *(["T"] if is_windowed else [])]]
    for role, design in sorted(result["recommended"].items()):
        details = design["outcome"]["details"]
        accuracy, low, high = (100 * one for one in design["verification"]["images"]["accuracy"]["circuit"])
        energies = [f"{1e9 * details[key]:.3g} nJ" for key in ("energy_J", "energy_spikes_J", "energy_paper_J")]
        total = f"{1e9 * EnergyLines(**details['lines']).total_J:.3g} nJ" if "lines" in details else "–"
        interval = f"{accuracy:.1f} % ({low:.1f} … {high:.1f})"
        rows.append([role, interval, total, *energies, f"{1e9 * details['latency_s']:.1f} ns"])
        if is_windowed:
            rows[-1].append(f"{design['values']['readout_window']:.2f} τ")
    return rows


def _networks(published: Path) -> list[list[str]]:
    rows = [["run", "epochs", "held out", "test", "spike, before the decision", "latency"]]
    for folder in sorted((published / "networks").glob("*-seed*")):
        run, test = read_json_object(folder / "run.json"), read_json_object(folder / "evaluation.json")
        with (folder / "log.csv").open(encoding="utf-8") as log:
            epochs = len(list(csv.DictReader(log)))
        interval = _interval(test)
        shares = (test[key] / test["neurons"] for key in ("spikes", "spikes_before_decision"))
        rows.append(
            [
                f"`{folder.name}`",
                f"{epochs}",
                f"{run['held_out_accuracy']:.2%}",
                f"{interval} of {test['images']['n']}",
                ", ".join(f"{share:.3f}" for share in shares),
                f"{test['latency']['mean_over_tau']:.3f} tau",
            ]
        )
    return rows


def _interval(one: dict[str, Any]) -> str:
    return f"{one['accuracy']:.2%} ({one['accuracy_low']:.2%} to {one['accuracy_high']:.2%})"


def _windowed(published: Path) -> list[list[str]]:
    rows = [["network", "test images right", "neurons that spike", "latency, mean", "undecided"]]
    for name, words in _WINDOWED.items():
        test = read_json_object(published / f"windowed/mnist-{name}.evaluation.json")
        interval = _interval(test)
        share, latency = test["spikes"] / test["neurons"], test["latency"]["mean_over_tau"]
        rows.append([words, interval, f"{share:.1%}", f"{latency:.2f} τ", f"{test['undecided']}"])
    return rows


def _spikes(published: Path, folder: str = "spikes") -> list[list[str]]:
    found = read_json_object(published / f"robustness/{folder}/result.json")["studies"]["spikes"]
    columns = [("jittered", found["jitter_over_tau"], value, f"jitter of {value:g} τ") for value in (0.02, 0.05)]
    columns += [("lost", found["missed"], value, f"{100 * value:g} % missed") for value in (0.01, 0.1)]
    errors = found["threshold_error"]
    columns += [("mismatched", errors, value, f"thresholds off by {100 * value:g} %") for value in (0.05, 0.1)]
    rows = [["network", "no errors", *(words for *_, words in columns)]]
    for name, share in found["zero"].items():
        means = [np.mean(found[curve][name][values.index(value)]) for curve, values, value, _ in columns]
        rows.append(["free" if name == "clean" else name, *(f"{accuracy:.1%}" for accuracy in (share, *means))])
    return rows


def _windowed_software(published: Path) -> list[list[str]]:
    rows = [["network", "weights", "test images right", "official ones", "neurons that spike", "latency, mean"]]
    for file, words in _WINDOWED_SOFTWARE.items():
        test = read_json_object(published / f"{file}.evaluation.json")
        official = read_json_object(published / f"{file.replace('-test', '-official')}.evaluation.json")
        rights = [
            f"{_interval(one)} of {one['images']['n']}"
            for one in ((test, official) if file.endswith("-test") else (test,))
        ]
        share, latency = test["spikes"] / test["neurons"], test["latency"]["mean_over_tau"]
        rights += ["–"] * (2 - len(rights))
        rows.append([words, f"{test['weights']:,}", *rights, f"{share:.1%}", f"{latency:.2f} τ"])
    return rows


def _windowed_noise(published: Path) -> list[list[str]]:
    result = read_json_object(published / "windowed-noise/result.json")
    groups = result["groups"]
    right = {(row["value"] or 0.0, row["group"]): row for row in result["rows"]}
    rows = [["phase noise of each VCO", *groups]]
    rows.append(["software", *(f"{group['software']:.1%}" for group in groups.values())])
    for value in sorted({value for value, _ in right}):
        shares = (right[value, name] for name in groups)
        words = f"{value / _STRESSED:.2g} × ({value / 1e3:.3g}·10³ rad²/s)" if value else "none"
        rows.append([words, *(f"{row['accuracy']:.1%} ({row['low']:.1%} to {row['high']:.1%})" for row in shares)])
    return rows


def _windowed_beside(published: Path) -> list[list[str]]:
    rows = [["on 10 chips of the embedded circuit, 1000 images"]]
    free, windowed = (
        read_json_object(published / f"windowed-chips/{name}.evaluation.json") for name in ("free", "windowed")
    )
    rows[0] += ["free", "in windows"]
    for words, show in _BESIDE.items():
        rows.append([words, show(free), show(windowed)])
    return rows


_BESIDE: dict[str, Callable[[dict[str, Any]], str]] = {
    "neurons": lambda one: f"{one['cost']['neurons']}",
    "right in software, weights as the bank has them": lambda one: f"{one['accuracy_rounded']:.1%}",
    "right on chips": lambda one: f"{one['accuracy']:.1%} ({one['accuracy_low']:.1%} to {one['accuracy_high']:.1%})",
    "neurons that miss their spike": lambda one: _share_of_neurons(one, "missed"),
    "neurons that fire falsely": lambda one: _share_of_neurons(one, "false"),
    "energy, neurons armed": lambda one: f"{1e9 * one['cost']['energy_J']:.1f} nJ",
    "energy, neurons that spike": lambda one: f"{1e9 * one['cost']['energy_spikes_J']:.1f} nJ",
    "latency, mean": lambda one: f"{one['cost']['latency_over_tau']:.2f} τ",
}


def _share_of_neurons(evaluation: dict[str, Any], event: str) -> str:
    layers = evaluation["layers"]
    return f"{sum(one[event] * one['neurons'] for one in layers) / sum(one['neurons'] for one in layers):.1%}"


def _windowed_chips(published: Path) -> list[list[str]]:
    rows = [
        [
            "circuit",
            "trained",
            "test images right, software",
            "on 5 chips, by the noise table",
            "on 2 chips, level `edge`",
        ]
    ]
    for circuit in ("embedded", "stressed"):
        folder = published / f"cifar-windowed/{circuit}"
        compared = read_json_object(folder / "compare/result.json")
        for network, (name, words) in zip(compared["networks"], _TRAINED.items(), strict=True):
            test = read_json_object(folder / f"{name}/software.evaluation.json")
            images = read_json_object(folder / f"{name}/replay/result.json")["images"]
            shares = [
                (test["accuracy"], test["accuracy_low"], test["accuracy_high"], test["images"]["n"]),
                (network["accuracy"], network["accuracy_low"], network["accuracy_high"], network["n"]),
                (*images["accuracy"]["circuit"], images["images"]),
            ]
            printed = (f"{share:.1%} ({low:.1%} to {high:.1%}) of {n}" for share, low, high, n in shares)
            rows.append([circuit, words, *printed])
    return rows


_STRESSED = 110e3  # rad²/s, of training/circuits/stressed.toml
_WINDOWED_SOFTWARE = {
    "cifar-windowed/software/forced-test": "CIFAR-10, `forced`, as converted",
    "cifar-windowed/software/half-test": "CIFAR-10, `ramp`, fine-tuned for one epoch",
    "windowed-fashion/tuned": "Fashion-MNIST, `ramp`, fine-tuned for one epoch",
}
_TRAINED = {"clean": "without the circuit's noise", "aware": "under the circuit's noise"}
_TRIMS = {
    "mapped": "trimmed and mapped there",
    "again": "trimmed there, mapped at nominal",
    "nominal": "trimmed and mapped at nominal",
}
_WINDOWED = {
    "forced": "`forced`, as converted",
    "ramp": "`ramp`, as converted",
    "ramp-tuned": "`ramp`, fine-tuned for one epoch",
    "ramp-jitter": "`ramp`, fine-tuned under jitter of 0.02 τ",
}


def _pvt(published: Path) -> list[list[str]]:
    rows = read_json_object(published / "pvt/result.json")["rows"]
    header = ["condition", *_TRIMS.values(), "latency, mapped there", "undecided, mapped at nominal"]
    by_condition: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows:
        by_condition.setdefault(row["label"], {})[row["trim"]] = row
    return [header] + [
        [
            label,
            *(_right(trims[trim]) for trim in _TRIMS),
            f"{1e9 * trims['mapped']['latency_s']:.0f} ns",
            f"{100 * trims['again']['undecided']:.0f} %",
        ]
        for label, trims in by_condition.items()
    ]


def _right(row: dict[str, Any]) -> str:
    accuracy, low, high = (100 * row[key] for key in ("accuracy", "accuracy_low", "accuracy_high"))
    return f"{accuracy:.1f} % ({low:.1f} … {high:.1f})"


def _transistor(published: Path) -> list[list[str]]:
    with (published / "transistor/transistor.csv").open(encoding="utf-8") as file:
        found = [{name: _number(text) for name, text in row.items()} for row in csv.DictReader(file)]
    rows = [["input jitter", "transistors, output jitter", "`edge`, output jitter", "difference, points", "draws"]]
    for one in found:
        mean, low, high = (f"{100 * one[key]:.3f}" for key in ("mean", "ci_low", "ci_high"))
        difference, least, most = (
            f"{100 * one[key]:+.2f}".replace("-", "−")
            for key in ("difference", "difference_ci_low", "difference_ci_high")
        )
        words = [f"{100 * one['row']:g} %", f"{mean} % ({low} … {high})", f"{100 * one['edge_mean']:.3f} %"]
        rows.append([*words, f"{difference} ({least} … {most})", f"{one['n']:.0f}"])
    return rows


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _conditions(published: Path) -> list[list[str]]:
    header = ["condition", "f1", "τ", "swing of VCO4", "threshold, jump of VCO1", "full scale + / −", "lock time"]
    rows = [[*header, "energy with lock", "idle membrane without trim"]]
    for folder, label in _one_off_nominal(published / "datasheet-generic65"):
        spec = NeuronSpec.from_toml(folder / "spec.toml")
        banks = (spec.weight_bank.excitatory, spec.weight_bank.inhibitory) if spec.weight_bank else ()
        rows.append(
            [
                label,
                f"{1e-6 * _quantity(folder, 'trim', 'f1'):.0f} MHz",
                f"{1e9 * spec.tau_s:.1f} ns",
                f"{1e-6 * spec.vco4_swing_Hz:.0f} MHz",
                f"{spec.phase_per_weight_rad:.2f} rad",
                " / ".join(f"{bank.max_weight:.2f}" for bank in banks),
                f"{1e9 * _quantity(folder, 'lock', 'lock_time'):.0f} ns",
                f"{1e12 * _quantity(folder, 'energy', 'with_lock'):.1f} pJ",
                f"{100 * _quantity(folder, 'untrimmed', 'drift_relative'):+z.0f} % per τ".replace("-", "−"),
            ]
        )
    return rows


def _phase_noise(published: Path) -> list[list[str]]:
    header = ["condition", "white noise of VCO1 / VCO3, krad²/s", "flicker h, 10⁻⁸", "corner, MHz"]
    rows = [[*header, "supply: VCO1 / VCO3, %/V", "VCO4 less VCO3, %/V"]]
    for folder, label in _one_off_nominal(published / "datasheet-generic65"):
        noise = partial(_of_vco1_and_vco3, folder, "phase_noise")
        supply = [100 * _quantity(folder, "supply", key) for key in ("vco1", "vco3", "vco4_vco3")]
        cells = [noise("white", 1e-3, ".0f"), noise("flicker", 1e8, ".2f"), noise("corner", 1e-6, ".2f")]
        rows.append([label, *cells, f"{supply[0]:.0f} / {supply[1]:.0f}", f"{supply[2]:.1f}"])
    return rows


def _trims(published: Path) -> list[list[str]]:
    header = ["condition", "f1", "I1 / I2 / I3 / I4", "gain at f3 over f1", "lead", "lag − π/2", "drift", "runs"]
    rows = [[*header, "idle membrane without trim"]]
    for folder in sorted((published / "datasheet-generic65/conditions").glob("*C_1V"), key=_by_corner):
        corner, temperature, _ = folder.name.rsplit("_", 2)
        trim = partial(_quantity, folder, "trim")
        cells = [
            f"{corner}, {temperature[:-1]} °C",
            f"{1e-6 * trim('f1'):.0f} MHz",
            " / ".join(f"{1e6 * trim(f'vco{n}'):.2f}" for n in (1, 2, 3, 4)) + " µA",
            f"{trim('gain3') / trim('gain1'):.2f}",
            f"{trim('lead'):.2f} rad",
            f"{1e3 * trim('lag_residual'):+.1f} mrad",
            f"{1e-6 * trim('drift'):+z.2f} mrad/ns",
            f"{trim('runs'):.0f}",
            f"{100 * _quantity(folder, 'untrimmed', 'drift_relative'):+z.0f} % per τ",
        ]
        rows.append([cells[0], *(cell.replace("-", "−") for cell in cells[1:])])
    return rows


def _by_corner(folder: Path) -> tuple[int, str, float]:
    corner, temperature, _ = folder.name.rsplit("_", 2)
    return len(corner), {"tt": ""}.get(corner, corner), float(temperature[:-1])


def _noise_by_device(published: Path) -> list[list[str]]:
    neurons = read_json_object(published / "noise-cost/result.json")["neurons"]
    columns = [
        (neuron["vcos"][0][kind], factor) for kind, factor in (("white", 1e-3), ("flicker", 1e9)) for neuron in neurons
    ]
    names = [neuron["process"] for neuron in neurons]
    rows = [["devices of VCO1", *(f"D, krad²/s, {name}" for name in names), *(f"h, 10⁻⁹, {name}" for name in names)]]
    for device in dict.fromkeys(device for found, _ in columns for device in found):
        rows.append(
            [device, *(f"{factor * found[device]:.2f}" if device in found else "–" for found, factor in columns)]
        )
    return rows


def _of_vco1_and_vco3(folder: Path, file: str, key: str, factor: float, form: str) -> str:
    return " / ".join(f"{factor * _quantity(folder, file, f'{key}_vco{n}'):{form}}" for n in (1, 3))


def _quantity(folder: Path, file: str, key: str) -> float:
    return float(find(read_json_object(folder / f"{file}.json"), f"quantities[key={key}].value"))


def _one_off_nominal(datasheet: Path) -> list[tuple[Path, str]]:
    """Return folder and name of each condition with at most one of corner, temperature and supply off nominal."""
    conditions = []
    for folder in (datasheet / "conditions").iterdir():
        corner, temperature, supply = folder.name.rsplit("_", 2)
        off = (corner != "tt", supply != "1V", temperature != "27C")
        if sum(off) <= 1:
            order = (any(off), *off, corner, float(temperature[:-1]), float(supply[:-1]))
            conditions.append((order, folder, f"{corner}, {temperature[:-1]} °C, {supply[:-1]} V"))
    return [(folder, label) for _, folder, label in sorted(conditions)]


def _embedded_circuit(published: Path) -> list[list[str]]:
    header, _, *rows = (line.strip("| ").split(" | ") for line in reason_table().splitlines())
    return [header, *rows]


def _transfer_table(published: Path) -> list[list[str]]:
    rows = [["input jitter", "output jitter, mean of \\|Δ\\|/t", "95 % interval", "draws", "silent"]]
    with (published / "table3/table.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if (row["half"], row["level"]) == ("jitter", "edge"):
                jitter, mean, low, high, silent = (
                    100 * float(row[f"{key}[1]"])
                    for key in ("input_jitter", "mean", "ci_low", "ci_high", "silent_fraction")
                )
                interval = f"{low:.2f} … {high:.2f} %"
                rows.append([f"{jitter:g} %", f"{mean:.2f} %", interval, row["n"], f"{silent:g} %"])
    return rows


def _noise_table(published: Path) -> list[list[str]]:
    calibration = read_json_object(published / "mnist-network/stressed/table.calibration.json")
    causes = ("die", "neuron", "synapse", "event", "all")
    rows = [["layer", *causes, "neurons that miss their spike"]]
    for layer, budget in zip(calibration["layers"], calibration["budget"], strict=True):
        spreads = (f"{budget[cause]:.3f} τ" for cause in causes)
        rows.append([f"{budget['layer']}", *spreads, f"{100 * layer['missed']:.1f} %"])
    return rows


TABLES: dict[str, Callable[[Path], list[list[str]]]] = {
    "codesign": _codesign,
    "codesign_windowed": partial(_codesign, folder="codesign-windowed"),
    "codesign_device_noise": partial(_codesign, folder="codesign-device-noise"),
    "embedded_circuit": _embedded_circuit,
    "conditions": _conditions,
    "networks": _networks,
    "noise_by_device": _noise_by_device,
    "noise_table": _noise_table,
    "phase_noise": _phase_noise,
    "pvt": _pvt,
    "spikes": _spikes,
    "spikes_fashion": partial(_spikes, folder="spikes-fashion"),
    "transistor": _transistor,
    "transfer_table": _transfer_table,
    "trims": _trims,
    "windowed": _windowed,
    "windowed_beside": _windowed_beside,
    "windowed_chips": _windowed_chips,
    "windowed_noise": _windowed_noise,
    "windowed_software": _windowed_software,
}
