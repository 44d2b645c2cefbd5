"""Result: what stands in result.json, and what `load` refuses."""

import json
import math
from typing import ClassVar

import pytest

from neurocircuit.core.provenance import RunClock
from neurocircuit.core.result import Number, Result, Values, kind_of
from neurocircuit.errors import FileFormatError, InputError


class Row(Values):
    accuracy: Number
    chips: int


class Toss(Result):
    kind: ClassVar[str] = "toss"
    rows: tuple[Row, ...]

    def summary(self) -> str:
        return f"{len(self.rows)} rows"

    def files(self):
        return {"rows.csv": "accuracy\n"}


def test_a_saved_result_is_loaded_as_it_was(tmp_path):
    toss = Toss(rows=(Row(accuracy=0.5, chips=2), Row(accuracy=math.nan, chips=3)), run=RunClock().record())
    folder = toss.save(tmp_path / "a" / "b")
    again = Toss.load(folder)
    assert again.rows[0] == toss.rows[0]
    assert math.isnan(again.rows[1].accuracy)
    assert again.run == toss.run
    assert kind_of(folder) == "toss"
    assert (folder / "rows.csv").read_text() == "accuracy\n"
    assert json.loads((folder / "result.json").read_text())["rows"][1]["accuracy"] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "sweep"}, "must be a result of kind toss, got 'sweep'"),
        ({"schema": 9}, "must have schema 1, got 9"),
        ({"rows": [{"chips": 1}]}, "Toss.rows\\[0\\].accuracy is missing"),
        ({"rows": [{"accuracy": 1, "chips": 1.5}]}, "Toss.rows\\[0\\].chips .*got 1.5"),
        ({"more": 1}, "Toss.more is not a known field"),
    ],
)
def test_foreign_and_damaged_results_are_refused_by_name(tmp_path, change, message):
    folder = Toss(rows=()).save(tmp_path / "run")
    file = folder / "result.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(FileFormatError, match=message):
        Toss.load(folder)


def test_no_result_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*result\.json"):
        Toss.load(tmp_path)
