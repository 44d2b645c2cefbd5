"""Curves over circuit quantities: planted networks and results, the mapping's own scales, resumption, the command."""

import json
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from click.testing import CliRunner

from neurocircuit.cli.study.circuit_curves import command
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.network import mapping as network_mapping
from neurocircuit.network.limits import Choice, limits_of
from neurocircuit.network.run import EncodedImages, decide, spikes_of
from neurocircuit.snn import unroll
from neurocircuit.spec import NeuronSpec
from neurocircuit.spec.variation import EMBEDDED
from neurocircuit.studies.circuit_curves import rows as curve_rows
from neurocircuit.studies.circuit_curves import run as curves
from neurocircuit.studies.circuit_curves.quantities import QUANTITIES, Setting, quantity_and_values
from tests.command_line import call, running, wait_until

SETTING = Setting(NeuronSpec(), EMBEDDED)


@pytest.fixture(scope="module")
def seen(weights):
    return unroll.load(weights).images("train", None, 4)


@pytest.fixture
def network(weights, seen):
    return curves.Network("clean", 1, weights, seen)


@pytest.mark.parametrize("name", QUANTITIES)
def test_a_value_that_is_put_is_read_and_nothing_else_moves(name):
    changed = QUANTITIES[name].at(SETTING, 2 * QUANTITIES[name].read(SETTING) or 1e4)
    for other in QUANTITIES.values():
        factor = 2.0 if other.name == name else 1.0
        expected = 1e4 if other.name == name == "phase_noise" else factor * other.read(SETTING)
        assert other.read(changed) == pytest.approx(expected, rel=1e-12)
    same = changed.neuron.replace(
        tau_s=SETTING.neuron.tau_s,
        loop_filter_rad_per_s=SETTING.neuron.loop_filter_rad_per_s,
        phase_noise=SETTING.neuron.phase_noise,
        vco4_swing_Hz=SETTING.neuron.vco4_swing_Hz,
        window_s=SETTING.neuron.window_s,
    )
    assert same == SETTING.neuron
    assert changed.variation.die == EMBEDDED.die
    assert changed.variation.synapse == EMBEDDED.synapse


def test_what_is_asked_for_is_checked_and_ordered():
    assert quantity_and_values("ratio", (16.0, 2.0, 16.0))[1] == (2.0, 16.0)
    with pytest.raises(InputError, match=r"--quantity cycles must be within 2 … 200, got 1"):
        quantity_and_values("cycles", (1.0,))
    with pytest.raises(InputError, match=r"--quantity must be one of cycles, .*, got 'lead'"):
        quantity_and_values("lead", None)


def test_unchanged_circuit_has_the_mapping_of_map(network, seen):
    mapping = network_mapping.build(
        network.physical,
        SETTING.neuron,
        EMBEDDED,
        seen,
        Choice(),
        name="clean-1",
        checkpoint=network.path.name,
        checkpoint_sha256=network.sha256,
    )
    mapped, broken = network.mapped(SETTING)
    assert mapped == mapping.mapped
    assert bool(broken) == (not mapping.met)


def test_headroom_is_the_share_of_the_limits_that_is_used(network):
    """Value over bound of each limit that the base circuit's own scale does not keep lower already."""
    checked = set()
    for use in (0.05, 0.1, 0.2, 1.0):
        mapped, broken = network.mapped(replace(SETTING, use=use))
        assert broken == []
        neuron = mapped.neuron
        for own, seen in zip(mapped.layers, network.recorded, strict=True):
            for limit in limits_of(own, neuron, seen, Choice()):
                capped = {"XOR range": own.phase_per_weight_rad == 0.5, "no wrap": own.lead_rad == 1.5}
                if not capped.get(limit.name, True):
                    assert limit.value / limit.bound == pytest.approx(use, rel=0.012)  # three digits, rounded down
                    checked.add((limit.name, use))
    assert len(checked) >= 4


def test_beyond_one_the_scale_grows_and_the_limits_break(network):
    (full, _), (beyond, broken) = (network.mapped(replace(SETTING, use=use)) for use in (1.0, 1.5))
    for own, more in zip(full.layers, beyond.layers, strict=True):
        assert more.lead_rad == pytest.approx(1.5 * own.lead_rad)
        assert more.phase_per_weight_rad == pytest.approx(1.5 * own.phase_per_weight_rad)
        assert (more.vco4_swing_Hz, more.ripple_guard_rad) == (own.vco4_swing_Hz, own.ripple_guard_rad)
    assert {line.split(",")[0] for line in broken} >= {"conv1: XOR range", "conv1: no wrap"}


