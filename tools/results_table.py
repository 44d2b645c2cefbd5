"""The tables of results in README.md and docs/results.md, from the files in reports/published alone.

What is not there has no row. `python -m tools.results_table reports/published --into README.md docs/results.md` puts
them between their marks, and fills every other marked number of these files (tools/marks.py).
"""

import argparse
import csv
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from neurocircuit.core.files import read_json_object, write_atomically
from neurocircuit.errors import FileFormatError, InputError, NeurocircuitError
from neurocircuit.rendering import paper
from neurocircuit.results.inference import EnergyLines
from neurocircuit.tables import transistor_rows
from tools.marks import fill

Row = tuple[str, str, str, str]  # what, ours, the paper's or the aim, folder below reports/published
BEGIN, END = "<!-- results: made by `make results`, do not edit -->", "<!-- end of results -->"
BEGIN_MAIN = "<!-- main results: made by `make results`, do not edit -->"
# What the main rows tell of: Table 3, software, a circuit free of noise, both characterised neurons with everything on.
MAIN = (
    r"Table 3, input jitter of .*",
    r"accuracy, MNIST, .* seeds",
    r"1000 whole images on 3 chips of the embedded circuit, .*",
    r".* of the characterised neuron of .*, in windows, all noise and ripple.*",
)
HEADER = ("what", "here", "paper, or aim")
_DATA = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "cifar10": "CIFAR-10, small network"}
_WINDOWED = {"mnist": "MNIST in windows", "fashion_mnist": "Fashion-MNIST in windows", "cifar10": "CIFAR-10 in windows"}
_AWARE = {
    "robustness/aware-stressed": ("stressed", "by its noise table", ""),
    "robustness/aware-stressed-membranes": ("stressed", "by its noise table and the membranes of every layer", ""),
    "robustness/circuit-aware": ("stressed", "by its noise table", ""),
    "robustness/embedded-aware": ("embedded", "by its noise table", ""),
    "cifar-windowed/embedded/compare": ("embedded", "by its noise table", ", CIFAR-10 in windows"),
    "cifar-windowed/stressed/compare": ("stressed", "by its noise table", ", CIFAR-10 in windows, a narrower network"),
}
_PAPER_ACCURACY = {"mnist": "99.33 %", "cifar10": "-", "fashion_mnist": "-"}


