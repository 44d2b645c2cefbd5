import sqlite3

import numpy as np
import pytest

from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.studies.sweep.ledger import Ledger, check, default_path
from neurocircuit.studies.sweep.worker import BatchResult


@pytest.fixture
def batch(testbench, request_for):
    return request_for(testbench()).batches()[0]


RESULT = BatchResult(np.array([1.25, np.inf, np.nan, 0.1 + 0.2]), {2: "no convergence"}, 0.5)


def test_a_result_comes_back_exactly(tmp_path, batch):
    with Ledger(tmp_path / "l.sqlite") as ledger:
        assert ledger.get("a") is None
        assert ledger.seconds_per_evaluation(batch.level) is None
        ledger.put("a", batch, RESULT)
    with Ledger(tmp_path / "l.sqlite", read_only=True) as ledger:
        found = ledger.get("a")
        assert ledger.get("b") is None
        assert ledger.seconds_per_evaluation(batch.level) == pytest.approx(0.5 / batch.count)
    assert found.fire_time_over_tau.tobytes() == RESULT.fire_time_over_tau.tobytes()
    assert found.failures == RESULT.failures


def test_two_sweeps_may_hold_one_ledger_open_and_the_first_result_stays(tmp_path, batch):
    path = tmp_path / "l.sqlite"
    with Ledger(path) as one, Ledger(path) as two:
        one.put("a", batch, RESULT)
        two.put("a", batch, BatchResult(np.zeros(4)))
        two.put("b", batch, BatchResult(np.zeros(4)))
        assert one.get("b").fire_time_over_tau.tolist() == [0.0] * 4
        assert two.get("a").failures == RESULT.failures


def _text(path):
    path.write_text("not a database, but long enough to be taken for one\n" * 100)


def _foreign(path):
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE bookmarks (url TEXT)")
    database.close()


def _truncated(path):
    with Ledger(path) as ledger:
        ledger._database.execute("PRAGMA journal_mode = DELETE")
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize("damage", [_text, _foreign, _truncated])
def test_a_foreign_or_damaged_file_is_refused_by_name_and_left_alone(tmp_path, damage):
    path = tmp_path / "l.sqlite"
    damage(path)
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"l\.sqlite"), Ledger(path) as ledger:
        ledger.get("a")
    assert path.read_bytes() == before


def test_an_altered_result_is_refused(tmp_path, batch):
    path = tmp_path / "l.sqlite"
    with Ledger(path) as ledger:
        ledger.put("a" * 64, batch, RESULT)
        ledger._database.execute("UPDATE batch SET fire_time = zeroblob(32)")
        with pytest.raises(FileFormatError, match=r"l\.sqlite is damaged at batch aaaaaaaaaaaa"):
            ledger.get("a" * 64)


def test_a_place_that_cannot_hold_a_ledger_is_named(tmp_path):
    for path in (tmp_path, tmp_path / "missing" / "l.sqlite"):
        with pytest.raises(InputError, match="must be a file in a directory that exists"):
            check(path)
    check(tmp_path / "new.sqlite")
    assert not (tmp_path / "new.sqlite").exists()


def test_the_environment_may_name_the_ledger(monkeypatch, tmp_path):
    monkeypatch.setenv("NEUROCIRCUIT_LEDGER", str(tmp_path / "here.sqlite"))
    assert default_path() == tmp_path / "here.sqlite"
    monkeypatch.delenv("NEUROCIRCUIT_LEDGER")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_path() == tmp_path / "neurocircuit" / "ledger.sqlite"
