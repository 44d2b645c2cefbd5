"""neurocircuit study: its commands are listed in lines, and each is there."""

import pytest

from neurocircuit.cli.study import SECTIONS

COMMANDS = [name for section in SECTIONS.values() for name in section]


def test_the_group_alone_prints_its_commands_in_lines(neurocircuit) -> None:
    printed = neurocircuit("study")
    lines = (printed.stdout + printed.stderr).splitlines()
    assert [line.split()[0] for line in lines if line.split()[:1] and line.split()[0] in COMMANDS] == COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_says_how_it_is_used(neurocircuit, name: str) -> None:
    done = neurocircuit("study", name, "--help")
    assert done.returncode == 0
    assert f"neurocircuit study {name}" in " ".join(done.stdout.split())


def test_another_name_is_one_line(neurocircuit) -> None:
    done = neurocircuit("study", "wsim")
    assert (done.returncode, done.stdout) == (2, "")
    assert "wsim" in done.stderr
    assert len(done.stderr.splitlines()) == 1
