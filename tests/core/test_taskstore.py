"""Finished tasks on disk: exact, never those of other inputs, damage named; kill -9 loses only what was under way."""

import json
import sys
from functools import partial
from pathlib import Path

import pytest

from neurocircuit.core.pool import open_pool
from neurocircuit.core.provenance import machine_identity
from neurocircuit.core.taskstore import Task, TaskStore, key_of, run_tasks
from neurocircuit.errors import FileFormatError, InputError
from tests.command_line import running, wait_until

ROOT = Path(__file__).parents[2]


def work(folder: Path, number: int) -> dict:
    """Leave a trace of the run, so that a second one is seen."""
    with (folder / "ran").open("a") as file:
        file.write(f"{number}\n")
    return {"square": number**2, "third": number / 3}


def tasks(folder: Path, count: int) -> list[Task]:
    folder.mkdir(exist_ok=True)
    return [Task(f"group/{k}", key_of({"number": k}), partial(work, folder, k)) for k in range(count)]


def ran(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "ran").read_text().split()]


def run(folder: Path, count: int, jobs: int = 1, **options) -> dict:
    with open_pool(jobs) as pool:
        return run_tasks(tasks(folder, count), TaskStore(folder / "store"), pool, **options)


@pytest.mark.parametrize("jobs", [1, 2])
def test_finished_tasks_come_back_exactly_and_do_not_run_again(tmp_path, jobs):
    first = run(tmp_path, 3, jobs)
    assert first == {f"group/{k}": {"square": k**2, "third": k / 3} for k in range(3)}
    assert run(tmp_path, 5, jobs) == first | {f"group/{k}": {"square": k**2, "third": k / 3} for k in (3, 4)}
    assert sorted(ran(tmp_path)) == [0, 1, 2, 3, 4]


def test_progress_counts_what_is_run_now_and_says_what_it_was(tmp_path):
    run(tmp_path, 1)
    heard = []
    run(tmp_path, 3, progress=lambda *told: heard.append(told), describe=lambda value: f"{value['square']}")
    reused = (0.0, 2.0, "finished tasks: 1 reused, 2 computed anew")
    assert heard == [reused, (1.0, 2.0, "group/1: 1"), (2.0, 2.0, "group/2: 4")]


def test_tasks_by_other_code_run_anew_and_are_counted(tmp_path):
    """Planted: values that other code made, which would be seen if one of them were taken."""
    other = machine_identity() | {"code_sha256": "another"}
    store, current = TaskStore(tmp_path / "store"), tasks(tmp_path, 4)
    for k in (1, 3):
        store.put(current[k].name, key_of({"number": k}, other), {"square": -1, "third": -1.0})
    store.put(current[0].name, current[0].key, work(tmp_path, 0))
    heard = []
    values = run(tmp_path, 4, progress=lambda done, total, text: heard.append(text))
    assert values == {f"group/{k}": {"square": k**2, "third": k / 3} for k in range(4)}
    assert ran(tmp_path) == [0, 1, 2, 3]
    text = "finished tasks: 1 reused, 3 computed anew, 2 of them because other inputs or other code made their files"
    assert heard[0] == text
    assert run(tmp_path, 4, progress=lambda done, total, text: heard.append(text)) == values
    assert heard[-1] == "finished tasks: 4 reused, 0 computed anew"
    assert ran(tmp_path) == [0, 1, 2, 3]


def test_what_is_not_final_is_run_again(tmp_path):
    for _ in range(2):
        run(tmp_path, 2, is_final=lambda value: value["square"] > 0)
    assert ran(tmp_path) == [0, 1, 0]


def test_the_key_follows_inputs_and_machine():
    keys = [key_of({"a": 1}), key_of({"a": 2}), key_of({"b": 1})]
    keys += [key_of({"a": 1}, machine_identity() | {name: "another"}) for name in machine_identity()]
    assert len(set(keys)) == len(keys)
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})


@pytest.fixture
def stored(tmp_path):
    store = TaskStore(tmp_path, indent=1)
    store.put("one", "key", {"value": 0.1, "text": "äö"})
    return store


def test_a_task_with_another_key_is_not_answered(stored):
    assert stored.get("one", "key") == {"value": 0.1, "text": "äö"}
    assert stored.get("two", "key") is None
    assert stored.get("one", "other key") is None


def test_every_change_of_a_file_is_found(stored):
    path = stored.path("one")
    content = path.read_bytes()
    for k in range(len(content)):
        for byte in (b"", bytes([content[k] ^ 1])):
            path.write_bytes(content[:k] + byte + content[k + 1 :])
            try:
                same = json.loads(path.read_bytes()) == json.loads(content)
            except ValueError:
                same = False
            if same:
                continue  # white space between the parts
            with pytest.raises(FileFormatError, match=r"one\.json"):
                stored.get("one", "key")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"task": 1}', b'{"task": {"schema": 99}}', b"\xff"])
def test_a_foreign_file_is_refused_by_name_and_left_alone(stored, content):
    stored.path("one").write_bytes(content)
    with pytest.raises(FileFormatError, match=r"one\.json"):
        stored.get("one", "key")
    assert stored.path("one").read_bytes() == content


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file"):
        TaskStore(tmp_path / "file" / "below").put("one", "key", {})


def finished_in(folder: Path) -> int:
    return sum(not path.name.startswith(".") for path in folder.rglob("*.json"))


def test_kill_9_loses_no_finished_task(tmp_path):
    """Killed again and again at whatever moment comes: each task runs once, or once more if it was under way."""
    code = f"""
import sys
from pathlib import Path
from tests.core.test_taskstore import run
print("begins", flush=True)
run(Path({str(tmp_path)!r}), 400, 2)
"""
    kills = 0
    for goal in (20, 150, 300):
        with running([sys.executable, "-c", code], cwd=ROOT) as process:
            wait_until(lambda goal=goal: finished_in(tmp_path / "store") >= goal, process)
            process.kill()
            kills += 1
    kept = {path: path.read_bytes() for path in (tmp_path / "store").rglob("*.json")}
    values = run(tmp_path, 400, 2)
    assert values == {f"group/{k}": {"square": k**2, "third": k / 3} for k in range(400)}
    assert {path: path.read_bytes() for path in kept} == kept
    # A pool of two may have four tasks under way or not yet stored when it is killed.
    assert len(ran(tmp_path)) <= 400 + 4 * kills
