"""Fake ngspice executables: scripts that misbehave on purpose."""

import shutil
import sys
import textwrap

import pytest

from neurocircuit.spice import process as processes

VERSION = "** ngspice-39 : Circuit level simulation program\n** XSPICE extensions included\n"

PRELUDE = f"""\
#!{sys.executable} -I
import os, signal, struct, subprocess, sys, time
deck = open("deck.cir").read()
if "version -f" in deck:
    sys.stdout.write({VERSION!r})
    sys.exit(0)


def raw(names, rows, points=None):
    lines = ["Title: fake", "Date: today", "Plotname: Transient Analysis", "Flags: real"]
    points = len(rows) if points is None else points
    lines += [f"No. Variables: {{len(names)}}", f"No. Points: {{points}}", "Variables:"]
    lines += [f"\\t{{k}}\\t{{name}}\\tvoltage" for k, name in enumerate(names)]
    text = "\\n".join(lines) + "\\nBinary:\\n"
    data = b"".join(struct.pack(f"<{{len(names)}}d", *row) for row in rows)
    open("out.raw", "wb").write(text.encode() + data)


"""


@pytest.fixture
def fake_ngspice(tmp_path, monkeypatch):
    """Call it with the body of a Python script: from then on that script is ngspice. Its temporary files go here."""

    def install(body):
        path = tmp_path / "fake-ngspice"
        path.write_text(PRELUDE + textwrap.dedent(body))
        path.chmod(0o755)
        monkeypatch.setenv("NEUROCIRCUIT_NGSPICE", str(path))
        return path

    return install


@pytest.fixture(autouse=True)
def work_root(tmp_path, monkeypatch):
    """Where the runs put their folders."""
    root = tmp_path / "runs"
    root.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(root))
    return root


@pytest.fixture
def copy(tmp_path):
    """A user's own process: generic65 in another folder; call it with replacements for its TOML."""

    def write(*replacements):
        folder = processes.load("generic65").folder
        for path in folder.iterdir():
            if path.is_file():
                shutil.copy(path, tmp_path)
        toml = tmp_path / "process.toml"
        text = toml.read_text()
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        toml.write_text(text)
        return str(toml)

    return write
