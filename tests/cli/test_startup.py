"""The command line as a program: quick help, and one line with exit code 2 for what it cannot read."""

import subprocess
import sys
from pathlib import Path

import pytest

from neurocircuit.cli import COMMANDS

PROGRAM = Path(sys.executable).with_name("neurocircuit")
HEAVY = ("torch", "matplotlib", "PySpice", "numpy", "scipy", "xarray", "pandas", "pydantic", "jinja2", "rich", "dask")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True)


def test_help_lists_every_command() -> None:
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    listed = done.stdout.split("Commands:")[1].split()
    assert set(COMMANDS) <= set(listed)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_json(name: str) -> None:
    done = run(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    subcommands = {
        "table": ("show", "diff"),
        "process": ("list", "check", "fan-in"),
        "robustness": ("table4", "fig2", "jitter", "circuit"),
    }.get(name, ())
    for text in [run(name, sub, "--help").stdout for sub in subcommands] or [done.stdout]:
        assert "--json" in text


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from neurocircuit.cli import main\n"
        "sys.argv = ['neurocircuit', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "Commands:" in done.stdout
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("wsim",), "wsim"),
        (("--jitter", "1%"), "--jitter"),
        (("sweep", "--jiter", "1%"), "--jiter"),
        (("spec", "extra"), "extra"),
        (("spec", "--spec"), "--spec"),
        (("doctor", "--jason"), "--jason"),
        (("table", "wsim"), "wsim"),
        (("report",), "RUN"),
    ],
)
def test_unreadable_command_line_is_one_line_and_exit_2(arguments: tuple[str, ...], named: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert named in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("neurocircuit: ")


def test_no_command_prints_the_help() -> None:
    done = run()
    assert "Commands:" in done.stdout + done.stderr
