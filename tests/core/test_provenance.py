"""The code state of a result: clean, changed, changed in reports alone."""

import subprocess

import pytest

import neurocircuit
from neurocircuit.core import provenance


@pytest.fixture
def repository(tmp_path, monkeypatch):
    for name in ("neurocircuit", "reports"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("one")
    monkeypatch.setattr(neurocircuit, "__file__", str(tmp_path / "neurocircuit" / "__init__.py"))
    return tmp_path


def git(folder, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", *identity, "-C", folder, *arguments], check=True, capture_output=True, text=True
    ).stdout


def test_the_commit_and_whether_code_differs_from_it(repository):
    git(repository, "init", "-q")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "x")
    head = git(repository, "rev-parse", "--short=12", "HEAD").strip()
    assert provenance.commit() == head
    (repository / "reports" / "file").write_text("a result")
    (repository / "untracked").write_text("")
    assert provenance.commit() == head
    (repository / "neurocircuit" / "file").write_text("two")
    assert provenance.commit() == f"{head}+"


def test_no_checkout_has_no_commit(repository, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(repository.parent))
    assert provenance.commit() == ""
    monkeypatch.setenv("PATH", "/nonexistent")
    assert provenance.commit() == ""
