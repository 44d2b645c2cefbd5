"""Training on digits: it learns, an interrupted run ends in the same bits, two processes agree with one."""

import json
import math
import os
import shutil
import signal
import sys
import zipfile
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from neurocircuit.errors import FileFormatError, InputError, SpecError
from neurocircuit.snn import checkpoint
from neurocircuit.snn.data import library
from neurocircuit.snn.evaluate import accuracy
from neurocircuit.snn.recipe import OptimiserSpec, ScheduleSpec, load_recipe
from neurocircuit.snn.training import runlog, train
from neurocircuit.snn.training.optimise import AveragedWeights, bound_gradients, denormals_as_zero, learning_rate
from neurocircuit.snn.training.run import BEST, CHECKPOINT, FINAL, Trainer
from tests.command_line import call, running, succeed, wait_until

pytest.importorskip("sklearn")
DIGITS = Path(__file__).parents[3] / "training" / "digits.toml"
# All that is random takes part: shift and delay draw from both generators; averaging has a state of its own.
SHORT = ("epochs=2", "shift_px=1", "delay_over_tau=0.1", "checkpoint_steps=20", "batch_size=26")


def trainer(directory, *settings):
    directory.mkdir(exist_ok=True)
    return Trainer(load_recipe(DIGITS, settings), directory, None, torch.device("cpu"))


def weights(directory):
    return checkpoint.load(directory / FINAL)["weights"]


def assert_same_bits(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of SHORT without interruption."""
    directory = tmp_path_factory.mktemp("whole")
    trainer(directory, *SHORT).run()
    return directory


def test_digits_are_learned(tmp_path):
    """Seed 1 reaches 0.96 of the held-out and 0.90 of the test digits in 12 epochs; in 6 at least 0.85."""
    run = trainer(tmp_path, "epochs=6")
    run.run()

    subject, network = checkpoint.load_network(tmp_path / FINAL)
    assert accuracy(network, library.load(subject.data, "test"), subject) >= 0.85
    rows = runlog.read_rows(tmp_path)
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert float(rows[-1]["loss"]) < 0.5 * float(rows[0]["loss"])
    assert float(rows[-1]["held_out_accuracy"]) >= 0.85
    assert (tmp_path / BEST).exists()


def test_two_runs_of_one_recipe_end_in_the_same_bits(tmp_path, whole):
    trainer(tmp_path, *SHORT).run()

    assert_same_bits(weights(tmp_path), weights(whole))


@pytest.mark.parametrize("stop_at", [30, 70])  # within the first and the second epoch of 50 steps
def test_an_interrupted_run_resumes_to_the_same_bits(tmp_path, whole, stop_at):
    def stop(step, steps, label):
        if step == stop_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path, *SHORT).run(stop)
    resumed = trainer(tmp_path, *SHORT)
    resumed.resume()
    assert resumed.step == stop_at - 10
    told = []
    resumed.run(lambda *words: told.append(words[:2]))
    to_do = resumed.steps - stop_at + 10
    assert told == [(k + 1, to_do) for k in range(to_do)]  # this run's steps alone, for the estimate

    assert_same_bits(weights(tmp_path), weights(whole))
    columns = [name for name in runlog.read_rows(whole)[0] if name != "seconds"]
    for one, other in zip(runlog.read_rows(tmp_path), runlog.read_rows(whole), strict=True):
        assert [one[name] for name in columns] == [other[name] for name in columns]


NEUROCIRCUIT = [sys.executable, "-m", "neurocircuit"]


def command(out, *arguments, settings=SHORT):
    values = [part for setting in settings for part in ("--set", setting)]
    return ["train", str(DIGITS), "--out", str(out), "--threads", "1", *values, *arguments]


def test_kill_9_and_resume_gives_the_same_bits(tmp_path):
    """The killed process may be anywhere, within a checkpoint's writing too."""
    plain, killed = tmp_path / "plain", tmp_path / "killed"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    trainer(plain, *SHORT).run()
    torch.set_num_threads(threads)
    with running([*NEUROCIRCUIT, *command(killed)]) as process:
        wait_until((killed / CHECKPOINT).exists, process)
    assert process.returncode == -signal.SIGKILL
    assert not (killed / FINAL).exists()

    done = call(*command(killed, "--resume", "--json"))

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["finished"] is True
    assert_same_bits(weights(killed), weights(plain))


@pytest.mark.parametrize("refused", [True, False])
def test_a_network_that_cannot_be_mapped_says_so_when_training_starts(tmp_path, monkeypatch, refused):
    def check(subject, network):
        if refused:
            raise InputError("network stage 3 (Inception) has no circuit")

    monkeypatch.setattr(train, "check_mappable", check)
    settings = ("epochs=1", "batch_size=650", "network.bias=false", "clock=own_time_constant")
    messages = []
    train.train(
        DIGITS, settings=settings, out=tmp_path / "run", threads=1, progress=lambda *words: messages.append(words[2])
    )
    refusal = "`map` will refuse this network: network stage 3 (Inception) has no circuit"
    assert (messages[0] == refusal) == refused
    assert messages.count(refusal) == refused


def test_two_processes_train_as_one(tmp_path):
    """Gradients are averaged over halves of each batch, so only the order of sums differs: 1e-6 after 2 steps.

    Rounding grows from step to step as in any training: measured 8e-9, 5e-8, 3e-6, 4e-5 after 1, 2, 5, 10 steps. SGD,
    since Adam divides by the size of a gradient and so makes much of rounding where it is all but zero.
    """
    settings = ("epochs=1", "batch_size=650", "optimiser.kind=sgd", "lr=0.05", *SHORT[1:3], "clock=own_time_constant")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    arguments = command(tmp_path / "two", settings=settings)
    succeed([*launch, *NEUROCIRCUIT[1:], *arguments], env=environment)
    trainer(tmp_path / "one", *settings).run()

    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert json.loads((tmp_path / "two" / "run.json").read_text())["processes"] == 2
    for name in one:
        assert torch.allclose(one[name], two[name], rtol=0, atol=1e-6), name
    logs = [runlog.read_rows(tmp_path / name)[0] for name in ("one", "two")]
    assert float(logs[0]["loss"]) == pytest.approx(float(logs[1]["loss"]), rel=1e-5)


def test_run_json_holds_what_determines_the_result(tmp_path):
    record = trainer(tmp_path, *SHORT).identity()

    assert record["recipe"]["seed"] == 1
    assert record["recipe_sha256"] == load_recipe(DIGITS, SHORT).sha256
    assert record["data_sha256"].keys() == {"digits"}
    assert record["threads"] == torch.get_num_threads()
    assert {"torch", "numpy"} <= record["run"]["packages"].keys()
    assert record["run"]["code_sha256"]


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:1000])


