"""The code state of a result: clean, changed, changed in reports alone."""

import shutil
import subprocess
from pathlib import Path

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


PACKAGE = Path(neurocircuit.__file__).parent


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A copy of the package's files, to be changed."""
    folder = tmp_path_factory.mktemp("copy") / "neurocircuit"
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    return folder


def changed_hash(package, file):
    """The code's hash with one byte of a file changed."""
    content = file.read_bytes()
    file.write_bytes(bytes([content[0] ^ 1]) + content[1:] if content else b"x")
    try:
        return provenance.code_sha256(package)
    finally:
        file.write_bytes(content)


def test_one_byte_of_any_file_that_can_move_a_number_changes_the_hash_and_other_files_do_not(package):
    before = provenance.code_sha256(package)
    assert before == provenance.code_sha256(PACKAGE)
    files = [file for file in sorted(package.rglob("*")) if file.is_file()]
    names = {file.relative_to(package).as_posix() for file in files}
    # Those that an earlier list of files forgot, and the folders that show numbers.
    assert {"neuron/phase_noise.py", "neuron/chip.py", "neuron/record.py", "units.py", "core/pool.py"} <= names
    assert any(name.startswith("cli/") for name in names)
    assert any(name.startswith("rendering/") for name in names)
    moved = {}
    for file in files:
        moved[file.relative_to(package).as_posix()] = changed_hash(package, file) != before
    shown = {name for name in names if name.split("/")[0] in ("cli", "rendering")}
    assert {name for name, moves in moved.items() if not moves} == shown
    assert provenance.code_sha256(package) == before


def test_a_file_that_is_added_renamed_or_removed_changes_the_hash(package):
    before = provenance.code_sha256(package)
    file, new = package / "units.py", package / "neuron" / "new.py"
    new.write_text("")
    assert provenance.code_sha256(package) != before
    new.unlink()
    file.rename(package / "units2.py")
    assert provenance.code_sha256(package) != before
    (package / "units2.py").rename(file)
    assert provenance.code_sha256(package) == before
