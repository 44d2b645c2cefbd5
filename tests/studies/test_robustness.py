"""Robustness studies on digits: their numbers mean what they say, and a second call trains nothing again."""

import json
from itertools import pairwise

import numpy as np
import pytest
import torch

from neurocircuit.snn import checkpoint
from neurocircuit.snn.data import library
from neurocircuit.snn.encode import encode
from neurocircuit.snn.evaluate import accuracy
from neurocircuit.snn.hardware.jitter import JitteredWindows, SpikeErrorsNetwork
from neurocircuit.snn.hardware.quantise import Rounding, set_rounding
from neurocircuit.snn.training.run import FINAL
from neurocircuit.spec import WeightBank
from tests.command_line import call
from tests.snn.digits_recipe import PLAIN_DIGITS, relu_network
from tests.snn.training.test_train import DIGITS, trainer

pytest.importorskip("sklearn")
DRAWS, IMAGES = 4, 360


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies")
    trainer(folder / "start", "epochs=3").run()
    options = [
        "--weights",
        folder / "start" / FINAL,
        "--recipe",
        DIGITS,
        "--set",
        "epochs=1",
        "--set",
        "lr=1e-3",
        "--draws",
        DRAWS,
        "--images",
        IMAGES,
        "--threads",
        1,
        "--json",
    ]

    def study_of(study, *more):
        return call("study", "robustness", study, *options, "--out", folder / study, *more)

    return folder, study_of, {study: study_of(study) for study in ("table4", "fig2", "jitter")}


def test_all_studies_run_and_report(run):
    folder, _, done = run
    found = {}
    for study, one in done.items():
        assert one.returncode == 0, one.stderr
        found |= json.loads(one.stdout)["studies"]
        assert (folder / study / "report.html").exists()
    text = (folder / "table4" / "report.md").read_text()
    assert "Table 4" in text
    assert "99.33%" not in text  # the paper has no digits
    assert {path.name for study in done for path in (folder / study / "figures").glob("*.svg")} == {
        "table4.svg",
        "fig2-bits.svg",
        "fig2-noise.svg",
        "jitter.svg",
    }


def gain_in_errors(more, less, draw_variance):
    """Return by how many standard errors the mean accuracy of `more` exceeds that of `less`, each [draw].

    Of 360 images in common, whose correlation makes the error of the difference only smaller than the two binomial ones
    together; `draw_variance`: that of a draw of the noise, which all images share.
    """
    binomial = sum(p * (1 - p) for p in (np.mean(more), np.mean(less))) / IMAGES
    return (np.mean(more) - np.mean(less)) / np.sqrt(binomial + 2 * draw_variance / DRAWS)


@pytest.mark.parametrize(("study", "key"), [("jitter", "accuracy"), ("fig2", "noise")])
def test_more_noise_never_raises_the_mean_accuracy_beyond_its_error(run, study, key):
    """22 steps of noise, each exceeds 4 errors with 3e-5 (normal), any of them with 7e-4."""
    found = json.loads(run[2][study].stdout)["studies"][study]
    for network, rows in found[key].items():
        by_noise = np.array(rows if study == "jitter" else rows[::-1])  # an SNR rises, its noise falls
        draw_variance = float(by_noise.var(axis=1, ddof=1).mean())
        assert max(gain_in_errors(more, less, draw_variance) for less, more in pairwise(by_noise)) < 4
        if network == "clean":  # the others were trained under the noise: they may hold out
            assert gain_in_errors(by_noise[0], by_noise[-1], draw_variance) > 4  # a planted wrong order is seen


def test_accuracies_are_those_of_the_rounded_weights(run):
    folder, _, done = run
    found = json.loads(done["table4"].stdout)["studies"]["table4"]
    subject, network = checkpoint.load_network(folder / "start" / FINAL)
    images = library.load(subject.data, "test")
    from neurocircuit.snn.data.images import section

    first = section(images, 0, IMAGES)
    assert found["unrounded"] == accuracy(network, first, subject)
    for kind, rows in found["quantisers"].items():
        for row in rows:
            set_rounding(network, Rounding(kind, row["bits"], WeightBank()))
            assert row["after"] == accuracy(network, first, subject)
            path = folder / "table4" / "runs" / f"{kind}-{row['bits']}bit" / FINAL
            other = checkpoint.load_network(path)[1]
            set_rounding(other, Rounding(kind, row["bits"], WeightBank()))
            assert row["retrained"] == accuracy(other, first, subject)


