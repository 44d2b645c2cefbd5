from dataclasses import replace
from pathlib import Path

import pytest

from neurocircuit.errors import InputError
from neurocircuit.process import result, run
from neurocircuit.process.request import NEEDS, Request, conditions, slug, with_needs
from tests.process.fake_work import work


@pytest.fixture
def request_of_two() -> Request:
    return Request(
        process="generic65",
        conditions=conditions(("tt", "ss"), (27.0,), (1.0,), 1.0),
        measurements=with_needs(("kernel", "cco")),
        resolution=1e-4,
        cases=4,
        seed=1,
    )


def carry_out(request: Request, out: Path, resume: bool = False) -> tuple[dict, list[run.Event]]:
    events: list[run.Event] = []
    run.begin(request, out, resume)
    return run.execute(request, out, 2, ("test",), events.append, work), events


def test_a_failure_takes_only_what_needs_it(request_of_two: Request, tmp_path: Path) -> None:
    record, events = carry_out(request_of_two, tmp_path / "r")
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
    assert len(events) == 10


def test_resume_repeats_only_what_is_missing(request_of_two: Request, tmp_path: Path) -> None:
    out = tmp_path / "r"
    carry_out(request_of_two, out)
    gone = out / "conditions" / "tt_27C_1V" / "kernel.json"
    before = gone.read_bytes()
    gone.unlink()
    _, events = carry_out(request_of_two, out, resume=True)
    made = {(slug(e.condition), e.measurement) for e in events if not e.skipped}
    assert made == {("tt_27C_1V", "kernel"), ("ss_27C_1V", "synapse"), ("ss_27C_1V", "kernel")}
    assert gone.read_bytes() == before


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
    assert set(everything.at(tt)) - set(everything.at(ss)) == {"noise", "prediction"}
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
    made = result.Measured(
        (result.Quantity("a", "label", float("nan"), "s"), result.Quantity("b", "label", 2e-9, "s")),
        {"c": {"t_s": [0.0, float("nan")]}},
        ("remark",),
        {"k": [1, 2]},
        1.25,
    )
    result.save(tmp_path / "m.json", made)
    read = result.load(tmp_path / "m.json")
    assert read.value("b") == 2e-9
    assert read.value("a") != read.value("a")
    assert read.curves["c"]["t_s"][0] == 0.0
    assert read.to_dict() == made.to_dict()
    (tmp_path / "m.json").write_text('{"schema": 9}')
    with pytest.raises(InputError, match=r"m.json: measurement must have schema 1, got 9"):
        result.load(tmp_path / "m.json")
