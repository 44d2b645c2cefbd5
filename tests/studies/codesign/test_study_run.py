"""Stores: killed and resumed, shared by workers; the folder refuses another study."""

import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from neurocircuit.errors import InputError
from neurocircuit.spec import Lead, NeuronSpec, Variation
from neurocircuit.studies.codesign import run
from neurocircuit.studies.codesign.store import Finished, Store
from tests.command_line import PATIENCE_s, running
from tests.studies.codesign import planted

ROOT = Path(__file__).parents[3]


def trials_of(out, stage=0):
    store = Store(out, planted.study())
    try:
        return [(trial.params, trial.values, trial.constraints) for trial in store.complete(stage)]
    finally:
        store.close()


def start(out, delay_s):
    command = [sys.executable, "-m", "tests.studies.codesign.planted", str(out), str(delay_s)]
    return running(command, cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.STDOUT)


def begin_together(processes):
    """Let all of them begin at the same time, however long each takes to start."""
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("begin\n")
        process.stdin.flush()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed") / "study"
    assert run.run(planted.definition(), out, planted.prepare, run.Options())
    return out


def test_base_circuit_is_the_first_design_and_all_are_seen(undisturbed):
    first, fine = trials_of(undisturbed), trials_of(undisturbed, 1)
    assert len(first) == 30
    assert len(fine) == 5
    assert first[0][0] == {"lead": 1.5, "bias": 1e-5}  # the embedded circuit
    assert first[0][2] == pytest.approx({"lead": 0.3})  # how far it breaks the limit
    assert all(constraints["lead"] <= 0 for _, _, constraints in fine)


def test_search_comes_nearer_to_the_front_than_chance(undisturbed):
    # Among 22 even draws of lead in 0.2 … 2 the share within 0.3 of the best is 1/3; 8 of 22 designs after the start
    # would be chance. 13 or more have a chance of 1.2 % (binomial, n = 22, p = 1/3).
    later = [values["lead"] for values, _, _ in trials_of(undisturbed)[8:]]
    assert sum(abs(lead - 1.0) <= 0.3 for lead in later) >= 13


def test_killed_study_goes_on_as_if_it_had_not_been(undisturbed, tmp_path):
    out = tmp_path / "study"
    with start(out, 0.15) as process:
        begin_together((process,))
        for _ in range(9):
            assert process.stdout.readline()
        time.sleep(0.05)  # into the next trial, most often
    assert process.returncode == -signal.SIGKILL
    assert 9 <= len(trials_of(out)) < 30
    assert run.run(planted.definition(), out, planted.prepare, run.Options())
    assert trials_of(out) == trials_of(undisturbed)
    assert {tuple(values) for _, values, _ in trials_of(out, 1)} == {
        tuple(values) for _, values, _ in trials_of(undisturbed, 1)
    }


def test_trial_killed_while_it_was_asked_for_leaves_its_place(undisturbed, tmp_path):
    out = tmp_path / "study"
    assert run.run(planted.definition(trials=4), out, planted.prepare, run.Options(deadline=None))
    store = Store(out, planted.study())
    half = store.studies[0].ask()  # no parameter stored yet, no worker named: dead
    half.suggest_float("lead", 0.2, 2.0)
    again = store.ask(0, 30)
    assert again.params == trials_of(undisturbed)[4][0]
    store.close()


def test_two_workers_share_one_store(undisturbed, tmp_path):
    out = tmp_path / "study"
    with start(out, 0.05) as first, start(out, 0.05) as second:
        processes = (first, second)
        begin_together(processes)
        texts = [process.communicate(timeout=PATIENCE_s)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], texts
    assert len(trials_of(out)) == 30  # neither fewer nor more
    assert len(trials_of(out, 1)) == 5
    assert all("coarse:" in text for text in texts)  # both worked
    leads = [tuple(values.values()) for values, _, _ in trials_of(out)]
    assert len(set(leads)) == 30  # none was handed out twice


