"""Call the command line in this process; a subprocess would spend its time on imports."""

from dataclasses import dataclass

import pytest

from neurocircuit.cli import main


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def neurocircuit(monkeypatch, capsys, tmp_path):
    """neurocircuit("simulate", "--json", ...) run in tmp_path."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Done:
        monkeypatch.setattr("sys.argv", ["neurocircuit", *arguments])
        capsys.readouterr()
        code: int | str | None = 0
        try:
            main()
        except SystemExit as left:
            code = left.code
        printed = capsys.readouterr()
        return Done(int(code or 0), printed.out, printed.err)

    return call
