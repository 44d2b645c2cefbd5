"""The command line as a program: quick help, and one line with exit code 2 for what it cannot read."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from neurocircuit.cli import group
from neurocircuit.cli.study import command as study

COMMANDS = tuple(name for commands in group.sections.values() for name in commands)
STUDIES = tuple(name for commands in study.sections.values() for name in commands)
PROGRAM = Path(sys.executable).with_name("neurocircuit")
HEAVY = ("torch", "matplotlib", "PySpice", "numpy", "scipy", "xarray", "pandas", "pydantic", "jinja2", "rich", "dask")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True)


def test_help_lists_every_command() -> None:
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    listed = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ") and line.strip()]
    assert set(COMMANDS) <= set(listed)
    for heading in ("Neuron:", "Process:", "Network:", "Study:"):
        assert f"\n{heading}\n" in done.stdout


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of all commands that are no groups, from the tree itself."""
    if not isinstance(command, click.Group):
        yield path
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        assert child is not None
        yield from leaves(child, (*path, name))


@pytest.mark.parametrize("path", list(leaves(group)), ids=" ".join)
def test_every_command_has_help_and_json(path: tuple[str, ...]) -> None:
    done = CliRunner().invoke(group, [*path, "--help"])
    assert (done.exit_code, done.stderr) == (0, "")
    assert "--json" in done.stdout or path == ("schema",)  # it prints nothing but JSON


@pytest.mark.parametrize("path", [(), ("study",), ("table",), ("process",)], ids=" ".join)
def test_a_group_without_a_command_prints_its_help_in_lines(path: tuple[str, ...]) -> None:
    done = run(*path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) > 6
    assert done.stderr.startswith(f"Usage: neurocircuit {' '.join(path)}")


@pytest.mark.parametrize(("group_of", "listed"), [((), COMMANDS), (("study",), STUDIES)])
def test_help_imports_nothing_heavy(group_of: tuple[str, ...], listed: tuple[str, ...]) -> None:
    script = f"""
import sys
from neurocircuit.cli import main
sys.argv = ["neurocircuit", *{group_of!r}, "--help"]
try:
    main()
except SystemExit:
    pass
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert all(name in done.stdout for name in listed)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("wsim",), "No such command 'wsim'"),
        (("swep",), "No such command 'swep'; did you mean sweep?"),
        (("study", "codesing"), "No such command 'codesing'; did you mean codesign?"),
        (("train", "mnis"), "got 'mnis'; did you mean mnist?"),
        (("train", "mnist", "--set", "epoch=1", "--out", "none/run"), "got 'epoch'; did you mean epochs?"),
        (("--jitter", "1%"), "--jitter"),
        (("sweep", "--jiter", "1%"), "--jiter"),
        (("spec", "extra"), "extra"),
        (("spec", "--spec"), "--spec"),
        (("doctor", "--jason"), "--jason"),
        (("table", "wsim"), "wsim"),
        (("report",), "RUN"),
        (("study", "recovered"), "recovered"),
    ],
)
def test_unreadable_command_line_is_one_line_and_exit_2(arguments: tuple[str, ...], named: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert named in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("neurocircuit: ")
