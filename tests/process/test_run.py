import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from neurocircuit.core import taskstore
from neurocircuit.core.provenance import RunRecord, machine_identity
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.process import run
from neurocircuit.process.request import NEEDS, Request, conditions, slug, with_needs
from neurocircuit.results import measurement
from tests.command_line import running, wait_until
from tests.process.fake_work import TOLD, held_work, work

ROOT = Path(__file__).parents[2]


def two_conditions() -> Request:
    return Request(
        process="generic65",
        conditions=conditions(("tt", "ss"), (27.0,), (1.0,), 1.0),
        measurements=with_needs(("kernel", "cco")),
        resolution=1e-4,
        cases=4,
        seed=1,
    )


@pytest.fixture
def request_of_two() -> Request:
    return two_conditions()


def carry_out(request: Request, out: Path, resume: bool = False, jobs: int = 2) -> tuple[dict, list[str]]:
    """Return the record of a run, and what its progress said."""
    told: list[tuple[float, float, str]] = []
    run.begin(request, out, resume)
    record = run.execute(request, out, jobs, progress=lambda *heard: told.append(heard), work=work)
    assert [done for done, *_ in told] == sorted(done for done, *_ in told)
    open_ = 10 if not told[0][2].startswith("measurements: ") else int(told[0][2].split()[3])
    assert told[-1][:2] == (open_, open_)  # what another call made is not counted
    return record, [label for *_, label in told if not label.endswith(": running")]


def test_a_failure_takes_only_what_needs_it(request_of_two: Request, tmp_path: Path) -> None:
    record, labels = carry_out(request_of_two, tmp_path / "r")
    assert record["status"] == "partial"
    assert record["exit_code"] == 3
    assert [(f["condition"], f["measurement"]) for f in record["failed"]] == [
        ("ss_27C_1V", "synapse"),
        ("ss_27C_1V", "kernel"),
    ]
    assert record["failed"][0]["reason"] == "no pulse"  # without the folder: the same in every repetition
    assert record["failed"][1]["reason"] == "it needs synapse, which failed"
    tt, ss = (run.results(tmp_path / "r", condition, request_of_two) for condition in request_of_two.conditions)
    assert set(tt) == {"trim", "cco", "flipflop", "synapse", "kernel"}
    assert set(ss) == {"trim", "cco", "flipflop"}
    assert len(labels) == 10
    assert "ss_27C_1V synapse: failed: no pulse" in labels