def test_a_second_call_takes_what_is_there(run):
    folder, study_of, done = run
    before = {path: path.stat().st_mtime_ns for path in (folder / "table4" / "runs").rglob(FINAL)}
    again = study_of("table4")
    assert len(before) == 6
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert json.loads(again.stdout)["studies"] == json.loads(done["table4"].stdout)["studies"]
    other = study_of("table4", "--set", "lr=2e-3")
    assert other.returncode == 2
    assert "holds another run than this study asks for" in other.stderr


@pytest.mark.parametrize("study", ["table4", "fig2", "jitter"])
def test_without_retraining_the_network_itself_is_measured_alike(run, tmp_path, study):
    _, study_of, done = run
    alone = study_of(study, "--no-retraining", "--out", tmp_path)
    assert alone.returncode == 0, alone.stderr
    assert not (tmp_path / "runs").exists()
    found, full = (json.loads(one.stdout)["studies"][study] for one in (alone, done[study]))
    if study == "table4":
        pairs = [(found["quantisers"][kind], full["quantisers"][kind]) for kind in ("word", "bank")]
        assert all([row["after"] for row in own] == [row["after"] for row in other] for own, other in pairs)
        assert all(row["retrained"] is None for own, _ in pairs for row in own)
    else:
        key = "noise" if study == "fig2" else "accuracy"
        assert found[key] == {"clean": full[key]["clean"]}
    assert "trained under" not in (tmp_path / "report.md").read_text()


def test_wrong_options_are_one_line(run):
    _, study_of, _ = run
    for option, value, message in (
        ("--images", 10_000, "images must be within 1 … 360"),
        ("--weights", "none.pt", "none.pt"),
    ):
        done = study_of("jitter", option, value)
        assert done.returncode == 2
        assert message in done.stderr.splitlines()[-1]


def test_workers_change_no_number(run, tmp_path):
    _, study_of, done = run
    apart = study_of("jitter", "--no-retraining", "--jobs", 2, "--out", tmp_path)
    assert apart.returncode == 0, apart.stderr
    numbers, of_this_process = (json.loads(each.stdout)["studies"]["jitter"] for each in (apart, done["jitter"]))
    assert numbers["accuracy"]["clean"] == of_this_process["accuracy"]["clean"]


@pytest.fixture(scope="module")
def windowed(tmp_path_factory):
    """A small windowed network for the digits, and how to fine-tune it."""

    import neurocircuit as nc

    folder = tmp_path_factory.mktemp("windowed")
    nc.snn.convert(relu_network(), nc.data.digits("train")[:200]).save(folder / "ramp.pt")
    settings = (
        *PLAIN_DIGITS,
        "averaging=0.9",
        "lr=0.01",
        "epochs=4",
    )
    nc.snn.train(
        "mnist_windowed_finetune",
        initial=folder / "ramp.pt",
        settings=(*settings, "epochs=6"),
        out=folder / "tuned",
        threads=1,
    )
    options = [
        "--weights",
        folder / "tuned" / FINAL,
        "--recipe",
        "mnist_windowed_finetune",
        "--draws",
        2,
        "--threads",
        1,
    ]
    return folder, [*options, *(part for setting in settings for part in ("--set", setting)), "--json"]


def test_networks_stand_beside_each_other(windowed, run, tmp_path):
    folder, options = windowed
    beside = ("--no-retraining", "--beside", "as converted", folder / "ramp.pt")
    done = call("study", "robustness", "jitter", *options, *beside, "--out", tmp_path / "jitter")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["studies"]["jitter"]
    assert set(found["accuracy"]) == {"clean", "as converted"}
    assert found["zero"]["clean"] > found["zero"]["as converted"] + 0.2
    assert "| jitter | tuned | as converted |" in (tmp_path / "jitter/report.md").read_text()
    for study, file, message in (
        ("fig2", folder / "ramp.pt", "beside is for study jitter"),
        ("jitter", run[0] / "start" / FINAL, "free must be a network of the same kind and data"),
    ):
        done = call(
            "study", "robustness", study, *options, "--beside", "free", file, "--no-retraining", "--out", tmp_path
        )
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert message in done.stderr