def test_commands_that_begin_at_once_agree_on_the_folder(tmp_path):
    barrier, wrong = threading.Barrier(6), []

    def begin(out):
        barrier.wait()
        try:
            run.begin(planted.definition(), out)
        except InputError as error:
            wrong.append(error)

    for k in range(5):
        threads = [threading.Thread(target=begin, args=(tmp_path / str(k),)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_workers_of_one_command(tmp_path):
    out = tmp_path / "study"
    prepare = partial(planted.prepare, 0.02)
    assert run.run(planted.definition(), out, prepare, run.Options(workers=2))
    assert (len(trials_of(out)), len(trials_of(out, 1))) == (30, 5)


def test_deadline_stops_and_the_rest_follows(tmp_path):
    out = tmp_path / "study"
    definition = planted.definition(trials=8)
    assert not run.run(definition, out, planted.prepare, run.Options(deadline=time.monotonic() - 1))
    assert trials_of(out) == []
    assert run.run(definition, out, planted.prepare, run.Options())
    assert len(trials_of(out)) == 8


def test_more_trials_extend_a_finished_study(tmp_path):
    out = tmp_path / "study"
    assert run.run(planted.definition(trials=8), out, planted.prepare, run.Options())
    before, told = len(trials_of(out)) + len(trials_of(out, 1)), []
    tell = lambda *words: told.append(words[:2])  # noqa: E731
    assert run.run(planted.definition(trials=11), out, planted.prepare, run.Options(), tell)
    assert len(trials_of(out)) == 11
    made = len(trials_of(out)) + len(trials_of(out, 1)) - before
    assert [done for done, _ in told] == list(range(1, made + 1))  # without those of the call before
    assert told[-1][1] >= made


def test_another_study_is_refused_by_field(undisturbed):
    other = planted.definition(seed=6)
    with pytest.raises(InputError, match=r"another study\.seed \(5, now 6\)"):
        run.begin(other, undisturbed)
    wider = planted.study().to_dict()["parameters"]
    wider["bias"]["high"] = "31 uA"
    with pytest.raises(InputError, match=r"another study\.parameters\.bias\.high"):
        run.begin(planted.definition(parameters=wider), undisturbed)


def test_foreign_folder_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="holds other files and no study"):
        run.begin(planted.definition(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_error_in_a_trial_is_raised_and_its_place_taken_again(tmp_path):
    out = tmp_path / "study"
    calls = []

    def failing(values, fidelity):
        calls.append(values)
        if len(calls) == 4:
            raise InputError("no data")
        return planted.outcome(values, fidelity)

    definition = planted.definition(trials=8)
    with pytest.raises(InputError, match="no data"):
        run.run(definition, out, lambda: failing, run.Options())
    assert run.run(definition, out, lambda: failing, run.Options())
    assert calls[4] == calls[3]
    store = Store(out, planted.study())
    try:
        assert isinstance(store.ask(0, 8), Finished)
    finally:
        store.close()


def test_nsga2_searches_too(tmp_path):
    out = tmp_path / "study"
    definition = planted.definition(sampler="nsga2")
    assert run.run(definition, out, planted.prepare, run.Options())
    assert np.ptp([values["lead"] for values, _, _ in trials_of(out)]) > 0.5


def test_base_circuit_is_seen_at_every_fidelity_when_it_is_feasible(tmp_path):
    out = tmp_path / "study"
    parameters = planted.study().to_dict()["parameters"]
    base = NeuronSpec().replace(threshold=Lead(lead_rad=1.15))  # feasible, and dominated
    definition = run.Definition(
        planted.study(trials=20, parameters=parameters), base, Variation(), "0" * 64, planted.NEURON
    )
    assert run.run(definition, out, planted.prepare, run.Options())
    fine = [values for values, _, _ in trials_of(out, 1)]
    assert {"lead": 1.15, "bias": 1e-5} in fine
    assert len(fine) in (5, 6)