def into(file: Path, published: Path) -> None:
    """Fill every mark of a text. Raise InputError or FileFormatError naming what is missing."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from None
    write_atomically(file, filled(text, published, os.path.relpath(published, file.parent)))


def filled(text: str, published: Path, link: str = "reports/published") -> str:
    """Return a text with the tables of results where it has their marks, and every other marked number.

    link: from the text's folder to the published results.
    """
    for mark, chosen in ((BEGIN, (".*",)), (BEGIN_MAIN, MAIN)):
        before, begin, rest = text.partition(mark)
        _, end, after = rest.partition(END)
        if begin and not end:
            raise FileFormatError(f"the text must hold the line {END} after {mark}")
        if begin:
            text = f"{before}{begin}\n\n{table(published, link, chosen)}\n{END}{after}"
    return fill(text, published)


def rows(published: Path) -> list[Row]:
    """All that is published there. Raises InputError where nothing is."""
    found = [row for part in _PARTS for row in part(published)]
    if not found:
        raise InputError(f"{published} must hold published results, found none")
    return found


def table(published: Path, link: str = "reports/published", chosen: tuple[str, ...] = (".*",)) -> str:
    """Return the rows that one of the expressions fits as Markdown, what was measured linked to its folder."""
    shown = (
        (f"[{what}]({link}/{folder})", ours, theirs)
        for what, ours, theirs, folder in rows(published)
        if any(re.fullmatch(expression, what) for expression in chosen)
    )
    lines = [HEADER, ("---",) * 3, *shown]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _table3(published: Path) -> Iterator[Row]:
    path = published / "table3/table.csv"
    if path.exists():
        rows = [one for one in csv.DictReader(path.read_text(encoding="utf-8").splitlines()) if one["level"] == "edge"]
        found = {float(one["input_jitter[1]"]): float(one["mean[1]"]) for one in rows if one["half"] == "jitter"}
        theirs = [paper.value("jitter", amount) for amount in found]
        what = f"Table 3, input jitter of {'/'.join(f'{100 * amount:g}' for amount in found)} %, level edge"
        yield what, _fine(list(found.values())), _fine([one for one in theirs if one is not None]), "table3"


def _table3_in_transistors(published: Path) -> Iterator[Row]:
    rows = [row for row in transistor_rows.read(published / "transistor/transistor.csv") if row.half == "jitter"]
    if rows:
        theirs = [paper.value("jitter", row.row) for row in rows]
        widths = [row.ci_high - row.ci_low for row in rows if not np.isnan(row.ci_low)]
        error = f"± {100 * float(np.median(widths)) / 2:.1g} points" if widths else "too few for an interval"
        what = f"Table 3, input jitter of {'/'.join(f'{100 * row.row:g}' for row in rows)} %, in transistors"
        coarse = ", ".join(f"{100 * row.row:g} %" for row in rows if not row.resolved)
        ours = f"{_fine([row.mean for row in rows])}, {rows[0].n} draws a row: {error}" + (
            f"; not resolved by the time step: {coarse}" if coarse else ""
        )
        yield what, ours, _fine([one for one in theirs if one is not None]), "transistor"


def _single_neurons(published: Path) -> Iterator[Row]:
    for name, how in (("bsource", "of the stressed circuit as ngspice decks"), ("transistor", "in transistors")):
        folder = f"mnist-network/{name}/replay"
        for values in _read(published, folder):
            for layer in values["neurons"]["layers"]:
                wide = next(one for one in layer["coverage"] if one["nominal"] == 0.95)
                inside = f"{round(wide['share'] * layer['runs'])} of {layer['runs']}"
                what = f"neurons of layer {layer['layer']} {how}, in the 95 % intervals of the noise model"
                yield what, f"{inside}: {'rejected' if layer['rejected'] else 'not rejected'}", "95 %", folder


def _networks(published: Path) -> Iterator[Row]:
    folders: dict[str, list[Path]] = {}
    for folder in sorted((published / "networks").glob("*-seed*")):
        folders.setdefault(folder.name.rpartition("-seed")[0], []).append(folder)
    for seeds in folders.values():
        found = [read_json_object(folder / "evaluation.json") for folder in seeds]
        mean = float(np.mean([one["accuracy"] for one in found]))
        how = f"{len(found)} seeds" if len(found) > 1 else "one seed"
        data = found[0]["images"]["data"]
        yield f"accuracy, {_DATA[data]}, {how}", _percent(mean), _PAPER_ACCURACY[data], f"networks/{seeds[0].name}"


def _windowed(published: Path) -> Iterator[Row]:
    vgg16 = {bits: f"paper, VGG16: {_percent(accuracy)}" for bits, accuracy in paper.TABLE_4["cifar10"].items()}
    for file, how, theirs in (
        ("cifar-windowed/software/forced-test.evaluation.json", "form forced, 32 bit", vgg16[32]),
        ("cifar-windowed/software/half-test.evaluation.json", "form ramp, 32 bit", vgg16[32]),
        ("cifar-windowed/embedded/clean/software.evaluation.json", "form ramp, 4 bit", vgg16[4]),
        (
            "windowed-vgg16/forced.evaluation.json",
            "SpikingVGG16 of Table 1 after 3 epochs, form forced, 32 bit",
            vgg16[32],
        ),
        ("windowed/mnist-ramp-tuned.evaluation.json", "form ramp, 32 bit", _PAPER_ACCURACY["mnist"]),
        ("windowed-fashion/tuned.evaluation.json", "form ramp, 32 bit", "-"),
    ):
        if (published / file).exists():
            found = read_json_object(published / file)
            name, images = _WINDOWED[found["images"]["data"]], found["images"]["n"]
            yield f"accuracy, {name}, {images} test images, {how}", _accuracy(found), theirs, str(Path(file).parent)


def _windowed_chips(published: Path) -> Iterator[Row]:
    for name, words in (("free", "free network"), ("windowed", "in windows, noise-aware, 4 bit")):
        path = published / f"windowed-chips/{name}.evaluation.json"
        if path.exists():
            found = read_json_object(path)
            cost = found["cost"]
            costs = f"{_energy(cost)}, {1e9 * cost['latency_s']:.3g} ns"
            what = f"MNIST on {found['chips']} chips of the embedded circuit, by its noise table, {words}"
            yield what, f"{_accuracy(found)}; {costs}", "-", "windowed-chips"


def _energy(cost: dict[str, Any]) -> str:
    """Return the energy of an inference with its reading: in total, or armed in results of before it was counted."""
    lines = cost.get("lines")
    if lines is None:
        return f"{1e9 * cost['energy_J']:.3g} nJ armed"
    return f"{1e9 * EnergyLines(**lines).total_J:.3g} nJ in total"


def _table4(published: Path) -> Iterator[Row]:
    for folder, values in _studies(published, "table4"):
        found = values["studies"]["table4"]
        theirs = paper.table_4(values["network"], values["data"])
        other = "paper, VGG16: " if values["network"] == "windowed" else ""
        for how, name in (("retrained", "retrained"), ("after", "only rounded")):
            words, bank = ([row[how] for row in found["quantisers"][kind]] for kind in ("word", "bank"))
            if words[0] is None:
                continue
            compared = theirs and how == "retrained"
            printed = other + _list([theirs[bits] for bits in found["bits"]]) if compared else "-"
            bits = "/".join(map(str, found["bits"]))
            what = f"Table 4, {_name(values)}: {bits} bit, {name}, from {_percent(found['unrounded'])}"
            yield what, f"words {_list(words)}; bank {_list(bank)}", printed, folder


def _fig2(published: Path) -> Iterator[Row]:
    for folder, values in _studies(published, "fig2"):
        found = values["studies"]["fig2"]
        ours = _means(found["noise"], found["snr_dB"], (10.0, 20.0, 30.0))
        yield f"Fig. 2, {_name(values)}: weight noise of 10/20/30 dB", ours, "negligible from 25 dB on", folder


def _jitter(published: Path) -> Iterator[Row]:
    for folder, values in _studies(published, "jitter"):
        found = values["studies"]["jitter"]
        ours = _means(found["accuracy"], found["jitter"], (0.01, 0.05, 0.1))
        clock = {"layer": " (of the layer's own clock)", "none": " of τ"}.get(found.get("time_origin"), "")
        yield f"spike-time jitter of 1/5/10 %{clock}, {_name(values)}", ours, "-", folder


def _spikes(published: Path) -> Iterator[Row]:
    for folder, values in _studies(published, "spikes"):
        found = values["studies"]["spikes"]
        what = "jitter of 0.05 τ / 1 % of the spikes missed / thresholds off by 5 %"
        curves = (
            ("jitter_over_tau", 0.05, "jittered"),
            ("missed", 0.01, "lost"),
            ("threshold_error", 0.05, "mismatched"),
        )
        for name in found["zero"]:
            shares = [float(np.mean(found[of][name][found[field].index(at)])) for field, at, of in curves]
            which = "free network" if name == "clean" else name
            yield f"{what}, {_DATA[values['data']]}, {which}", _list(shares), "-", folder


def _on_circuits(published: Path) -> Iterator[Row]:
    for folder_name, name, noise in (
        ("embedded", "embedded", "oscillators free of noise"),
        ("stressed", "stressed", "assumed phase noise"),
        ("stressed_locked", "stressed", "assumed phase noise, also before the arming"),
    ):
        folder = f"mnist-network/{folder_name}/replay"
        for values in _read(published, folder):
            found = values["images"]
            of = ((key, found["accuracy"].get(key)) for key in ("circuit", "noise model"))
            what = f"{found['images']} whole images on {found['chips']} chips of the {name} circuit, {noise}"
            text = "; ".join(f"{key} {_interval(share)}" for key, share in of if share)
            yield what, text, f"software {_percent(found['accuracy']['software'][0])}", folder


def _device_noise(published: Path) -> Iterator[Row]:
    accuracy = {}
    for kind in ("none", "white", "flicker", "both"):
        for values in _read(published, f"device-noise/{kind}/replay"):
            found = values["images"]
            accuracy[kind] = _interval(found["accuracy"]["circuit"])
    if accuracy:
        what = f"{found['images']} whole images on {found['chips']} chips of the embedded circuit"
        text = ", ".join(f"{kind} {share}" for kind, share in accuracy.items())
        yield f"{what}, noise characterised on the devices of generic65", text, "97 % with both", "device-noise"
    for neuron in ("generic65", "generic65_low_noise"):
        for values in _read(published, f"neuron-noise/{neuron}/replay"):
            found = values["images"]
            what = f"{found['images']} whole images on {found['chips']} chips of the characterised neuron of {neuron}"
            shown = _interval(found["accuracy"]["circuit"])
            yield f"{what}, all noise of its devices", shown, "97 %", f"neuron-noise/{neuron}"
    for neuron in ("generic65", "generic65_low_noise"):
        for values in _read(published, f"all-noise/{neuron}/replay"):
            found = values["images"]
            what = f"{found['images']} whole images on {found['chips']} chips of the characterised neuron of {neuron}"
            shares = [
                f"{key} {_interval(found['accuracy'][key])}"
                for key in ("circuit", "noise model")
                if key in found["accuracy"]
            ]
            each_pJ = 1e12 * EnergyLines(**found["cost"]["lines"]).total_J / found["cost"]["neurons"]
            shown = "; ".join([*shares, f"{each_pJ:.1f} pJ a neuron"])
            yield (
                f"{what}, in windows, all noise and ripple, trained for the second",
                shown,
                "97 %, 10 pJ",
                f"all-noise/{neuron}",
            )


def _aware(published: Path) -> Iterator[Row]:
    for folder, (circuit, how, data) in _AWARE.items():
        for values in _read(published, folder):
            found = values["recovery"]
            text = f"{_interval(found['clean'])} clean, {_interval(found['trained'])} noise-aware"
            share, low, high = found["share"]
            if values.get("in_circuit") is None or data:
                aim = "at most 0.3 points below software"
                if low is not None:
                    text = f"{text}: {share:.0%} of the loss won back ({low:.0%} … {high:.0%})"
                    aim = "above one half"
                yield f"noise-aware training on the {circuit} circuit, {how}{data}", text, aim, folder
            if found["control"][0] is not None:
                text = f"{_interval(found['control'])}; the noise is worth {_points(found['beyond_control'])}"
                yield f"as many steps without the noise, {circuit} circuit, {how}{data}", text, "-", folder
            if values.get("in_circuit"):
                own = values["in_circuit"]
                clean, trained = (_interval(own["recovery"][key]) for key in ("clean", "trained"))
                text = f"{clean} clean, {trained} noise-aware; gain {_points(own['recovery']['gain'])}"
                where = f"{own['chips']} chips of the {circuit} circuit, level {own['level']}{data}"
                yield f"{own['images']} whole images on {where}", text, "the gain shows there too", folder


def _curves(published: Path) -> Iterator[Row]:
    folder = "robustness/circuit"
    for values in _read(published, folder):
        for circuit in values["circuits"]:
            base = [row for row in values["rows"] if row["circuit"] == circuit and row["quantity"] is None]
            shares = ", ".join(
                f"{row['group']} {_interval([row['accuracy'], row['low'], row['high']])}" for row in base
            )
            what = f"base of the curves over {len(values['quantities'])} circuit quantities, {circuit} circuit"
            yield f"{what}: {values['images']} images x {values['chips']} chips", shares, "-", folder


def _pvt(published: Path) -> Iterator[Row]:
    from neurocircuit.rendering.renderers.pvt import TRIMS

    for values in _read(published, "pvt"):
        for way, name in TRIMS.items():
            rows = [row for row in values["rows"] if row["trim"] == way and not row["failed"]]
            if rows:
                worst = min(rows, key=lambda row: row["accuracy"])
                good = sum(row["accuracy"] >= 0.95 for row in rows)
                text = f"{good} of {len(rows)} conditions at 95 % or more; worst {_percent(worst['accuracy'])}"
                yield f"process, voltage, temperature: {name}", f"{text} ({worst['label']})", "-", "pvt"


def _codesign(published: Path) -> Iterator[Row]:
    studies = {"codesign": "", "codesign-windowed": " in windows", "codesign-device-noise": " under device noise"}
    for folder, network in studies.items():
        for values in _read(published, folder):
            for role, one in values["recommended"].items():
                details = one["outcome"]["details"]
                accuracy = _interval(one["verification"]["images"]["accuracy"]["circuit"])
                cost = f"{_energy(details)}, {1e9 * details['latency_s']:.3g} ns"
                what = f"co-design{network}, {role}: test images at edge; energy, latency"
                yield what, f"{accuracy}; {cost}", "-", folder


_PARTS: tuple[Callable[[Path], Iterator[Row]], ...] = (
    _table3,
    _table3_in_transistors,
    _networks,
    _windowed,
    _windowed_chips,
    _table4,
    _fig2,
    _jitter,
    _spikes,
    _on_circuits,
    _device_noise,
    _single_neurons,
    _aware,
    _curves,
    _pvt,
    _codesign,
)


def _studies(published: Path, study: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((published / "robustness").glob(f"{study}*/result.json")):
        yield f"robustness/{path.parent.name}", read_json_object(path)


def _read(published: Path, folder: str) -> list[dict[str, Any]]:
    """The result of a folder; none where it has not been made."""
    path = published / folder / "result.json"
    return [read_json_object(path)] if path.exists() else []


def _name(values: dict[str, Any]) -> str:
    return (_WINDOWED if values["network"] == "windowed" else _DATA)[values["data"]]


def _means(curves: dict[str, list[list[float]]], places: list[float], wanted: tuple[float, ...]) -> str:
    """Means over draws at the places wanted, of networks as trained and trained under it."""
    names = {"clean": "as trained", "trained": "trained under it"}
    at = [places.index(place) for place in wanted]
    return "; ".join(f"{names[key]} {_list([float(np.mean(draws[k])) for k in at])}" for key, draws in curves.items())


def _percent(value: float) -> str:
    return f"{100 * value:.2f} %" if value > 0.985 and value < 1 else f"{100 * value:.1f} %"


def _list(values: list[float]) -> str:
    return "/".join(f"{100 * value:.1f}" for value in values) + " %"


def _fine(values: list[float]) -> str:
    return "/".join(f"{100 * value:.2g}" for value in values) + " %"


def _points(value: list[float]) -> str:
    return f"{100 * value[0]:+.1f} points ({100 * value[1]:+.1f} … {100 * value[2]:+.1f})"


def _accuracy(found: dict[str, Any]) -> str:
    return _interval([found["accuracy"], found["accuracy_low"], found["accuracy_high"]])


def _interval(value: list[float]) -> str:
    return f"{100 * value[0]:.1f} % ({100 * value[1]:.1f} … {100 * value[2]:.1f})"


def main(arguments: list[str] | None = None) -> int:
    """Print the table, or put it into a README. Return 2 where a file is missing or has no marks."""
    parser = argparse.ArgumentParser(prog="python -m tools.results_table", description=__doc__)
    parser.add_argument("published", type=Path, help="folder of the published results")
    parser.add_argument("--into", type=Path, nargs="+", metavar="README", help="files whose marks are filled")
    given = parser.parse_args(arguments)
    try:
        if given.into is None:
            print(table(given.published), end="")
        else:
            for readme in given.into:
                into(readme, given.published)
    except NeurocircuitError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