def planted(network, seen, setting, name, value, chips=(0, 1, 2)):
    """A task whose labels are what eq. (4) decides: without errors every image is right."""
    circuit = network._within_window
    labels = np.array([decide(spikes_of(circuit.ideal(one, exact_weights=True)[-1])) for one in seen.spikes])
    changed = setting if value is None else QUANTITIES[name].at(setting, value)
    point = curves.Point("c", None if value is None else name, value, changed)
    return curves.Task(network, point, chips, EncodedImages(seen.spikes, labels), "edge", 1)


@pytest.mark.parametrize(("name", "values"), [("mismatch", (0.0, 1e-3, 0.02)), ("phase_noise", (0.0, 1e6, 3e7))])
def test_more_of_a_noise_in_the_circuit_never_raises_the_accuracy_beyond_its_interval(network, weights, name, values):
    seen = unroll.load(weights).images("train", None, 8)
    tasks = [planted(network, seen, SETTING, name, value) for value in values]
    found = {task.name: task.run() for task in tasks}
    rows = curve_rows.rows(tasks, found)
    for less, more in pairwise(rows):
        assert more.accuracy <= less.high
    assert rows[-1].accuracy < rows[0].accuracy - 0.2


def test_each_chip_carries_one_network_and_each_network_has_a_chip(weights):
    assert curves.chips_of_networks([weights] * 2, 5) == [(0, 2, 4), (1, 3)]
    with pytest.raises(InputError, match="--chips must give each of 3 networks of a group one, got 2"):
        curves.chips_of_networks([weights] * 3, 2)


def test_finished_tasks_are_taken_from_disk_and_those_of_other_inputs_are_not(network, seen, tmp_path, monkeypatch):
    task = planted(network, EncodedImages(seen.spikes[:2], seen.labels[:2]), SETTING, "ratio", None, (0,))
    first = curves.run([task], tmp_path, 1)
    assert len(first[task.name].software) == 2
    monkeypatch.setattr(curves.Task, "run", lambda self: pytest.fail("it was finished"))
    assert curves.run([task], tmp_path, 1) == first
    task.seed = 2
    with pytest.raises(pytest.fail.Exception, match="it was finished"):
        curves.run([task], tmp_path, 1)


def test_two_processes_find_what_one_finds(network, seen, tmp_path):
    few = EncodedImages(seen.spikes[:2], seen.labels[:2])
    tasks = [planted(network, few, SETTING, "ratio", value, (0,)) for value in (None, 16.0)]
    one, two = curves.run(tasks, tmp_path / "one", 1), curves.run(tasks, tmp_path / "two", 2)
    assert [one[task.name].right for task in tasks] == [two[task.name].right for task in tasks]
    assert [one[task.name].latency_over_tau for task in tasks] == [two[task.name].latency_over_tau for task in tasks]


def test_kill_9_and_resume_give_the_rows_of_a_run_that_nothing_disturbed(weights, tmp_path):
    arguments = ["--clean", weights, "--images", 2, "--chips", 2, "--map-images", 3, "--split", "train"]
    arguments += ["--quantity", "ratio=2,3,4,16,32", "--quantity", "headroom=0.3,0.5"]

    def tasks(out):
        """The finished tasks, without the time that each took."""
        values = {path.name: json.loads(path.read_bytes()) for path in (out / "tasks").glob("[!.]*.json")}
        for value in values.values():
            del value["cpu_s"], value["task"]
        return values

    def words(out, jobs):
        return ["study", "circuit-curves", *map(str, [*arguments, "--jobs", jobs, "--out", out])]

    assert call(*words(tmp_path / "undisturbed", 1)).returncode == 0
    undisturbed = tasks(tmp_path / "undisturbed")
    out = tmp_path / "out"
    for jobs, count in ((2, 1), (1, 4)):
        with running([sys.executable, "-m", "neurocircuit", *words(out, jobs)]) as process:
            wait_until(lambda count=count: len(tasks(out)) >= count, process)
            process.kill()
    assert not (out / "result.json").exists()
    kept = tasks(out)
    assert len(kept) < len(undisturbed)
    assert call(*words(out, 2)).returncode == 0
    assert tasks(out) == undisturbed
    assert {name: tasks(out)[name] for name in kept} == kept
    rows = [json.loads((folder / "result.json").read_bytes())["rows"] for folder in (out, tmp_path / "undisturbed")]
    assert rows[0] == rows[1]