def test_progress_names_what_runs_and_for_how_long(
    request_of_two: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The measurements wait until it has been said that they run."""
    monkeypatch.setattr(run, "STILL_RUNNING_s", 0.1)
    run.begin(request_of_two, tmp_path / "r", False)
    told: list[str] = []

    def hear(_done: float, _of: float, label: str) -> None:
        told.append(label)
        if re.fullmatch(r"tt_27C_1V trim: running for \d+ s", label):
            (tmp_path / "r" / run.CONDITIONS / TOLD).touch()

    record = run.execute(request_of_two, tmp_path / "r", 2, progress=hear, work=held_work)
    assert (tmp_path / "r" / run.CONDITIONS / TOLD).exists()
    assert told[0] == "tt_27C_1V trim: running"
    assert record["status"] == "partial"


def test_resume_repeats_only_what_is_missing(request_of_two: Request, tmp_path: Path) -> None:
    out = tmp_path / "r"
    carry_out(request_of_two, out)
    gone = out / "conditions" / "tt_27C_1V" / "kernel.json"
    before = gone.read_bytes()
    gone.unlink()
    _, labels = carry_out(request_of_two, out, resume=True)
    assert labels[0] == "measurements: 7 reused, 3 made anew"
    made = {label.split(":")[0] for label in labels[1:]}
    assert made == {"tt_27C_1V kernel", "ss_27C_1V synapse", "ss_27C_1V kernel"}
    assert gone.read_bytes() == before


@pytest.mark.parametrize(("jobs", "scheduler"), [(1, None), (1, "local")])
def test_every_pool_leaves_the_same_files(request_of_two: Request, tmp_path: Path, jobs: int, scheduler: str) -> None:
    if scheduler:
        pytest.importorskip("distributed")
    carry_out(request_of_two, tmp_path / "two")
    run.begin(request_of_two, tmp_path / "r", resume=False)
    run.execute(request_of_two, tmp_path / "r", jobs, scheduler, work=work)
    assert files(tmp_path / "r") == files(tmp_path / "two")


def files(out: Path) -> dict[str, bytes]:
    """Return the measurements of a run."""
    return {f"{path.relative_to(out)}": path.read_bytes() for path in out.glob("conditions/*/*.json")}


def test_a_measurement_that_was_changed_is_refused_by_name(request_of_two: Request, tmp_path: Path) -> None:
    carry_out(request_of_two, tmp_path / "r")
    path = tmp_path / "r" / "conditions" / "tt_27C_1V" / "trim.json"
    path.write_text(path.read_text().replace('"value": 1.0', '"value": 1.1'))
    with pytest.raises(FileFormatError, match=r"trim\.json was changed after it was written"):
        carry_out(request_of_two, tmp_path / "r", resume=True)
    with pytest.raises(FileFormatError, match=r"trim\.json was changed after it was written"):
        measurement.load(path)


def test_measurements_by_other_code_are_made_anew_and_counted(
    request_of_two: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: a run whose files are all of other code, two of them of a measurement that now fails."""
    carry_out(request_of_two, tmp_path / "undisturbed")
    undisturbed, out = files(tmp_path / "undisturbed"), tmp_path / "r"
    with monkeypatch.context() as patched:
        patched.setattr(taskstore, "machine_identity", lambda: machine_identity() | {"code_sha256": "another"})
        carry_out(request_of_two, out)
    for name in ("synapse", "kernel"):
        planted = (out / "conditions" / "tt_27C_1V" / f"{name}.json").read_bytes()
        (out / "conditions" / "ss_27C_1V" / f"{name}.json").write_bytes(planted)
    assert files(out).keys() > undisturbed.keys()
    _, labels = carry_out(request_of_two, out, resume=True)
    assert labels[0] == "measurements: 0 reused, 10 made anew, 10 of them because other code made their files"
    assert files(out) == undisturbed
    _, labels = carry_out(request_of_two, out, resume=True)
    assert labels[0] == "measurements: 8 reused, 2 made anew"


def test_a_run_that_is_made_anew_by_other_code_is_not_finished_until_its_end(
    request_of_two: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "r"
    carry_out(request_of_two, out)

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(taskstore, "machine_identity", lambda: machine_identity() | {"code_sha256": "another"})
    run.begin(request_of_two, out, resume=True)
    with pytest.raises(KeyboardInterrupt):
        run.execute(request_of_two, out, work=stopped)
    assert not (out / run.RUN).exists()
    assert files(out) == {}


def test_kill_9_and_resume_leave_the_files_of_a_run_that_nothing_disturbed(
    request_of_two: Request, tmp_path: Path
) -> None:
    carry_out(request_of_two, tmp_path / "undisturbed")
    code = """
import sys
from pathlib import Path
from neurocircuit.process import run
from tests.process import fake_work, test_run
request, out = test_run.two_conditions(), Path(sys.argv[1])
run.begin(request, out, resume=(out / run.REQUEST).exists())
run.execute(request, out, 2, work=fake_work.slow_work)
"""
    out = tmp_path / "r"
    for count in (1, 4):
        with running([sys.executable, "-c", code, str(out)], cwd=ROOT) as process:
            wait_until(lambda count=count: len(files(out)) >= count, process)  # type: ignore[misc]
            process.kill()
    assert not (out / run.RUN).exists()
    assert 4 <= len(files(out)) < len(files(tmp_path / "undisturbed"))
    record, _ = carry_out(request_of_two, out, resume=True)
    assert files(out) == files(tmp_path / "undisturbed")
    assert record["status"] == "partial"
    assert set(record["run"]) == set(RunRecord.model_fields)


def test_what_stands_in_the_way_is_told(request_of_two: Request, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "file").write_text("x")
    with pytest.raises(InputError, match="holds other files and no characterisation"):
        run.begin(request_of_two, foreign, resume=False)
    with pytest.raises(InputError, match="--resume must name the directory of a run"):
        run.begin(request_of_two, tmp_path / "new", resume=True)
    run.begin(request_of_two, tmp_path / "r", resume=False)
    with pytest.raises(InputError, match="unfinished run; continue it with --resume"):
        run.begin(request_of_two, tmp_path / "r", resume=False)
    other = Request(**{**vars(request_of_two), "seed": 2})
    with pytest.raises(InputError, match=r"another request \(seed = 1, asked for 2\)"):
        run.begin(other, tmp_path / "r", resume=True)


def test_needs_come_along_in_the_order_of_work() -> None:
    assert with_needs(("prediction",)) == ("trim", "flipflop", "synapse", "kernel", "prediction")
    assert with_needs(tuple(NEEDS)) == tuple(NEEDS)
    for name, needs in NEEDS.items():
        assert set().union(*(NEEDS[need] for need in needs)) <= set(needs), name  # closed: one step is enough
    with pytest.raises(InputError, match=r"--only must be among trim, untrimmed, .* got colour"):
        with_needs(("trim", "colour"))


def test_long_measurements_are_made_once(request_of_two: Request) -> None:
    everything = Request(**{**vars(request_of_two), "measurements": tuple(NEEDS)})
    tt, ss = everything.conditions
    assert everything.at(tt) == tuple(NEEDS)
    assert set(everything.at(tt)) - set(everything.at(ss)) == {
        "assumed_noise",
        "prediction",
        "fan_in",
        "mismatch",
        "power",
        "noise_law",
    }
    trimmed = replace(everything, trim_only=(ss,))
    assert trimmed.at(ss) == ("trim", "untrimmed")
    assert trimmed.at(tt) == tuple(NEEDS)
    assert trimmed.to_dict()["trim_only"] == ["ss_27C_1V"]


def test_conditions_are_all_combinations() -> None:
    found = conditions(("tt", "ff"), (0.0, 85.0), (0.95, 1.05), 1.2)
    assert sorted(slug(one) for one in found)[4:6] == ["tt_0C_1.14V", "tt_0C_1.26V"]
    assert len(found) == 8
    star = conditions(("tt", "ss"), (0.0, 27.0), (0.95, 1.0, 1.05), 1.0, one_at_a_time=True)
    assert [slug(one) for one in star] == [
        "tt_27C_1V",
        "tt_0C_1V",
        "tt_27C_0.95V",
        "tt_27C_1.05V",
        "ss_27C_1V",
    ]
    with pytest.raises(InputError, match="--temp must name one or more different values"):
        conditions(("tt",), (27.0, 27.0), (1.0,), 1.0)


def test_measurement_survives_its_file(tmp_path: Path) -> None:
    made = measurement.Measured(
        (measurement.Quantity("a", "label", float("nan"), "s"), measurement.Quantity("b", "label", 2e-9, "s")),
        {"c": {"t_s": [0.0, float("nan")]}},
        ("remark",),
        {"k": [1, 2]},
        1.25,
    )
    (tmp_path / "m.json").write_text(json.dumps(made.to_dict(), allow_nan=False))
    read = measurement.load(tmp_path / "m.json")
    assert read.value("b") == 2e-9
    assert read.value("a") != read.value("a")
    assert read.curves["c"]["t_s"][0] == 0.0
    assert read.to_dict() == made.to_dict()
    (tmp_path / "m.json").write_text('{"schema": 9}')
    with pytest.raises(InputError, match=r"m.json must have schema 1, got 9"):
        measurement.load(tmp_path / "m.json")
