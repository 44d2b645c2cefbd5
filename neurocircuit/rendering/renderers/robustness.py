"""Accuracy of a network over weight bits, weight noise, errors of spikes and thresholds: Table 4, Fig. 2."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePath

import numpy as np

from neurocircuit.core.stats import wilson_interval
from neurocircuit.rendering import paper
from neurocircuit.rendering.document import Document, Section, Table, draw, section
from neurocircuit.rendering.figures import robustness as figures
from neurocircuit.rendering.renderers.run_record import run_section
from neurocircuit.rendering.text import ABSENT, interval
from neurocircuit.results.robustness import Robustness, SpikeErrors, SpikeJitter, Table4, WeightNoise

_ORIGINS = {
    "image": "t' = t (1 + j N(0, 1)) for every spike, input included, t from the start of the image",
    "layer": "t' = t (1 + j N(0, 1)) for every spike, input included, t from the start of the layer's own clock, its "
    "earliest input of the image (each layer has a time constant of its own)",
    "none": "t' = t + j τ N(0, 1) for every spike, input included, but not out of its window",
}


def render(file: Path) -> Document:
    """Return the report of one or several robustness studies of a network."""
    result = Robustness.load(file)
    answers: list[str] = []
    sections: list[Section] = []
    for study in result.studies.values():
        if isinstance(study, Table4):
            printed = paper.table_4(result.network, result.data)
            answers.append(_table4_answer(study, printed))
            sections.append(_table4(study, result, printed))
        elif isinstance(study, WeightNoise):
            answers.append(_noise_answer(study))
            sections += _fig2(study, result.n)
        elif isinstance(study, SpikeErrors):
            answers.append(_spikes_answer(study, result))
            sections.append(_spikes(study, result))
        else:
            answers.append(_jitter_answer(study))
            sections.append(_jitter(study, result))
    title = f"Robustness of {result.network} on {result.data}"
    return Document(title, " ".join(answers), (*sections, run_section(result)))


def _table4_answer(study: Table4, printed: dict[int, float]) -> str:
    how = "retrained" if figures.is_retrained(study) else "after"
    ends = ", ".join(f"{figures.NAMES[kind]} {getattr(rows[-1], how):.2%}" for kind, rows in study.quantisers.items())
    other = f" (paper: {printed[2]:.2%} from {printed[32]:.2%})" if printed else ""
    lead = "Retrained at 2 bit" if how == "retrained" else "Only rounded to 2 bit"
    return f"{lead}: {ends}, from {study.unrounded:.2%} unrounded{other}."


def _table4(study: Table4, result: Robustness, printed: dict[int, float]) -> Section:
    n = result.n
    columns = {"retrained": "retrained", "after": "after training"}
    if not figures.is_retrained(study):
        del columns["retrained"]
    header, rows = ["bits"], [["32"], *([f"{bits}"] for bits in study.bits)]
    for kind, cells_of_kind in study.quantisers.items():
        header += [f"{figures.NAMES[kind]}, {name}" for name in columns.values()]
        rows[0] += [_share(study.unrounded, n) if len(rows[0]) == 1 else ""] + [""] * (len(columns) - 1)
        for row, cells in zip(rows[1:], cells_of_kind, strict=True):
            row += [_share(getattr(cells, key), n) for key in columns]
    if printed:
        header.append("paper, retrained")
        for row in rows:
            row.append(f"{printed[int(row[0])]:.2%}" if int(row[0]) in printed else ABSENT)
    epochs = result.epochs_of_each_step
    steps = f"Each step goes on from the one above it for {epochs} epoch(s), straight-through gradients. "
    if "retrained" not in columns:
        steps = "Nothing was retrained. "
    table = Table(
        f"Accuracy on {n} test images, 95 % intervals of the test set",
        tuple(header),
        tuple(tuple(row) for row in rows),
        note=steps
        + f"Signed words: 2^b - 1 codes of one step per {result.full_scale}, three at 2 bit; the circuit's bank: b "
        "bits of magnitude for each sign, seven codes at 2 bit. The paper does not say which words it means.",
    )
    figure = draw("table4", "Accuracy over weight bits.", partial(figures.table4_figure, study, printed))
    return section("Table 4: weight bits", figure, table)


def _fig2(study: WeightNoise, n: int) -> list[Section]:
    rounded = Table(
        "Rounded after training",
        ("bits", *(figures.NAMES[kind] for kind in study.rounded)),
        tuple(
            (f"{bits}", *(_share(shares[k], n) for shares in study.rounded.values()))
            for k, bits in enumerate(study.bits)
        ),
        note=f"Unrounded: {_share(study.zero['clean'], n)}.",
    )
    names = {"clean": "as trained", "trained": f"trained under {study.trained_snr_dB:g} dB"}
    noise = Table(
        "Noise on the weights: mean and range over draws",
        ("SNR (dB)", *(names[name] for name in study.zero)),
        tuple(
            (f"{snr:g}", *(_range(shares[k]) for shares in study.noise.values())) for k, snr in enumerate(study.snr_dB)
        ),
        note="SNR: rms of a layer's weights over the standard deviation of the noise. Without noise: "
        + " and ".join(f"{share:.2%}" for share in study.zero.values())
        + ".",
    )
    return [
        section(
            "Fig. 2: quantisation",
            draw("fig2-bits", "Accuracy over bits, without retraining.", partial(figures.bits_figure, study)),
            rounded,
        ),
        section(
            "Fig. 2: weight noise",
            "The paper: at 25 dB or over the loss is negligible; it did not retrain.",
            draw("fig2-noise", "Accuracy over weight SNR.", partial(figures.noise_figure, study)),
            noise,
        ),
    ]


def _noise_answer(study: WeightNoise) -> str:
    k = study.snr_dB.index(25.0) if 25.0 in study.snr_dB else 0
    lost = 100 * (study.zero["clean"] - float(np.mean(study.noise["clean"][k])))
    return f"Weight noise at {study.snr_dB[k]:g} dB takes {lost:.2f} points without retraining."


def _jitter(study: SpikeJitter, result: Robustness) -> Section:
    names = {"clean": "as trained", "trained": f"trained under {study.trained_jitter:.0%}"}
    if study.accuracy.keys() - names:
        names["clean"] = _label(result)
    names |= {name: name for name in study.accuracy.keys() - names}
    table = Table(
        f"Accuracy on {result.n} test images: mean and range over draws",
        ("jitter", *(names[name] for name in study.zero)),
        (
            ("0", *(f"{share:.2%}" for share in study.zero.values())),
            *(
                (f"{amount:.1%}", *(_range(shares[k]) for shares in study.accuracy.values()))
                for k, amount in enumerate(study.jitter)
            ),
        ),
        note=f"{_ORIGINS[study.time_origin]}. Table 3 takes j as given and small; this is what it does to decisions.",
    )
    figure = draw("jitter", "Accuracy over spike-time jitter.", partial(figures.jitter_figure, study, names))
    return section("Spike-time jitter", figure, table)


def _jitter_answer(study: SpikeJitter) -> str:
    k = study.jitter.index(0.05) if 0.05 in study.jitter else -1
    means = {name: float(np.mean(shares[k])) for name, shares in study.accuracy.items()}
    after = f", {means['trained']:.2%} after training under it" if "trained" in means else ""
    return f"At {study.jitter[k]:.0%} jitter of every spike {means['clean']:.2%} are right{after}."


def _spikes(study: SpikeErrors, result: Robustness) -> Section:
    names = {name: name for name in study.zero} | {"clean": _label(result)}
    rows = [("none", *(f"{share:.2%}" for share in study.zero.values()))]
    for label, amounts, curves in (
        ("jitter of {:g} τ", study.jitter_over_tau, study.jittered),
        ("{:.1%} of the spikes missed", study.missed, study.lost),
        ("thresholds off by {:.1%}", study.threshold_error, study.mismatched),
    ):
        for k, amount in enumerate(amounts):
            rows.append((label.format(amount), *(_range(shares[k]) for shares in curves.values())))
    table = Table(
        f"Accuracy on {result.n} test images: mean and range over draws",
        ("errors", *(names[name] for name in study.zero)),
        tuple(rows),
        note="t' = t + j τ N(0, 1) for every spike, input included. Missed: of all neurons' spikes, the outputs' "
        "included; an image without an output spike is wrong. Thresholds are 1 + s N(0, 1), each neuron's own, the "
        "same for all images of a draw. Nothing was retrained.",
    )
    figure = draw(
        "spikes", "Accuracy over errors of spikes and of thresholds.", partial(figures.spikes_figure, study, names)
    )
    return section("Errors of spikes and of thresholds", figure, table)


def _spikes_answer(study: SpikeErrors, result: Robustness) -> str:
    k, m, s = study.jitter_over_tau.index(0.02), study.missed.index(0.01), study.threshold_error.index(0.05)
    return (
        "With jitter of 0.02 τ, with 1 % of the spikes missed, and with thresholds off by 5 %: "
        + "; ".join(
            f"{_label(result) if name == 'clean' else name} {np.mean(study.jittered[name][k]):.2%}, "
            f"{np.mean(study.lost[name][m]):.2%} and {np.mean(study.mismatched[name][s]):.2%}"
            for name in study.zero
        )
        + "."
    )


def _label(result: Robustness) -> str:
    """Return the name of the study's own network: its file's, or its run's."""
    path = PurePath(result.weights)
    return path.parent.name if path.stem == "weights" and path.parent.name else path.stem


def _share(value: float, n: int) -> str:
    low, high = wilson_interval(round(value * n), n)
    return interval((value, low, high))


def _range(values: Sequence[float]) -> str:
    return f"{np.mean(values):.2%} ({min(values):.2%} … {max(values):.2%})"
