"""Build a wheel from the checkout, and install it in an environment that has no torch."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
ABSENT = ("torch", "functorch", "distributed", "dask", "neurocircuit", "_editable", "pip", "__pycache__")


class Installed:
    """The package installed in an environment of its own; commands run outside the checkout."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.python = folder / "venv/bin/python"
        self.work = folder / "elsewhere"
        self.work.mkdir()
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self._environment |= {
            "PATH": f"{self.python.parent}:/usr/bin:/bin",
            "NEUROCIRCUIT_LEDGER": str(folder / "ledger"),
        }
        venv.create(folder / "venv", symlinks=True)
        self._link_dependencies()
        install = [sys.executable, "-m", "pip", "--python", self.python, "install", "-qq", "--no-deps", "--no-index"]
        subprocess.run([*install, wheel], check=True)

    def _link_dependencies(self) -> None:
        """Everything of the test environment but torch, dask and us: no download, and no way to reach them."""
        query = [self.python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
        target = Path(subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip())
        for entry in Path(sysconfig.get_path("purelib")).iterdir():
            if not entry.name.startswith(ABSENT) and entry.suffix != ".pth":
                (target / entry.name).symlink_to(entry)

    def run(self, *command: str, code: int = 0) -> str:
        """Standard output of one of the environment's commands; asserts its exit code."""
        program = self.python.with_name(command[0])
        done = subprocess.run(
            [program, *command[1:]], cwd=self.work, env=self._environment, capture_output=True, text=True
        )
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def build_wheel(folder: Path, *options: str, **environment: str) -> Path:
    """Path of the wheel built from the checkout into `folder`, by the tools of this environment."""
    command = [sys.executable, "-m", "pip", "wheel", "-qq", "--no-deps", "--no-index", "--no-build-isolation"]
    command += ["--wheel-dir", str(folder), *options, str(ROOT)]
    subprocess.run(command, check=True, env={**os.environ, **environment})
    (wheel,) = folder.glob("*.whl")
    return wheel
