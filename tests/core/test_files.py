import os
import threading
from pathlib import Path

import pytest

from neurocircuit.core.files import write_atomically
from neurocircuit.errors import InputError


def _names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


def test_text_is_written_as_utf8_and_replaces_the_old_content(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    write_atomically(target, "τ = 20 ns\n")
    assert target.read_bytes() == "τ = 20 ns\n".encode()
    assert _names(tmp_path) == ["a.txt"]


def test_the_file_gets_the_permissions_of_an_ordinary_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_atomically(tmp_path / "b", b"1")
    assert (tmp_path / "b").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_failure_on_the_way_leaves_the_old_file_and_no_temporary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")

    def full_disk(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(InputError, match=r"cannot write .*a\.txt: No space left on device"):
        write_atomically(target, "new")
    assert target.read_text() == "old"
    assert _names(tmp_path) == ["a.txt"]


def test_an_interrupt_leaves_no_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a.txt", "new")
    assert _names(tmp_path) == []


@pytest.mark.parametrize("make", ["missing", "file"])
def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path, make: str) -> None:
    if make == "file":
        (tmp_path / "dir").touch()
    with pytest.raises(InputError, match=r"cannot write .*dir/a\.txt: (No such file|Not a directory)"):
        write_atomically(tmp_path / "dir" / "a.txt", "x")


def test_the_target_being_a_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(InputError, match=r"cannot write .*a\.txt"):
        write_atomically(tmp_path / "a.txt", "x")
    assert _names(tmp_path) == ["a.txt"]


def test_a_reader_never_sees_a_part(tmp_path: Path) -> None:
    target = tmp_path / "a"
    versions = [bytes([65 + k]) * 200_000 for k in range(4)]
    write_atomically(target, versions[0])
    seen: list[bytes] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.append(target.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for k in range(40):
        write_atomically(target, versions[k % 4])
    done.set()
    reader.join()
    assert seen
    assert all(content in versions for content in seen)