def replace_by_another_file(path):
    torch.save({"format": "other"}, path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (flip_a_byte, "is damaged"),
        (truncate, "not a checkpoint, or it is truncated"),
        (replace_by_another_file, "not a checkpoint"),
    ],
)
def test_a_damaged_checkpoint_is_named_and_left_alone(tmp_path, whole, damage, message):
    path = tmp_path / CHECKPOINT
    path.write_bytes((whole / CHECKPOINT).read_bytes())
    damage(path)
    before = path.read_bytes()

    with pytest.raises(FileFormatError, match=message) as caught:
        trainer(tmp_path, *SHORT).resume()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


class Evil:
    def __reduce__(self):
        return os.mkdir, ("evil",)


def test_a_checkpoint_is_never_evaluated(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"format": Evil()}, tmp_path / "evil.pt")

    with pytest.raises(FileFormatError, match=r"evil\.pt is not a checkpoint"):
        checkpoint.load(tmp_path / "evil.pt")
    assert not (tmp_path / "evil").exists()


def test_weights_of_another_shape_or_network_are_named(tmp_path, whole):
    content = checkpoint.load(whole / FINAL)
    name = next(iter(content["weights"]))
    content["weights"][name] = content["weights"][name][:1]
    torch.save(content, tmp_path / "cut.pt")
    del content["weights"][name]
    torch.save(content, tmp_path / "lacking.pt")

    with pytest.raises(FileFormatError, match=rf"cut\.pt: {name} must have the shape \("):
        checkpoint.load_network(tmp_path / "cut.pt")
    with pytest.raises(FileFormatError, match=rf"missing or unknown: {name}"):
        checkpoint.load_network(tmp_path / "lacking.pt")
    assert zipfile.is_zipfile(tmp_path / "cut.pt")


def test_resuming_under_another_recipe_or_without_a_checkpoint_is_refused(tmp_path, whole):
    with pytest.raises(InputError, match="was written under another recipe"):
        trainer(whole, *SHORT, "lr=0.001").resume()
    with pytest.raises(InputError, match=r"cannot read .*checkpoint\.pt: No such file"):
        trainer(tmp_path, *SHORT).resume()