def test_free_and_windowed_networks_stand_beside_each_other_under_errors_of_spikes(windowed, run, tmp_path):
    """Both lose to jitter, missed spikes and errors of thresholds; least errors change little, the largest much."""
    free = run[0] / "start" / FINAL
    done = call("study", "robustness", "spikes", *windowed[1], "--beside", "free", free, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["studies"]["spikes"]
    assert set(found["jittered"]) == set(found["lost"]) == set(found["mismatched"]) == {"clean", "free"}
    for curves in (found["jittered"], found["lost"]):
        for name, rows in curves.items():
            means = np.mean(rows, axis=1)
            assert abs(means[0] - found["zero"][name]) < 0.05  # the least error
            assert means[-1] < found["zero"][name] - 0.05
    assert np.mean(found["mismatched"]["clean"][-1]) < found["zero"]["clean"] - 0.05  # windows, thresholds off by 20 %
    assert "| none |" in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize("kind", ["free", "windowed"])
def test_errors_of_spikes_are_those_that_are_asked_for(kind, windowed, run):
    """Without errors nothing changes; where all spikes are missed no image is decided."""
    weights = run[0] / "start" / FINAL if kind == "free" else windowed[0] / "tuned" / FINAL
    subject, network = checkpoint.load_network(weights)
    network.eval()
    errors = SpikeErrorsNetwork if kind == "free" else JitteredWindows
    pixels = torch.from_numpy(library.load(subject.data, "test").batch(np.arange(20))[0]) / 255
    z = encode(pixels, subject.encoding)
    with torch.no_grad():
        assert torch.allclose(errors(network, 0.0)(z), network(z), rtol=1e-5)
        assert torch.isinf(errors(network, 0.0, 1.0)(z)).all()
        moved, lost = errors(network, 0.02)(z), errors(network, 0.0, 0.3)(z)
    assert not torch.allclose(moved, network(z), rtol=1e-5)
    share = float(torch.isinf(lost).double().mean())  # 200 outputs, and those silent for their inputs' sake
    assert share > 0.3 - 4 * (0.3 * 0.7 / 200) ** 0.5


@pytest.mark.parametrize("study", ["table4", "fig2", "jitter"])
def test_windowed_networks_are_studied_alike(windowed, study):
    """Hardware costs accuracy, training under it wins some of it back; the report says what was done."""
    folder, options = windowed
    done = call("study", "robustness", study, *options, "--out", folder / study)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    found = result["studies"][study]
    assert result["full_scale"] == "neuron"
    text = (folder / study / "report.md").read_text()
    if study == "table4":
        rows, words = found["quantisers"]["bank"], found["quantisers"]["word"]
        assert found["unrounded"] > 0.6
        assert rows[0]["after"] == pytest.approx(found["unrounded"], abs=0.02)
        assert words[-1]["after"] < found["unrounded"] - 0.02
        assert words[-1]["retrained"] > words[-1]["after"] + 0.02
        assert "one step per neuron" in text
        run = json.loads((folder / study / "runs/word-2bit/run.json").read_text())
        assert run["recipe"]["hardware"]["gradual"] == [3]
    elif study == "jitter":
        assert found["time_origin"] == "none"
        assert np.mean(found["accuracy"]["clean"][0]) > np.mean(found["accuracy"]["clean"][-1]) + 0.1
        assert np.mean(found["accuracy"]["trained"][-1]) > np.mean(found["accuracy"]["clean"][-1])
        assert "t' = t + j τ N(0, 1)" in text
    else:
        assert np.mean(found["noise"]["clean"][-1]) > np.mean(found["noise"]["clean"][0])
