"""Format, lint, types and import contracts, so that the test command and CI refuse what `make check` refuses."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = {
    "format": ("ruff", "format", "--check"),
    "lint": ("ruff", "check"),
    "types": ("mypy",),
    "contracts": ("lint-imports", "--no-logo"),
}


@pytest.mark.parametrize("tool", TOOLS)
def test_tool_has_no_complaint(tool: str) -> None:
    command, *arguments = TOOLS[tool]
    done = subprocess.run(
        [Path(sys.executable).with_name(command), *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
