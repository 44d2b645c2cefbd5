"""Scripts of the tutorials run with tiny sizes; commands in the texts have the options that they are shown with."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from runpy import run_path

import click
import pytest

from neurocircuit.cli import group

ROOT = Path(__file__).parents[1]
TEXTS = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), ROOT / "netlists/README.md", ROOT / "training/README.md"]
BLOCK = re.compile(r"```(?:sh|bash)?\n(.*?)```|((?:^ {4}\S.*\n)+)", re.DOTALL | re.MULTILINE)


def test_researcher(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    run_path(str(ROOT / "examples/researcher.py"))["main"](["--quick", "--out", "out"])
    assert (tmp_path / "out/replay/report.html").exists()
    assert "trained under noise:  accuracy" in capsys.readouterr().out


def test_team(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("torch")
    run_path(str(ROOT / "examples/team.py"))["main"](["--quick", "--out", str(tmp_path / "out")])
    printed = capsys.readouterr().out
    assert "noisy: On the circuit noisy the network mnist_scnn has" in printed
    assert "phase_noise 100000, aware" in printed
    assert (tmp_path / "out/curves/report.html").exists()


def test_designer(tmp_path: Path) -> None:
    """The script of a shell with the command of this environment, on generic65's card as if it were new."""
    spec = ROOT / "netlists/processes/generic65/characterised/spec.toml"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["/bin/sh", ROOT / "examples/designer.sh", ROOT / "netlists/processes/generic65/generic65.lib", "mine"],
        cwd=tmp_path,
        env=os.environ | {"PATH": path, "QUICK": str(spec), "TRIALS": "5"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert "the ring runs at" in done.stdout
    assert (tmp_path / "mine-table3/report.html").exists()


def commands_of(text: str) -> list[str]:
    """Return the commands of neurocircuit in the code blocks of a text, continued lines joined."""
    blocks = ["".join(groups).replace("\\\n", " ") for groups in BLOCK.findall(text)]
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip().startswith("neurocircuit ")]


def unknown_options(command: str) -> list[str]:
    """Return the words of a command that neither name a subcommand nor are options of it."""
    words = shlex.split(command.partition("#")[0])[1:]
    at: click.Command = group
    while isinstance(at, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        step = at.get_command(click.Context(at), name)
        if step is None:
            return [name]
        at = step
    known = {text for option in at.params for text in (*option.opts, *option.secondary_opts)} | {"--help", "-h"}
    return [word for word in words if re.match(r"--?[a-z]", word) and word.partition("=")[0] not in known]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_texts_have_the_options_that_they_are_shown_with(path: Path) -> None:
    wrong = {line: words for line in commands_of(path.read_text("utf-8")) if (words := unknown_options(line))}
    assert not wrong


def test_commands_are_read_from_texts_and_a_wrong_option_is_noticed() -> None:
    text = (ROOT / "docs/start.md").read_text("utf-8")
    assert len(commands_of(text)) >= 8
    assert commands_of("    neurocircuit sweep --jiter 1%\n") == ["neurocircuit sweep --jiter 1%"]
    assert unknown_options("neurocircuit sweep --jiter 1%") == ["--jiter"]
    assert unknown_options("neurocircuit swep") == ["swep"]
    assert unknown_options("neurocircuit study pvt network.toml --images 4  # four") == []
