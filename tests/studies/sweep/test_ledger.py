import pytest

from neurocircuit.errors import InputError
from neurocircuit.studies.sweep.ledger import check, default_path, name_of, store_at


def test_sweeps_share_a_ledger_and_may_use_it_at_once(tmp_path):
    path = tmp_path / "new" / "ledger"
    one, two = store_at(path), store_at(path)
    key = "ab" * 32
    one.put(name_of(key), key, {"a": 1})
    assert two.get(name_of(key), key) == {"a": 1}
    check(path)


def test_what_cannot_be_a_ledger_is_named_and_left_alone(tmp_path):
    (tmp_path / "file").write_text("text")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.txt").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / "folder"):
        with pytest.raises(InputError, match=f"ledger {path}"):
            check(path)
    check(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_environment_may_name_the_ledger(monkeypatch, tmp_path):
    monkeypatch.setenv("NEUROCIRCUIT_LEDGER", str(tmp_path / "here"))
    assert default_path() == tmp_path / "here"
    monkeypatch.delenv("NEUROCIRCUIT_LEDGER")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_path() == tmp_path / "neurocircuit" / "ledger"
