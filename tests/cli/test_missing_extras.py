"""Without an optional package every command that needs it is one line and exit code 2, naming what to type."""

import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = {
    "torch": [
        ("train", "digits"),
        ("evaluate", "w.pt"),
        ("import-weights", ".", "--network", "mnist_scnn", "--out", "w.pt"),
        ("map", "w.pt", "--out", "n.toml"),
        ("calibrate", "n.toml", "--out", "t.nc"),
        ("verify", "n.toml"),
        ("study", "robustness", "fig2", "--weights", "w.pt", "--recipe", "digits", "--out", "o"),
        ("study", "circuit-curves", "--clean", "w.pt", "--out", "o"),
        ("study", "compare-networks", "--clean", "w.pt", "t.nc", "--trained", "w.pt", "t.nc", "--out", "o"),
        ("study", "pvt", "n.toml"),
        ("study", "codesign", "s.toml"),
    ],
    "optuna": [("study", "codesign", "s.toml")],
    "nir": [("export", "w.pt", "--out", "n.nir"), ("import-weights", "n.nir", "--out", "w.pt")],
}
SCRIPT = """
import sys
missing = sys.argv[1]
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Finder())
sys.argv[:] = ["neurocircuit", *sys.argv[2:]]
from neurocircuit.cli import main
main()
"""


@pytest.mark.parametrize(("package", "arguments"), [(name, call) for name, calls in COMMANDS.items() for call in calls])
def test_a_missing_package_is_one_line(package: str, arguments: tuple[str, ...], tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, package, *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert f"{package} is not installed; type: pip install '{package}" in done.stderr
    assert list(tmp_path.iterdir()) == []