def test_a_run_that_diverges_says_so(tmp_path):
    with pytest.raises(SpecError, match=r"schedule\.lr must be <= 10"):
        trainer(tmp_path, "lr=11")


def test_weights_that_are_no_numbers_stop_the_run_and_are_not_written(tmp_path):
    """They silence every neuron, so that the loss stays finite."""
    broken = trainer(tmp_path, *SHORT)
    with torch.no_grad():
        next(broken.network.parameters()).fill_(math.nan)
    with pytest.raises(InputError, match=r"training diverged: "):
        broken.run()
    assert not list(tmp_path.glob("*.pt"))


def test_a_gradient_that_is_no_number_stops_the_run_before_it_reaches_the_weights(tmp_path):
    broken = trainer(tmp_path, *SHORT)
    next(broken.network.parameters()).register_hook(lambda grad: grad * math.nan)
    with pytest.raises(InputError, match="training diverged: a gradient at step 0 is nan"):
        broken.run()
    assert all(bool(torch.isfinite(parameter).all()) for parameter in broken.network.parameters())


def test_resuming_a_finished_run_keeps_what_it_reached(tmp_path):
    records = []
    for more in ((), ("--resume",)):
        done = call(*command(tmp_path / "a", *more, settings=("epochs=1", *SHORT[1:])))
        assert done.returncode == 0, done.stderr
        records.append(json.loads((tmp_path / "a" / "run.json").read_text()))
    assert records[0]["held_out_accuracy"] > 0.1
    assert records[0]["layer"] is not None
    runs = [record.pop("run") for record in records]
    assert records[1] == records[0]
    assert runs[0]["code_sha256"] == runs[1]["code_sha256"]


def test_going_on_with_other_threads_is_said_and_recorded(tmp_path, whole):
    shutil.copytree(whole, tmp_path / "b")
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        other = trainer(tmp_path / "b", *SHORT)
        other.resume()
    finally:
        torch.set_num_threads(threads)
    assert other.identity()["resumed"] == [{"step": other.step, "threads": [threads, threads + 1]}]


@pytest.mark.parametrize("decay", ["linear", "cosine"])
def test_learning_rate_goes_from_start_to_end(decay):
    spec = ScheduleSpec(lr=0.1, lr_end=0.01, decay=decay, warmup_steps=4)

    rates = [learning_rate(step, 105, spec) for step in range(105)]

    assert rates[:5] == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1])
    assert rates[-1] == pytest.approx(0.01)
    assert rates[54] == pytest.approx(0.055, abs=1e-9)
    assert all(later <= earlier for earlier, later in pairwise(rates[4:]))


def test_row_norm_clipping_scales_the_whole_layer():
    parameter = torch.nn.Parameter(torch.zeros(4, 3))
    parameter.grad = torch.zeros(4, 3)
    parameter.grad[0, 0] = 40.0  # |G|/sqrt(4) = 20
    bound_gradients([parameter], OptimiserSpec(gradient="clip_row_norm", largest_row_norm=10.0))
    assert parameter.grad[0, 0].item() == pytest.approx(20.0)
    bound_gradients([parameter], OptimiserSpec(gradient="clip_row_norm", largest_row_norm=10.0))
    assert parameter.grad[0, 0].item() == pytest.approx(20.0)
    bound_gradients([parameter], OptimiserSpec(gradient="unit_per_layer"))
    assert parameter.grad.norm().item() == pytest.approx(1.0)
    parameter.grad.zero_()
    bound_gradients([parameter], OptimiserSpec(gradient="unit_per_layer"))
    bound_gradients([parameter], OptimiserSpec(gradient="clip_row_norm"))
    assert parameter.grad.norm().item() == 0.0


def test_numbers_below_the_normal_ones_count_as_zero_only_while_training():
    tiny = torch.full((3,), 2.0**-130)
    with denormals_as_zero():
        assert (tiny * 1.0 == 0).all()
    assert (tiny * 1.0 == tiny).all()
    assert (tiny > 0).all()


def test_averaged_weights_follow_their_recursion():
    network = torch.nn.Linear(1, 1, bias=False)
    network.weight.data.fill_(2.0)
    averaged = AveragedWeights(network, decay=0.5)

    network.weight.data.fill_(4.0)
    averaged.follow(step=1000)
    network.weight.data.fill_(8.0)
    averaged.follow(step=1001)

    assert averaged.network.weight.item() == pytest.approx(((2 + 4) / 2 + 8) / 2)
