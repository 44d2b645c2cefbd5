"""Call the command line in this process and in a folder of its own."""

import pytest

from tests.command_line import call


@pytest.fixture
def neurocircuit(monkeypatch, tmp_path):
    """neurocircuit("simulate", "--json", ...) run in tmp_path."""
    monkeypatch.chdir(tmp_path)
    return call