def test_a_task_that_was_changed_is_refused_by_name(network, seen, tmp_path):
    task = planted(network, EncodedImages(seen.spikes[:1], seen.labels[:1]), SETTING, "ratio", None, (0,))
    curves.run([task], tmp_path)
    path = tmp_path / f"{task.name}.json"
    path.write_text(path.read_text().replace('"undecided": 0.0', '"undecided": 1.0'))
    with pytest.raises(FileFormatError, match=f"{task.name}.json was changed after it was written"):
        curves.run([task], tmp_path)


def replayed(right):
    return curves.Replayed(
        right=right,
        undecided=0.0,
        latency_over_tau=2.0,
        tau_s=1e-8,
        window_over_tau=6.0,
        lead_rad=[1.0],
        phase_per_weight_rad=[0.5],
        broken=[],
        software=[True] * len(right[0]),
        cpu_s=0.0,
    )


def test_rows_and_gains_of_planted_results(network, seen, weights):
    other = curves.Network("aware", 1, weights, seen)
    third = curves.Network("aware", 2, weights, seen)
    point, gone = curves.Point("c", None, None, SETTING), curves.Point("c", "ratio", 2.0, SETTING, "no such circuit: x")
    chips = [(0, 1), (0,), (1,)]
    tasks = [
        curves.Task(one, where, own, seen, "edge", 1)
        for where in (point, gone)
        for one, own in zip((network, other, third), chips, strict=True)
    ]
    found = {
        "c-clean-1": replayed([[1, 0, 0, 0], [1, 1, 0, 0]]),
        "c-aware-1": replayed([[1, 1, 0, 0]]),
        "c-aware-2": replayed([[1, 1, 1, 0]]),
    } | {task.name: task.run() for task in tasks[3:]}
    rows = curve_rows.rows(tasks, found)
    assert [(row.group, row.failed) for row in rows] == [
        ("clean", ""),
        ("aware", ""),
        ("clean", "no such circuit: x"),
        ("aware", "no such circuit: x"),
    ]
    assert [row.accuracy for row in rows[:2]] == [3 / 8, 5 / 8]
    assert rows[1].by_chip == (0.5, 0.75)
    assert rows[0].latency_s == pytest.approx(2e-8)
    (gain,) = curve_rows.gains(tasks, found, "clean", "aware")
    assert gain.gain == pytest.approx(0.25)
    assert gain.low < 0.25 < gain.high
    assert curve_rows.software(tasks, found, "aware") == 1.0


def invoke(*arguments):
    return CliRunner().invoke(command, [*map(str, arguments)], catch_exceptions=False)


def test_the_command_shows_what_cannot_be_and_writes_a_report(weights, tmp_path):
    options = [
        "--clean",
        weights,
        "--aware",
        weights,
        "--images",
        2,
        "--chips",
        2,
        "--map-images",
        3,
        "--split",
        "train",
        "--quantity",
        "headroom=0.5,1.5",
        "--quantity",
        "phase_noise=0, 1e9",
        "--out",
        tmp_path / "out",
    ]
    numbers = json.loads(invoke(*options, "--json").stdout.splitlines()[-1])
    rows = {(row["quantity"], row["value"], row["group"]): row for row in numbers["rows"]}
    assert len(rows) == 2 * (1 + 2 + 1)  # the embedded circuit has no phase noise: 0 is the circuit itself
    assert "no such circuit" in rows["phase_noise", 1e9, "clean"]["failed"]
    assert rows["headroom", 1.5, "clean"]["broken"]
    assert all(one["gain"] == 0.0 for one in numbers["gains"])  # the same weights twice
    assert len(numbers["gains"]) == 3
    text = (tmp_path / "out" / "report.md").read_text()
    assert "no such circuit" in text
    assert {path.stem for path in (tmp_path / "out" / "figures").iterdir()} == {"headroom", "phase_noise"}
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "tasks").iterdir()}
    invoke(*options)
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--quantity", "ratio", "--quantity", "ratio=4"), "--quantity must name each quantity once, got ratio again"),
        (("--circuit", "embedded", "embedded") * 2, "--circuit must give circuits of different names"),
        (("--quantity", "ratio=x"), "--quantity ratio"),
        (("--clean", "none.pt"), "none.pt"),
    ],
)
def test_wrong_options_are_named_and_nothing_is_written(weights, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        invoke("--clean", weights, "--images", 2, "--split", "train", "--out", tmp_path / "out", *options)
    assert not (tmp_path / "out").exists()
